"""What a person should know: versions that differ, shared hosts, hosts that differ."""

from datetime import timedelta

import msgspec
import pytest

from shared.artifact_hosts.catalogue import Catalogue, Twins
from shared.artifact_hosts.choose import Scene, choose
from shared.artifact_hosts.findings import findings, runs, skew
from shared.artifact_hosts.model import (
    Finding,
    HostState,
    Origin,
    Packages,
    Rules,
    Running,
    State,
    Use,
    Watch,
)
from shared.groups.model import Os, Value
from tests.artifact_hosts.hosting import a_location, a_package, a_use, a_watch
from tests.fakes.clock import START

WINDOWS = {"west": Os.WINDOWS, "east": Os.WINDOWS}
MIXED = {"west": Os.WINDOWS, "east": Os.LINUX}
GITHUB, VENDOR = a_location("github"), a_location("vendor")
A, B = a_package("a"), a_package("b")
URLS = tuple(Value(f"https://st{name}.blob.core.windows.net/zip/a.zip") for name in "abc")
THREE = (Twins("three", Os.WINDOWS, URLS),)


def running(west: Running, east: Running) -> tuple[Use, Use]:
    return a_use("west", GITHUB, running=west), a_use("east", VENDOR, running=east)


@pytest.mark.parametrize(
    ("west", "east", "systems", "said"),
    [
        (Running(version="1.1"), Running(version="1.1"), WINDOWS, ""),
        (Running(version="1.1"), Running(version="1.2"), MIXED, "east runs 1.2, west runs 1.1"),
        (Running(version="1.1", package=A), Running(version="1.1", package=B), WINDOWS, ""),
        (Running(package=A), Running(package=A), WINDOWS, ""),
        (
            Running(package=A),
            Running(package=B),
            WINDOWS,
            f"east got package {B.short}, west got package {A.short}",
        ),
        (Running(package=A), Running(package=B), MIXED, None),
        (Running(package=A), Running(package=A), MIXED, None),
        (Running(package=A), Running(package=B), {"west": Os.WINDOWS}, None),
        (Running(version="1.1"), Running(), WINDOWS, None),
        (Running(), Running(), WINDOWS, None),
    ],
)
def test_skew(west: Running, east: Running, systems: dict[str, Os], said: str | None) -> None:
    """Versions count first, then packages between regions of one system; what is not known is not called equal."""
    assert skew(running(west, east), systems) == said


def found(*uses: Use, watches: list[Watch], days: float = 2, skewed: bool = False) -> list[Finding]:
    """The findings, so many days after everything was first seen."""
    now = START + timedelta(days=days)
    fresh = [
        msgspec.structs.replace(
            watch, glances=tuple(msgspec.structs.replace(one, at=now) for one in watch.glances)
        )
        for watch in watches
    ]
    scene = Scene(uses=uses, systems=WINDOWS, watches={watch.location.id: watch for watch in fresh}, now=now)
    row = Packages(
        group="g",
        state=State.WATCHING,
        since=START,
        reason="",
        uses=uses,
        skew_since=START if skewed else None,
    )
    catalogue, rules = Catalogue(twins=THREE), Rules()
    return list(findings(row, scene, choose(scene, catalogue, rules), catalogue, rules))


def test_nothing_to_find() -> None:
    """Two hosts, two regions, one package."""
    assert (
        found(a_use("west", GITHUB), a_use("east", VENDOR), watches=[a_watch(GITHUB), a_watch(VENDOR)]) == []
    )


@pytest.mark.parametrize(("days", "kinds"), [(0.9, []), (1.1, ["version-skew"])])
def test_skew_is_a_finding_after_a_day(days: float, kinds: list[str]) -> None:
    """Before that it is an update under way."""
    uses = running(Running(version="1.1"), Running(version="1.2"))
    told = found(*uses, watches=[a_watch(GITHUB), a_watch(VENDOR)], days=days, skewed=True)
    assert [finding.kind for finding in told] == kinds
    assert all(finding.severity == 3 and "restart --ordered" in finding.way_out for finding in told)


@pytest.mark.parametrize(("days", "kinds"), [(0.5, []), (2, ["hosts-differ"])])
def test_hosts_that_differ_for_long(days: float, kinds: list[str]) -> None:
    """A publish step that failed leaves one host behind; for some hours that is its normal delay."""
    watches = [a_watch(GITHUB, package=B, good_for=timedelta()), a_watch(VENDOR, good_for=timedelta())]
    told = found(a_use("west", GITHUB), a_use("east", VENDOR), watches=watches, days=days)
    assert [finding.kind for finding in told] == kinds


def test_one_host_for_all() -> None:
    """Regions that share a host are told of, while the other host is down too."""
    watches = [a_watch(GITHUB), a_watch(VENDOR, HostState.DOWN)]
    (told,) = found(a_use("west", GITHUB), a_use("east", GITHUB), watches=watches)
    assert (told.kind, told.severity, told.region) == ("one-host", 3, "")
    assert "github, which is up" in told.text


