"""The known hosts, channels and files, and which of them are twins. Pure.

Source: the vendor's page application-artifacts.md and the constants of its PowerShell module. The names differ
between channels: `Artifacts-Intern.zip` is the internal one for Windows, `Artifacts-Linux-Internal.zip` for Linux.
The deferred channel is on GitHub only, in a branch of its own. Never a file of one commit: the vendor rewrites its
history.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from shared.artifact_hosts.model import SETTING, Location, Origin
from shared.groups.model import AppSettings, Os, Value

GITHUB, VENDOR = "github", "vendor"
HOSTS: Final[Mapping[str, str]] = {
    GITHUB: "https://raw.githubusercontent.com/scepman/install/",
    VENDOR: "https://install.scepman.com/",
}
"""Where each host's files begin."""

_BRANCHES: Final = {
    GITHUB: "master/",
    VENDOR: "",
}  # of the install repository; the vendor's own host has none

# channel -> (folder, file for Windows, file for Linux)
_FILES: Final[Mapping[str, tuple[str, str, str]]] = {
    "prod": ("dist", "Artifacts.zip", "Artifacts-Linux.zip"),
    "beta": ("dist", "Artifacts-Beta.zip", "Artifacts-Linux-Beta.zip"),
    "internal": ("dist", "Artifacts-Intern.zip", "Artifacts-Linux-Internal.zip"),
    "certmaster-prod": ("dist-certmaster", "CertMaster-Artifacts.zip", "CertMaster-Artifacts-Linux.zip"),
    "certmaster-beta": (
        "dist-certmaster",
        "CertMaster-Artifacts-Beta.zip",
        "CertMaster-Artifacts-Linux-Beta.zip",
    ),
    "certmaster-internal": (
        "dist-certmaster",
        "CertMaster-Artifacts-Intern.zip",
        "CertMaster-Artifacts-Linux-Internal.zip",
    ),
}
_DEFERRED: Final = "deferred"
_DEFERRED_BRANCH: Final = "deferred/"

_RETIRED: Final = re.compile(
    r"https?://github\.com(:443)?/glueckkanja/gk-scepman/.*?(?P<file>[^/?#]*)([?#].*)?", re.IGNORECASE
)
_URL: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<user>[^/?#]*@)?(?P<host>\[[^\]/?#]*\]|[^/?#:@]*)(?P<port>:\d*)?"
    r"(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?(?P<fragment>#.*)?",
    re.IGNORECASE,
)
_SIGNATURE_END: Final = re.compile(r"[?&]se=(?P<end>[^&#]{1,60})")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_CUSTOM_ID: Final = 16  # hexadecimal digits of a custom location's id


class Twins(msgspec.Struct, frozen=True):
    """An operator's own URLs under which the same package lies, for one operating system."""

    name: str  # of the channel: lower-case letters, digits and dashes
    os: Os
    urls: tuple[Value, ...]


class NotWatched(msgspec.Struct, frozen=True):
    """The region takes its package from no URL that can be watched; the reason is for a person."""

    reason: str
    missing: bool = False  # there is no setting, or nothing in it


class _Entry(msgspec.Struct, frozen=True):
    location: Location
    url: Value


