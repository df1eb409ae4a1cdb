"""Reads a zip's central directory from its last bytes, without the rest. Pure: bytes in, members out.

The package's maker writes these bytes, so nothing in them is believed before it fits the size of the file. What is
accepted here means the same to Python's `zipfile`; some oddities that it takes are refused (the reasons say which).
Sources: PKWARE's APPNOTE 4.3 and 4.5.3, and the behaviour of `zipfile` in Python 3.13.
"""

import struct
from collections.abc import Iterator
from datetime import datetime
from typing import Final

import msgspec

SIGNATURE: Final = b"PK\x03\x04"  # of a member's own header, with which a package begins
FIRST_TAIL: Final = 16 * 1024  # bytes that hold the end of nearly every package
LONGEST_TAIL: Final = (
    22 + 0xFFFF + 20 + 56
)  # bytes: the end record, the longest comment, and Zip64's two records

_END: Final = struct.Struct("<4s4H2LH")
_END_SIGNATURE: Final = b"PK\x05\x06"
_LOCATOR: Final = struct.Struct("<4sLQL")
_LOCATOR_SIGNATURE: Final = b"PK\x06\x07"
_END64: Final = struct.Struct("<4sQ2H2L4Q")
_END64_SIGNATURE: Final = b"PK\x06\x06"
_MEMBER: Final = struct.Struct("<4s6H3L5H2L")
_MEMBER_SIGNATURE: Final = b"PK\x01\x02"
_UTF8: Final = 0x800  # the flag that says how the name is written
_ENCRYPTED: Final = 0x1
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF  # "see Zip64"
_ZIP64: Final = 1  # the extra field's number
_SECOND_NAME: Final = 0x7075  # another extra field's: a name in Unicode beside the plain one
_NEWEST: Final = 63  # 6.3, the newest version of the format that readers know


class NotAZip(Exception):
    """The bytes are no zip, or none that can be trusted; the message says what is wrong, for a person."""


class MoreTail(Exception):
    """The end was not found in the bytes given: there may be a long comment behind it."""


class End(msgspec.Struct, frozen=True):
    """The place of the central directory in the file, in bytes, and its number of members."""

    offset: int
    length: int
    members: int
    prefix: int = 0  # bytes before the zip proper, which the offsets inside do not count


class Member(msgspec.Struct, frozen=True):
    """One file in the zip, as the directory has it."""

    name: str
    size: int  # bytes, unpacked
    packed: int  # bytes
    crc: int
    at: int  # where its own header lies, in bytes from the beginning of the file
    modified: datetime | None  # to two seconds, of no known zone; None when it is no date
    encrypted: bool = False


def find_end(tail: bytes, size: int, *, most: int) -> End:
    """Find the directory from the last bytes of a file of `size` bytes.

    Args:
        tail: the file's last bytes, `FIRST_TAIL` of them, or `LONGEST_TAIL`; all when there are fewer.
        size: the file's, in bytes.
        most: the longest directory that will be read, in bytes.

    Raises:
        MoreTail: ask again with `LONGEST_TAIL` bytes.
        NotAZip: it is none.
    """
    at = _end_record(tail, size)
    fields = _END.unpack_from(tail, at)
    _, disk, directory_disk, here, members, length, offset, comment = fields
    if at + _END.size + comment != len(tail):
        raise NotAZip("something stands behind the end of the zip")
    before = len(tail) - at  # bytes from the end record to the end of the file
    if locator := _locator(tail, at):
        disk, directory_disk, here, members, length, offset = _end64(tail, at, locator, fields)
        before += _LOCATOR.size + _END64.size
    if disk or directory_disk or here != members:
        raise NotAZip("it is one part of a zip in several parts")
    prefix = size - before - length - offset
    if prefix < 0:
        raise NotAZip("its directory would lie outside the file: it is cut off or altered")
    if length > most:
        raise NotAZip(f"its directory has {length} bytes; more than {most} are not read")
    return End(prefix + offset, length, members, prefix)


def _end_record(tail: bytes, size: int) -> int:
    """Return where in the tail the end record begins."""
    plain = len(tail) - _END.size  # without a comment, the usual case
    if plain >= 0 and tail.startswith(_END_SIGNATURE, plain) and tail.endswith(b"\0\0"):
        return plain
    at = tail.rfind(_END_SIGNATURE, max(0, len(tail) - _END.size - _FULL16))
    if at < _LOCATOR.size + _END64.size and len(tail) < min(size, LONGEST_TAIL):
        raise MoreTail  # it was not found, or Zip64's records may stand before it
    if at < 0 or at > plain:
        raise NotAZip("it has no end record: it is no zip, or cut off")
    return at


