"""What the observer complains of, and what not, in worlds in which only that happens."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from proof.loop import Loop
from proof.observer import FRESH, SKEW, UNDONE, VERIFIED, WAITED, Observer
from proof.ports import dice
from proof.world import BAD, MISSING, PACKAGE, SPARE, Call, Site, Tick, World, moment, reference

URL = "https://packages.test/one.zip"
LETTER = b'{"kind": "drill.started", "facts": {}}'


class Watched:
    """A world that the observer watches, and deeds of the product in it, each at its time."""

    def __init__(self, *names: str) -> None:
        self.loop = Loop()  # type: ignore[abstract]  # what no port needs of a loop is left out
        sites = [Site(name, {"K": "hush", PACKAGE: URL}, {}) for name in names]
        self.world = World(self.loop, sites, [URL], dice("1"))
        self.observer = Observer(soak=180.0, revert=900.0)
        self.observer.watch(self.world)
        self.world.boots = (40, 1)

    def wait(self, seconds: float) -> None:
        """Time passes, and what was to happen in it happens."""
        self.loop.run(asyncio.sleep(seconds))

    def call(self, name: str) -> Call:
        """A request that was sent just now."""
        return Call("a", name, self.loop.time(), {})

    def restart(self, region: str) -> None:
        """We restart an app."""
        self.world.restart(region, self.call("restart"))

    def write(self, region: str) -> None:
        """We write a setting that the other regions have already."""
        self.world.put_app(region, {**self.world.sites[region].app, "New": "hush"}, self.call("write"))

    def put(self, region: str, value: str) -> None:
        """We write a value, as a person could have."""
        self.world.put_app(region, {**self.world.sites[region].app, "K": value}, self.call("write"))

    def switch(self, region: str, *, enabled: bool) -> None:
        """We take an endpoint out, or put it back."""
        self.world.patch(region, self.call("switch"), enabled=enabled, weight=None)

    def drill(self, region: str) -> None:
        """We take an endpoint out, since a person wants a drill."""
        self.observer.ordered_drill(region)
        self.switch(region, enabled=False)

    def hold(self, region: str) -> None:
        """A region is lost, which we see, and take it out."""
        self.world.ill(self.world.sites[region], "region")
        self.wait(200.0)
        self.switch(region, enabled=False)

    @property
    def complaints(self) -> list[str]:
        """Of law 1."""
        return [breach.text for breach in self.observer.breaches if breach.law == 1]


def a_pair() -> Watched:
    """Two regions, in which all has been well for long."""
    pair = Watched("east", "west")
    pair.wait(1000.0)
    return pair


def three() -> Watched:
    """Three of them."""
    all_ = Watched("east", "north", "west")
    all_.wait(1000.0)
    return all_


ALONE = "disturbed west, and no other region was serving"
BOTH = "disturbed west while east had not come back from us"


def test_what_has_a_refuge_is_no_breach() -> None:
    """One region after the other, each when the one before is well again."""
    pair = a_pair()
    pair.restart("east")
    pair.wait(200.0)
    pair.restart("west")
    pair.wait(200.0)
    pair.drill("west")
    pair.wait(150.0)
    pair.switch("west", enabled=True)
    pair.wait(100.0)
    pair.restart("east")
    assert pair.complaints == []


def test_an_endpoint_is_taken_out_while_the_other_region_starts() -> None:
    """Because of us: it is about to answer nobody."""
    pair = a_pair()
    pair.restart("east")
    pair.wait(10.0)
    pair.drill("west")
    assert pair.complaints == [f"switch {BOTH}"]


def test_that_it_starts_counts_with_three_regions_too() -> None:
    """One disruption at a time, whoever else is well."""
    all_ = three()
    all_.restart("east")
    all_.wait(10.0)
    all_.drill("west")
    assert all_.complaints == [f"switch {BOTH}"]


@pytest.mark.parametrize(("away", "broken"), [(60.0, 0), (0.0, 1)])
def test_a_region_without_an_endpoint_is_not_waited_for(away: float, broken: int) -> None:
    """A person takes the endpoint of a region that we wrote out of the profile before the region has come back."""
    group = three()
    group.write("north")
    group.world.lacks, group.world.moved_until = "north", group.loop.time() + away
    group.wait(30.0)
    group.write("west")
    assert len(group.complaints) == broken


def test_an_endpoint_is_taken_out_beside_a_region_that_is_dead() -> None:
    """Which Traffic Manager has not seen yet: it still says Online."""
    pair = a_pair()
    pair.world.ill(pair.world.sites["east"], "region")
    pair.wait(FRESH + 5.0)
    assert pair.world.sites["east"].status == "Online"
    pair.drill("west")
    assert pair.complaints == [f"switch {ALONE}"]


def test_a_region_that_died_a_moment_ago_may_still_be_taken_for_a_refuge() -> None:
    """Nobody can know better than by the evidence that a permit asks for."""
    pair = a_pair()
    pair.world.ill(pair.world.sites["east"], "region")
    pair.wait(FRESH - 5.0)
    pair.drill("west")
    assert pair.complaints == []


def test_to_be_taken_out_mends_no_region() -> None:
    """One that is down may be restarted without a refuge; taken out it may not be."""
    pair = a_pair()
    pair.world.ill(pair.world.sites["west"], "region")
    pair.wait(60.0)
    pair.world.ill(pair.world.sites["east"], "region")
    pair.wait(FRESH + 5.0)
    pair.restart("west")
    assert pair.complaints == []
    pair.switch("west", enabled=False)
    assert pair.complaints == [f"switch {ALONE}"]


@pytest.mark.parametrize("after", [10.0, 90.0])
@pytest.mark.parametrize("deed", ["restart", "write"])
def test_what_we_took_out_is_no_refuge(deed: str, after: float) -> None:
    """However well it was a moment before: that we know better."""
    pair = a_pair()
    pair.drill("east")
    pair.wait(after)
    getattr(pair, deed)("west")
    assert pair.complaints == [f"{deed} {ALONE}", f"{deed} {BOTH}"]


def test_what_we_took_out_and_put_back_is_none_until_it_is_offered() -> None:
    """What was seen of it before we took it out says nothing any more."""
    pair = a_pair()
    pair.drill("east")
    pair.wait(5.0)
    pair.switch("east", enabled=True)
    pair.wait(5.0)
    pair.restart("west")
    assert pair.complaints == [f"restart {ALONE}", f"restart {BOTH}"]


def test_a_region_that_is_held_is_no_refuge() -> None:
    """In a pair nothing is left, however well it is by now."""
    pair = a_pair()
    pair.hold("east")
    pair.world.heal(pair.world.sites["east"], "region")
    pair.wait(100.0)
    pair.restart("west")
    assert pair.complaints == [f"restart {ALONE}"]


def test_while_a_region_is_held_the_others_may_be_disturbed() -> None:
    """The hold has given its permit back, and a third region serves."""
    all_ = three()
    all_.hold("east")
    all_.wait(10.0)
    all_.restart("west")
    assert all_.complaints == []


def test_while_a_drill_is_under_way_no_other_region_is_disturbed() -> None:
    """Its permit lasts until its region is offered again."""
    all_ = three()
    all_.drill("east")
    all_.wait(100.0)
    all_.restart("west")
    assert all_.complaints == [f"restart {BOTH}"]


def test_nor_is_the_region_that_a_drill_took_out() -> None:
    """Who writes it holds no permit, for the drill does."""
    pair = a_pair()
    pair.drill("west")
    pair.wait(10.0)
    pair.restart("west")
    assert pair.complaints == ["restart disturbed west while west had not come back from us"]


def test_a_drill_that_is_given_up_is_not_waited_for_for_ever() -> None:
    """Its permit ends with the time in which it may verify."""
    all_ = three()
    all_.drill("east")
    all_.wait(WAITED + 1.0)
    all_.restart("west")
    assert all_.complaints == []


def test_the_region_of_a_drill_that_was_given_up_may_be_taken_out_anew() -> None:
    """It never came back, so a hold takes it (seed 516)."""
    all_ = three()
    all_.drill("west")
    all_.wait(100.0)
    all_.world.ill(all_.world.sites["west"], "region")
    all_.switch("west", enabled=True)
    all_.wait(WAITED + 1.0)
    all_.switch("west", enabled=False)
    assert all_.complaints == []


def test_what_a_person_took_out_is_none_of_our_disruptions() -> None:
    """It is no refuge once that can be seen, and else it hinders nothing."""
    pair = a_pair()
    pair.world.switch("east", enabled=False)
    pair.wait(10.0)
    pair.restart("west")
    assert pair.complaints == []
    pair.wait(FRESH + 50.0)
    pair.restart("west")
    assert pair.complaints == [f"restart {ALONE}"]


def reverted() -> Watched:
    """A person's bad value in east, which was put back when its time was over; before that, one in west."""
    pair = a_pair()
    pair.world.edit("east", {"K": f"hush-1{BAD}"})
    pair.wait(1000.0)
    pair.world.edit("west", {"K": "hush-2"})
    pair.put("east", "hush")
    pair.wait(200.0)
    return pair


