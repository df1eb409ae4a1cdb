"""What people are told without a reason is noticed, of each kind; and not what has one."""

from collections.abc import Callable
from typing import Any

import pytest

from proof.alarms import BLIND, CAUGHT_UP, CHECKED, KNOWN, SEEN, SWEPT, TOGETHER, Alarms
from proof.ports import dice
from proof.world import PACKAGE, Site, Tick, World, moment

URLS = ("https://one.test/Artifacts.zip", "https://other.test/Artifacts.zip")
NOW = 100_000.0


class Clock:
    """A world's time, by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def time(self) -> float:
        """Now."""
        return self.now

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> "Clock":
        """Nothing happens later."""
        return self

    def cancel(self) -> None:
        """Nor does it then."""


class Town:
    """Two regions that are well for long, two hosts, and who judges what is told of them."""

    def __init__(self) -> None:
        self.clock = Clock()
        sites = [Site(name, {PACKAGE: URLS[0]}, {}) for name in ("east", "west")]
        self.world = World(self.clock, sites, list(URLS), dice("a town"))
        self.world.witness = Deaf()
        self.east, self.west = sites
        self.differed = self.stirred = self.unheard = -1e9
        self.wrong: list[str] = []
        self.alarms = Alarms(
            self.world,
            self._check,
            differed=lambda begin: self.differed >= begin,
            stirred=lambda begin: self.stirred >= begin,
            unheard=lambda begin: self.unheard >= begin,
        )
        self.clock.now = NOW - SEEN - 60.0 * CAUGHT_UP
        for _ in range(CAUGHT_UP):
            self.turn()
            self.clock.now += 60.0
        self.clock.now = NOW

    def _check(self, law: int, holds: object, text: Callable[..., str], *about: object) -> None:
        assert law == 5
        self.wrong += [] if holds else [text(*about)]

    def told(self, kind: str, topic: str | None = None, **facts: Any) -> list[str]:
        """Return what is wrong with a letter, which has begun just now if it does not say otherwise."""
        its: dict[str, Any] = {"topic": topic} if topic else {}
        if kind.startswith("incident."):
            its |= {"started": self.at(), "mitigated": None, "resolved": None, "severity": 2}
        its |= {"region": "east", **facts}
        self.alarms.letter(f"outbox/{kind}", {"kind": kind, "facts": its})
        return self.wrong

    def turn(self, *, clean: bool = True) -> None:
        """A turn of the timer."""
        self.alarms.ticked(Tick(self.clock.now, clean, {}))

    def at(self, ago: float = 0.0) -> str:
        """A time as a letter has it."""
        return moment(self.clock.now - ago).isoformat()

    def fall(self, *sites: Site, ago: float, status: str = "Degraded") -> None:
        """Regions fail so long ago, as Traffic Manager notices; or one is disabled, which is well."""
        self._turn(*sites, ago=ago, well=status == "Disabled", status=status)

    def out(self, *sites: Site, seconds: float = 300.0, after: float = 0.0, status: str = "Degraded") -> None:
        """The same, for so long, until some time before now."""
        self.fall(*sites, ago=after + seconds, status=status)
        self._turn(*sites, ago=after, well=True, status="Online")

    def _turn(self, *sites: Site, ago: float, well: bool, status: str) -> None:
        self.clock.now = NOW - ago
        for site in sites:
            site.ills = set() if well else {"region"}
            site.status = status
            self.world._note(site)
        self.clock.now = NOW


class Deaf:
    """A witness who does not care."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


OUTAGE = ("incident.opened", "service")


@pytest.mark.parametrize("cause", ["one-region", "shared-dependency", "artifact-host", "unknown"])
@pytest.mark.parametrize("kind", ["opened", "escalated-to-1", "escalated-to-2", "mitigated"])
def test_no_outage_is_told_of_a_region_that_is_well(kind: str, cause: str) -> None:
    """Nor that it got worse, nor that devices are led away from it."""
    town = Town()
    severity = 1 if kind.endswith("1") else 2
    town.out(town.east, town.west, after=2 * SEEN + 1)
    town.world.hosts[URLS[0]].since = NOW - 2 * SEEN - 1
    assert len(town.told(f"incident.{kind}", "service", cause=cause, severity=severity)) == 1


