"""Two packages: the same, older, newer or different, and how that is told."""

import hashlib
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.artifact_hosts.compare import Relation, before, compare, package_of, unsound
from shared.artifact_hosts.directory import Member
from shared.artifact_hosts.model import Package, Served
from tests.artifact_hosts.hosting import a_package
from tests.fakes.clock import START

DAY = datetime(2026, 1, 1)  # noqa: DTZ001 -- members' dates have no zone


def members(*names: str, size: int = 10, modified: datetime | None = DAY) -> list[Member]:
    return [
        Member(name=name, size=size, packed=10, crc=7, at=number * 100, modified=modified)
        for number, name in enumerate(names)
    ]


def of(*names: str, size: int = 10, modified: datetime | None = DAY) -> Package:
    return package_of(members(*names, size=size, modified=modified), 1000)


def test_equal() -> None:
    """Names, sizes and CRC-32s decide; order, dates and the zip's own size do not."""
    one = of("a", "b")
    other = package_of(list(reversed(members("a", "b", modified=None))), 2000)
    found = compare(one, other)
    assert found.relation is Relation.EQUAL
    assert "2 members" in found.how


@pytest.mark.parametrize(
    ("names", "size"), [(("a", "c"), 10), (("a", "b"), 11), (("a",), 10), (("a", "b", "b"), 10)]
)
def test_not_equal(names: tuple[str, ...], size: int) -> None:
    """Any other name, size or number of members makes another package."""
    assert compare(of(*names, size=size), of("a", "b")).relation is not Relation.EQUAL


def test_by_dates() -> None:
    """Packages of one product are ordered by their youngest members, when these are far enough apart."""
    old = of("a", "b")
    new = of("a", "b", size=11, modified=DAY + timedelta(days=2))
    assert compare(new, old).relation is Relation.NEWER
    assert compare(old, new).relation is Relation.OLDER
    assert "2026-01-03" in compare(new, old).how


@pytest.mark.parametrize("hours", [0, 1, 26])
def test_dates_without_a_zone_tell_little(hours: int) -> None:
    """Within the span of the earth's zones nothing is said about the order."""
    new = of("a", size=11, modified=DAY + timedelta(hours=hours))
    assert compare(new, of("a")).relation is Relation.DIFFERENT
    assert compare(of("a", size=11, modified=None), of("a")).relation is Relation.DIFFERENT


def test_packages_of_no_known_names_are_told_apart_by_their_dates() -> None:
    """As a row may remember them: nothing speaks for two products."""
    old = Package(digest="a", members=1, size=1, newest=DAY)
    new = Package(digest="b", members=1, size=1, newest=DAY + timedelta(days=9))
    assert compare(new, old).relation is Relation.NEWER


def test_by_history() -> None:
    """Who serves today what the other place served before has the older one, whatever the dates say."""
    one, two = of("a", modified=DAY + timedelta(days=9)), of("a", size=11)
    assert compare(one, two, before_other=[one]).relation is Relation.OLDER
    assert compare(two, one, before_one=[one]).relation is Relation.NEWER
    both = compare(one, two, before_one=[two], before_other=[one])
    assert both.relation is Relation.DIFFERENT


def test_another_product() -> None:
    """A package with other files is no version of this one, however new it is."""
    other = of(*(f"certmaster/{number}" for number in range(50)), modified=DAY + timedelta(days=100))
    mine = of(*(f"scepman/{number}" for number in range(50)))
    found = compare(other, mine)
    assert found.relation is Relation.DIFFERENT
    assert "another product" in found.how


def test_unknown() -> None:
    """What was never read is not compared."""
    assert compare(None, of("a")).relation is Relation.UNKNOWN
    assert compare(of("a"), None).relation is Relation.UNKNOWN


packages = st.builds(
    of,
    st.sampled_from(["a", "b", "c"]),
    size=st.integers(1, 3),
    modified=st.one_of(st.none(), st.datetimes(DAY, DAY + timedelta(days=9))),
)
REVERSED = {Relation.OLDER: Relation.NEWER, Relation.NEWER: Relation.OLDER}


@given(packages, packages, st.lists(packages, max_size=2), st.lists(packages, max_size=2))
def test_both_ways(one: Package, other: Package, first: list[Package], second: list[Package]) -> None:
    """Seen from the other side the relation is reversed, and a package equals itself."""
    seen = compare(one, other, before_one=first, before_other=second).relation
    back = compare(other, one, before_one=second, before_other=first).relation
    assert back is REVERSED.get(seen, seen)
    assert compare(one, one, before_one=first, before_other=second).relation is Relation.EQUAL


