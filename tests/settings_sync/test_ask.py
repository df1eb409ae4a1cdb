"""What a person may ask, when, and the verdicts that it becomes."""

from collections.abc import Iterable
from datetime import timedelta

import msgspec
import pytest

from shared.errors import IllegalTransition, NotFound, StalePlan, UnsafePlan
from shared.groups.soak import Start
from shared.settings_sync.ask import Ask, Request, joined, verdicts
from shared.settings_sync.model import (
    Action,
    Decision,
    Flight,
    Footprint,
    Phase,
    Plan,
    Refusal,
    Rollout,
    State,
    Verdict,
    VerdictKind,
)
from shared.words import LINE
from tests.builders import a_decision, a_rollout, site_id
from tests.fakes.clock import START

REGIONS = ("west", "east")
CHANGE = a_decision("AppConfig:Url")
CONFLICT = a_decision("Other", Action.CONFLICT)


def held(*decisions: Decision, rules: Iterable[str] = ("brake",)) -> Rollout:
    """A rollout whose plan holds these decisions."""
    refusals = tuple(Refusal(rule=rule, keys=(), text="a test", way_out=f"mend {rule}") for rule in rules)
    return a_rollout(State.HELD, plan=Plan(fingerprint="seen", decisions=decisions, refusals=refusals))


def asked(what: Ask, *, region: str = "", keys: tuple[str, ...] = (), reason: str = "because") -> Request:
    """A request about the plan that was seen."""
    return Request(ask=what, fingerprint="seen", by="ada", reason=reason, region=region, keys=keys)


def said(request: Request, rollout: Rollout) -> tuple[Verdict, ...]:
    """The verdicts of a request in a pair."""
    return verdicts(request, rollout, REGIONS, START)


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        (Ask.APPROVE, VerdictKind.APPROVE),
        (Ask.REJECT, VerdictKind.REJECT),
        (Ask.TAKE, VerdictKind.TAKE),
        (Ask.REVERT, VerdictKind.TAKE),
        (Ask.FORCE, VerdictKind.FORCE),
    ],
)
def test_each_question_becomes_one_verdict_per_key(what: Ask, kind: VerdictKind) -> None:
    """A verdict names the key, the state that was seen of it, who said it, why and when."""
    (verdict,) = said(asked(what, region="west"), held(CHANGE))
    assert (verdict.key, verdict.state, verdict.kind) == (CHANGE.key, CHANGE.state, kind)
    assert (verdict.by, verdict.reason, verdict.at) == ("ada", "because", START)
    assert verdict.side == {Ask.TAKE: "west", Ask.REVERT: "east"}.get(what, "")


def test_a_revert_takes_the_side_of_those_who_have_the_old_value() -> None:
    """The targets of a change have what was before."""
    (verdict,) = said(asked(Ask.REVERT), held(CHANGE))
    assert verdict.side == "east"


def two_sets(state: State) -> Rollout:
    """West's change stands longest and is under way; east's sound one waits behind it, a conflict beside both."""
    theirs = a_decision("Sound", sources=("east",), targets=("west",))
    stood = (
        Footprint(region="east", digest="e", at=START),
        Footprint(region="west", digest="w", at=START - timedelta(seconds=1)),
    )
    plan = Plan(fingerprint="seen", decisions=(CHANGE, CONFLICT, theirs))
    return a_rollout(state, plan=plan, footprints=stood)


@pytest.mark.parametrize("what", [Ask.REVERT, Ask.FORCE])
@pytest.mark.parametrize("state", [State.CONTAINED, State.SOAKING])
def test_what_is_asked_of_a_change_under_way_is_of_that_change(what: Ask, state: State) -> None:
    """Another region's is not put back with it, and does not travel unproved; unless somebody names it."""
    assert [verdict.key for verdict in said(asked(what), two_sets(state))] == [CHANGE.key]
    (named,) = said(asked(what, keys=("Sound",)), two_sets(state))
    assert named.key == "Sound"


def test_all_else_that_is_asked_is_of_the_whole_plan() -> None:
    """A side is taken of every key; and what a held plan holds is one question."""
    taken = said(asked(Ask.TAKE, region="west"), two_sets(State.CONTAINED))
    assert [verdict.key for verdict in taken] == [CHANGE.key, CONFLICT.key, "Sound"]
    assert [verdict.key for verdict in said(asked(Ask.FORCE), two_sets(State.HELD))] == [CHANGE.key, "Sound"]


def test_another_plan_than_the_one_seen_is_stale() -> None:
    """The answer names the plan that there is now; without any plan too."""
    stale = msgspec.structs.replace(asked(Ask.APPROVE), fingerprint="older")
    with pytest.raises(StalePlan, match="is now seen, not older"):
        said(stale, held(CHANGE))
    with pytest.raises(StalePlan, match="is now none, not older"):
        said(stale, a_rollout())


@pytest.mark.parametrize("what", [Ask.FORCE, Ask.REJECT])
@pytest.mark.parametrize("reason", ["", "  "])
def test_to_force_or_reject_needs_a_reason(what: Ask, reason: str) -> None:
    """What overrides a rule is recorded with why."""
    with pytest.raises(UnsafePlan, match="reason"):
        said(asked(what, reason=reason), held(CHANGE))