def test_what_was_reverted_is_no_persons_change_any_more() -> None:
    """Another person's later change may travel there, though the regions have not agreed in between."""
    pair = reverted()
    pair.put("east", "hush-2")
    assert pair.observer.breaches == []


def test_a_change_that_was_put_back_is_a_persons_again() -> None:
    """Who puts back what was replaced puts back that it must not be overwritten."""
    pair = reverted()
    pair.put("east", f"hush-1{BAD}")
    pair.observer.revert = None
    pair.put("east", "hush-2")
    assert [breach.law for breach in pair.observer.breaches] == [3]


@pytest.mark.parametrize(("dies", "laws"), [(True, []), (False, [3])])
def test_a_letter_may_come_again_whose_sender_died_while_it_was_on_its_way(
    *, dies: bool, laws: list[int]
) -> None:
    """It was taken, and nobody lived to mark it; otherwise once is enough."""
    pair = a_pair()
    sent = pair.call("send")
    pair.wait(0.5)
    if dies:
        pair.observer.trouble()
    pair.wait(0.5)
    pair.observer.told("letter", LETTER, sent)
    pair.wait(60.0)
    pair.observer.told("letter", LETTER, pair.call("send"))
    assert [breach.law for breach in pair.observer.breaches] == laws


@pytest.mark.parametrize(("early", "laws"), [(SKEW, []), (SKEW + 1.0, [2])])
def test_a_soak_is_counted_by_clocks_that_may_differ(early: float, laws: list[int]) -> None:
    """Who saw the change may be behind who counts from it, by so much and no more."""
    pair = a_pair()
    pair.world.boots = (0, 1)
    pair.world.edit("west", {"K": "hush-2"})
    pair.wait(pair.observer.soak - early)
    pair.put("east", "hush-2")
    assert [breach.law for breach in pair.observer.breaches] == laws


