"""What artifact hosts serve: zips as the vendor publishes them, made in memory, and what a start makes of one.

Pure. A large file is mostly one run of zeros that takes no memory. The files for Windows and for Linux differ
here, so that an app that was given the wrong one can be told; the vendor's own were alike when last read.
"""

import functools
import hashlib
import io
import itertools
import json
import zipfile
from bisect import bisect_right
from collections.abc import Buffer, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

type System = Literal["windows", "linux"]
type Damage = Literal["truncated", "altered", "garbage"]

OLD = date(2025, 6, 1)  # the build date of versions that do not tell theirs
DEPS = "SCEPman.deps.json"  # where .NET writes what an app is, and for which system it was published
ASSEMBLY = "SCEPman.dll"
BALLAST = "wwwroot/ballast.bin"
RUNTIMES: dict[System, str] = {"windows": "win-x64", "linux": "linux-x64"}
ZEROS = bytes(1 << 20)
NOT_A_ZIP = b"<!DOCTYPE html><html><title>Please sign in</title><p>This network needs a sign-in.</p></html>"


class BadPackage(Exception):
    """A file that App Service cannot mount or the runtime cannot start; says why."""


class Content:
    """A file's bytes, in parts; a number stands for that many zeros."""

    def __init__(self, parts: Iterable[bytes | int]) -> None:
        self._parts = tuple(part for part in parts if part)
        lengths = (part if isinstance(part, int) else len(part) for part in self._parts)
        self._starts = (0, *itertools.accumulate(lengths))
        self.size = self._starts[-1]

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop`; fewer when the file ends."""
        return b"".join(bytes(chunk) if isinstance(chunk, int) else chunk for chunk in self._cut(start, stop))

    def part(self, start: int, stop: int) -> "Content":
        """Return that part as a file of its own."""
        return Content(self._cut(start, stop))

    @functools.cached_property
    def sha256(self) -> str:
        """A digest of the parts, which names the content as well as one of the bytes would."""
        digest = hashlib.sha256()
        for part in self._parts:
            digest.update(f"{part};".encode() if isinstance(part, int) else b"%d:" % len(part) + part)
        return digest.hexdigest()

    def _cut(self, start: int, stop: int) -> Iterator[bytes | int]:
        for number in range(max(0, bisect_right(self._starts, start) - 1), len(self._parts)):
            begins, part = self._starts[number], self._parts[number]
            if begins >= stop:
                return
            first, last = max(0, start - begins), min(self._starts[number + 1], stop) - begins
            yield max(0, last - first) if isinstance(part, int) else part[first:last]


GARBAGE = Content((NOT_A_ZIP,))


@dataclass(frozen=True)
class Package:
    """One build of SCEPman for one system. Equal packages have the same bytes."""

    version: str
    system: System
    ballast: int = 0  # bytes of zeros that a large package holds besides, stored and not compressed
    altered: bool = False  # a build that somebody made again: same names and sizes, one member's bytes differ

    @property
    def content(self) -> Content:
        """The zip."""
        return _zipped(self)


@dataclass(frozen=True)
class Release:
    """What is found in a package: which version it is, and for which system."""

    version: str
    system: System


@functools.lru_cache(maxsize=256)
def unpacked(content: Content) -> Release:
    """Which release a package holds, read from the zip itself. Raises BadPackage."""
    try:
        with zipfile.ZipFile(io.BufferedReader(_Reader(content))) as archive:
            deps = json.loads(archive.read(DEPS))
        version = next(dep for dep in deps["libraries"] if dep.startswith("SCEPman/")).partition("/")[2]
        runtime = deps["runtimeTarget"]["name"].rpartition("/")[2]
        return Release(version, next(item for item, name in RUNTIMES.items() if name == runtime))
    except zipfile.BadZipFile as error:
        raise BadPackage("the file is no zip") from error
    except (KeyError, TypeError, ValueError, StopIteration) as error:
        raise BadPackage("the zip holds no SCEPman") from error


def damaged(source: Package | Content, damage: Damage) -> Content:
    """The file after an upload that broke off, a change by somebody else, or a portal that got in between."""
    match damage:
        case "truncated":
            return _cut_short(content_of(source))
        case "garbage":
            return GARBAGE
        case "altered" if isinstance(source, Package):
            return replace(source, altered=True).content
        case "altered":
            raise ValueError("only a package can be altered, not bytes that somebody gave")


def content_of(source: Package | Content) -> Content:
    """The bytes of what is published."""
    return source.content if isinstance(source, Package) else source


@functools.lru_cache(maxsize=256)
def _cut_short(content: Content) -> Content:
    return content.part(0, content.size // 2)


@functools.lru_cache(maxsize=256)
def _zipped(package: Package) -> Content:
    made, built = _Writer(), _built(package.version)
    made_on = (built.year, built.month, built.day, 0, 0, 0)  # equal packages are equal bytes
    with zipfile.ZipFile(made, "w") as archive:
        for name, body in _members(package):
            archive.writestr(zipfile.ZipInfo(name, made_on), body, zipfile.ZIP_DEFLATED)
        if package.ballast:
            with archive.open(zipfile.ZipInfo(BALLAST, made_on), "w") as member:
                for _ in range(package.ballast // len(ZEROS)):
                    member.write(ZEROS)
                member.write(bytes(package.ballast % len(ZEROS)))
    return Content(made.parts)


def _built(version: str) -> date:
    """The vendor's third number is the year and the day in it: 3.1.26152 was built on day 152 of 2026."""
    number = version.rpartition(".")[2]
    if len(number) != 5 or not number.isdigit():
        return OLD
    return date(2000 + int(number[:2]), 1, 1) + timedelta(days=int(number[2:]) - 1)


def _members(package: Package) -> Iterator[tuple[str, bytes]]:
    name = f"SCEPman/{package.version}"
    deps = {
        "runtimeTarget": {"name": f".NETCoreApp,Version=v10.0/{RUNTIMES[package.system]}"},
        "libraries": {name: {"type": "project", "serviceable": False, "sha512": ""}},
    }
    yield DEPS, json.dumps(deps, indent=2).encode()
    yield ASSEMBLY, _assembly(f"{name} {package.system}", altered=package.altered)
    yield ("SCEPman.exe" if package.system == "windows" else "SCEPman"), _assembly(f"apphost {name}")
    yield "appsettings.json", b'{"Logging": {"LogLevel": {"Default": "Information"}}}\n'
    if package.system == "windows":
        yield (
            "web.config",
            b'<configuration><location path="." inheritInChildApplications="false" /></configuration>',
        )
    yield "wwwroot/css/site.css", b"body { font-family: sans-serif; }\n" * 40


def _assembly(seed: str, *, altered: bool = False) -> bytes:
    """8 KiB that follow from the seed and look like code: they do not compress."""
    blocks = [hashlib.sha256(f"{seed} {number}".encode()).digest() for number in range(256)]
    if altered:
        blocks[100] = bytes(reversed(blocks[100]))
    return b"".join(blocks)


class _Writer:
    """Takes what `zipfile` writes, and keeps a block of zeros as its length."""

    def __init__(self) -> None:
        self.parts: list[bytes | int] = []

    def write(self, data: bytes) -> int:
        self.parts.append(len(ZEROS) if data is ZEROS else bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""


class _Reader(io.RawIOBase):
    """A Content as a file to read."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._content.size}[whence]
        if base + offset < 0:
            raise OSError(22, "a place before the file's first byte")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Buffer) -> int:
        room = memoryview(buffer).cast("B")
        data = self._content.read(self._at, self._at + len(room))
        room[: len(data)] = data
        self._at += len(data)
        return len(data)