class Catalogue:
    """Every location that is known by name, with its URL.

    Args:
        hosts: the vendor's hosts with the URLs where their files begin, each ending with a slash.
        twins: an operator's own.
        secret: stands for a custom URL in a location's id; one URL has one id, and the id does not tell the URL.
    """

    def __init__(
        self,
        *,
        hosts: Mapping[str, str] = HOSTS,
        twins: Sequence[Twins] = (),
        secret: Callable[[Value], str] = lambda url: hashlib.sha256(url.reveal().encode()).hexdigest(),
    ) -> None:
        self._secret = secret
        self._hosts = {host_of(Value(url)): name for name, url in hosts.items()}
        listed = [entry for one in twins for entry in self._listed(one)]
        self._entries = {vendor.location.id: vendor for vendor in (*_vendors(hosts), *listed)}
        # The operator's word counts where a vendor's URL is listed among twins too: so the later entry wins.
        self._by_url = {normal(entry.url.reveal()): entry for entry in self._entries.values()}
        self._alike: dict[tuple[str, Os | None], list[Location]] = {}
        for entry in self._entries.values():
            self._alike.setdefault((entry.location.channel, entry.location.os), []).append(entry.location)

    def url(self, location: Location) -> Value | None:
        """The location's URL, when it is known by name."""
        entry = self._entries.get(location.id)
        return entry.url if entry else None

    def locate(self, url: Value) -> Location:
        """The location that a URL leads to; one that is not known by name gets a name made from it."""
        if entry := self._by_url.get(normal(url.reveal())):
            return entry.location
        if retired := _RETIRED.fullmatch(url.reveal().strip()):
            return _retired(retired["file"])
        return Location(
            id=self._id(url), host=self._host(url), channel="custom", os=None, origin=Origin.UNLISTED
        )

    def twins(self, location: Location, os: Os) -> tuple[Location, ...]:
        """Return the other locations of the same channel's file for this system; never another channel's."""
        return tuple(item for item in self._alike.get((location.channel, os), ()) if item.id != location.id)

    def _listed(self, twins: Twins) -> Iterable[_Entry]:
        for url in twins.urls:
            location = Location(
                id=self._id(url),
                host=self._host(url),
                channel=twins.name,
                os=twins.os,
                origin=Origin.LISTED,
            )
            yield _Entry(location, url)

    def _host(self, url: Value) -> str:
        host = host_of(url)
        return self._hosts.get(host, host)

    def _id(self, url: Value) -> str:
        return f"custom.{self._secret(Value(normal(url.reveal())))[:_CUSTOM_ID]}"


def _vendors(hosts: Mapping[str, str]) -> Iterable[_Entry]:
    for host, base in hosts.items():
        branch = _BRANCHES[host]
        for channel, (folder, windows, linux) in _FILES.items():
            yield _vendors_file(host, channel, Os.WINDOWS, f"{base}{branch}{folder}/{windows}")
            yield _vendors_file(host, channel, Os.LINUX, f"{base}{branch}{folder}/{linux}")
    if github := hosts.get(GITHUB):
        for channel in ("prod", "certmaster-prod"):
            folder, windows, linux = _FILES[channel]
            name = channel.replace("prod", _DEFERRED)
            yield _vendors_file(GITHUB, name, Os.WINDOWS, f"{github}{_DEFERRED_BRANCH}{folder}/{windows}")
            yield _vendors_file(GITHUB, name, Os.LINUX, f"{github}{_DEFERRED_BRANCH}{folder}/{linux}")


def _vendors_file(host: str, channel: str, os: Os, url: str) -> _Entry:
    location = Location(
        id=f"{host}.{channel}.{os}", host=host, channel=channel, os=os, origin=Origin.CATALOGUE
    )
    return _Entry(location, Value(url))


def _retired(file: str) -> Location:
    """A location at the host that the vendor shut down in December 2024; its file names were today's."""
    for channel, (_, windows, linux) in _FILES.items():
        for os, name in ((Os.WINDOWS, windows), (Os.LINUX, linux)):
            if name.lower() == file.lower():
                return Location(
                    id=f"retired.{channel}.{os}",
                    host="retired",
                    channel=channel,
                    os=os,
                    origin=Origin.RETIRED,
                )
    return Location(id="retired.other", host="retired", channel="other", os=None, origin=Origin.RETIRED)


def package_setting(settings: AppSettings) -> tuple[str, Value] | None:
    """The setting that names the package, by the site's own spelling; None when there is none."""
    return next(((name, value) for name, value in settings.items() if name.upper() == SETTING), None)


def use_of(settings: AppSettings, catalogue: Catalogue) -> Location | NotWatched:
    """Return where a site with these settings takes its package from."""
    found = package_setting(settings)
    text = found[1].reveal().strip() if found else ""
    if not text or text == "0":
        reason = "its files were deployed to it: no package is fetched when it starts"
        return NotWatched(reason, missing=True)
    if text == "1":
        return NotWatched("it runs from a zip in its own storage: no package is fetched when it starts")
    if text.startswith("@Microsoft.KeyVault("):
        return NotWatched("its package URL lies in Key Vault, where Counterpart does not read it")
    if host_of(Value(text)) == "nowhere":
        return broken("no-url")
    return catalogue.locate(Value(text))


def broken(how: str) -> Location:
    """The place of a region whose package setting leads nowhere; `how` is `missing` or `no-url`."""
    return Location(id=f"broken.{how}", host="nowhere", channel=how, os=None, origin=Origin.BROKEN)


