"""Skipping what is provably quiet changes nothing: the same seed ends alike, to the byte, with the same effects."""

import json
from typing import Any

import msgspec
import pytest

from proof.crashes import MINUTE, STORIES, Story, skipping
from proof.play import DAY, Play, Report, settings_of
from proof.quiet import TURN, Rows, noop
from proof.weather import HOUR, Error, Fate, Weather
from proof.world import BAD, SECRET
from shared.store import RECALLED


def told(report: Report) -> list[str]:
    """Return what is so in the end and what was done on the way, every time included."""
    end: dict[str, Any] = report.end
    rows = {key: json.loads(body) for key, body in end["rows"].items()}
    return [
        *(repr(effect) for effect in report.effects),
        *(f"{kind}: {end[kind]}" for kind in ("settings", "endpoints", "vault")),
        *(f"{key}: {json.dumps(row, indent=1, sort_keys=True)}" for key, row in sorted(rows.items())),
    ]


@pytest.mark.parametrize("seed", ["4", "7"])
def test_what_is_skipped_would_have_changed_nothing(seed: str) -> None:
    """With and without, minute by minute: the same effects at the same times, and the same rows."""
    skipped, played = (Play(seed, seconds=1.5 * DAY, skip=number).run() for number in (True, False))
    assert skipped.breaches == played.breaches == []
    assert skipped.skipped > 0.8 * DAY
    assert played.skipped == 0
    assert told(skipped) == told(played)


def test_a_channel_that_is_lost_is_passed_over_as_well() -> None:
    """What waits says when it is tried next; in this seed letters are given up."""
    skipped, played = (Play("1128", seconds=1.5 * DAY, skip=number).run() for number in (True, False))
    assert any(b'"given_up_at":"' in body for body in skipped.end["rows"].values())
    assert skipped.skipped > DAY
    assert told(skipped) == told(played)


@pytest.mark.parametrize("what", ["lost", "held", "contained", "switched off", "all"])
def test_what_is_ill_for_hours_is_passed_over(what: str) -> None:
    """Each turn then says in the ledger that it still is, and asks for proofs anew; that is written as if it had."""

    def played(*, skip: bool) -> Report:
        settings = settings_of(hold=what == "held", revert=False)
        play = Play("4", seconds=9 * HOUR, skip=skip, faults=False, settings=settings)
        world, (first, *others) = play.world, play.world.sites.values()

        def falls() -> None:
            if what == "contained":
                world.edit(first.name, {"AppConfig:K01": f"{SECRET}{BAD}"})
            else:
                for site in (first, *others) if what == "all" else (first,):
                    world.ill(site, "region")
            if what == "switched off":
                world.switch(first.name, enabled=False)

        def stands_up() -> None:
            world.edit(first.name, {"AppConfig:K01": f"{SECRET}-0"})
            for site in world.sites.values():
                world.heal(site, "region")

        play.happen.at(3 * HOUR + 17, falls)
        play.happen.at(7 * HOUR + 23, stands_up)
        return play.run()

    skipped, minutes = played(skip=True), played(skip=False)
    assert skipped.breaches == minutes.breaches == []
    assert skipped.skipped > 7 * HOUR  # of nine, in four of which something is ill
    assert told(skipped) == told(minutes)


def test_a_turn_that_took_its_time_says_not_how_the_next_one_looks() -> None:
    """Its look at what is ill was some seconds after it began: whether it was the last one cannot be told."""
    play = Play("4", seconds=HOUR, faults=False)
    play.world.ill(next(iter(play.world.sites.values())), "region")
    play.run()
    rows = play.world.rows
    anew = {
        key: (body, version + key.startswith("incident-ledgers/")) for key, (body, version) in rows.items()
    }
    assert noop(rows, anew, calm=True)
    assert not noop(rows, anew, calm=False)


@pytest.mark.parametrize(
    "story", [story for story in STORIES if story.minutes * MINUTE < 2 * DAY], ids=lambda it: it.name
)
def test_stories_are_the_same_minute_by_minute(story: Story) -> None:
    """With and without, in the other stories of the proof, too; `python -m proof minutes` plays those of days."""
    assert skipping(story) == []


def test_what_comes_otherwise_is_said() -> None:
    """A story that is told otherwise when nothing is skipped."""

    def happens(play: Play) -> None:
        play.world.edit("west", {"AppConfig:K01": f"{SECRET}-{play.skip}"})

    told = skipping(Story("one that differs", happens, 20))
    assert any(name.startswith("- ") and f"{SECRET}-False" in name for name in told)
    assert any(name.startswith("+ ") and f"{SECRET}-True" in name for name in told)


