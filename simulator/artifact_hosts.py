"""The hosts that packages are downloaded from: their files, their faults, and what an app that starts gets.

Plain state and pure answers. `simulator.services.artifact_hosts` speaks HTTPS for them; an app that starts asks
them through `start_from`. Two manners are imitated: GitHub's raw files and Azure's blobs, whose entity tags are
not of one kind. A blob takes no suffix range, and `bytes=N-` only with an `x-ms-version` header; it ignores a
range that it does not take and sends everything (Microsoft's page "Specifying the range header for Blob service
operations", and what users saw).

Not imitated: several ranges in one request (answered whole, as RFC 9110 allows), compression, GitHub's rate
limit, `x-ms-range`, `Content-MD5`, private blobs.
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from typing import Literal
from urllib.parse import urlsplit

from simulator.packages import BadPackage, Content, Damage, Package, System, content_of, damaged, unpacked

type Manner = Literal["github", "blob"]
type Certificate = Literal["", "expiring", "expired", "other-name"]
type Channel = Literal["production", "beta", "internal", "deferred"]

GITHUB_HOST = "raw.githubusercontent.com"
VENDOR_HOST = "install.scepman.com"
GITHUB = f"https://{GITHUB_HOST}/scepman/install/master/dist/"
VENDOR = f"https://{VENDOR_HOST}/dist/"
FILES: Mapping[Channel, Mapping[System, str]] = {
    "production": {"windows": "Artifacts.zip", "linux": "Artifacts-Linux.zip"},
    "beta": {"windows": "Artifacts-Beta.zip", "linux": "Artifacts-Linux-Beta.zip"},
    "internal": {"windows": "Artifacts-Intern.zip", "linux": "Artifacts-Linux-Internal.zip"},
    "deferred": {"windows": "Artifacts.zip", "linux": "Artifacts-Linux.zip"},
}
VERSIONS: Mapping[Channel, str] = {
    "production": "3.1.26152",
    "beta": "3.2.26201",
    "internal": "3.2.26210",
    "deferred": "3.0.1657",
}
SECONDS_OF_A_MONTH = 30 * 86_400.0
HTTPS = 443
LONGEST_START = 230.0  # seconds for which App Service waits for an app to start
LARGEST_PACKAGE = 1 << 30  # bytes: what App Service mounts at most
BLOB_VERSION = "2025-07-05"
SEEN = 10_000  # requests that a host remembers


@dataclass
class FileFaults:
    """What is wrong with one file, or with all of a host's files."""

    status: int | None = None  # answered instead of the file
    redirect: str = ""  # answers 302 to this address
    slow: float = 0.0  # seconds before each answer
    no_ranges: bool = False  # answers 200 and the whole file, whatever part was asked for
    damage: Damage | None = None  # what lies there is not what was published
    endless: bool = False  # the body does not end, and no length is told
    cut: bool = False  # the connection breaks when half of the body is sent


@dataclass
class HostFaults(FileFaults):
    """What is wrong with a host; a file's own faults come before these."""

    down: bool = False  # connections are reset
    certificate: Certificate = ""  # expiring: in ten days


@dataclass(frozen=True)
class Published:
    """What lies at a path from a moment on."""

    what: Package | Content
    at: float  # from when on, by the world's clock in seconds


@dataclass
class Served:
    """One request that a host answered, for whoever counts bytes."""

    at: float  # the world's clock, seconds
    method: str
    path: str
    range: str  # the header as sent; empty without one
    status: int
    sent: int = 0  # bytes of the body


@dataclass
class ArtifactHost:
    """One host: what it published at which path, oldest first, and what is wrong with it."""

    name: str
    address: str  # the loopback address that its name resolves to
    manner: Manner = "blob"
    files: dict[str, list[Published]] = field(default_factory=dict)
    faults: HostFaults = field(default_factory=HostFaults)
    file_faults: dict[str, FileFaults] = field(default_factory=dict)
    port: int = HTTPS
    served: deque[Served] = field(default_factory=lambda: deque(maxlen=SEEN))

    def url(self, path: str) -> str:
        """The address of a path."""
        return f"https://{self.name}{'' if self.port == HTTPS else f':{self.port}'}{path}"

    def publish(self, path: str, what: Package | Content, at: float) -> None:
        """Put a file at a path, from a moment on that may lie ahead."""
        self.files.setdefault(path, []).append(Published(what, at))

    def current(self, path: str, now: float) -> Published | None:
        """Return what lies at a path now."""
        due = [file for file in self.files.get(path, []) if file.at <= now]
        return max(due, key=lambda it: it.at, default=None)

    def faults_of(self, path: str) -> FileFaults:
        """Return what is wrong with a path: its own faults when it has any, else the host's."""
        return self.file_faults.get(path, self.faults)


# The vendor's hosts


