"""An incident's life follows from the facts alone: order, repetition, delay and contradiction change nothing."""

import json
import pathlib
import random
from collections.abc import Iterable, Sequence
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import IllegalTransition
from shared.groups.model import Cause
from shared.incidents import transitions
from shared.incidents.model import Claim, Fact, Incident, Kind, Ledger, Severity, Stage, Telling, Topic
from shared.incidents.transitions import (
    MOST_FACTS,
    UNORDERED,
    acknowledgement,
    advance,
    derive,
    incident_id,
    incidents,
    paid,
    settled,
    shelve,
)
from tests.builders import GROUP
from tests.incidents.facts import (
    RULES,
    a_ledger,
    acked,
    at,
    bad,
    fired,
    look,
    moved,
    note,
    out,
    over,
    suspect,
    waits,
    well,
)


def one(*facts: Fact) -> Incident:
    """The one incident that follows."""
    (found,) = derive(facts, GROUP, RULES)
    return found


def told(*facts: Fact, until: float) -> list[Telling]:
    """Return what people were told, minute by minute, as each fact was heard."""
    ledger = a_ledger()
    for minute in range(int(until) + 1):
        heard = [fact for fact in facts if at(minute - 1) < fact.heard <= at(minute)]
        ledger = advance(ledger, heard, at(minute), RULES)
    return [telling for named in ledger.named for telling in named.told]


def test_the_whole_life() -> None:
    """Detected by an alert, confirmed by our look, taken on, mitigated by DNS, resolved by itself."""
    facts = (fired(1, heard=2), bad(3), acked(4), moved(5), bad(6), well(9))
    incident = one(*facts)
    assert incident.stage is Stage.RESOLVED
    assert (incident.started, incident.detected, incident.confirmed) == (at(1), at(2), at(3))
    assert (incident.acknowledged, incident.acknowledged_by) == (at(4), "ada")
    assert (incident.mitigated, incident.resolved) == (at(5), at(9))
    assert (incident.cause, incident.severity, incident.flaps) == (Cause.ONE_REGION, Severity.MAJOR, 0)
    assert [entry.who for entry in incident.timeline] == [
        "Azure Monitor",
        "Counterpart",
        "ada",
        "DNS",
        "Counterpart",
    ]


@pytest.mark.parametrize(
    ("facts", "stage", "severity"),
    [
        ((fired(1),), Stage.DETECTED, Severity.MINOR),
        ((suspect(1),), Stage.DETECTED, Severity.MINOR),
        ((suspect(1), suspect(2)), Stage.DETECTED, Severity.MINOR),  # 60 s: not long enough
        ((suspect(1), suspect(2), suspect(3)), Stage.CONFIRMED, Severity.MAJOR),
        ((suspect(1), suspect(2.5)), Stage.CONFIRMED, Severity.MAJOR),  # 90 s: long enough
        ((well(1), fired(2)), Stage.DETECTED, Severity.MINOR),  # that it was well before is no contradiction
        ((well(1), well(2), fired(2)), Stage.RESOLVED, Severity.MINOR),  # that it is well at that time is one
        ((fired(1), suspect(2)), Stage.CONFIRMED, Severity.MAJOR),  # two witnesses
        ((suspect(1), fired(2)), Stage.CONFIRMED, Severity.MAJOR),
        ((suspect(1), over(2)), Stage.DETECTED, Severity.MINOR),  # an alert's end does not end what we see
        ((bad(1),), Stage.CONFIRMED, Severity.MAJOR),
        ((bad(1, severity=Severity.CRITICAL), bad(2)), Stage.CONFIRMED, Severity.CRITICAL),
        ((fired(1), over(4)), Stage.RESOLVED, Severity.MINOR),
        ((fired(1), fired(2, alert="alert-2"), over(4)), Stage.DETECTED, Severity.MINOR),  # one still fires
        ((bad(1), over(4)), Stage.CONFIRMED, Severity.MAJOR),
        ((bad(1), moved(2)), Stage.MITIGATED, Severity.MAJOR),
        ((bad(1), moved(2), bad(3, severity=Severity.CRITICAL)), Stage.CONFIRMED, Severity.CRITICAL),
        (
            (bad(1), moved(2), bad(3, severity=Severity.CRITICAL), moved(4)),
            Stage.MITIGATED,
            Severity.CRITICAL,
        ),
        ((bad(1), well(2)), Stage.RESOLVED, Severity.MAJOR),
        ((bad(1), out(2)), Stage.RESOLVED, Severity.MAJOR),  # taken out of service on purpose
    ],
)
def test_stages(facts: tuple[Fact, ...], stage: Stage, severity: Severity) -> None:
    """Two witnesses, or one for long enough, confirm; our own look stands above an alert's end."""
    incident = one(*facts)
    assert (incident.stage, incident.severity) == (stage, severity)


