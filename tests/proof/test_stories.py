"""Stories that broke a law once, told anew: each was found in use, and is too long or too rare for seeds."""

from functools import partial

import msgspec
import pytest

from proof import crashes
from proof.crashes import MINUTE, Effects, Story
from proof.play import DAY, Play
from proof.weather import HOUR
from proof.world import BAD, PACKAGE, SECRET
from shared.settings import Settings


def _on_request(settings: Settings) -> Settings:
    """A person is asked before a region is moved to another package host."""
    rules = msgspec.structs.replace(settings.package_rules, rotate=False)
    return msgspec.structs.replace(settings, package_rules=rules)


def _spoilt_whole(play: Play) -> None:
    """Every setting of a region is set to what it does not bear; a person wants it undone."""
    west = play.world.sites["west"]
    keys = [name for name in west.app if name.startswith("AppConfig:K")]
    play.world.edit("west", {**dict.fromkeys(keys, f"{SECRET}-1{BAD}"), PACKAGE: "false"})
    for minutes in (30, 60, 90):
        play.loop.call_later(minutes * MINUTE, partial(_undo, play))


def _undo(play: Play) -> None:
    row = play.cast.row("settings-sync") or {}
    if row.get("state") in {"held", "contained"}:
        body = {"group": "scepman", "fingerprint": row["plan"]["fingerprint"], "by": "ada", "reason": "x"}
        keys = [item["key"] for item in row["plan"]["decisions"]]
        contained = row["state"] == "contained"
        said = {"decision": "revert"} if contained else {"decision": "take", "region": "east"}
        play.cast.ask(body | said, keys)


def test_what_is_to_be_written_to_a_region_that_is_down_is_written() -> None:
    """Its package setting keeps it down, and every write restarts it: that makes nothing worse."""
    story = Story("spoilt", _spoilt_whole, 180.0, settings=_on_request, rests=False)
    play = story.play(Effects())
    assert not play.observer.breaches
    east, west = (play.world.sites[name] for name in ("east", "west"))
    assert {**west.app, PACKAGE: ""} == {**east.app, PACKAGE: ""}
    assert west.app[PACKAGE] == "false"


def _comes_and_goes(play: Play) -> None:
    west = play.world.sites["west"]
    play.world.boots = (5, 1)
    for number in range(int(12 * HOUR // 150)):
        at = number * 150.0 + 1
        play.loop.call_later(at, play.world.ill, west, "region")
        play.loop.call_later(at + 70, play.world.heal, west, "region")
        play.loop.call_later(at + 20, play.cast.send_event, "west")


def test_no_row_grows_with_a_region_that_comes_and_goes_for_half_a_day() -> None:
    """Each time is something new to be remembered: at its bound a row forgets its middle, and holds half at most."""
    play = Story("comes and goes", _comes_and_goes, 13 * 60.0, rests=False).play(Effects())
    assert not play.observer.breaches


def _untagged(play: Play) -> None:
    play.cast.arm("after", "arm.put", 1, lambda _: setattr(play.world, "managed", False), until=DAY)
    play.world.edit("west", {"AppConfig:K01": f"{SECRET}-1"})


def test_no_copy_stays_of_a_group_that_is_untagged_while_it_is_verified() -> None:
    """For a day it is the way back, should the group be managed again."""
    story = Story("untagged", _untagged, 26 * 60.0, rests=False)
    play = story.play(Effects(), skip=False)
    assert not play.observer.breaches
    assert not play.world.managed
    assert not play.world.vault


@pytest.mark.parametrize("name", ["a look from later than now", "an app with another key"])
def test_no_law_is_broken_without_a_death(name: str) -> None:
    """The stories of the crash points about time and keys from elsewhere, as they are."""
    (story,) = [story for story in crashes.STORIES if story.name == name]
    assert not story.play(Effects()).observer.breaches