@pytest.mark.parametrize("cause", ["one-region", "unknown"])
@pytest.mark.parametrize("kind", ["opened", "escalated-to-2", "mitigated"])
def test_an_outage_is_told(kind: str, cause: str) -> None:
    """It was so lately."""
    town = Town()
    town.out(town.east, after=600.0)
    assert town.told(f"incident.{kind}", "service", cause=cause) == []


def test_an_outage_of_another_region_is_not_this_one_s() -> None:
    """Whoever fails is named."""
    town = Town()
    town.out(town.west)
    (wrong,) = town.told(*OUTAGE, cause="one-region")
    assert "east was well and in DNS" in wrong


@pytest.mark.parametrize("apart", [0.0, TOGETHER - 1.0])
def test_everybody_s_outage_is_told_of_all(apart: float) -> None:
    """Also when the regions did not fail at the same moment."""
    town = Town()
    town.out(town.east)
    town.out(town.west, after=300.0 + apart)
    assert town.told(*OUTAGE, cause="shared-dependency", severity=1) == []


@pytest.mark.parametrize(("cause", "severity"), [("shared-dependency", 2), ("one-region", 1), ("unknown", 1)])
def test_one_region_s_outage_is_not_everybody_s(cause: str, severity: int) -> None:
    """Nor is the service called gone."""
    town = Town()
    town.out(town.east)
    town.out(town.west, after=300.0 + TOGETHER + 1.0)
    assert len(town.told(*OUTAGE, cause=cause, severity=severity)) == 1


def test_everybody_s_outage_is_not_one_region_s() -> None:
    """Nobody else served."""
    town = Town()
    town.fall(town.east, town.west, ago=5 * SEEN)
    (wrong,) = town.told(*OUTAGE, cause="one-region")
    assert "no other region was well" in wrong


def test_a_package_host_is_blamed_when_one_was_lost() -> None:
    """And not when all were there."""
    town = Town()
    town.out(town.east)
    assert len(town.told(*OUTAGE, cause="artifact-host")) == 1
    other = Town()
    other.out(other.east)
    other.world.host(URLS[1], up=False)
    assert other.told(*OUTAGE, cause="artifact-host") == []


@pytest.mark.parametrize("cause", ["tls-or-host-name", "probe-path", "stopped", "ca-mismatch", "bad luck"])
def test_what_nothing_here_fails_of_is_no_cause(cause: str) -> None:
    """Certificates, names, paths and plans are well in this world."""
    town = Town()
    town.out(town.east)
    (wrong,) = town.told(*OUTAGE, cause=cause)
    assert f"for the cause {cause}" in wrong


def test_devices_are_led_away_from_who_is_out_of_dns() -> None:
    """Not from one that Traffic Manager never took out, nor to nobody."""
    town = Town()
    town.world.ill(town.east, "region")
    assert len(town.told("incident.mitigated", "service", cause="one-region")) == 1
    other = Town()
    other.fall(other.east, other.west, ago=5 * SEEN)
    assert len(other.told("incident.mitigated", "service", cause="unknown")) == 1


@pytest.mark.parametrize(("ago", "wrong"), [(SEEN + 1.0, 1), (SEEN - 1.0, 0)])
def test_the_end_of_an_outage_is_told_when_it_is_over(ago: float, wrong: int) -> None:
    """Who fell ill after the end that is told was well then; who was ill all the time was not."""
    town = Town()
    town.clock.now -= ago
    town.world.ill(town.east, "region")
    town.clock.now = NOW
    assert len(town.told("incident.resolved", "service", cause="unknown", resolved=town.at())) == wrong


def test_an_outage_ends_when_its_endpoint_is_taken_out() -> None:
    """It is out of service on purpose."""
    town = Town()
    town.world.ill(town.east, "region")
    town.clock.now += 2 * SEEN
    town.east.enabled = False
    assert town.told("incident.resolved", "service", cause="unknown", resolved=town.at()) == []


@pytest.mark.parametrize(("region", "wrong"), [("east", 0), ("west", 1)])
def test_an_outage_ends_when_its_endpoint_leaves_the_profile(region: str, wrong: int) -> None:
    """A person takes an endpoint out of the profile: no device is led there. Another one's ends nothing."""
    town = Town()
    town.fall(town.east, ago=SEEN + 1200.0)
    town.world.lacks, town.world.moved_until = region, NOW + 60.0
    assert len(town.told("incident.resolved", "service", resolved=town.at(60.0))) == wrong