@pytest.mark.parametrize(
    "facts", [(well(1),), (over(1),), (moved(1),), (acked(1),), (note(1, "x"),), (out(1),)]
)
def test_what_opens_nothing(facts: tuple[Fact, ...]) -> None:
    """Good news, a move of DNS and a person's word open no incident."""
    assert derive(facts, GROUP, RULES) == ()


def test_what_was_derived_is_kept_for_the_same_question_only() -> None:
    """The very same facts of another group, or under other rules, are another question."""
    facts = (bad(1), well(3), bad(12), well(14))
    strict = msgspec.structs.replace(RULES, flap=60.0)
    assert [len(derive(facts, GROUP, rules)) for rules in (RULES, strict, RULES)] == [1, 2, 1]
    assert [derive(facts, name, RULES)[0].group for name in (GROUP, "another", GROUP)] == [
        GROUP,
        "another",
        GROUP,
    ]
    ledger = advance(a_ledger(), facts, at(15), RULES)
    other = msgspec.structs.replace(ledger, group_id=f"{ledger.group_id}-2")
    ids = [[incident.id for incident in incidents(each, RULES)] for each in (ledger, other, ledger)]
    assert ids[0] == ids[2] != ids[1]


def test_many_groups_are_not_all_kept() -> None:
    """A fleet has more of them than there is room for: all are forgotten, and some are derived again."""
    kept = transitions._Kept[int](2)
    many = [(number,) for number in range(3)]
    derived: list[int] = []

    def ask(number: int) -> None:
        def derive_it() -> int:
            derived.append(number)
            return number

        assert kept.get((many[number],), None, derive_it) == number

    for number in (0, 0, 1, 0, 1, 2, 2, 0):
        ask(number)
    assert derived == [0, 1, 2, 0]


def test_flaps_join() -> None:
    """What comes back within ten minutes is the same incident; after that it is another one."""
    assert one(bad(1), well(3), bad(12), well(14)).flaps == 1
    assert one(bad(1), well(3), bad(13)).flaps == 1
    assert one(bad(1), well(3), bad(5), well(6), bad(7)).flaps == 2
    first, second = derive((bad(1), well(3), bad(14), well(15)), GROUP, RULES)
    assert (first.flaps, first.resolved, second.started) == (0, at(3), at(14))


def test_an_alerts_end_comes_late() -> None:
    """We saw the region well before the rule resolved: its end is in the timeline, and changes nothing else."""
    before = one(fired(1), bad(2), well(4))
    after = one(fired(1), bad(2), well(4), over(8))
    assert after.resolved == before.resolved == at(4)
    assert [entry.who for entry in after.timeline] == [
        *(entry.who for entry in before.timeline),
        "Azure Monitor",
    ]
    assert after.flaps == 0
    assert len(one(fired(1), bad(2), well(4), over(30)).timeline) == len(before.timeline)  # too late


def test_an_alert_that_our_own_look_contradicts() -> None:
    """An alert about a region that we see well at that very time is over as it begins, and is no flap."""
    incident = one(well(1), fired(2, heard=4), well(5))
    assert incident.stage is Stage.RESOLVED
    assert incident.resolved == at(4)  # we knew of it no earlier
    joined = one(bad(1), well(3), fired(4, heard=6), well(7))
    assert (joined.flaps, joined.resolved) == (0, at(4))
    between = one(well(1), fired(2), bad(3))  # what we saw before and after it is no look at that time
    assert (between.flaps, between.confirmed) == (0, at(3))
    assert one(well(1), fired(2), out(3)).resolved == at(3)


@pytest.mark.parametrize("minute", range(1, 9))
def test_at_one_time_the_worse_counts(minute: int) -> None:
    """What is well comes first, then what is not, then what follows from it; the timeline says it in this order."""
    facts = [
        note(minute, "n"), acked(minute), moved(minute), fired(minute, alert="alert-2"), bad(minute),
        over(minute), well(minute),
    ]  # fmt: skip
    incident = one(fired(0), *facts)
    assert [entry.text for entry in incident.timeline] == [
        "alert alert-1 fired",
        "west is well",
        "alert alert-1 resolved",
        "west is bad",
        "alert alert-2 fired",
        "DNS no longer answers west",
        "acknowledged",
        "n",
    ]
    assert (incident.stage, incident.mitigated, incident.flaps) == (Stage.MITIGATED, at(minute), 1)


def test_regions_and_matters_are_apart() -> None:
    """One incident per region and matter."""
    held = look(Claim.BAD, 1, region="", topic=Topic.SETTINGS, cause="held-change", severity=Severity.MINOR)
    found = derive((bad(1), bad(1, region="east"), held), GROUP, RULES)
    assert {(incident.topic, incident.region) for incident in found} == {
        (Topic.SERVICE, "west"),
        (Topic.SERVICE, "east"),
        (Topic.SETTINGS, ""),
    }