def test_what_was_served_before() -> None:
    """The packages before the present one, by its last coming; of an unknown one nothing is known."""
    a, b, c = a_package("a"), a_package("b"), a_package("c")
    served = [Served(package, START) for package in (a, b, a)]
    assert before(served, a) == (a, b)
    assert before(served, b) == (a,)
    assert before(served, c) == ()
    assert before(served, None) == ()


def test_sound() -> None:
    """Members beside one another, packed as well as can be, are sound."""
    assert unsound(members("a", "b"), 1000) == ""


@pytest.mark.parametrize(
    ("found", "size", "why"),
    [
        ([], 22, "empty"),
        (members("a"), 2 << 30, "App Service takes"),
        (members("a", size=9 << 30), 1000, "would unpack to"),
        (members("a", size=10**6), 1000, "more than can be packed"),
        ([*members("a"), *members("b")], 1000, "zip bomb"),
        ([Member(name="a", size=1, packed=1, crc=0, at=0, modified=None, encrypted=True)], 9, "encrypted"),
    ],
)
def test_unsound(found: list[Member], size: int, why: str) -> None:
    """Each sign of a bomb, or of no package, has its words."""
    assert why in unsound(found, size)


def a_member(at: int = 0, *, packed: int = 10, size: int = 10, name: str = "a") -> Member:
    return Member(name=name, size=size, packed=packed, crc=7, at=at, modified=None)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ([a_member(0), a_member(10)], ""),  # one right behind the other
        ([a_member(10), a_member(0)], ""),
        ([a_member(0), a_member(9)], "zip bomb"),
        ([a_member(0, packed=0, size=0), a_member(0, packed=0, size=0)], "zip bomb"),
        ([a_member(0, packed=0, size=0), a_member(0)], "zip bomb"),
        ([a_member(0), a_member(100), a_member(105)], "zip bomb"),
        ([a_member(size=10 * 1100 + 1024)], ""),
        ([a_member(size=10 * 1100 + 1025)], "more than can be packed"),
        ([a_member(packed=8 << 20, size=8 << 30)], ""),
        ([a_member(packed=8 << 20, size=(8 << 30) + 1)], "would unpack to"),
        ([a_member(0, packed=8 << 20, size=8 << 30), a_member(1 << 30, size=1)], "would unpack to"),
    ],
)
def test_how_a_bomb_is_told(found: list[Member], why: str) -> None:
    """To the byte."""
    told = unsound(found, 1 << 30)
    assert why in told
    assert bool(told) is bool(why)
    assert "App Service takes" in unsound(found, (1 << 30) + 1)


def test_how_it_was_told() -> None:
    """People read it beside the relation."""
    assert compare(None, of("a")).how == "its directory was never read"
    assert compare(of("a"), None).how == "nothing to compare with"
    assert compare(of("a"), of("a")).how == (
        f"all 1 members agree in name, size and CRC-32 ({of('a').short})"
    )
    assert (
        compare(of("a"), of("a", size=2), before_other=[of("a")]).how == "it was served before the other one"
    )
    assert compare(of("a"), of("a", size=2), before_one=[of("a", size=2)]).how == (
        "the other one was served before it"
    )
    assert compare(of("a", modified=None), of("a", size=2)).how == "members differ and have no dates"
    half = compare(of("a", "b", "c"), of("a", "b", "d"))
    assert half.how.startswith(
        "members differ; its youngest member is of 2026-01-01, the other's of 2026-01-01"
    )
    assert compare(of("a", "b"), of("c", "d")).how.startswith("only about 0% of the file names are the same")


def test_half_of_the_names_is_the_same_product() -> None:
    """Less is another one."""
    assert "members differ" in compare(of("a", "b", "c"), of("a", "b", "d")).how  # two of four
    assert "another product" in compare(of("a", "b", "c"), of("a", "d", "e")).how


def test_what_a_package_is_known_by() -> None:
    """Its digest says name, size and checksum of each member; its sketch is of names alone, and bounded."""
    one = of("a", "b")
    assert (one.members, one.size, one.newest) == (2, 1000, DAY)
    assert len(of(*(str(number) for number in range(40))).sketch) == 32
    assert of("a", size=1).sketch == of("a", size=2).sketch
    assert all(0 <= number < 1 << 48 for number in one.sketch)
    assert of("a", modified=None).newest is None
    assert one.digest == hashlib.sha256(b"1:a:10:7;1:b:10:7;").hexdigest()


def test_a_package_whose_names_are_forgotten_is_told_apart_by_its_date() -> None:
    """As a row that was full remembers it; the other one's names say nothing then."""
    old = Package(digest="a", members=1, size=1, newest=DAY)
    new = Package(digest="b", members=1, size=1, newest=DAY + timedelta(days=9), sketch=(1, 2, 3))
    assert compare(new, old).relation is Relation.NEWER
    assert compare(old, new).relation is Relation.OLDER