@pytest.mark.parametrize(("since", "wrong"), [(200.0, 0), (None, 1)])
def test_a_region_out_of_the_profile_serves_nobody(since: float | None, wrong: int) -> None:
    """The only other one's endpoint was away when this one failed, for a while."""
    town = Town()
    town.fall(town.east, ago=100.0)
    if since is not None:
        town.world.lacks, town.world.moved_from, town.world.moved_until = "west", NOW - since, NOW - 50.0
    assert len(town.told(*OUTAGE, cause="unknown", severity=1)) == wrong


@pytest.mark.parametrize(("changed", "wrong"), [(7300.0, 0), (7200.0 + SWEPT + 1.0, 1)])
def test_the_cause_is_that_of_the_incidents_beginning(changed: float, wrong: int) -> None:
    """Settings were changed before it began, as late as a sweep sees it; two hours later it gets worse."""
    town = Town()
    town.fall(town.east, ago=7200.0)
    town.fall(town.west, ago=60.0)
    town.east.changed = NOW - changed
    facts = {"cause": "settings-change", "severity": 1, "started": town.at(7200.0)}
    assert len(town.told("incident.escalated-to-1", "service", **facts)) == wrong


@pytest.mark.parametrize("differ", [True, False])
def test_different_authorities_are_told_when_they_differ(differ: bool) -> None:  # noqa: FBT001 -- a parameter
    """Now or lately; and the end, when they are one."""
    opened, resolved = ("incident.opened", "authority"), ("incident.resolved", "authority")
    town = Town()
    town.turn()
    town.east.authority = "eb" * 32 if differ else town.west.authority
    town.clock.now += SEEN + 1
    assert len(town.told(*opened, region=None)) == (not differ)
    town.wrong.clear()
    assert len(town.told(*resolved, region=None, resolved=town.at())) == differ
    town.wrong.clear()
    town.turn()
    town.east.authority = town.west.authority if differ else "eb" * 32
    town.clock.now += SEEN - 1
    town.alarms._known.clear()
    assert town.told(*opened, region=None) == []
    assert town.told(*resolved, region=None, resolved=town.at()) == []


@pytest.mark.parametrize(
    ("lost", "wrong"),
    [((), 1), (URLS[:1], 1), (URLS[1:], 1), (URLS, 0)],
    ids=["none", "its own", "the other", "both"],
)
def test_no_host_is_left_when_all_are_lost(lost: tuple[str, ...], wrong: int) -> None:
    """One that is left is one too many, whichever the region runs from; of the end, one is enough."""
    town = Town()
    for url in lost:
        town.world.host(url, up=False)
    assert len(town.told("incident.opened", "hosts", cause="hosts-exhausted")) == wrong
    town.wrong.clear()
    town.clock.now += 2 * SEEN
    told = town.told("incident.resolved", "hosts", cause="hosts-exhausted", resolved=town.at())
    assert len(told) == (not wrong)


@pytest.mark.parametrize(("after", "wrong"), [(KNOWN - 61.0, 0), (KNOWN, 1)])
def test_what_nobody_could_look_at_is_not_known_to_be_left(after: float, wrong: int) -> None:
    """It takes some good checks until a host is believed again; but nobody says that it is gone."""
    town = Town()
    town.turn(clean=False)
    town.clock.now += BLIND + 60.0
    town.turn()
    town.clock.now += after + 1.0
    assert len(town.told("incident.opened", "hosts", cause="hosts-untrusted")) == wrong
    town.wrong.clear()
    town.alarms._known.clear()
    assert len(town.told("incident.opened", "hosts", cause="hosts-exhausted")) == 1


@pytest.mark.parametrize(
    ("cause", "back", "wrong"),
    [
        ("hosts-untrusted", SEEN + KNOWN, 0),
        ("hosts-untrusted", SEEN + KNOWN + 1.0, 1),
        ("hosts-exhausted", CHECKED, 0),
        ("hosts-exhausted", CHECKED + 1.0, 1),
    ],
)
def test_a_host_that_has_just_come_back_is_not_relied_on(cause: str, back: float, wrong: int) -> None:
    """Half an hour and as long as it takes to tell; that none is left is told of what was looked at just before."""
    town = Town()
    town.world.host(URLS[0], up=False)
    now, town.clock.now = town.clock.now, town.clock.now - back
    town.world.host(URLS[1], up=False)
    town.world.host(URLS[1], up=True)
    town.clock.now = now
    assert len(town.told("incident.opened", "hosts", cause=cause)) == wrong