def test_the_cause_at_its_worst_counts() -> None:
    """A cause that was known at the worst moment is not replaced by what the recovery looks like."""
    shared = {"cause": Cause.SHARED, "severity": Severity.CRITICAL}
    incident = one(
        bad(1), bad(2, **shared), bad(3, **shared), bad(4), suspect(5, cause=Cause.UNKNOWN), well(6)
    )
    assert incident.cause == Cause.SHARED
    assert one(bad(1), bad(2, cause=Cause.SHARED)).cause == Cause.SHARED  # the latest of two that are as bad
    assert one(bad(1), bad(2, cause=Cause.UNKNOWN)).cause == Cause.ONE_REGION  # that knows
    assert one(bad(1, cause=Cause.UNKNOWN)).cause == Cause.UNKNOWN


def test_a_change_that_broke_a_region_stays_its_cause() -> None:
    """Put back, and the region not well yet: no look sees the change any more."""
    (one,) = derive((bad(1, cause=Cause.SETTINGS_CHANGE), bad(4, cause=Cause.ONE_REGION)), GROUP, RULES)
    assert one.cause == Cause.SETTINGS_CHANGE
    worse = bad(5, cause=Cause.SHARED, severity=Severity.CRITICAL)
    (one,) = derive((bad(1, cause=Cause.SETTINGS_CHANGE), worse), GROUP, RULES)
    assert one.cause == Cause.SHARED


def test_what_waits_for_a_person_is_told_in_the_regions_incident() -> None:
    """Once, after its opening; with no incident of the region it is nobody's."""
    ledger = advance(a_ledger(), (bad(1), waits(3), waits(4, plan="77")), at(4), RULES)
    assert [telling for named in ledger.named for telling in named.owed] == [Telling.OPENED, Telling.HELD]
    (one,) = incidents(ledger, RULES)
    assert one.waits
    assert derive((waits(3),), GROUP, RULES) == ()
    (other,) = derive((bad(1), waits(3, region="east")), GROUP, RULES)
    assert not other.waits


def test_evidence_of_every_change_is_kept() -> None:
    """Each look that says something new leaves its evidence, those that repeat it do not."""
    incident = one(
        bad(1, evidence=("west: 503",)),
        bad(2, evidence=("west: 503 again",)),
        bad(3, cause=Cause.SHARED, evidence=("east: 503",)),
    )
    assert incident.evidence == ("west: 503", "east: 503")


def test_notes_from_around_the_incident_are_in_its_timeline() -> None:
    """What happened shortly before is there too; what happened elsewhere or long ago is not."""
    notes = (
        note(-20, "long ago"),
        note(0, "stopped by a person", region="west"),
        note(1, "x", region="east"),
    )
    lines = [entry.text for entry in one(bad(2), well(3), *notes).timeline]
    assert lines == ["stopped by a person", "west is bad", "west is well"]
    edges = [
        note(seconds, f"{seconds}") for seconds in (-13.1, -13, 13, 13.1)
    ]  # a quarter of an hour before, the flap window after
    assert [entry.text for entry in one(bad(2), well(3), *edges).timeline] == [
        "-13",
        "west is bad",
        "west is well",
        "13",
    ]


def test_a_long_timeline_loses_its_middle() -> None:
    """The beginning and the end stay, and how much is missing is said."""
    alerts = [fired(1 + number / 100, alert=f"{number:03}") for number in range(201)]
    whole = one(*alerts[:200]).timeline
    assert [entry.text for entry in whole] == [f"alert {number:03} fired" for number in range(200)]
    cut = one(*alerts).timeline
    assert [entry.text for entry in cut] == [
        *(f"alert {number:03} fired" for number in range(50)),
        "2 lines are left out here",
        *(f"alert {number:03} fired" for number in range(52, 201)),
    ]
    assert (cut[50].who, cut[50].at) == ("Counterpart", alerts[50].at)


# -- the law: facts in any order, repeated, late or contradictory -----------------------------------------------

MINUTES = st.integers(0, 50).map(float)
REGIONS = st.sampled_from(["west", "east"])


@st.composite
def some_facts(draw: st.DrawFn) -> Fact:
    minute, region = draw(MINUTES), draw(REGIONS)
    what = draw(st.integers(0, 6))
    if what == 0:
        alert = draw(st.sampled_from(["alert-1", "alert-2"]))
        return fired(minute, heard=minute + draw(st.integers(0, 6)), region=region, alert=alert)
    if what == 1:
        return over(minute, heard=minute + draw(st.integers(0, 6)), region=region)
    if what == 2:
        return draw(st.sampled_from([fact(minute, region=region) for fact in (moved, acked, waits)]))
    if what == 3:
        return note(
            minute, draw(st.sampled_from(["one", "other"])), region=draw(st.sampled_from(["", "west"]))
        )
    claim = draw(st.sampled_from(list(Claim)))
    cause = draw(st.sampled_from([Cause.ONE_REGION, Cause.SHARED, Cause.SETTINGS_CHANGE, Cause.UNKNOWN]))
    severity = draw(st.sampled_from(list(Severity)))
    return look(claim, minute, region=region, cause=cause, severity=severity)


