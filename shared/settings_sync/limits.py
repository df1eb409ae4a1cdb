"""What App Service would refuse or cut off in a settings PUT, known before it is sent. Pure.

Each limit with its source: docs/settings-limits.md. Only what surely does not fit is refused here. What the
platform's own variables add is not known; a region that does not start for it gets its old values back.
"""

from shared.groups.model import RegionSettings, Value, is_broken

LONGEST_VALUE = 10_000  # characters, as .NET counts them
ENVIRONMENT = 65_535  # bytes of a process's environment block: NAME=value and a zero byte for each


def obstacle(name: str, value: Value) -> str:
    """Return why a setting of this name with this value cannot be written to a site, or nothing."""
    if not name.strip():
        return "its name is empty or blank"
    for text, what in ((name, "name"), (value.raw, "value")):
        if is_broken(text):
            return f"its {what} holds half of a character (a lone surrogate)"
        if "\0" in text:
            return f"its {what} holds a zero character, where an environment variable would end"
    length = len(value.raw.encode("utf-16-le")) // 2
    if length > LONGEST_VALUE:
        return f"its value has {length:,} characters; App Service takes {LONGEST_VALUE:,}"
    return ""


def size(name: str, value: Value) -> int:
    """The bytes that a setting takes of the environment block, at least."""
    return len(f"{name}={value.reveal()}\0".encode(errors="surrogatepass"))


def total(settings: RegionSettings) -> int:
    """The bytes that all settings of a site take, at least."""
    app = sum(size(name, value) for name, value in settings.app.items())
    return app + sum(
        size(name, connection_string.value) for name, connection_string in settings.connections.items()
    )


def too_long(region: str, bytes_: int) -> str:
    """Return why a region cannot have so many bytes of settings, or nothing."""
    if bytes_ <= ENVIRONMENT:
        return ""
    return f"{region}'s settings would take {bytes_:,} bytes of the {ENVIRONMENT:,} of an environment block"