# -- references ---------------------------------------------------------------------------------------------------


def referring(where: str, *, barred: str = "") -> Watched:
    """A person has set a reference in west, which has soaked there, and we write it to east."""
    pair = a_pair()
    if barred:
        pair.world.bar(barred)
    text = reference(f"hush-2{SPARE}", where)
    pair.world.edit("west", {"K": text})
    pair.wait(400.0)
    pair.put("east", text)
    return pair


def turns(pair: Watched, count: int, *, clean: bool = True) -> None:
    """So many turns of the timer."""
    for _ in range(count):
        pair.observer.ticked(Tick(pair.loop.time(), clean, {}))
        pair.wait(60.0)


@pytest.mark.parametrize(
    ("where", "barred", "laws"),
    [
        ("", "", []),
        (f"{MISSING}@east", "", []),  # which nobody can know before it is there
        (MISSING, "", [2]),
        (f"{MISSING}@west", "", [2]),
        ("", "west", [2]),
        ("", "east", []),
    ],
)
def test_what_did_not_resolve_at_its_source_is_a_bad_change(where: str, barred: str, laws: list[int]) -> None:
    """However well the app was without its secret."""
    assert [breach.law for breach in referring(where, barred=barred).observer.breaches] == laws


def test_what_resolved_a_moment_ago_may_be_written() -> None:
    """As late as the last look may have been."""
    for late, laws in ((90.0, []), (200.0, [2])):
        pair = a_pair()
        text = reference(f"hush-2{SPARE}")
        pair.world.edit("west", {"K": text})
        pair.wait(400.0)
        pair.world.bar("west")
        pair.world.boots = (0, 1)
        pair.world.start(pair.world.sites["west"])
        pair.wait(late)
        pair.put("east", text)
        assert [breach.law for breach in pair.observer.breaches] == laws


def test_a_person_may_force_what_does_not_resolve_and_it_may_be_tried_again() -> None:
    """When it was put back the word still stands, and a person who approves it means that."""
    pair = a_pair()
    text = reference(f"hush-2{SPARE}", MISSING)
    pair.world.edit("west", {"K": text})
    pair.wait(400.0)
    pair.observer.decided(["K"], forced=True)
    for value in (text, "hush", text):
        pair.put("east", value)
        pair.wait(200.0)
    assert pair.observer.breaches == []