def _locator(tail: bytes, at: int) -> tuple[int, int, int] | None:
    """(disk, place of the Zip64 end record, disks), when there is a Zip64 locator before the end record."""
    start = at - _LOCATOR.size
    if start < 0:
        return None
    signature, disk, offset, disks = _LOCATOR.unpack_from(tail, start)
    return (disk, offset, disks) if signature == _LOCATOR_SIGNATURE else None


def _end64(
    tail: bytes, at: int, locator: tuple[int, int, int], plain: tuple[int, ...]
) -> tuple[int, int, int, int, int, int]:
    """The Zip64 end record's (disk, directory's disk, members here, members, length, offset)."""
    start = at - _LOCATOR.size - _END64.size
    if start < 0 or not tail.startswith(_END64_SIGNATURE, start) or locator[0] or locator[2] > 1:
        raise NotAZip("its Zip64 end record is not where it must be")
    _, _, _, _, disk, directory_disk, here, members, length, offset = _END64.unpack_from(tail, start)
    # What the plain record says too must agree, or two readers would see two different zips.
    wide = (disk, directory_disk, here, members, length, offset)
    full = (_FULL16, _FULL16, _FULL16, _FULL16, _FULL32, _FULL32)
    if any(said not in {most, item} for said, item, most in zip(plain[1:7], wide, full, strict=True)):
        raise NotAZip("its two end records contradict each other")
    return wide


def read_members(directory: bytes, end: End, size: int) -> tuple[Member, ...]:
    """The members of the directory that `find_end` found in a file of `size` bytes.

    Raises:
        NotAZip: the directory is not what its end record says, or a member lies outside the file.
    """
    if len(directory) != end.length:
        raise NotAZip(f"{len(directory)} bytes of its directory were read, not {end.length}")
    members = tuple(_members(directory, end))
    if len(members) != end.members:
        raise NotAZip(f"its directory lists {len(members)} members and is said to have {end.members}")
    for member in members:
        if not 0 <= member.at <= member.at + member.packed <= end.offset <= size:
            raise NotAZip("a member would lie outside the file: it is cut off or altered")
    return members


def _members(directory: bytes, end: End) -> Iterator[Member]:
    at = 0
    while at < len(directory):
        if len(directory) - at < _MEMBER.size or not directory.startswith(_MEMBER_SIGNATURE, at):
            raise NotAZip("its directory is broken")
        fields = _MEMBER.unpack_from(directory, at)
        version, flags, time, date, crc, packed, size = fields[2], fields[3], *fields[5:10]
        name_length, extra_length, comment_length, at_header = *fields[10:13], fields[16]
        name_at = at + _MEMBER.size
        extra_at = name_at + name_length
        after = extra_at + extra_length + comment_length
        if after > len(directory):
            raise NotAZip("its directory is broken")
        if version & 0xFF > _NEWEST:
            raise NotAZip("a member is packed in a way that no reader knows")
        wide = _zip64(directory[extra_at : extra_at + extra_length], size, packed, at_header)
        yield Member(
            name=_name(directory[name_at:extra_at], flags),
            size=wide[0],
            packed=wide[1],
            crc=crc,
            at=wide[2] + end.prefix,
            modified=_moment(date, time),
            encrypted=bool(flags & _ENCRYPTED),
        )
        at = after


def _name(raw: bytes, flags: int) -> str:
    try:
        return raw.decode("utf-8" if flags & _UTF8 else "cp437")
    except UnicodeDecodeError:
        raise NotAZip("a member's name is not UTF-8, as it claims to be") from None


def _zip64(extra: bytes, size: int, packed: int, at: int) -> tuple[int, int, int]:
    """(size, packed size, header's place), each from the Zip64 extra field where the plain field says so."""
    wide = [size, packed, at]
    while len(extra) >= 4:  # noqa: PLR2004 -- number and length, two bytes each
        number, length = struct.unpack_from("<HH", extra)
        if length + 4 > len(extra):
            raise NotAZip("a member's extra field is broken")
        if number == _SECOND_NAME:
            raise NotAZip("a member has two names, and readers would not agree which one counts")
        if number == _ZIP64:
            missing = [place for place, number in enumerate(wide) if number == _FULL32]
            if length < 8 * len(missing):
                raise NotAZip("a member's Zip64 field is too short")
            values = struct.unpack_from(f"<{len(missing)}Q", extra, 4)
            for place, value in zip(missing, values, strict=True):
                wide[place] = value
        extra = extra[4 + length :]
    return wide[0], wide[1], wide[2]


def _moment(date: int, time: int) -> datetime | None:
    """MS-DOS's date and time; it knows no zone."""
    try:
        return datetime(  # noqa: DTZ001 -- the format has no zone
            (date >> 9) + 1980, (date >> 5) & 15, date & 31, time >> 11, (time >> 5) & 63, (time & 31) * 2
        )
    except ValueError:
        return None