BROKEN: Final = {
    "missing": f"{SETTING} is missing or empty, although the other regions fetch a package",
    "no-url": f"{SETTING} is no URL",
}
"""What is wrong with a broken setting, by its location's channel."""


def signature_until(settings: AppSettings) -> datetime | None:
    """When the shared access signature of the package URL ends (`se` of its query); None: it has none, or no end.

    Source: the service SAS of Azure Storage, whose times are ISO 8601 in UTC, to the day, minute or second.
    """
    found = package_setting(settings)
    said = _SIGNATURE_END.search(found[1].reveal()) if found else None
    try:
        until = datetime.fromisoformat(said["end"].upper().replace("%3A", ":") if said else "")
        return until.astimezone(UTC) if until.tzinfo else until.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # no date, or one at the end of time
        return None


def unfit(url: Value) -> str:
    """Return why App Service would not take a package from this URL, or nothing. Never says the URL."""
    parts = _URL.fullmatch(url.reveal().strip())
    if parts is None or not parts["host"]:
        return "this is no URL"
    if parts["scheme"].lower() != "https":
        return "the URL is not HTTPS"
    if parts["user"]:
        return "the URL has a user name in it"
    if not (parts["path"] or "").lower().endswith(".zip"):
        return "the URL's path does not end with .zip, as App Service wants it"
    return ""


def host_of(url: Value) -> str:
    """The DNS name of a URL, lower case; `nowhere` for what is no URL."""
    parts = _URL.fullmatch(url.reveal().strip())
    return parts["host"].lower() if parts and parts["host"] else "nowhere"


def normal(url: str) -> str:
    """A URL in the one form under which it is compared: scheme and host in lower case, no default port."""
    parts = _URL.fullmatch(url.strip())
    if parts is None:
        return url.strip()
    port = "" if parts["port"] in {None, ":", ":443"} else parts["port"]
    path, query = parts["path"] or "/", parts["query"] or ""
    return f"{parts['scheme'].lower()}://{parts['user'] or ''}{parts['host'].lower()}{port}{path}{query}"


# -- what a person writes into the configuration ------------------------------------------------------------------


def parse_twins(text: str) -> tuple[Twins, ...]:
    """Read `name os url url; name os url ...`.

    Raises:
        ValueError: what is wrong, without a URL, as one may carry a signature.
    """
    return tuple(_parse_twins(part.split()) for part in text.split(";") if part.strip())


def _parse_twins(words: Sequence[str]) -> Twins:
    if len(words) < 3:  # noqa: PLR2004 -- a name, a system, a URL
        raise ValueError("twins are a name, windows or linux, and URLs")
    name, os, *urls = words
    if not _NAME.fullmatch(name) or name in {*_FILES, _DEFERRED, "custom", "retired"}:
        raise ValueError(
            f"{name!r} cannot name twins: lower-case letters, digits and dashes, no vendor's channel"
        )
    if os not in set(Os):
        raise ValueError(f"{os!r} is neither windows nor linux")
    for number, url in enumerate(urls, start=1):
        if why := unfit(Value(url)):
            raise ValueError(f"URL {number} of {name}: {why}")
    if len({host_of(Value(url)) for url in urls}) < len(urls):
        raise ValueError(f"{name} has two URLs at one host, which fail together")
    return Twins(name, Os(os), tuple(Value(url) for url in urls))


def parse_hosts(text: str) -> Mapping[str, str]:
    """Read `github=URL vendor=URL`: other places of the vendor's files, a mirror's for example.

    Raises:
        ValueError: what is wrong.
    """
    found = dict(HOSTS)
    for word in text.split():
        host, equals, url = word.partition("=")
        if not equals or host not in HOSTS:
            raise ValueError(f"{host!r} is neither {GITHUB} nor {VENDOR}")
        parts = _URL.fullmatch(url)
        if parts is None or parts["scheme"].lower() != "https" or parts["query"] or parts["fragment"]:
            raise ValueError(f"{host} needs an https URL without a query")
        found[host] = url if url.endswith("/") else f"{url}/"
    return found


def parse_preferred(text: str) -> Mapping[str, str]:
    """Read `region=host region=host`.

    Raises:
        ValueError: what is wrong.
    """
    found: dict[str, str] = {}
    for word in text.replace(",", " ").split():
        region, equals, host = word.partition("=")
        if not region or not equals or not host:
            raise ValueError(f"{word!r} is not region=host")
        found[region.lower()] = host.lower()
    return found
