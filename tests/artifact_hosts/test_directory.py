"""The central directory, read from the tail, against the standard library's `zipfile` on the same bytes."""

import io
import struct
import warnings
import zipfile
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.artifact_hosts.directory import (
    FIRST_TAIL,
    LONGEST_TAIL,
    End,
    Member,
    MoreTail,
    NotAZip,
    find_end,
    read_members,
)

MOST = 640 * 1024


def parsed(data: bytes, *, first: int = FIRST_TAIL, most: int = MOST) -> tuple[Member, ...]:
    """The members, as a reader of ranges gets them."""
    try:
        end = find_end(data[-first:], len(data), most=most)
    except MoreTail:
        end = find_end(data[-LONGEST_TAIL:], len(data), most=most)
    return read_members(data[end.offset : end.offset + end.length], end, len(data))


def by_zipfile(data: bytes) -> list[tuple[str, int, int, int, int]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [
            (it.orig_filename, it.file_size, it.compress_size, it.CRC, it.header_offset)
            for it in archive.infolist()
        ]


def by_us(data: bytes, *, first: int = FIRST_TAIL) -> list[tuple[str, int, int, int, int]]:
    return [(it.name, it.size, it.packed, it.crc, it.at) for it in parsed(data, first=first)]


names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
moments = st.datetimes(datetime(1980, 1, 1), datetime(2107, 12, 31))  # noqa: DTZ001 -- the format has no zone


@st.composite
def zips(draw: st.DrawFn) -> bytes:
    """A zip of a few members, some deflated, some with Zip64 fields, with a comment and bytes before it."""
    out = io.BytesIO()
    prefix = draw(st.binary(max_size=40))
    out.write(prefix)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the same name twice is allowed, and warned of
        with zipfile.ZipFile(out, "a" if prefix else "w") as archive:
            for name in draw(st.lists(names, max_size=6)):
                moment = draw(moments)
                info = zipfile.ZipInfo(name, moment.timetuple()[:6])
                info.compress_type = draw(st.sampled_from((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))
                with archive.open(info, "w", force_zip64=draw(st.booleans())) as member:
                    member.write(draw(st.binary(max_size=60)))
            # A later end record's signature in a comment is what zipfile stumbles over, and we refuse.
            archive.comment = draw(st.binary(max_size=90).filter(lambda it: b"PK\5\6" not in it))
    return out.getvalue()


@given(zips(), st.integers(22, 400))
def test_a_whole_zip_reads_like_zipfile(data: bytes, first: int) -> None:
    """Names, sizes, checksums and places are zipfile's, however little of the tail is looked at first."""
    assert by_us(data, first=first) == by_zipfile(data)


@given(zips(), st.data())
def test_an_altered_zip_is_refused_or_read_like_zipfile(data: bytes, choice: st.DataObject) -> None:
    """Whatever is cut off or changed: refused with a reason, or what zipfile reads too; never another error."""
    altered = bytearray(data)
    for _ in range(choice.draw(st.integers(1, 4))):
        # Mostly near the end, where what is read stands.
        place = len(altered) - 1 - choice.draw(st.integers(0, min(200, len(altered) - 1)))
        altered[place] = choice.draw(st.integers(0, 255))
    cut = choice.draw(st.integers(0, 30))
    changed = bytes(altered[: len(altered) - cut]) if choice.draw(st.booleans()) else bytes(altered)
    try:
        ours = by_us(changed)
    except NotAZip as refused:
        assert str(refused)
    else:
        assert ours == by_zipfile(changed)


@given(st.binary(max_size=300), st.integers(0, 2**40))
def test_noise_is_refused(tail: bytes, more: int) -> None:
    """Bytes that are no zip are refused, whatever size the file claims to have."""
    try:
        end = find_end(tail, len(tail) + more, most=MOST)
        read_members(tail[: end.length], end, len(tail) + more)
    except (NotAZip, MoreTail):
        return
    assert end.length == end.members == 0  # an empty zip is one


def an_end(*, length: int = 0, offset: int = 0, members: int = 0, comment: bytes = b"") -> bytes:
    return struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, members, members, length, offset, len(comment)) + comment


def an_end64(*, length: int, offset: int, members: int) -> bytes:
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, members, members, length, offset)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, length + offset, 1)
    return record + locator + an_end(length=0xFFFFFFFF, offset=0xFFFFFFFF, members=0xFFFF)


def test_a_zip64_end() -> None:
    """A directory beyond 4 GiB is found by Zip64's records, which all lie in the tail."""
    offset = 5 * 2**30
    tail = an_end64(length=1000, offset=offset, members=70_000)
    assert find_end(tail, offset + 1000 + len(tail), most=MOST) == End(offset, 1000, 70_000)


def test_a_bombs_directory_is_not_read() -> None:
    """A directory of gigabytes is refused by its length, before any of it is asked for."""
    tail = an_end64(length=2**32, offset=100, members=2**26)
    with pytest.raises(NotAZip, match="more than 655360 are not read"):
        find_end(tail, 100 + 2**32 + len(tail), most=MOST)


@pytest.mark.parametrize(
    ("tail", "size", "why"),
    [
        (b"", 0, "no end record"),
        (b"<html>not found</html>" * 4, 88, "no end record"),
        (an_end(length=500, offset=10), 22, "outside the file"),
        (an_end() + b"\n", 23, "behind the end"),
        (an_end(comment=b"abc")[:-1], 24, "behind the end"),
        (an_end()[:4] + b"\1" + an_end()[5:], 22, "several parts"),
        (an_end(comment=an_end()[:10]), 32, "no end record"),
    ],
)
def test_refusals(tail: bytes, size: int, why: str) -> None:
    """Each way of being no zip has its own words."""
    with pytest.raises(NotAZip, match=why):
        find_end(tail, size, most=MOST)


def test_contradicting_end_records() -> None:
    """Two end records that describe two directories would be two zips for two readers."""
    tail = an_end64(length=10, offset=10, members=1)[:76] + an_end(length=9, offset=10, members=1)
    with pytest.raises(NotAZip, match="contradict"):
        find_end(tail, 200, most=MOST)


def test_a_long_comment_asks_for_more() -> None:
    """The end record is looked for in a short tail first, then in as much as a comment can hide."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a", "b")
        archive.comment = b"c" * 0xFFFF
    data = b"p" * 100_000 + out.getvalue()
    with pytest.raises(MoreTail):
        find_end(data[-FIRST_TAIL:], len(data), most=MOST)
    assert [it.name for it in parsed(data)] == ["a"]


def test_the_count_must_agree() -> None:
    """An end record that hides members, or promises more, is refused; zipfile does not look."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a", "b")
    data = bytearray(out.getvalue())
    data[-22 + 8 : -22 + 12] = struct.pack("<2H", 2, 2)
    with pytest.raises(NotAZip, match="lists 1 members and is said to have 2"):
        parsed(bytes(data))


def test_a_date_that_is_none() -> None:
    """A member dated to month 0 has no date; the rest of it counts."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a"), "b")
    data = out.getvalue()
    at = data.index(b"PK\1\2")
    data = data[: at + 12] + bytes(4) + data[at + 16 :]
    assert parsed(data)[0].modified is None