def deliver(batches: Iterable[Sequence[Fact]]) -> Ledger:
    """Return what the ledger holds when the batches came in this order."""
    ledger = a_ledger()
    for batch in batches:
        ledger = advance(ledger, batch, at(60), RULES)
    return ledger


def records(ledger: Ledger) -> list[Incident]:
    """The incidents without the numbers that they got in the order of their discovery."""
    return [msgspec.structs.replace(incident, id="", aliases=()) for incident in incidents(ledger, RULES)]


@given(st.lists(some_facts(), max_size=14), st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_give_the_same_record(facts: list[Fact], chance: random.Random) -> None:
    """One by one, shuffled and repeated, or all at once: the same facts, the same incidents."""
    by_one = deliver([fact] for fact in shuffled(facts, chance))
    at_once = deliver([facts])
    assert by_one.facts == at_once.facts
    assert records(by_one) == records(at_once)
    assert records(at_once) == list(derive(facts_once(facts), GROUP, RULES))


def shuffled(facts: Sequence[Fact], chance: random.Random) -> list[Fact]:
    """In any order but one: a look of ours is not heard after one that is so much younger. Some come again."""
    late, length = UNORDERED.total_seconds(), at(50).timestamp()
    order = [
        (
            chance.uniform(fact.at.timestamp(), fact.at.timestamp() + late)
            if fact.kind is Kind.LOOK
            else when,
            fact,
        )
        for fact in facts
        for when in [chance.uniform(at(0).timestamp(), length + late)]
    ]
    again = [(when + chance.uniform(0, length), fact) for when, fact in order if chance.random() < 0.4]
    return [fact for _, fact in sorted([*order, *again], key=lambda it: it[0])]


def facts_once(facts: Iterable[Fact]) -> list[Fact]:
    return list(deliver([list(facts)]).facts)


@given(st.lists(some_facts(), max_size=14), st.randoms(use_true_random=False))
def test_a_fact_heard_again_later_is_the_same_fact(facts: list[Fact], chance: random.Random) -> None:
    """A redelivery is heard later; only the first hearing counts."""
    late = [msgspec.structs.replace(fact, heard=at(59)) for fact in facts]
    mixed = shuffled([*late, *facts], chance)
    assert records(deliver([fact] for fact in mixed)) == records(deliver([facts]))


@given(st.lists(some_facts(), max_size=20))
def test_times_never_go_back(facts: list[Fact]) -> None:
    """Started, detected, confirmed, mitigated, resolved: each no earlier than the one before."""
    for fact in derive(facts_once(facts), GROUP, RULES):
        known = [fact.started, fact.detected, fact.confirmed, fact.mitigated, fact.resolved]
        times = [moment for moment in known if moment is not None]
        assert times == sorted(times)
        assert fact.acknowledged is None or fact.acknowledged >= fact.detected
        assert [line.at for line in fact.timeline] == sorted(line.at for line in fact.timeline)


@given(st.lists(some_facts(), max_size=14), st.randoms(use_true_random=False))
def test_an_incident_keeps_its_number(facts: list[Fact], chance: random.Random) -> None:
    """Whatever comes later, an id that was once given leads to an incident for ever."""
    chance.shuffle(facts)
    ledger, given_out = a_ledger(), set[str]()
    for fact in facts:
        ledger = advance(ledger, [fact], at(60), RULES)
        found = incidents(ledger, RULES)
        known = {id_ for incident in found for id_ in (incident.id, *incident.aliases)}
        assert given_out <= known
        assert all(incident.id for incident in found)
        given_out |= known


@given(st.lists(some_facts(), max_size=14), st.randoms(use_true_random=False))
def test_nothing_is_told_twice(facts: list[Fact], chance: random.Random) -> None:
    """One card per incident and state, in whatever order the facts come."""
    chance.shuffle(facts)
    ledger, owed = a_ledger(), list[tuple[int, Telling]]()
    for minute, fact in enumerate([*facts, *([None] * 20)]):
        ledger = advance(ledger, [fact] if fact else [], at(55 + minute), RULES)
        for named in ledger.named:
            for telling in named.owed:
                owed.append((named.number, telling))
                ledger = paid(ledger, named.number, telling)
    assert len(owed) == len(set(owed))
    assert all(not named.owed for named in ledger.named)


# -- telling ----------------------------------------------------------------------------------------------------


def test_a_plain_outage_is_told_in_three_cards() -> None:
    """Opened when it is sure, mitigated when DNS moved, resolved when it stayed well for the flap window."""
    facts = (suspect(1), bad(2), moved(3), well(5))
    assert told(*facts, until=1) == []
    assert told(*facts, until=2) == [Telling.OPENED]
    assert told(*facts, until=14) == [Telling.OPENED, Telling.MITIGATED]
    assert told(*facts, until=15) == [Telling.OPENED, Telling.MITIGATED, Telling.RESOLVED]


def test_a_blip_is_recorded_and_not_told() -> None:
    """One failed look, or an alert that is over at once, disturbs nobody."""
    assert told(suspect(1), well(2), until=30) == []
    assert told(fired(1), over(2), until=30) == []
    assert one(suspect(1), well(2)).stage is Stage.RESOLVED


def test_an_alert_that_nobody_confirms_is_told_after_a_while() -> None:
    """Our own look may be the one that is blind."""
    assert told(fired(1), until=2) == []
    assert told(fired(1), until=3) == [Telling.OPENED]


def test_getting_worse_is_told_once_per_severity() -> None:
    """From 3 by way of 2 to 1, and back, is two more cards; straight to 1 is one."""
    critical = {"severity": Severity.CRITICAL}
    slowly = (fired(1), suspect(4), suspect(5, **critical), suspect(6), suspect(7, **critical))
    assert told(*slowly, until=8) == [Telling.OPENED, Telling.ESCALATED_2, Telling.ESCALATED_1]
    assert told(fired(1), bad(4, **critical), until=8) == [Telling.OPENED, Telling.ESCALATED_1]


def test_a_flapping_region_is_not_called_resolved() -> None:
    """While it comes and goes nobody is told that it is over."""
    facts = [fact for minute in range(1, 40, 6) for fact in (bad(minute), well(minute + 3))]
    assert told(*facts, until=45) == [Telling.OPENED]
    assert told(*facts, until=60) == [Telling.OPENED, Telling.RESOLVED]


def test_an_outage_that_was_over_before_we_could_tell() -> None:
    """The app was not running; it tells that there was one, not that there is one."""
    ledger = advance(a_ledger(), (bad(1), well(3)), at(30), RULES)
    assert [named.told for named in ledger.named] == [(Telling.RESOLVED,)]


def test_a_held_change_is_told_as_such() -> None:
    """An incident about settings asks a person to decide."""
    held = look(Claim.BAD, 1, region="", topic=Topic.SETTINGS, cause="held-change", severity=Severity.MINOR)
    assert told(held, until=2) == [Telling.HELD]


def test_two_incidents_that_turn_out_to_be_one() -> None:
    """A late fact joins them: the older number stays, the other leads to it, and nothing is told again."""
    ledger = advance(a_ledger(), (bad(1),), at(1), RULES)
    ledger = advance(ledger, (well(3),), at(3), RULES)
    ledger = advance(ledger, (bad(14),), at(14), RULES)
    assert len(incidents(ledger, RULES)) == 2
    before = [named.owed for named in ledger.named]
    ledger = advance(ledger, (fired(10, heard=15), over(11, heard=15)), at(15), RULES)
    (joined,) = incidents(ledger, RULES)
    assert joined.id.endswith("-1")
    assert [alias.rsplit("-", 1)[-1] for alias in joined.aliases] == ["2"]
    assert before == [(Telling.OPENED, Telling.RESOLVED), (Telling.OPENED,)]
    assert [named.owed for named in ledger.named] == before


def test_what_was_told_under_another_number_is_not_told_again() -> None:
    """Also how bad it was, and that devices are led elsewhere."""
    ledger = advance(a_ledger(), (bad(1), well(3)), at(13), RULES)
    ledger = advance(ledger, (bad(14, severity=Severity.CRITICAL), moved(15)), at(15), RULES)
    before = [named.owed for named in ledger.named]
    assert before == [(Telling.RESOLVED,), (Telling.OPENED, Telling.MITIGATED)]
    ledger = advance(ledger, (fired(10, heard=15), over(11, heard=15)), at(16), RULES)
    (joined,) = incidents(ledger, RULES)
    assert (joined.severity, joined.stage) == (Severity.CRITICAL, Stage.MITIGATED)
    assert [named.owed for named in ledger.named] == before


def test_a_card_is_paid_for_alone() -> None:
    """Another incident's card, and another card of the same one, stay owed."""
    ledger = advance(a_ledger(), (bad(1), moved(2), bad(1, region="east")), at(3), RULES)
    assert [incident.region for incident in incidents(ledger, RULES)] == ["east", "west"]
    ledger = paid(ledger, 2, Telling.OPENED)
    assert [named.owed for named in ledger.named] == [(Telling.OPENED,), (Telling.MITIGATED,)]


def test_two_incidents_that_turn_out_to_be_one_have_one_end_more() -> None:
    """The end of the older one was told before the younger one's beginning: that needs an end of its own, once."""
    ledger = advance(a_ledger(), (bad(1), well(3)), at(3), RULES)
    ledger = advance(ledger, (bad(14),), at(14), RULES)
    ledger = advance(ledger, (fired(10, heard=15), over(11, heard=15), well(16)), at(16), RULES)
    assert [named.owed for named in ledger.named] == [(Telling.RESOLVED,), (Telling.OPENED,)]
    for minute in (26, 27):
        ledger = advance(ledger, (), at(minute), RULES)
        assert [named.owed for named in ledger.named] == [
            (Telling.RESOLVED,),
            (Telling.OPENED, Telling.RESOLVED),
        ]


def test_two_incidents_that_turn_out_to_be_one_before_any_end_was_told_have_one_end() -> None:
    """The younger one was heard of early, from a machine whose clock is ahead."""
    ledger = advance(a_ledger(), (bad(1),), at(1), RULES)
    ledger = advance(ledger, (well(3), bad(14)), at(12), RULES)
    assert [named.owed for named in ledger.named] == [(Telling.OPENED,), (Telling.OPENED,)]
    ledger = advance(ledger, (fired(10, heard=12), over(11, heard=12), well(16)), at(26), RULES)
    assert [named.owed for named in ledger.named] == [(Telling.OPENED, Telling.RESOLVED), (Telling.OPENED,)]


def test_what_was_never_told_and_turns_out_to_be_another_has_no_end_of_its_own() -> None:
    """A blip was recorded only; the outage after it was told from its beginning to its end."""
    ledger = advance(a_ledger(), (fired(1), over(2)), at(2), RULES)
    ledger = advance(ledger, (bad(14),), at(14), RULES)
    ledger = advance(ledger, (well(16),), at(26), RULES)
    before = [named.owed for named in ledger.named]
    assert before == [(), (Telling.OPENED, Telling.RESOLVED)]
    ledger = advance(ledger, (fired(8, heard=27), over(9, heard=27)), at(27), RULES)
    assert len(incidents(ledger, RULES)) == 1
    assert [named.owed for named in ledger.named] == before


def test_an_incident_that_reopens_after_its_end_was_told_is_told_anew() -> None:
    """A late alert joins the trouble of now to what was over: a second number has its beginning, and its end."""
    ledger = advance(a_ledger(), (bad(1), bad(2)), at(2), RULES)
    ledger = advance(ledger, (well(3),), at(13), RULES)
    assert [named.owed for named in ledger.named] == [(Telling.OPENED, Telling.RESOLVED)]
    ledger = advance(ledger, (fired(12, heard=14),), at(14), RULES)
    ledger = advance(ledger, (bad(15),), at(15), RULES)
    (incident,) = incidents(ledger, RULES)
    assert incident.open
    first, again = ledger.named
    assert first.owed == (Telling.OPENED, Telling.RESOLVED)
    assert again.owed == (Telling.OPENED,)
    assert incident.aliases == (incident_id(ledger, again.number),)
    ledger = advance(ledger, (well(17),), at(28), RULES)
    assert [named.owed for named in ledger.named][1] == (Telling.OPENED, Telling.RESOLVED)
    assert len(ledger.named) == 2


def test_the_end_of_an_older_incident_is_not_the_end_of_the_open_one() -> None:
    """Late facts tell of an outage that was over; when it turns out to be this one, this one has its own end."""
    ledger = advance(a_ledger(), (bad(14),), at(14), RULES)
    late = (fired(1, heard=15), bad(2), over(3, heard=15), well(3))
    ledger = advance(ledger, late, at(15), RULES)
    assert [named.owed for named in ledger.named] == [(Telling.OPENED,), (Telling.RESOLVED,)]
    ledger = advance(ledger, (fired(8, heard=16), over(9, heard=16), well(17)), at(17), RULES)
    assert len(incidents(ledger, RULES)) == 1
    ledger = advance(ledger, (), at(27), RULES)
    assert [named.owed for named in ledger.named] == [(Telling.OPENED, Telling.RESOLVED), (Telling.RESOLVED,)]


# -- acknowledging, and the end ---------------------------------------------------------------------------------


def test_acknowledging() -> None:
    """Once, while it is open."""
    ledger = advance(a_ledger(), (bad(1),), at(1), RULES)
    (incident,) = incidents(ledger, RULES)
    ledger = advance(ledger, [acknowledgement(incident, "ada", "looking", at(2))], at(2), RULES)
    (incident,) = incidents(ledger, RULES)
    assert (incident.acknowledged_by, incident.stage) == ("ada", Stage.CONFIRMED)
    with pytest.raises(IllegalTransition, match="was acknowledged by ada"):
        acknowledgement(incident, "bob", "", at(3))
    with pytest.raises(IllegalTransition, match="is resolved"):
        acknowledgement(one(bad(1), well(2)), "bob", "", at(3))


def test_what_is_over_goes_into_the_archive() -> None:
    """After an hour without anything owed; what comes later about it changes nothing."""
    ledger = advance(a_ledger(), (note(0, "x"), bad(1), well(3)), at(5), RULES)
    ledger = advance(ledger, (), at(70), RULES)
    assert settled(ledger, at(70), RULES) == ()  # its cards are not in the outbox yet
    for telling in ledger.named[0].owed:
        ledger = paid(ledger, 1, telling)
    (over_now,) = settled(ledger, at(70), RULES)
    ledger = shelve(ledger, over_now)
    assert incidents(ledger, RULES) == ()
    assert [fact for fact in ledger.facts if fact.kind is not Kind.NOTE] == []
    assert ledger.named == ()
    ledger = advance(ledger, (fired(2, heard=71), bad(1), fired(3, heard=71)), at(71), RULES)
    assert incidents(ledger, RULES) == ()
    ledger = advance(ledger, (fired(2, heard=72), bad(72)), at(72), RULES)
    assert [incident.id.rsplit("-", 1)[-1] for incident in incidents(ledger, RULES)] == ["2"]


def test_a_long_outage_stays_small() -> None:
    """Looks that only repeat the one before are dropped after ten minutes; the record is the same."""
    ledger = a_ledger()
    for minute in range(200):
        ledger = advance(ledger, [bad(minute)], at(minute), RULES)
    assert len(ledger.facts) < 20
    ledger = advance(ledger, [well(200)], at(200), RULES)
    (incident,) = incidents(ledger, RULES)
    assert (incident.started, incident.resolved) == (at(0), at(200))


def test_looks_of_the_last_minutes_stay() -> None:
    """A late look may still come between them; no two that are ten minutes older than the youngest get company."""
    ledger = a_ledger()
    for minute in range(13):
        ledger = advance(ledger, [bad(minute)], at(minute), RULES)
    assert [fact.at for fact in ledger.facts] == [at(number) for number in range(13)]
    ledger = advance(ledger, [bad(13)], at(13), RULES)
    assert [fact.at for fact in ledger.facts] == [at(0), *(at(number) for number in range(2, 14))]


def test_the_last_look_before_a_late_one_stays() -> None:
    """What is dropped stands between two that are both too old for company."""
    ledger = a_ledger()
    for claim, minute in ((bad, 0), (bad, 1), (bad, 11.5), (well, 1.8)):
        ledger = advance(ledger, [claim(minute)], at(11.5), RULES)
    assert [fact.at for fact in ledger.facts] == [at(0), at(1), at(1.8), at(11.5)]


def test_no_wake_up_lives_as_long_as_looks_may_come_out_of_order() -> None:
    """A look is written by the wake-up that saw it; what it saw before it died is not heard of any more."""
    host = json.loads(pathlib.Path("host.json").read_bytes())
    hours, minutes, seconds = (int(part) for part in host["functionTimeout"].split(":"))
    assert 2 * timedelta(hours=hours, minutes=minutes, seconds=seconds) <= UNORDERED


def test_changes_stay_however_old() -> None:
    """Only what stands between two like it is dropped."""
    claims = [bad, bad, well, bad, well, well, bad, well, bad]
    looks = [claim(minute) for minute, claim in enumerate(claims)]
    ledger = advance(a_ledger(), [*looks, well(200)], at(200), RULES)
    assert [fact.at for fact in ledger.facts] == [*(fact.at for fact in looks), at(200)]


def test_notes_are_kept_while_an_incident_may_need_them() -> None:
    """Those of its region and of the whole group, for as long as it lasts; others for an hour and a quarter."""
    notes = [note(0, "group"), note(0, "west", region="west"), note(0, "east", region="east")]
    ledger = advance(a_ledger(), [*notes, bad(1)], at(75), RULES)
    assert len(ledger.facts) == 4
    ledger = advance(ledger, [], at(75.1), RULES)
    (incident,) = incidents(ledger, RULES)
    assert {fact.text for fact in ledger.facts} == {"group", "west", "west is bad"}
    assert {entry.text for entry in incident.timeline} == {"group", "west", "west is bad"}
    quiet = advance(a_ledger(), [*notes, well(1), over(2), moved(3)], at(75.1), RULES)
    assert [fact.kind for fact in quiet.facts] == [Kind.LOOK, Kind.RESOLVED, Kind.MOVED]


def test_notes_from_before_the_oldest_trouble_are_needed_by_no_incident() -> None:
    """Where there is always an incident, what was done last week does not pile up in the row."""
    notes = [
        note(0, "long before"), note(85, "group"),
        note(84.9, "west before", region="west"), note(85, "west", region="west"),
        note(94.9, "east before", region="east"), note(95, "east", region="east"),
    ]  # fmt: skip
    trouble = [bad(100), bad(110, region="east"), bad(120)]
    ledger = advance(a_ledger(), [*notes, *trouble], at(300), RULES)
    assert {fact.text for fact in ledger.facts if fact.kind is Kind.NOTE} == {"group", "west", "east"}
    west, east = (
        {entry.text for entry in incident.timeline if "bad" not in entry.text}
        for incident in incidents(ledger, RULES)
    )
    assert (west, east) == ({"group", "west"}, {"east"})


def test_one_fact_in_two_wordings() -> None:
    """The worse severity stands, and the first hearing, whichever came first."""
    mild = bad(1, severity=Severity.MINOR)
    worse = msgspec.structs.replace(bad(1), text="worded otherwise", heard=at(2))
    for facts in ((mild, worse), (worse, mild)):
        (fact,) = deliver([fact] for fact in facts).facts
        assert (fact.severity, fact.heard) == (Severity.MAJOR, at(1))


def test_what_gives_an_incident_its_number_survives_a_storm() -> None:
    """From the middle, too; the beginning and the end stay as they are, and no fact is lost uncounted."""
    early = [fired(number / 100, alert=f"{number}") for number in range(1500)]
    late = [fired(60 + number / 100, alert=f"{number}") for number in range(1500)]
    ledger = advance(a_ledger(), [bad(50, region="east")], at(51), RULES)
    (east,) = incidents(ledger, RULES)
    ledger = advance(ledger, [*early, *late], at(90), RULES)
    head = MOST_FACTS // 4
    assert [fact.mark for fact in ledger.facts] == [
        *(fact.mark for fact in early[:head]),
        bad(50, region="east").mark,
        *(fact.mark for fact in late[-(MOST_FACTS - head - 1) :]),
    ]
    assert ledger.dropped == 3001 - MOST_FACTS
    assert east.id in {incident.id for incident in incidents(ledger, RULES)}
    begun = advance(a_ledger(), early[:1], at(1), RULES)  # its number comes from the beginning, which stays
    begun = advance(begun, early + late, at(90), RULES)
    assert begun.dropped + len(begun.facts) == 3000
    full = advance(a_ledger(), early[:1], at(1), RULES)
    assert len(advance(full, early[:MOST_FACTS], at(20), RULES).facts) == MOST_FACTS


def test_a_storm_has_an_end() -> None:
    """More facts than there is room for: the beginning and the end stay, the rest is counted."""
    storm = [fired(1 + number / 100, alert=f"alert-{number}") for number in range(MOST_FACTS + 100)]
    ledger = advance(a_ledger(), [bad(0), *storm], at(60), RULES)
    assert len(ledger.facts) <= MOST_FACTS
    assert ledger.dropped == 101
    (incident,) = incidents(ledger, RULES)
    assert incident.id
    assert len(incident.timeline) == transitions.MOST_LINES


def test_an_acknowledgement_is_of_its_own_subject_and_not_before_it_was_known() -> None:
    """Another machine's clock may be behind; the reason is told where there is one."""
    hosts = msgspec.structs.replace(one(bad(5)), topic=Topic.HOSTS)
    fact = acknowledgement(hosts, "ada", "looking", at(2))
    assert fact == Fact(
        kind=Kind.ACKNOWLEDGED, at=at(5), heard=at(2), topic=Topic.HOSTS, region="west", who="ada",
        text="acknowledged: looking",
    )  # fmt: skip
    assert acknowledgement(hosts, "ada", "", at(6)).text == "acknowledged"
    assert acknowledgement(hosts, "ada", "", at(6)).at == at(6)


def archived_at(minutes: float, *, keep: float, flap: float) -> bool:
    """Return whether an incident that was over at minute 2 may go into the archive then; its cards are sent."""
    rules = msgspec.structs.replace(RULES, keep=keep, flap=flap)
    ledger = advance(a_ledger(), [bad(1), well(2)], at(2), rules)
    named = tuple(msgspec.structs.replace(named, owed=()) for named in ledger.named)
    return bool(settled(msgspec.structs.replace(ledger, named=named), at(minutes), rules))


@pytest.mark.parametrize(
    ("keep", "flap", "minutes"),
    [(600.0, 60.0, 12), (60.0, 600.0, 13)],
)
def test_late_facts_are_waited_for(keep: float, flap: float, minutes: float) -> None:
    """For the time that is set, and never shorter than it can come back, and a minute."""
    assert not archived_at(minutes, keep=keep, flap=flap)
    assert archived_at(minutes + 0.001, keep=keep, flap=flap)


def test_only_what_belongs_to_an_incident_goes_with_it() -> None:
    """Other subjects', later facts and notes stay; so does the end of what another subject has in the archive."""
    facts = [
        bad(1), well(2), bad(1, region="east"), well(2, region="east"), bad(40),
        note(1.5, "a note", region="west"),
    ]  # fmt: skip
    ledger = advance(a_ledger(), facts, at(41), RULES)
    (west, east, later) = sorted(incidents(ledger, RULES), key=lambda it: (it.started, it.region != "west"))
    assert (west.region, east.region, later.region) == ("west", "east", "west")
    shelved = shelve(ledger, west)
    assert [(fact.region, fact.at) for fact in shelved.facts if fact.kind is not Kind.NOTE] == [
        ("east", at(1)),
        ("east", at(2)),
        ("west", at(40)),
    ]
    assert [fact.text for fact in shelved.facts if fact.kind is Kind.NOTE] == ["a note"]
    assert {incident.id for incident in incidents(shelved, RULES)} == {east.id, later.id}
    assert [(closed.topic, closed.region, closed.until) for closed in shelved.closed] == [
        (Topic.SERVICE, "west", at(2))
    ]
    both = shelve(shelved, east)
    assert [closed.region for closed in both.closed] == ["west", "east"]
    assert shelve(both, east) == both
    again = shelve(both, later)
    assert [(closed.region, closed.until) for closed in again.closed] == [("east", at(2)), ("west", at(40))]