def test_what_a_region_runs_in_words() -> None:
    """The version, else the package of the last restart, else that nothing is known."""
    assert runs(a_use(running=Running(version="3.1"))) == "version 3.1"
    assert A.short in runs(a_use(running=Running(package=A, package_at=START)))
    assert "not known" in runs(a_use())


def test_the_gravest_comes_first_and_each_says_whose_it_is() -> None:
    """A region that would not come back from a restart, before regions that merely differ."""
    uses = running(Running(version="1.1"), Running(version="1.2"))
    watches = [a_watch(GITHUB, HostState.DOWN), a_watch(VENDOR, HostState.DOWN)]
    told = found(*uses, watches=watches, skewed=True)
    assert [(finding.kind, finding.severity, finding.region) for finding in told] == [
        ("no-package-host", 2, "west"),
        ("no-package-host", 2, "east"),
        ("version-skew", 3, ""),
    ]
    assert told[0].text.startswith("the next restart of west would take it down: ")
    assert "do not restart" in told[0].way_out
    assert told[2].text == ("regions differ since 2026-03-02 12:00 UTC: west: version 1.1, east: version 1.2")


def test_that_a_host_may_be_left_is_told_as_that() -> None:
    """The other one is not relied on yet; a restart may go well, and should not be tried."""
    watches = [a_watch(GITHUB, HostState.DOWN), a_watch(VENDOR, HostState.UNKNOWN)]
    (told,) = found(a_use("west", GITHUB), a_use("east", VENDOR), watches=watches)
    assert (told.kind, told.severity, told.region) == ("no-trusted-host", 2, "west")
    assert told.text.startswith("the next restart of west may take it down: ")
    assert "is relied on from" in told.text


def test_a_rotation_that_waits_is_told_with_its_way_out() -> None:
    """A person decides: the package there is another one."""
    watches = [a_watch(GITHUB, HostState.DOWN), a_watch(VENDOR, package=B)]
    (told,) = found(a_use("west", GITHUB), a_use("east", VENDOR), watches=watches)
    assert (told.kind, told.severity, told.region) == ("rotation-held", 2, "west")
    assert "--force" in told.way_out


def test_a_host_that_the_vendor_shut_down() -> None:
    """Whatever it answers."""
    retired = msgspec.structs.replace(GITHUB, id="retired.x", host="retired", origin=Origin.RETIRED)
    told = found(a_use("west", retired), a_use("east", VENDOR), watches=[a_watch(VENDOR)])
    (one,) = [finding for finding in told if finding.kind == "retired-host"]
    assert (one.severity, one.region) == (3, "west")
    assert "rotate --region west --force" in one.way_out


def test_one_region_alone_shares_its_host_with_nobody() -> None:
    """Nor do two of three."""
    one = found(a_use("west", GITHUB), watches=[a_watch(GITHUB), a_watch(VENDOR)])
    assert [finding.kind for finding in one] == []


def test_a_region_that_is_not_watched_hides_no_other() -> None:
    """Neither one without a location, nor one whose host was never looked at."""
    watches = [a_watch(GITHUB, package=B, good_for=timedelta()), a_watch(VENDOR, good_for=timedelta())]
    nowhere = Use(region="west", location=None)
    told = found(nowhere, a_use("east", VENDOR), watches=watches)
    assert [(finding.kind, finding.severity, finding.region) for finding in told] == [("hosts-differ", 3, "")]
    assert "waits for a person" in told[0].way_out


def test_each_pair_of_hosts_is_compared_once() -> None:
    """Also behind a host that was never looked at, or that was compared already."""
    one, two, three = (Catalogue(twins=THREE).locate(url) for url in URLS)
    uses = (a_use("west", one), a_use("east", three))
    new = a_watch(one, package=B, good_for=timedelta())
    old = a_watch(three, good_for=timedelta())
    assert [use.text.split(" ")[0] for use in found(*uses, watches=[new, old])] == [three.host]
    middle = a_watch(two, good_for=timedelta())
    texts = [use.text for use in found(*uses, watches=[new, middle, old])]
    assert [text.split(" have ")[0] for text in texts] == [f"{two} and {one}", f"{three} and {one}"]


def test_hosts_that_were_never_read_are_not_compared() -> None:
    """Nothing is known since when they would differ."""
    watches = [a_watch(GITHUB, package=None), a_watch(VENDOR, package=None)]
    assert found(a_use("west", GITHUB), a_use("east", VENDOR), watches=watches) == []


def test_a_day_is_a_day() -> None:
    """To the second, for versions and for hosts."""
    uses = running(Running(version="1.1"), Running(version="1.2"))
    same = [a_watch(GITHUB), a_watch(VENDOR)]
    assert [use.kind for use in found(*uses, watches=same, days=1, skewed=True)] == ["version-skew"]
    other = [a_watch(GITHUB, package=B, good_for=timedelta()), a_watch(VENDOR, good_for=timedelta())]
    assert [
        finding.kind for finding in found(a_use("west", GITHUB), a_use("east", VENDOR), watches=other, days=1)
    ] == ["hosts-differ"]
