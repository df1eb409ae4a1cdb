"""Two instances on one store, for a few seconds of faults; `python -m tests.instances` does it for long."""

from collections.abc import Callable

import pytest

from shared.store import Row, key
from simulator.pair import COPIES_VAULT, a_pair
from simulator.receivers import Received
from simulator.world import PACKAGE, Happening, Secret, Site, World
from tests.instances.judge import OURS, Judge, Word, Write
from tests.instances.pair import BOTH, KEYS, SOAK, VALIDITY, Pair, no_instances, two_instances, unforeseen_in
from tests.instances.run import ALWAYS, edit, play

SECONDS = 8.0
SEED = 7


async def test_two_instances_keep_the_laws() -> None:
    """Both tick, both get every event, one stands still now and then: one writer at a time, and nothing is lost.

    The same record breaks the second law as soon as the soak should have been longer, so that it was looked at.
    """
    async with two_instances(SEED) as pair:
        await edit(pair, pair.dice)
        await play(pair, SECONDS, ALWAYS)
        assert pair.broken() == []
        assert pair.edits > 0
        pair.judge.soak = 600.0
        assert "after it was made" in "\n".join(pair.broken())


# -- what the judge is told by the world, when somebody breaks a law in it ------------------------------------------


class Planted:
    """What a bug of the product would do to the world, by the product's own identity and at a clock of the test's."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.world: World = pair.cloud.world
        self.west, self.north = pair.sites
        self._now = self.world.now()
        self.world.clock = lambda: self._now

    def later(self, seconds: float = 2 * SOAK) -> None:
        self._now += seconds

    def writes(self, site: Site, name: str, value: str | None) -> None:
        self.world.edit(site, {name: value}, OURS)

    def switches(self, number: int, *, on: bool) -> None:
        endpoint = self.pair.profile.endpoints[number]
        endpoint.enabled = on
        detail = f"endpointStatus={'Enabled' if on else 'Disabled'}"
        self.world.note("endpoint-patch", f"{self.pair.profile.name}/{endpoint.name}", OURS, detail)

    def made(self, value: str = "") -> str:
        """A person sets a value in the west; it is told."""
        self.pair.edits += 1
        value = value or f"edit-{self.pair.edits}-of-a-person"
        self.world.edit(self.west, {BOTH: value})
        return value


def _travels(it: Planted) -> None:
    value = it.made()
    it.later()
    it.writes(it.north, BOTH, value)


def _nothing_changed(it: Planted) -> None:
    it.world.edit(it.west, {}, OURS)


def _both(it: Planted) -> None:
    _travels(it)
    it.later(SOAK / 2)
    it.writes(it.west, PACKAGE, "https://install.scepman.com/dist/Artifacts.zip")


def _last_region(it: Planted) -> None:
    with it.pair.ill(it.west):
        it.later(6 * SOAK)
        it.writes(it.north, PACKAGE, "https://install.scepman.com/dist/Artifacts.zip")
        it.later()


def _last_endpoint(it: Planted) -> None:
    it.switches(0, on=False)
    it.later()
    it.switches(1, on=False)


def _writes_beside_a_drill(it: Planted) -> None:
    value = it.made()
    it.later()
    it.switches(0, on=False)
    it.later()
    it.writes(it.north, BOTH, value)


def _drill_beside_a_write(it: Planted) -> None:
    _travels(it)
    it.later(SOAK / 2)
    it.switches(1, on=False)


def _too_early(it: Planted) -> None:
    value = it.made()
    it.later(SOAK / 2)
    it.writes(it.north, BOTH, value)


def _from_the_ill(it: Planted) -> None:
    with it.pair.ill(it.west):
        value = it.made()
        it.later()
        it.writes(it.north, BOTH, value)


def _bad_value(it: Planted) -> None:
    it.world.edit(it.west, {VALIDITY: "a year"})
    it.later(4 * SOAK)
    it.writes(it.north, VALIDITY, "a year")


def _overwritten(it: Planted) -> None:
    it.made()
    it.later()
    it.writes(it.west, BOTH, "of nobody")


def _rolled_back(it: Planted) -> None:
    """It had come to the peer, too; and then it is put back in both, so that the regions are alike again."""
    it.world.edit(it.west, {BOTH: "what was there before"})
    it.later()
    it.made()
    it.later()
    it.writes(it.west, BOTH, "what was there before")


def _invented(it: Planted) -> None:
    it.writes(it.west, f"{KEYS[0]}:app-scepman-weu", "what nobody wrote")


def _anothers_own(it: Planted) -> None:
    """A value that one region has for itself comes to the other one."""
    name, value = next(one for one in it.north.app_settings.items() if it.west.app_settings[one[0]] != one[1])
    it.writes(it.west, name, value)


def _taken_away(it: Planted) -> None:
    it.writes(it.west, next(iter(it.west.app_settings)), None)


def _connections(it: Planted) -> None:
    it.world.put_connection_strings(it.west, {}, OURS)


def _log(it: Planted) -> None:
    it.pair.log.append(f"took {it.made()}")


def _answer(it: Planted) -> None:
    it.pair.answers.append(f"it is {it.made()}")


def _letter(it: Planted) -> None:
    it.world.receivers["webhook"].got.append(Received(it.world.now(), {"text": it.made()}))


def _copy_left(it: Planted) -> None:
    it.world.vaults[COPIES_VAULT].secrets["rollback-1"] = [Secret("1", "old values", it.world.now())]


def _left_out(it: Planted) -> None:
    it.switches(0, on=False)


def _nobody_foresaw(it: Planted) -> None:
    it.pair.log.append("12:00:00 ERROR reconcile: scepman: this round failed, which nobody foresaw")


def _of_the_app(it: Planted) -> None:
    it.pair.problems.append("/api/drills answered 500")


@pytest.mark.parametrize(
    ("plant", "told"),
    [
        (_both, "within the soak"),
        (_last_region, "the last one that served"),
        (_last_endpoint, "while no other one served"),
        (_writes_beside_a_drill, "and scepman/weu was out"),
        (_drill_beside_a_write, "and scepman/neu was out"),
        (_too_early, "after it was made"),
        (_from_the_ill, "from a region that was ill"),
        (_bad_value, "from a region that was ill"),
        (_overwritten, "set by a person"),
        (_rolled_back, "set by a person"),
        (_invented, "what nobody had set"),
        (_anothers_own, "what nobody had set"),
        (_taken_away, "what nobody had set"),
        (_connections, "connection strings of app-scepman-weu"),
        (_log, "the log has 1 values"),
        (_answer, "what people were answered has 1 values"),
        (_letter, "what webhook got has 1 values"),
        (_copy_left, "left in the vault"),
        (_left_out, "weu of scepman was left out of DNS"),
        (_nothing_changed, "nothing changed"),
        (_nobody_foresaw, "nobody foresaw"),
        (_of_the_app, "answered 500"),
    ],
    ids=lambda it: it.__name__.strip("_") if callable(it) else None,
)
async def test_the_judge_tells_what_was_planted(plant: Callable[[Planted], None], told: str) -> None:
    """Every law that it knows, broken in a world in which nothing was wrong before."""
    async with no_instances(SEED) as pair:
        await pair.store.put(Row(key("a"), b"row"), if_version=None)
        it = Planted(pair)
        _travels(it)  # as it should be
        it.later()
        assert pair.broken() == []
        plant(it)
        assert told in "\n".join(pair.broken())


async def test_the_judge_looks_into_rows_that_come_and_go() -> None:
    """A value in a row, or in its key, stays told though the row is gone at the end."""
    async with no_instances(SEED) as pair:
        it = Planted(pair)
        for row in (Row(key("a"), it.made().encode()), Row(key("a", it.made()), b"row")):
            version = await pair.store.put(row, if_version=None)
            pair.search()
            await pair.store.delete(row.key, if_version=version)
            assert "the store has 1 values of settings" in pair.broken()
            pair.leaks.clear()
            assert pair.broken() == []


def test_an_error_that_passes_is_foreseen() -> None:
    """A conflict between the two is how they get along; what else lets a function fail is not."""
    line = "12:00:00 ERROR host: Executed 'reconcile' (Failed, Id=1, Duration=2ms): {}('text') | Traceback"
    assert not unforeseen_in(line.format("Conflict"))
    assert not unforeseen_in(line.format("Unavailable"))
    assert unforeseen_in(line.format("KeyError"))


# -- what it makes of writes that are told to it by hand -------------------------------------------------------------


def a_judge(*writes: Write, ill: tuple[tuple[str, float, float], ...] = ()) -> Judge:
    judge = Judge(a_pair(), SOAK)
    judge.writes += writes
    judge.ill += ill
    return judge


WEST, NORTH = "app-scepman-weu", "app-scepman-neu"
EDIT = Write(100.0, WEST, "a person", {"A": ("0", "1")})


def test_the_judge_lets_a_person_decide() -> None:
    """What the person had seen may be overwritten there; not what was set after it, elsewhere, or beside it."""
    theirs = Write(101.0, NORTH, "a person", {"A": ("0", "mine")})
    ours = Write(106.0, NORTH, "counterpart", {"A": ("mine", "1")})

    def said(word: Word) -> str:
        judge = a_judge(EDIT, theirs, ours)
        judge.words.append(word)
        return "\n".join(judge.broken())

    assert said(Word(103.0, frozenset({NORTH}), frozenset({"A"}))) == ""
    for word in (
        Word(100.5, frozenset({NORTH}), frozenset({"A"})),
        Word(107.0, frozenset({NORTH}), frozenset({"A"})),
        Word(103.0, frozenset({WEST}), frozenset({"A"})),
        Word(103.0, frozenset({NORTH}), frozenset({"B"})),
    ):
        assert "set by a person" in said(word)


def test_the_judge_knows_what_one_that_stood_still_had_seen() -> None:
    """It acts on what was so before; for how long it stood still after that, and not longer."""

    def said(*still: tuple[float, float]) -> str:
        judge = a_judge(EDIT, Write(108.0, NORTH, OURS, {"A": ("0", "1")}), ill=((WEST, 104.0, 109.0),))
        judge.still += still
        return "\n".join(judge.broken())

    assert "from a region that was ill" in said()
    assert said((104.5, 107.5)) == ""
    assert "from a region that was ill" in said((104.5, 106.0))
    assert "from a region that was ill" in said((106.0, 107.5))


def test_the_judge_knows_who_is_ill_by_a_bad_value() -> None:
    """From when it is set until it is gone; meanwhile nothing of that region may travel."""
    judge = a_judge()
    world = judge.world
    now = begin = world.now()
    world.clock = lambda: now
    west = world.sites[WEST]
    world.edit(west, {VALIDITY: "a year"})
    assert judge.sick == {WEST}
    now += 4
    judge.writes.append(Write(now, NORTH, "counterpart", {VALIDITY: ("730", "a year")}))
    assert "from a region that was ill" in "\n".join(judge.broken())
    now += 6
    world.edit(west, {VALIDITY: "365"})
    assert judge.sick == frozenset()
    assert judge.ill == [(WEST, begin, begin + 10)]


def test_the_judge_finds_a_value_and_does_not_show_it() -> None:
    """In a log, a row or a letter; a value that came and went counts, too."""
    judge = a_judge()
    judge.world.edit(judge.world.sites[WEST], {BOTH: "edit-1-of-a-person"})
    judge.world.edit(judge.world.sites[WEST], {BOTH: None})
    assert judge.leaked({"the log": "nothing of the kind"}) == []
    assert judge.leaked({"the log": "took edit-1-of-a-person", "a row": ""}) == [
        "the log has 1 values of settings"
    ]


def test_the_judge_lets_endpoints_be_taken_out_in_turn() -> None:
    """One after the other is right; while the other region is ill the same is not."""

    def said(*ill: tuple[str, float, float]) -> str:
        judge = a_judge(ill=ill)
        for at, (name, status) in enumerate((("weu", "Disabled"), ("weu", "Enabled"), ("neu", "Disabled"))):
            detail = f"endpointStatus={status}"
            judge.world.journal.append(
                Happening(100.0 + at, "endpoint-patch", f"scepman/{name}", OURS, detail)
            )
        return "\n".join(judge.broken())

    assert said() == ""
    assert "scepman/weu was disabled" in said((NORTH, 90.0, 200.0))
