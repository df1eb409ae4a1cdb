"""Is it the same package, an older, a newer or a different one? Pure, and says how that was told.

Two packages are the same when all names, sizes and CRC-32s of their members agree. That is enough against mistakes
and stale copies; it is no signature: who can write to a host can forge CRC-32s.
"""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

import msgspec

from shared.artifact_hosts.model import Package, Served

SKETCH: Final = 32  # hashes; enough to tell half of the names from most of them
ALIKE: Final = 0.5  # the share of names that two versions of one product have in common at least
# Member dates have no zone: two builders on this earth may be as far apart as UTC+14 and UTC-12.
NO_ZONE: Final = timedelta(hours=26)

LARGEST: Final = 1 << 30  # bytes: App Service mounts no larger package
_HARDEST: Final = 1100  # times smaller than unpacked; Deflate cannot do better than 1032
_MOST_UNPACKED: Final = 8 << 30  # bytes


class _Member(Protocol):
    """The fields of a zip member that comparisons use."""

    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def packed(self) -> int: ...
    @property
    def crc(self) -> int: ...
    @property
    def at(self) -> int: ...
    @property
    def modified(self) -> datetime | None: ...
    @property
    def encrypted(self) -> bool: ...


class Relation(StrEnum):
    """The relation of one package to another."""

    EQUAL = "equal"
    OLDER = "older"
    NEWER = "newer"
    DIFFERENT = "different"  # and nothing says which is older
    UNKNOWN = "unknown"  # one of them was never read


class Comparison(msgspec.Struct, frozen=True):
    """The relation, and how it was told."""

    relation: Relation
    how: str


def package_of(members: Sequence[_Member], size: int) -> Package:
    """The identity of a zip of `size` bytes from its directory. The order of members does not count."""
    digest = hashlib.sha256()
    for name, unpacked, crc in sorted((member.name, member.size, member.crc) for member in members):
        digest.update(f"{len(name)}:{name}:{unpacked}:{crc};".encode())
    names = {member.name for member in members}
    return Package(
        digest=digest.hexdigest(),
        members=len(members),
        size=size,
        newest=max((member.modified for member in members if member.modified), default=None),
        sketch=tuple(sorted(_hash(name) for name in names)[:SKETCH]),
    )


def unsound(members: Sequence[_Member], size: int) -> str:
    """Return why App Service must not get this zip of `size` bytes (no package, or a zip bomb), or nothing."""
    return next(_faults(members, size), "")


def _faults(members: Sequence[_Member], size: int) -> Iterator[str]:
    if not members:
        yield "the zip is empty"
    if size > LARGEST:
        yield f"the zip has {size} bytes; App Service takes {LARGEST}"
    unpacked = sum(member.size for member in members)
    if unpacked > _MOST_UNPACKED:
        yield f"the zip would unpack to {unpacked} bytes; more than {_MOST_UNPACKED} is no package"
    if any(member.size > member.packed * _HARDEST + 1024 for member in members):
        yield "a member claims to unpack to more than can be packed into its bytes"
    if any(member.encrypted for member in members):
        yield "a member is encrypted"
    places = sorted((member.at, member.at + member.packed) for member in members)
    if any(one[0] == other[0] or other[0] < one[1] for one, other in itertools.pairwise(places)):
        yield "members lie over one another, as in a zip bomb"


def compare(
    one: Package | None,
    other: Package | None,
    *,
    before_one: Iterable[Package] = (),
    before_other: Iterable[Package] = (),
) -> Comparison:
    """Return what `one` is to `other`.

    `before_one` and `before_other` are the packages that were seen at the same place earlier: whoever serves today
    what the other place served before has the older one.
    """
    if one is None or other is None:
        return Comparison(
            Relation.UNKNOWN, "its directory was never read" if one is None else "nothing to compare with"
        )
    if one.digest == other.digest:
        return Comparison(
            Relation.EQUAL, f"all {one.members} members agree in name, size and CRC-32 ({one.short})"
        )
    shared = _alike(one, other)
    if shared < ALIKE:
        return Comparison(
            Relation.DIFFERENT, f"only about {shared:.0%} of the file names are the same: another product?"
        )
    return _by_history(one, other, before_one, before_other) or _by_dates(one, other)


def _by_history(
    one: Package, other: Package, before_one: Iterable[Package], before_other: Iterable[Package]
) -> Comparison | None:
    older = any(package.digest == one.digest for package in before_other)
    newer = any(package.digest == other.digest for package in before_one)
    if older and newer:
        return Comparison(Relation.DIFFERENT, "each was seen before the other one")
    if older:
        return Comparison(Relation.OLDER, "it was served before the other one")
    if newer:
        return Comparison(Relation.NEWER, "the other one was served before it")
    return None


def _by_dates(one: Package, other: Package) -> Comparison:
    if one.newest is None or other.newest is None:
        return Comparison(Relation.DIFFERENT, "members differ and have no dates")
    apart = one.newest - other.newest
    dates = f"its youngest member is of {one.newest:%Y-%m-%d}, the other's of {other.newest:%Y-%m-%d}"
    if abs(apart) <= NO_ZONE:
        return Comparison(Relation.DIFFERENT, f"members differ; {dates}, which tells no order")
    return Comparison(Relation.NEWER if apart > timedelta() else Relation.OLDER, dates)


def _alike(one: Package, other: Package) -> float:
    """About which share of the names of both is common to both (a bottom-k sketch of their union).

    All, where the names of one are not known (any more): then nothing speaks for two products.
    """
    if not one.sketch or not other.sketch:
        return 1.0
    lowest = sorted({*one.sketch, *other.sketch})[:SKETCH]
    both = set(one.sketch) & set(other.sketch)
    return sum(number in both for number in lowest) / len(lowest)


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6])


def before(served: Sequence[Served], package: Package | None) -> tuple[Package, ...]:
    """The packages that were seen at a place before it had this one; none when it never had it."""
    places = [place for place, item in enumerate(served) if package and item.package.digest == package.digest]
    return tuple(item.package for item in served[: places[-1]]) if places else ()