def hosts(rows: Rows, **changes: object) -> Rows:
    """The rows with something changed in each host's."""
    return {
        key: (msgspec.json.encode(msgspec.json.decode(body) | changes), version + 1)
        if key.startswith("artifact-hosts/")
        else (body, version)
        for key, (body, version) in rows.items()
    }


def test_a_turn_in_which_a_host_was_found_up_or_down_is_not_quiet() -> None:
    """The groups of that turn may have looked before: the next turn may do what this one did not."""
    play = Play("4", seconds=DAY / 24)
    play.run()
    rows = play.world.rows
    checked = {"next_at": "2026-03-02T05:00:00Z", "good": 99, "glances": []}
    assert noop(rows, rows, calm=True)
    assert noop(rows, hosts(rows, **checked), calm=True)
    changes: list[dict[str, object]] = [{"state": "down"}, {"good_since": None}, {"served": []}]
    for changed in changes:
        assert not noop(rows, hosts(rows, **checked | changed), calm=True)


def resting() -> tuple[Play, float]:
    """A run at rest after some hours without any fault, and its next turn."""
    play = Play("4", seconds=DAY / 4, faults=False)
    play.run()
    play.happen.at(play.loop.time() + 10 * HOUR, lambda: None)
    return play, play.loop.time() // TURN * TURN + TURN


def calmed(play: Play, turn: float, *, clean: bool = True) -> float:
    """The next turn that is played after one that changed nothing."""
    return play._calmed(play.world.rows, turn - TURN, turn, turn + DAY, clean=clean)


def test_a_turn_that_was_disturbed_proves_nothing() -> None:
    """It may have changed nothing because its calls failed; the next one may change something."""
    play, turn = resting()
    assert calmed(play, turn, clean=False) == turn
    assert calmed(play, turn) > turn + 10 * TURN


def test_the_turn_before_something_happens_is_played() -> None:
    """An instance remembers for some seconds what it read, so what happens right after a turn may not see more."""
    at = RECALLED.total_seconds()
    for seconds, next_ in ((at, 4), (at + 1, 5)):
        play, turn = resting()
        play.loop.call_at(turn + 4 * TURN + seconds, lambda: None)
        assert calmed(play, turn) == turn + next_ * TURN
        play, turn = resting()
        play.happen.at(turn + 4 * TURN + seconds, lambda: None)
        assert calmed(play, turn) == turn + next_ * TURN


def test_who_comes_to_look_and_finds_nothing_disturbs_nothing() -> None:
    """While there is something to be seen to, the looking ends the stretch."""
    for idle, next_ in ((bool, 3), (lambda: True, 6)):  # bool() is False
        play, turn = resting()
        play.happen.at(turn + 2 * TURN + 30, lambda: None, idle)
        play.happen.at(turn + 5 * TURN + 30, lambda: None)
        assert calmed(play, turn) == turn + next_ * TURN


@pytest.mark.parametrize(
    ("names", "skips"), [("arm.", False), ("store.put", False), ("vault.", True), ("arm.put", True)]
)
def test_faults_that_no_quiet_turn_can_meet_do_not_end_a_stretch(names: str, *, skips: bool) -> None:
    """One that a quiet turn's own calls can meet does, until its time is over."""
    play, turn = resting()
    spell = Fate(Error.UNAVAILABLE, effect=False)
    play.weather.spell(names, spell, until=play.loop.time() + 600.0, left=1)
    assert (calmed(play, turn) > turn) is skips
    play.weather.clear()
    play.weather.spell(names, spell, until=play.loop.time())
    assert calmed(play, turn) > turn


@pytest.mark.parametrize(
    "kind", ["artifact-hosts", "watched", "settings-sync", "packages", "failback-holds", ""]
)
def test_what_waits_for_a_row_that_quiet_turns_write_keeps_them_from_being_skipped(kind: str) -> None:
    """Else it would wait longer than it would minute by minute."""
    weather = Weather()
    weather.spell(f"store.put {kind}".strip(), Fate(Error.UNAVAILABLE), until=60.0, left=1)
    assert not weather.fair(0.0)


def test_what_waits_for_a_change_does_not() -> None:
    """No quiet turn makes one."""
    weather = Weather()
    weather.spell("arm.put", Fate(Error.TIMEOUT), until=60.0, left=1)
    weather.spell("store.put permit", Fate(Error.UNAVAILABLE), until=60.0, left=1)
    assert weather.fair(0.0)