def test_what_does_not_resolve_where_we_wrote_it_is_put_back() -> None:
    """After its verification, and as soon as that can be done."""
    pair = referring(f"{MISSING}@east")
    turns(pair, 10 + UNDONE)
    assert pair.observer.breaches == []
    turns(pair, 3)
    assert {(breach.law, breach.text) for breach in pair.observer.breaches} == {
        (2, "east still has K, which does not resolve there")
    }


def resolves(pair: Watched) -> None:
    """East may read the vault."""
    pair.world.admit("east")


def put_back(pair: Watched) -> None:
    """We do what we should."""
    pair.put("east", "hush")


def corrected(pair: Watched) -> None:
    """A person replaces it."""
    pair.world.edit("east", {"K": "hush-3"})


@pytest.mark.parametrize("deed", [resolves, put_back, corrected])
def test_what_resolves_or_is_there_no_more_is_nothing_to_be_put_back(deed: Callable[[Watched], None]) -> None:
    """By whoever's doing."""
    pair = referring("", barred="east")
    turns(pair, 10)
    deed(pair)
    turns(pair, 2 * UNDONE)
    assert pair.observer.breaches == []


def test_nothing_is_put_back_while_no_other_region_serves() -> None:
    """That would disturb the last one; nor do turns count that failed, or in which it had time."""
    pair = referring(f"{MISSING}@east")
    pair.wait(VERIFIED)
    turns(pair, 2 * UNDONE, clean=False)
    pair.world.switch("west", enabled=False)
    turns(pair, 2 * UNDONE)
    pair.world.switch("west", enabled=True)
    turns(pair, UNDONE)
    assert pair.observer.breaches == []


def test_an_app_without_its_secret_is_ill_and_says_why() -> None:
    """Unless it answers without; a running one does not notice that the vault is barred."""
    pair = a_pair()
    west = pair.world.sites["west"]
    pair.world.edit("west", {"K": reference("hush-2"), "Spare": reference(f"hush-3{SPARE}", MISSING)})
    assert west.references == {"K": "Initialized", "Spare": "Initialized"}
    pair.wait(100.0)
    assert west.references == {"K": "Resolved", "Spare": "SecretNotFound"}
    assert west.well
    pair.world.bar("west")
    pair.wait(100.0)
    assert west.well
    pair.restart("west")
    pair.wait(100.0)
    assert set(west.references.values()) == {"AccessToKeyVaultDenied"}
    assert west.ills == {"settings"}
    pair.world.admit("west")
    pair.wait(100.0)
    assert west.references == {"K": "Resolved", "Spare": "SecretNotFound"}
    assert west.well
    boots = west.boot
    pair.world.admit("west")
    assert west.boot == boots


@pytest.mark.parametrize(("ahead", "complaints"), [(0.0, 0), (SKEW, 0), (SKEW + 1.0, 1)])
def test_what_was_seen_is_held_against_the_true_time(ahead: float, complaints: int) -> None:
    """Whoever writes a look from later than now breaks law 1, on which permits rest."""
    pair = a_pair()
    at = moment(pair.world.clock.time() + ahead).isoformat()
    health = {"east": {"at": at, "since": at, "probe": {"at": at}, "scep": None}}
    pair.world.put("watched/one", msgspec.json.encode({"health": health}), None)
    assert len(pair.complaints) == complaints


_FLIGHT = {"id": "f", "target": "east", "claimed_at": moment(0.0).isoformat()}


def _row(**changes: object) -> bytes:
    """A rollout's row, as JSON."""
    plain = {
        "state": "soaking",
        "reason": "why",
        "history": [],
        "verdicts": [],
        "baseline": [],
        "written": [],
    }
    return msgspec.json.encode({**plain, "plan": {"decisions": []}, "flight": None, **changes})


@pytest.mark.parametrize(
    ("missed", "after", "broken"),
    [
        ("east", {}, [3]),
        ("endpoint of east", {}, [3]),
        ("the copy", {}, [3]),
        ("", {}, []),
        ("east", {"flight": _FLIGHT}, []),
        ("east", {"flight": _FLIGHT, "baseline": [["K", "1"]]}, [3]),
    ],
)
def test_what_was_not_found_makes_nothing_forgotten(
    missed: str, after: dict[str, object], broken: list[int]
) -> None:
    """Law 3: one who did not find a thing when looking last ends no write, and moves no baseline."""
    pair = Watched("east", "west")
    before = _row(flight=_FLIGHT)
    pair.observer.effects.append((pair.observer.now, "arm.put_app_settings", "east", ()))
    pair.observer.stored("settings-sync/g", _row(**after), before, {missed} - {""})
    assert [breach.law for breach in pair.observer.breaches] == broken


