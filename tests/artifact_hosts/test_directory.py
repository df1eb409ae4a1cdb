"""The central directory, read from the tail, against the standard library's `zipfile` on the same bytes."""

import errno
import io
import struct
import warnings
import zipfile
from datetime import datetime
from typing import override

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


class AFile(io.BytesIO):
    """A file in memory that, like one on a disk, has nothing before its beginning: `BytesIO` goes there instead."""

    @override
    def seek(self, place: int, whence: int = io.SEEK_SET, /) -> int:
        """Raises OSError for a place before the beginning."""
        if whence == io.SEEK_END and len(self.getbuffer()) + place < 0:
            raise OSError(errno.EINVAL, "before the beginning")
        return super().seek(place, whence)


def by_zipfile(data: bytes) -> list[tuple[str, int, int, int, int]]:
    with zipfile.ZipFile(AFile(data)) as archive:
        return [
            (member.orig_filename, member.file_size, member.compress_size, member.CRC, member.header_offset)
            for member in archive.infolist()
        ]


def by_us(data: bytes, *, first: int = FIRST_TAIL) -> list[tuple[str, int, int, int, int]]:
    return [
        (datum.name, datum.size, datum.packed, datum.crc, datum.at) for datum in parsed(data, first=first)
    ]


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


def test_what_stands_before_a_short_file_is_no_part_of_it() -> None:
    """Where Zip64's locator would begin before the file, there is none."""
    short = b"PK\x06\x07PK\x05\x06" + bytes(12) + b"\x04" + bytes(5)
    assert by_us(short) == by_zipfile(short) == []


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
        (an_end(comment=b"abc")[:-3], 22, "behind the end"),
        (an_end() + b"x" * (0xFFFF + 1), 22 + 0xFFFF + 1, "no end record"),
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
    assert [datum.name for datum in parsed(data)] == ["a"]


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


def a_member(
    name: bytes = b"a",
    *,
    version: int = 20,
    flags: int = 0,
    size: int = 1,
    packed: int = 1,
    at: int = 0,
    extra: bytes = b"",
    comment: bytes = b"",
) -> bytes:
    """A member's entry in the directory, of 2026-03-02 12:34:56."""
    date, time = (2026 - 1980) << 9 | 3 << 5 | 2, 12 << 11 | 34 << 5 | 56 // 2
    lengths = (len(name), len(extra), len(comment))
    fields = (20, version, flags, 0, time, date, 7, packed, size, *lengths, 0, 0, 0, at)
    return struct.pack("<4s6H3L5H2L", b"PK\1\2", *fields) + name + extra + comment


def listed(*entries: bytes, members: int | None = None, prefix: int = 0) -> tuple[Member, ...]:
    """Return what is read of these entries, in a file whose members end at 100."""
    directory = b"".join(entries)
    end = End(100, len(directory), len(entries) if members is None else members, prefix)
    return read_members(directory, end, 100 + len(directory) + 22)


def test_what_an_entry_says() -> None:
    """Every field, of the second entry as of the first; comments and strange extra fields are passed over."""
    strange = struct.pack("<HH", 0x9999, 3) + b"xyz"
    first, second = listed(
        a_member(b"one", extra=strange, comment=b"PK", size=30, packed=20, at=10),
        a_member("zwei\u00e9".encode(), flags=0x801, at=50),
        prefix=7,
    )
    moment = datetime(2026, 3, 2, 12, 34, 56)  # noqa: DTZ001 -- the format has no zone
    assert first == Member(name="one", size=30, packed=20, crc=7, at=17, modified=moment)
    assert second == Member(
        name="zwei\u00e9", size=1, packed=1, crc=7, at=57, modified=moment, encrypted=True
    )


def zip64(*values: int, length: int | None = None) -> bytes:
    body = struct.pack(f"<{len(values)}Q", *values)
    return struct.pack("<HH", 1, len(body) if length is None else length) + body


FULL = 0xFFFFFFFF


def test_wide_fields_are_read_where_the_plain_ones_say_so() -> None:
    """In their order; a field that is not full keeps its own value, whatever else stands there."""
    (all_,) = listed(a_member(size=FULL, packed=FULL, at=FULL, extra=zip64(5 << 32, 30, 20)))
    assert (all_.size, all_.packed, all_.at) == (5 << 32, 30, 20)
    (one,) = listed(a_member(size=3, packed=FULL, at=4, extra=zip64(30, 99)))
    assert (one.size, one.packed, one.at) == (3, 30, 4)
    (none,) = listed(a_member(size=3, packed=2, at=4, extra=zip64(30)))
    assert (none.size, none.packed, none.at) == (3, 2, 4)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (a_member(version=63), ""),
        (a_member(version=64), "packed in a way that no reader knows"),
        (a_member(version=0x0300 + 20), ""),  # the upper byte is the maker's system
        (a_member(b"\xff", flags=0x800), "name is not UTF-8"),
        (a_member(extra=struct.pack("<HH", 0x9999, 1)), "extra field is broken"),
        (a_member(extra=struct.pack("<HH", 0x9999, 0)), ""),
        (a_member(extra=b"abc"), ""),
        (a_member(extra=struct.pack("<HHL", 0x7075, 4, 0)), "two names"),
        (a_member(size=FULL, packed=FULL, extra=zip64(1)), "Zip64 field is too short"),
        (a_member(size=FULL, extra=zip64(1)), ""),
        (a_member(packed=100), ""),
        (a_member(packed=101), "would lie outside the file"),
        (a_member(packed=1, at=99), ""),
        (a_member(packed=1, at=100), "would lie outside the file"),
        (a_member()[:-2], "directory is broken"),
        (a_member()[:20], "directory is broken"),
        (b"PK\1\3" + a_member()[4:], "directory is broken"),
        (a_member(comment=b"abc")[:-1], "directory is broken"),
    ],
)
def test_entries_that_are_refused(entry: bytes, why: str) -> None:
    """To the byte, each in its own words."""
    if why:
        with pytest.raises(NotAZip, match=why):
            listed(entry)
    else:
        assert len(listed(entry)) == 1


