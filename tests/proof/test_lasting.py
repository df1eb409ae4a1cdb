"""What does not end is noticed during a run, when nothing has hindered it for a day; what people know of is not."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from proof.lasting import LONG
from proof.loop import Loop
from proof.observer import Observer
from proof.ports import dice
from proof.world import PACKAGE, Site, Tick, World, moment

URL = "https://packages.test/one.zip"
TURN = 3600.0  # as after a skipped stretch

type Row = dict[str, Any]


class Quiet:
    """A pair in which nothing happens, and turns of the timer, of which each finds the same under way."""

    def __init__(self) -> None:
        self.loop = Loop()  # type: ignore[abstract]  # what no port needs of a loop is left out
        self.world = World(
            self.loop, [Site(name, {PACKAGE: URL}, {}) for name in ("east", "west")], [URL], dice("1")
        )
        self.observer = Observer(soak=180.0)
        self.observer.watch(self.world)
        self._turns = 0

    def has(self, key: str, row: Row | None) -> None:
        """A row is written, or is not there any more."""
        if row is None:
            self.world.rows.pop(key, None)
            return
        self.world.rows[key] = (msgspec.json.encode(row), 1)
        self.observer._lasting.stored(key)

    def told(self, kind: str, topic: str, subject: str = "scepman-1") -> None:
        """A card about an incident is in the outbox."""
        row = {"kind": f"incident.{kind}", "subject": subject, "facts": {"topic": topic, "also_known_as": []}}
        self.observer._lasting.letter(f"outbox/{subject}.{kind}", row)

    def pass_(self, seconds: float, *, clean: bool = True) -> None:
        """Time passes, turn by turn."""
        for _ in range(int(seconds // TURN) + 1):
            self.observer._lasting.ticked(Tick(self._turns * TURN, clean, {}))
            self._turns += 1

    @property
    def complaints(self) -> list[str]:
        """Of law 8; each once."""
        return sorted({breach.text for breach in self.observer.breaches if breach.law == 8})


UNDER_WAY: dict[str, tuple[str, Row, Row | None]] = {
    "the rollout": ("settings-sync/g", {"state": "writing"}, {"state": "converged"}),
    "the write": (
        "settings-sync/g",
        {"state": "converged", "flight": {"id": "1"}},
        {"state": "converged", "flight": {"id": "2"}},
    ),
    "a person who was not told": ("settings-sync/g", {"state": "held"}, {"state": "converged"}),
    "the rotation": ("packages/g", {"flight": {"id": "1"}}, {"flight": None}),
    "the order": ("packages/g", {"order": {"at": "noon"}}, {}),
    "the drill": ("drill-slots/g", {"drill": {"id": "1"}}, {}),
    "the hold": ("failback-holds/g", {"hold": {"id": "1"}}, {"hold": None}),
    "the permit": ("permit/g", {"permit": {"id": "1", "until": moment(1e9).isoformat()}}, {"permit": None}),
    "the message": (
        "outbox/1",
        {"sent_at": None, "given_up_at": None, "perhaps_delivered_at": None, "kind": "drill.started"},
        None,
    ),
}


@pytest.mark.parametrize("what", UNDER_WAY)
def test_what_is_under_way_for_a_day_is_a_breach(what: str) -> None:
    """Each kind of what can be begun, at the turn at which the day is over."""
    quiet = Quiet()
    key, row, _ = UNDER_WAY[what]
    quiet.has(key, row)
    quiet.pass_(LONG)
    assert quiet.complaints == []
    quiet.pass_(TURN)
    assert len(quiet.complaints) == 1
    assert what in quiet.complaints[0]


@pytest.mark.parametrize("what", UNDER_WAY)
def test_what_ends_is_none(what: str) -> None:
    """It ends at the last moment; another one of its kind has a day of its own."""
    quiet = Quiet()
    key, row, after = UNDER_WAY[what]
    quiet.has(key, row)
    quiet.pass_(LONG)
    quiet.has(key, after)
    quiet.pass_(LONG / 2)
    assert quiet.complaints == []


def test_a_copy_that_stays_in_the_vault_is_a_breach() -> None:
    """As it would be without its write."""
    quiet = Quiet()
    quiet.world.vault["counterpart-1"] = "old values"
    quiet.pass_(LONG + TURN)
    assert ["counterpart-1" in complaint for complaint in quiet.complaints] == [True]


def test_a_permit_whose_time_is_over_is_nobodys() -> None:
    """Whoever had it died before giving it back."""
    quiet = Quiet()
    quiet.has("permit/g", {"permit": {"id": "1", "until": moment(-1.0).isoformat()}})
    quiet.pass_(LONG + TURN)
    assert quiet.complaints == []


def sick(world: World) -> None:
    """A region is ill."""
    world.sites["west"].ills.add("region")


def disabled(world: World) -> None:
    """A person has disabled an endpoint."""
    world.switch("west", enabled=False)


def lost(world: World) -> None:
    """A package host is lost."""
    world.host(URL, up=False)


def deaf(world: World) -> None:
    """The channel is lost."""
    world.deaf_until = 1e9


def missed(world: World) -> None:
    """A site was not found."""
    world.misses("west")


@pytest.mark.parametrize("hindrance", [sick, disabled, lost, deaf, missed])
def test_time_in_which_something_hindered_it_does_not_count(hindrance: Callable[[World], None]) -> None:
    """Nor do turns that were disturbed."""
    quiet = Quiet()
    quiet.has("settings-sync/g", {"state": "writing"})
    quiet.pass_(LONG + TURN, clean=False)
    hindrance(quiet.world)
    quiet.pass_(LONG + TURN)
    assert quiet.complaints == []


def test_time_is_summed_up_over_what_hindered_it() -> None:
    """A fault every two hours is no excuse for ever."""
    quiet = Quiet()
    quiet.has("settings-sync/g", {"state": "writing"})
    for _ in range(26):
        quiet.pass_(0.0, clean=False)
        quiet.pass_(TURN)
    assert len(quiet.complaints) == 1


def test_a_held_rollout_waits_for_a_person_who_was_told() -> None:
    """For ever; when the incident is over, and the rollout still held, nobody knows of it any more."""
    quiet = Quiet()
    quiet.has("settings-sync/g", {"state": "held"})
    quiet.told("held", "settings")
    quiet.pass_(3 * LONG)
    assert quiet.complaints == []
    quiet.told("resolved", "settings")
    quiet.pass_(LONG + TURN)
    assert ["not told" in complaint for complaint in quiet.complaints] == [True]


@pytest.mark.parametrize("topic", ["service", "authority", "hosts", "settings"])
def test_an_incident_of_nothing_ends(topic: str) -> None:
    """All is well, nothing is held, and people were never told that it is over."""
    quiet = Quiet()
    quiet.told("held" if topic == "settings" else "opened", topic)
    quiet.pass_(LONG)
    assert quiet.complaints == []
    quiet.pass_(TURN)
    assert ["incident scepman-1" in complaint for complaint in quiet.complaints] == [True]