def vendor_hosts(now: float) -> dict[str, ArtifactHost]:
    """GitHub and the vendor's own host by name, with the same releases on both, published a month ago."""
    github = ArtifactHost(GITHUB_HOST, "127.0.0.33", "github")
    vendor = ArtifactHost(VENDOR_HOST, "127.0.0.34", "blob")
    for channel, version in VERSIONS.items():
        release((github, vendor), channel, version, at=now - SECONDS_OF_A_MONTH)
    return {host.name: host for host in (github, vendor)}


def release(
    hosts: tuple[ArtifactHost, ...], channel: Channel, version: str, *, at: float, lag: float | None = 0.0
) -> None:
    """The vendor releases a version: on GitHub at once, on the blob host when the publish step has run.

    `lag` is how many seconds that takes; None: the step failed, and the blob host keeps what it has. The deferred
    channel is on GitHub only.
    """
    for host in hosts:
        if host.manner == "github":
            for path, system in _paths(host, channel):
                host.publish(path, Package(version, system), at)
        elif lag is not None and channel != "deferred":
            for path, system in _paths(host, channel):
                host.publish(path, Package(version, system), at + lag)


def _paths(host: ArtifactHost, channel: Channel) -> Iterator[tuple[str, System]]:
    branch = "deferred" if channel == "deferred" else "master"
    folder = f"/scepman/install/{branch}/dist/" if host.manner == "github" else "/dist/"
    for system, name in FILES[channel].items():
        yield folder + name, system


# What a host answers


@dataclass(frozen=True)
class Reply:
    """An answer: the body is `content` from `start` to before `stop`."""

    status: int
    headers: Mapping[str, str]
    content: Content = Content(())  # noqa: RUF009 -- it cannot change
    start: int = 0
    stop: int = 0
    endless: bool = False
    cut: bool = False


def answer(host: ArtifactHost, path: str, now: float, asked: Mapping[str, str] | None = None) -> Reply:
    """Return what the host answers to a GET; `asked` has the request's headers with lower-case names."""
    wrong = host.faults_of(path)
    if wrong.redirect:
        return Reply(302, {"Location": wrong.redirect})
    found = host.current(path, now)
    if wrong.status or found is None:
        return _refusal(host, wrong.status or 404)
    content = damaged(found.what, wrong.damage) if wrong.damage else content_of(found.what)
    headers = _headers(host, found, content)
    if wrong.endless:
        return Reply(200, {"Content-Type": headers["Content-Type"]}, content, 0, content.size, endless=True)
    asked = asked or {}
    if _is_known(asked, headers):
        return Reply(304, {name: headers[name] for name in headers if name not in ENTITY})
    return _whole_or_part(host, content, headers, asked, wrong)


ENTITY = ("Content-Type", "Accept-Ranges")  # what a 304 does not repeat


def _headers(host: ArtifactHost, found: Published, content: Content) -> dict[str, str]:
    """GitHub tags by content; a blob by when it was written, also when the bytes are the same."""
    if host.manner == "github":
        return {
            "ETag": f'"{content.sha256}"',
            "Content-Type": "application/zip",
            "Cache-Control": "max-age=300",
            "Accept-Ranges": "bytes",
        }
    written = int(found.at * 10_000_000) ^ int(content.sha256[:8], 16)
    return {
        "ETag": f'"0x8{written & 0xFFFFFFFFFFFFFF:014X}"',
        "Last-Modified": formatdate(found.at, usegmt=True),
        "Content-Type": "application/zip",
        "Accept-Ranges": "bytes",
        "x-ms-version": BLOB_VERSION,
        "x-ms-blob-type": "BlockBlob",
    }


def _is_known(asked: Mapping[str, str], headers: Mapping[str, str]) -> bool:
    """Return whether the client has it already: If-None-Match, and If-Modified-Since only without that."""
    if tags := asked.get("if-none-match"):
        known = {tag.strip().removeprefix("W/") for tag in tags.split(",")}
        return headers["ETag"] in known or "*" in known
    since, modified = asked.get("if-modified-since"), headers.get("Last-Modified")
    if not since or not modified:
        return False
    try:
        return parsedate_to_datetime(modified) <= parsedate_to_datetime(since)
    except ValueError:
        return False


def _whole_or_part(
    host: ArtifactHost,
    content: Content,
    headers: Mapping[str, str],
    asked: Mapping[str, str],
    wrong: FileFaults,
) -> Reply:
    size = content.size
    wanted = asked.get("range", "") if asked.get("if-range", headers["ETag"]) == headers["ETag"] else ""
    takes_open = host.manner == "github" or "x-ms-version" in asked
    part = None if wrong.no_ranges else _part(wanted, size, suffix=host.manner == "github", open_=takes_open)
    if part is None:
        return Reply(200, {**headers, "Content-Length": str(size)}, content, 0, size, cut=wrong.cut)
    start, stop = part
    if start >= stop:
        refusal = _refusal(host, 416)
        return Reply(
            416, {**refusal.headers, "Content-Range": f"bytes */{size}"}, refusal.content, 0, refusal.stop
        )
    told = {"Content-Length": str(stop - start), "Content-Range": f"bytes {start}-{stop - 1}/{size}"}
    return Reply(206, {**headers, **told}, content, start, stop, cut=wrong.cut)