def test_a_second_entry_is_looked_at_like_the_first() -> None:
    """A directory that breaks off in its middle is broken."""
    with pytest.raises(NotAZip, match="directory is broken"):
        listed(a_member(), b"PK\1\3" + a_member()[4:])
    with pytest.raises(NotAZip, match="directory is broken"):
        listed(a_member(), b"x" * 10)
    with pytest.raises(NotAZip, match="directory is broken"):
        listed(a_member(), a_member()[:10])


def test_what_was_read_must_be_the_directory() -> None:
    """Neither less nor more than its end record says."""
    with pytest.raises(NotAZip, match="46 bytes of its directory were read, not 47"):
        read_members(a_member(b""), End(100, 47, 1), 200)
    with pytest.raises(NotAZip, match="outside the file"):
        read_members(a_member(), End(100, 47, 1), 99)
    assert len(read_members(a_member(), End(100, 47, 1), 100)) == 1


def test_a_directory_of_the_most_bytes_is_read() -> None:
    """One more is too many."""
    tail = an_end(length=1000, offset=0)
    assert find_end(tail, 1022, most=1000) == End(0, 1000, 0)
    with pytest.raises(NotAZip, match="more than 999 are not read"):
        find_end(tail, 1022, most=999)


def test_bytes_before_the_zip_are_counted() -> None:
    """A stub in front moves everything."""
    assert find_end(an_end(length=10, offset=5, members=1), 44, most=MOST) == End(12, 10, 1, 7)
    tail = an_end64(length=10, offset=5, members=1)
    assert find_end(tail, 3 + 15 + len(tail), most=MOST) == End(8, 10, 1, 3)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"signature": b"PK\6\5"}, "not where it must be"),
        ({"locator_disk": 1}, "not where it must be"),
        ({"disks": 2}, "not where it must be"),
        ({"disks": 0}, ""),
        ({"disk": 1}, "contradict|several parts"),
        ({"directory_disk": 1}, "contradict|several parts"),
        ({"here": 2}, "contradict|several parts"),
        ({}, ""),
    ],
)
def test_zip64s_own_records(changed: dict[str, object], why: str) -> None:
    """Each field that would mean another zip to another reader is refused."""
    plain: dict[str, object] = {
        "signature": b"PK\6\6", "locator_disk": 0, "disks": 1, "disk": 0, "directory_disk": 0, "here": 1,
    }  # fmt: skip
    it = {**plain, **changed}
    record = struct.pack(
        "<4sQ2H2L4Q", it["signature"], 44, 45, 45, it["disk"], it["directory_disk"], it["here"], 1, 10, 0
    )
    locator = struct.pack("<4sLQL", b"PK\6\7", it["locator_disk"], 10, it["disks"])
    tail = record + locator + struct.pack("<4s4H2LH", b"PK\5\6", *(0xFFFF,) * 4, FULL, FULL, 0)
    if why:
        with pytest.raises(NotAZip, match=why):
            find_end(tail, 10 + len(tail), most=MOST)
    else:
        assert find_end(tail, 10 + len(tail), most=MOST) == End(0, 10, 1)
        assert find_end(b"x" * 10 + tail, 10 + len(tail), most=MOST) == End(0, 10, 1), "with what is before"


def test_a_locator_without_its_record() -> None:
    """The record would begin before the file."""
    tail = struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1) + an_end()
    with pytest.raises(NotAZip, match="Zip64 end record is not where it must be"):
        find_end(tail, len(tail), most=MOST)


def test_more_is_asked_for_only_while_there_is_more() -> None:
    """When the end record is missing, or Zip64's records may stand before what was given."""
    with pytest.raises(MoreTail):
        find_end(b"x" * 100, 101, most=MOST)
    with pytest.raises(NotAZip, match="no end record"):
        find_end(b"x" * 100, 100, most=MOST)
    comment = an_end(comment=b"abc")
    with pytest.raises(MoreTail):
        find_end(b"x" * 75 + comment, 1000, most=MOST)
    assert find_end(b"x" * 76 + comment, 1000, most=MOST).length == 0
    assert find_end(comment, len(comment), most=MOST).members == 0
    assert find_end(b"x" + comment, 1 + len(comment), most=MOST).prefix == 1
    assert find_end(an_end(), 22, most=MOST) == End(0, 0, 0)


def test_an_end_record_in_a_comment_does_not_count_when_it_is_too_short() -> None:
    """The last place at which it could stand is its own length before the end."""
    with pytest.raises(NotAZip, match="no end record"):
        find_end(b"x" * 30 + an_end()[:21], 51, most=MOST)


def test_names_without_the_flag_are_of_the_old_code_page() -> None:
    """As `zipfile` reads them; a name may be empty, too."""
    plain, marked, empty = listed(a_member(b"\x81"), a_member(b"\xc3\xbc", flags=0x800), a_member(b""))
    assert (plain.name, marked.name, empty.name) == ("\u00fc", "\u00fc", "")


def test_each_extra_field_is_passed_over_by_its_own_length() -> None:
    """The wide one may stand behind others, also long ones."""
    for length in (0, 1, 40_000):
        other = struct.pack("<HH", 0x9999, length) + b"x" * length
        (found,) = listed(a_member(size=FULL, extra=other + zip64(30)))
        assert found.size == 30