@pytest.mark.parametrize(
    ("missed", "broken"),
    [("east", []), ("endpoint of east", []), ("west", [3]), ("endpoint of north", [3]), ("the copy", [3])],
)
def test_a_write_may_end_while_a_third_region_is_out_of_sight(missed: str, broken: list[int]) -> None:
    """It is neither the write's source nor its target."""
    trio = three()
    flight = {**_FLIGHT, "source": "west", "target": "north"}
    trio.observer.effects.append((trio.observer.now, "arm.put_app_settings", "north", ()))
    trio.observer.stored("settings-sync/g", _row(), _row(flight=flight), {missed})
    assert [breach.law for breach in trio.observer.breaches] == broken


@pytest.mark.parametrize(("what", "broken"), [("endpoint of east", []), ("the copy", []), ("east", [3])])
def test_what_was_missed_for_long_may_be_forgotten(what: str, broken: list[int]) -> None:
    """An endpoint or a copy; a site whose endpoint is there never."""
    pair = Watched("east", "west")
    for _ in range(3):
        pair.world.misses(what)
        pair.wait(60.0)
    pair.observer.effects.append((pair.observer.now, "arm.put_app_settings", "east", ()))
    pair.observer.stored("settings-sync/g", _row(), _row(flight=_FLIGHT), {what})
    assert [breach.law for breach in pair.observer.breaches] == broken


def test_a_claim_under_which_nothing_was_written_is_given_back_whoever_is_missed() -> None:
    """Nothing is forgotten with it."""
    pair = Watched("east", "west")
    pair.observer.stored("settings-sync/g", _row(), _row(flight=_FLIGHT), {"east"})
    assert pair.observer.breaches == []


@pytest.mark.parametrize(
    ("by", "after", "broken"),
    [
        ("ada", {"plan": {"decisions": [{"key": "K", "reason": "why"}]}}, [5]),
        ("ada", {}, []),
        ("the policy on_bad_change", {"plan": {"decisions": [{"key": "K", "reason": "why"}]}}, []),
        (
            "ada",
            {
                "plan": {"decisions": [{"key": "K", "reason": "why"}]},
                "history": [{"text": "1 decision dropped"}],
            },
            [],
        ),
    ],
)
def test_a_decision_ends_with_a_line(by: str, after: dict[str, object], broken: list[int]) -> None:
    """Law 5: unless its key is alike everywhere."""
    pair = Watched("east", "west")
    word = {"key": "K", "state": "s", "kind": "take", "by": by}
    pair.observer.stored("settings-sync/g", _row(**after), _row(verdicts=[word]))
    assert [breach.law for breach in pair.observer.breaches] == broken


@pytest.mark.parametrize("moved", [None, "away", "back"])
def test_what_was_left_different_is_asked_for_again_among_other_regions(moved: str | None) -> None:
    """Whoever left a key different spoke of the regions that there were then."""
    group = three()
    group.world.edit("west", {"K": "other"})
    group.wait(10.0)
    group.observer.decided(["K"], left=True)
    group.wait(1000.0)
    if moved is not None:
        now = group.loop.time()
        away = 60.0 if moved == "away" else -60.0
        group.world.lacks, group.world.moved_from, group.world.moved_until = "west", now - 200.0, now + away
    assert group.observer._differed(group.loop.time() - 300.0) is (moved is not None)


@pytest.mark.parametrize(("letter", "laws"), [("heard", []), ("another", [3])])
def test_a_digest_that_stands_for_one_letter_is_that_letters_own_card(letter: str, laws: list[int]) -> None:
    """A burst is over but for one: no card says how many more there are."""
    pair = a_pair()
    outages = pair.observer._outages
    outages.heard("heard", '{"card": {"title": "its own"}}')
    row = {"id": letter, "sent_at": "2026-03-02T00:00:00Z", "digested": True, "card": {"title": "its own"}}
    outages.letter(f"outbox/teams.{letter}", row | {"given_up_at": None, "perhaps_delivered_at": None})
    assert [breach.law for breach in pair.observer.breaches] == laws