def _part(wanted: str, size: int, *, suffix: bool, open_: bool) -> tuple[int, int] | None:
    """(start, stop) of one range; empty when it lies outside; None when the header is to be ignored."""
    match = re.fullmatch(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*", wanted, re.IGNORECASE)
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        return (max(0, size - int(last)), size) if suffix else None
    if not last:
        return (int(first), size) if open_ else None
    return (int(first), min(int(last) + 1, size)) if int(first) <= int(last) else None


def _refusal(host: ArtifactHost, status: int) -> Reply:
    """An error in the host's manner: a line of text from GitHub, XML from a blob."""
    if host.manner == "github":
        text, kind = f"{status}: {REASONS.get(status, 'Error')}", "text/plain; charset=utf-8"
    else:
        code = BLOB_CODES.get(status, "ServerBusy")
        text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code></Error>'
        kind = "application/xml"
    body = Content((text.encode(),))
    return Reply(status, {"Content-Type": kind, "Content-Length": str(body.size)}, body, 0, body.size)


REASONS = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    416: "Range Not Satisfiable",
    429: "Too Many Requests",
}
BLOB_CODES = {
    401: "NoAuthenticationInformation",
    403: "AuthenticationFailed",
    404: "BlobNotFound",
    409: "PublicAccessNotPermitted",
    416: "InvalidRange",
}


# What App Service makes of it


@dataclass(frozen=True)
class Address:
    """A package URL taken apart; all empty for a text that is no URL."""

    scheme: str = ""
    host: str = ""  # lower case
    port: int = HTTPS
    path: str = ""
    query: str = ""

    @classmethod
    def of(cls, url: str) -> "Address":
        """Take a URL apart."""
        try:
            parts = urlsplit(url)
            port = parts.port or HTTPS
        except ValueError:
            return cls()
        return cls(parts.scheme.lower(), (parts.hostname or "").lower(), port, parts.path, parts.query)


@dataclass(frozen=True)
class Start:
    """What an app that starts has to run: a version, or the reason why it runs nothing."""

    version: str = VERSIONS["production"]
    host: str = ""  # where the package came from; empty when it lies with the app
    failed: Literal["", "download", "run"] = ""
    reason: str = ""
    seconds: float = 0.0  # that the download took

    @property
    def outcome(self) -> str:
        """For the journal: the host, and the version or the reason."""
        return f"{self.host} {self.reason or self.version}"


class _NoPackage(Exception):
    """The download failed; says why."""


def start_from(hosts: Mapping[str, ArtifactHost], url: str, system: System, now: float) -> Start:
    """An app of that system starts from the package at a URL: what comes of it.

    App Service wants HTTPS and a path that ends with .zip; it follows no redirect, and there is no older package
    to fall back on. The port may be left out: the world's 443 is wherever the hosts listen.
    """
    address = Address.of(url)
    host = hosts.get(address.host)
    took = host.faults_of(address.path).slow if host else 0.0
    try:
        release = unpacked(_download(host, address, now))
    except (_NoPackage, BadPackage) as why:
        return Start("", address.host, "download", str(why), min(took, LONGEST_START))
    if release.system != system:
        reason = f"the package is for {release.system.title()}, the plan is {system.title()}"
        return Start("", address.host, "run", reason, took)
    return Start(release.version, address.host, seconds=took)


def _download(host: ArtifactHost | None, address: Address, now: float) -> Content:
    if address.scheme != "https" or not address.path.lower().endswith(".zip"):
        raise _NoPackage("the address is not one of https and .zip")
    if host is None:
        raise _NoPackage("the host name does not resolve")
    if host.faults.down or address.port not in (HTTPS, host.port):
        raise _NoPackage("the connection was reset")
    if host.faults.certificate in ("expired", "other-name"):
        raise _NoPackage("the host's certificate is not valid")
    if host.faults_of(address.path).slow > LONGEST_START:
        raise _NoPackage(f"no package within {LONGEST_START:g} s")
    reply = answer(host, address.path, now)
    if reply.status != 200:
        followed = ", and redirects are not followed" if 300 <= reply.status < 400 else ""
        raise _NoPackage(f"the host answered {reply.status}{followed}")
    if reply.cut:
        raise _NoPackage("the transfer broke off")
    if reply.endless or reply.content.size > LARGEST_PACKAGE:
        raise _NoPackage("the package is larger than 1 GB")
    return reply.content