def test_what_was_long_ago_is_told_when_nobody_could_tell_it_before() -> None:
    """The store may have been away; some undisturbed turns later it is no excuse any more."""
    town = Town()
    town.out(town.east, after=3 * SEEN)
    letter = {"cause": "one-region", "started": town.at(3 * SEEN + 300.0)}
    assert len(town.told(*OUTAGE, **letter)) == 1
    other = Town()
    other.out(other.east, after=3 * SEEN)
    other.alarms._clean.clear()
    assert other.told(*OUTAGE, **letter) == []


def test_a_host_that_no_region_could_start_from_is_not_left() -> None:
    """It has an older package, or another one, or one with which the region does not come up."""
    town = Town()
    town.world.host(URLS[0], up=False)
    town.world.hosts["https://one.test/Artifacts-Beta.zip"] = type(town.world.hosts[URLS[0]])()
    town.world.unfit.add(("east", URLS[1]))
    assert town.told("incident.opened", "hosts", cause="hosts-exhausted") == []
    town.world.unfit.clear()
    town.east.runs = 2
    town.alarms._known.clear()
    assert town.told("incident.opened", "hosts", cause="hosts-exhausted") == []


def test_a_change_is_held_when_regions_differ() -> None:
    """And is not any more when somebody did something about it."""
    held, resolved = ("incident.held", "settings"), ("incident.resolved", "settings")
    town = Town()
    town.differed, town.stirred = NOW - 2 * SEEN - 1, NOW - SWEPT - 1
    assert len(town.told(*held, region=None)) == 1
    assert len(town.told(*resolved, region=None, resolved=town.at())) == 2
    town.wrong.clear()
    town.differed, town.stirred = NOW - SEEN, NOW - SWEPT
    town.alarms._known.clear()
    assert town.told(*held, region=None) == []
    assert town.told(*resolved, region=None, resolved=town.at()) == []


@pytest.mark.parametrize("kind", ["started", "finished", "stuck"])
def test_a_drill_is_told_when_somebody_asked_for_it(kind: str) -> None:
    """Of that region."""
    town = Town()
    town.out(town.east, status="Disabled")
    facts = {
        "accepted_at": town.at(300.0),
        "drained_at": town.at(290.0),
        "since": town.at(200.0),
        "perhaps_out_because": None,
    }
    town.alarms.asked_for_drill("west")
    (wrong,) = town.told(f"drill.{kind}", **facts)
    assert "nobody had asked for a drill of east" in wrong
    town.wrong.clear()
    town.alarms._known.clear()
    town.alarms.asked_for_drill("east")
    assert town.told(f"drill.{kind}", **facts) == []


def test_a_drill_is_over_when_its_region_is_back_and_stuck_when_it_is_not() -> None:
    """The endpoint says so. When something was not answered, and nobody can know, it is perhaps out."""
    town = Town()
    town.alarms.asked_for_drill("east")
    now, unknown = town.at(), "how the disabling ended is not known"
    facts = {"accepted_at": now, "drained_at": now, "since": now, "perhaps_out_because": None}
    for unheard, why, count in ((-1e9, None, 1), (-1e9, unknown, 1), (NOW, None, 1), (NOW, unknown, 0)):
        town.unheard = unheard
        town.alarms._known.clear()
        town.wrong.clear()
        said = town.told("drill.stuck", **facts | {"perhaps_out_because": why})
        assert len(said) == count
        assert all("in DNS all the time" in name for name in said)
    town.east.enabled = False
    (wrong,) = town.told("drill.finished", **facts)
    assert "still out of DNS" in wrong


def test_a_letter_that_nobody_judges_is_a_breach() -> None:
    """Whoever adds one says what justifies it."""
    (wrong,) = Town().told("incident.forgotten", "service")
    assert "incident.forgotten" in wrong


def test_a_letter_is_judged_once() -> None:
    """When it is written down first, not when it is tried and sent."""
    town = Town()
    town.told("incident.held", "settings", region=None)
    assert len(town.told("incident.held", "settings", region=None)) == 1
