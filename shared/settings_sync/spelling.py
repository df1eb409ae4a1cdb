"""The names of one setting on Windows and on Linux sites. Pure: names in, names out.

A Windows site spells a nested name `A:B`, a Linux site `A__B`; .NET reads both as the key `A:B`, in any case
of letters. `diff` asks for the keys of a site, `plan` and the writer for a key's name on another site.
Why names that are merely alike are refused: docs/decisions/0003-name-spelling.md.
"""

import re
from collections.abc import Callable, Iterable, Mapping

import msgspec

from shared.groups.model import Os

CONNECTION = "connectionstrings/"  # begins the key of every connection string, and of nothing else
_APP = "appsettings/"  # begins the key of an app setting whose name would look like one of the two
_UNSTORABLE = re.compile(r"[\ud800-\udfff]|%(?=u[0-9A-Fa-f]{4})")
_NOT_ON_LINUX = re.compile(r"[^A-Za-z0-9_]")  # facts: App Service, configure-common


class Untranslatable(msgspec.Struct, frozen=True):
    """The key has no faithful name on that site; the reason is for a person."""

    reason: str


def canonical(name: str) -> str:
    """The name that an app reads here: `:` for every `__`, the case of the letters kept."""
    return name.replace("__", ":")


def storable(name: str) -> str:
    """The name with `%uD800` for half of a character, which no row can hold. Different names stay different."""
    return _UNSTORABLE.sub(lambda found: f"%u{ord(found[0]):04X}", name)


def app_key(name: str) -> str:
    """The key of an app setting. Whatever its name, it is no connection string's key."""
    key = canonical(storable(name))
    return f"{_APP}{key}" if key.lower().startswith((CONNECTION, _APP)) else key


def connection_key(name: str) -> str:
    """The key of a connection string, whose name is spelled alike on both platforms."""
    return CONNECTION + storable(name)


def is_connection(key: str) -> bool:
    """Return whether the key is a connection string's."""
    return key.startswith(CONNECTION)


def fold(key: str) -> str:
    """The key without what may differ between people and regions: capitals, and an app setting's spelling."""
    return (key if is_connection(key.lower()) else canonical(key)).lower()


def by_key(
    names: Iterable[str], *, known: Iterable[str] = (), key_of: Callable[[str], str] = app_key
) -> Mapping[str, tuple[str, ...]]:
    """Find the key behind each name of one site; a key with more than one name is ambiguous.

    Args:
        names: All names of one kind of one site.
        known: Keys already in use (the baseline's, other regions'). A name that differs from one of them only
            in case has that key, so that regions which disagree about capitals still agree about keys.
        key_of: `app_key`, or `connection_key`.
    """
    spelled: dict[str, str] = {}
    for key in known:
        spelled.setdefault(key.lower(), key)
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        found.setdefault(key_of(name).lower(), []).append(name)
    return {spelled.get(name, key_of(spellings[0])): tuple(spellings) for name, spellings in found.items()}


def spell(
    key: str, *, source_name: str, source_os: Os, target_os: Os, target_names: Mapping[str, str]
) -> str | Untranslatable:
    """The name under which the target has, or is to have, a key of the source.

    Args:
        key: The canonical key.
        source_name: The name as the source's site spells it.
        source_os: What the source runs.
        target_os: What the target runs.
        target_names: The target's own keys with their names, as `by_key` finds them.
    """
    if key in target_names:
        return target_names[key]  # whoever administers that site chose it
    twin = next((name for own, name in target_names.items() if own.lower() == key.lower()), None)
    if twin is not None:
        return Untranslatable(f"{key} would stand beside {twin}, which differs from it only in case")
    if "=" in source_name:
        return Untranslatable(f"{source_name} has a '=', which no app setting's name may have")
    if source_os is target_os:
        return source_name
    return _on_linux(source_name) if target_os is Os.LINUX else _on_windows(source_name)


def _on_linux(source_name: str) -> str | Untranslatable:
    name = source_name.replace(":", "__")
    if "." in name:
        return Untranslatable(f"{source_name} has a '.', which the app would see as '_' on Linux")
    if strange := sorted(set(_NOT_ON_LINUX.findall(name))):
        shown = " ".join(strange)
        return Untranslatable(
            f"{source_name} has {shown} in it: a name on Linux has letters, digits and '_' only"
        )
    if canonical(name) != canonical(source_name):
        return Untranslatable(
            f"{source_name} has '_' before ':': as {name} the app on Linux would read another key"
        )
    return name


def _on_windows(source_name: str) -> str | Untranslatable:
    if "." in source_name:
        return Untranslatable(
            f"{source_name} has a '.', which the app on Linux sees as '_' and on Windows as '.'"
        )
    return canonical(source_name)