def test_approving_is_for_changes_only() -> None:
    """A conflict beside them stays open."""
    assert [verdict.key for verdict in said(asked(Ask.APPROVE), held(CHANGE, CONFLICT))] == [CHANGE.key]


@pytest.mark.parametrize("rules", [(), ("conflict",), ("cannot-travel",), ("ambiguous", "first-contact")])
def test_approving_what_no_approval_lifts_is_refused_with_the_ways_out(rules: tuple[str, ...]) -> None:
    """Nobody is left thinking that an approval did something."""
    with pytest.raises(IllegalTransition, match="nothing to approve") as refused:
        said(asked(Ask.APPROVE), held(CHANGE, rules=rules))
    assert str(refused.value).endswith("held" + "".join(f"; {rule}: mend {rule}" for rule in rules))


def test_sides_are_taken_of_conflicts_and_changes_alike() -> None:
    """All keys, unless some are named; the region in any case."""
    both = said(asked(Ask.TAKE, region="EAST"), held(CHANGE, CONFLICT))
    assert [(verdict.key, verdict.side) for verdict in both] == [(CHANGE.key, "east"), (CONFLICT.key, "east")]
    (one,) = said(asked(Ask.TAKE, region="east", keys=("Other",)), held(CHANGE, CONFLICT))
    assert one.key == "Other"


@pytest.mark.parametrize(("region", "shown"), [("", r"\(no region\)"), ("south", "south")])
def test_a_side_is_a_region_of_the_group(region: str, shown: str) -> None:
    """The answer names the regions that there are."""
    with pytest.raises(NotFound, match=f"^{shown} is not a region of this group: west, east$"):
        said(asked(Ask.TAKE, region=region), held(CONFLICT))


@pytest.mark.parametrize("key", ["AppConfig:Url", "AppConfig__Url", "appconfig:url"])
def test_keys_are_understood_in_either_platforms_spelling(key: str) -> None:
    """A person writes the name as the portal shows it."""
    (verdict,) = said(asked(Ask.APPROVE, keys=(key,)), held(CHANGE))
    assert verdict.key == CHANGE.key


def test_a_key_that_the_question_cannot_be_about_is_not_found() -> None:
    """A key that is nowhere, and a conflict that somebody would approve."""
    with pytest.raises(NotFound, match=r"to take in Nowhere, Never$"):
        said(asked(Ask.TAKE, region="west", keys=("Nowhere", CHANGE.key, "Never")), held(CHANGE))
    with pytest.raises(NotFound, match="Other"):
        said(asked(Ask.APPROVE, keys=("Other",)), held(CHANGE, CONFLICT))


@pytest.mark.parametrize("what", list(Ask))
def test_a_write_under_way_is_first_seen_through(what: Ask) -> None:
    """No word is taken while a region is being written or verified."""
    flight = Flight(
        id="1",
        phase=Phase.WRITTEN,
        source="west",
        target="east",
        keys=(),
        claimed_at=START,
        worker="w",
        worker_until=START,
        start=Start.HEALTHY,
        site=site_id("east").lower(),
    )
    flying = msgspec.structs.replace(held(CHANGE, CONFLICT), flight=flight, state=State.VERIFYING)
    with pytest.raises(IllegalTransition, match="while the rollout is verifying"):
        said(asked(what, region="west"), flying)


def a_verdict(kind: VerdictKind, *, key: str = "A", state: str = "s") -> Verdict:
    """A word on a key."""
    return Verdict(key=key, state=state, kind=kind, by="ada", reason="", at=START, side="west")


@pytest.mark.parametrize("new", [VerdictKind.TAKE, VerdictKind.REJECT])
@pytest.mark.parametrize("old", list(VerdictKind))
def test_a_new_direction_replaces_all_that_was_said_of_the_key(old: VerdictKind, new: VerdictKind) -> None:
    """The last word counts; other keys keep theirs."""
    earlier = [a_verdict(old), a_verdict(old, key="B")]
    assert joined(earlier, [a_verdict(new)]) == (earlier[1], a_verdict(new))


@pytest.mark.parametrize("new", [VerdictKind.APPROVE, VerdictKind.FORCE])
def test_an_approval_stands_beside_the_side_that_was_taken(new: VerdictKind) -> None:
    """Both hold, for the same state of the key; of an older state nothing is kept."""
    assert joined([a_verdict(VerdictKind.TAKE)], [a_verdict(new)]) == (
        a_verdict(VerdictKind.TAKE),
        a_verdict(new),
    )
    assert joined([a_verdict(VerdictKind.TAKE, state="older")], [a_verdict(new)]) == (a_verdict(new),)
    assert joined([a_verdict(new)], [a_verdict(new)]) == (a_verdict(new),)


def test_what_a_person_says_has_the_length_of_a_line() -> None:
    """Whichever way it came."""
    (verdict,) = said(
        msgspec.structs.replace(asked(Ask.REJECT, reason="r" * 2000), by="b" * 2000), held(CHANGE)
    )
    assert (verdict.by, verdict.reason) == (f"{'b' * (LINE - 3)}...", f"{'r' * (LINE - 3)}...")
