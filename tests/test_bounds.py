"""Every stored row is bounded: hours, floods, long names and many regions take at most half of what a row holds.

`CASES` drives every kind of row through them. Which kinds there are is read from the code.
"""

import ast
import asyncio
import functools
import importlib
from collections.abc import Callable, Coroutine, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import copies, pulse
from shared.adapters.tables import PROPERTY, _entity_of
from shared.artifact_hosts import history
from shared.artifact_hosts import model as hosts
from shared.artifact_hosts import transitions as packages
from shared.cards import Card
from shared.disruption import workflow as disruption
from shared.disruption.permit import Granted, permit
from shared.drills import model as drills
from shared.drills import transitions as drilling
from shared.drills import workflow as drill_rows
from shared.drills.preflight import Circumstances, Declared, preflight
from shared.drills.schedule import Calendar
from shared.errors import Effect, TooLarge, Unavailable
from shared.groups.discover import Member
from shared.groups.model import Health, NameAnswer, Os, ProbeResult, ScepProof, Site, State, Value
from shared.groups.soak import Start
from shared.groups.workflow import Watched
from shared.incidents import hold as holds
from shared.incidents.model import Archived, Claim, Fact, Incident, Kind, Ledger, Severity
from shared.incidents.transitions import MOST_BYTES, Rules, advance, incidents, shelve
from shared.outbox import Letter, Message, letter_key, post, send
from shared.reconcile import lease
from shared.settings_sync import model as rollouts
from shared.settings_sync.model import Action, Happening, Phase, Plan, Refusal, VerdictKind, lots
from shared.settings_sync.transitions import HISTORY, MOST_LEFT, Write, enter
from shared.settings_sync.transitions import View as RolloutView
from shared.settings_sync.transitions import look as look_at_settings
from shared.settings_sync.transitions import turn as turn_rollout
from shared.store import BOUND, MAX_BODY, Key, Row, fitted, read, within_bounds
from tests.builders import (
    a_decision,
    a_disruption,
    a_group,
    a_health,
    a_policy,
    a_region,
    a_rollout,
    a_side,
)
from tests.builders import settings as a_configuration
from tests.fakes.channels import FakeChannel
from tests.fakes.clock import START, FakeClock
from tests.fakes.key_vault import FakeCopies
from tests.fakes.store import FakeStore

ROOT = Path(__file__).parent.parent
ENTITY = 1024 * 1024  # bytes of an entity of Azure Tables
ENDPOINTS = tuple(f"endpoint-{number:03}-{'n' * 240}" for number in range(200))
KEYS = tuple(f"AppConfig:{'K' * 90}{number:03}" for number in range(500))
LONG = "a text of somebody else's making, with ü and \N{FIRE}; " * 2000  # about 100 KB
SECOND = timedelta(seconds=1)
RULES = Rules()

type Case = Callable[[], Iterator[msgspec.Struct]]

CASES: dict[type, list[Case]] = {}


def case(kind: type) -> Callable[[Case], Case]:
    """Mark a drive of one kind of row; it yields the row as it comes to be."""

    def marked(it: Case) -> Case:
        CASES.setdefault(kind, []).append(it)
        return it

    return marked


# -- which kinds of row there are ---------------------------------------------------------------------------------

_READS = {
    "read": 2,
    "revise": 2,
    "readable": 2,
    "decoded": 1,
}  # functions of shared.store: which argument is the kind


def kinds_of_row() -> set[type]:
    """Every type as which the code reads a row; one that reads only a part of another is none of its own."""
    found: set[type] = set()
    for path in sorted((ROOT / "shared").rglob("*.py")):
        if path.name == "store.py":
            continue
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        names = {
            kind.id
            for call in calls
            if isinstance(call.func, ast.Name) and (place := _READS.get(call.func.id)) is not None
            if isinstance(kind := call.args[place], ast.Name)
        }
        if names:
            module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
            found |= {getattr(module, name) for name in names}
    return {
        item for item in found if not any(other is not item and issubclass(other, item) for other in found)
    }


def test_every_kind_of_row_has_a_case() -> None:
    """A new one without a case fails here."""
    assert kinds_of_row() == set(CASES)


def test_rows_are_written_in_one_place() -> None:
    """So that none goes past its bound: only `write` makes rows of bodies, and only stores put them."""
    for path in sorted((ROOT / "shared").rglob("*.py")):
        if path.name == "store.py" or path.parent.name == "adapters":
            continue
        names = {node.func.id for node in ast.walk(ast.parse(path.read_text()))
                 if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}  # fmt: skip
        assert "Row" not in names, path


# -- incidents ----------------------------------------------------------------------------------------------------


def a_look(second: int, region: str, *, well: bool, text: str = "") -> Fact:
    return Fact(
        kind=Kind.LOOK,
        at=START + timedelta(seconds=second),
        heard=START + timedelta(seconds=second),
        region=region,
        claim=Claim.WELL if well else Claim.BAD,
        cause="" if well else "one-region",
        severity=Severity.MAJOR,
        who="Counterpart",
        text=text or f"{region} {'is well' if well else 'fails'}",
        evidence=() if well else tuple(f"{region}: line {line} of second {second}" for line in range(8)),
    )


@functools.cache
def flapping() -> Ledger:
    """Three regions for three hours, each look another than the one before."""
    ledger = Ledger(group_id="/g", group="scepman")
    for second in range(0, 3 * 3600, 20):
        looks = [a_look(second, region, well=second // 20 % 2 == 0) for region in ("west", "east", "north")]
        ledger = fitted(advance(ledger, looks, START + timedelta(seconds=second), RULES))
    return ledger


@case(Ledger)
def three_regions_flap_for_hours() -> Iterator[Ledger]:
    yield flapping()


@case(Ledger)
def two_hundred_endpoints_flap_at_once() -> Iterator[Ledger]:
    ledger = Ledger(group_id="/g", group="scepman")
    for second in range(0, 300, 30):
        looks = [a_look(second, region, well=second // 30 % 2 == 1) for region in ENDPOINTS]
        ledger = fitted(advance(ledger, looks, START + timedelta(seconds=second), RULES))
        yield ledger
    assert incidents(ledger, RULES)
    assert ledger.dropped > 0


@case(Ledger)
def alerts_with_long_names_flood_it() -> Iterator[Ledger]:
    """Whoever holds only the alert's key: the next failure is still recorded as an incident."""
    ledger = Ledger(group_id="/g", group="scepman")
    for number in range(300):
        at = START + timedelta(seconds=number)
        fired = Fact(
            kind=Kind.FIRED, at=at, heard=at, region="west", id=f"{number}{'i' * 250_000}",
            who="Azure Monitor", text=LONG, evidence=("e" * 250_000,) * 40,
        )  # fmt: skip
        ledger = fitted(advance(ledger, [fired], at, RULES))
        if number % 20 == 0:
            yield ledger
    later = START + timedelta(seconds=500)
    ledger = fitted(advance(ledger, [a_look(500, "east", well=False)], later, RULES))
    yield ledger
    assert [incident.region for incident in incidents(ledger, RULES) if incident.region == "east"] == ["east"]


@case(Ledger)
def incidents_of_many_regions_go_into_the_archive() -> Iterator[Ledger]:
    """Of endpoints that come and go for years, under ever new names."""
    ledger = Ledger(group_id="/g", group="scepman")
    for number in range(1000):
        at = START + timedelta(hours=number)
        fact = msgspec.structs.replace(
            a_look(0, f"{number}{ENDPOINTS[0][-240:]}", well=False), at=at, heard=at
        )
        ledger = msgspec.structs.replace(ledger, facts=(fact,), named=())
        incident = Incident(
            group="scepman", topic=fact.topic, region=fact.region, cause=fact.cause, severity=fact.severity,
            started=at, detected=at, marks=(fact.mark,),
        )  # fmt: skip
        ledger = fitted(shelve(ledger, incident))
    yield ledger


@case(Archived)
def the_incident_of_a_region_that_flapped_for_hours() -> Iterator[Archived]:
    ledger = flapping()
    (last, *_) = sorted(incidents(ledger, RULES), key=lambda it: it.started, reverse=True)
    assert last.flaps > 20
    yield fitted(Archived(incident=last, archived=START))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=400), max_size=40))
def test_any_text_fits(texts: list[str]) -> None:
    """Whatever letters they are made of: a bound in bytes, not in characters."""
    many = [a_look(number, "west", well=number % 2 == 0, text=text * 20) for number, text in enumerate(texts)]
    ledger = advance(Ledger(group_id="/g", group="g"), many, START, RULES)
    assert all(len(fact.text.encode()) <= MOST_BYTES for fact in ledger.facts)
    assert len(msgspec.json.encode(fitted(ledger))) <= BOUND


@case(holds.HoldRow)
def regions_are_held_and_released_for_hours() -> Iterator[holds.HoldRow]:
    """Each time refused for another long reason, or ended by a person with another long name."""
    row = holds.HoldRow(group="scepman")
    group = a_group(*ENDPOINTS[:2])
    for second in range(0, 3600, 10):
        now = START + timedelta(seconds=second)
        held = holds.Hold(
            id="f" * 16, incident=f"scepman-0123456789-{second}", region=ENDPOINTS[0], phase=holds.Phase.HELD,
            since=now, worker="w" * 100, worker_until=now,
        )  # fmt: skip
        row = holds.refused(msgspec.structs.replace(row, hold=held), f"{second}: {LONG}", now)
        row = holds.released(msgspec.structs.replace(row, hold=held), f"{second} {LONG}", LONG, now)
        yield fitted(row)
        view = holds.View(group=group, health={}, incidents=(), now=now, worker="", new_id="")
        row = fitted(holds.turn(row, view, holds.HoldRules()).row)  # it is enabled: somebody did that
        assert row.hold is None
        yield row


# -- settings -----------------------------------------------------------------------------------------------------


@case(rollouts.Rollout)
def a_plan_of_many_keys_over_many_regions() -> Iterator[rollouts.Rollout]:
    """It is kept for people: of a long one the beginning, and how much is left out."""
    plan = Plan(
        fingerprint="f00d",
        decisions=tuple(
            a_decision(key, sources=ENDPOINTS[:1], targets=ENDPOINTS[1:], reason="r" * 200) for key in KEYS
        ),
        refusals=(Refusal(rule="brake", keys=KEYS, text="t" * 500, way_out="w" * 200),),
    )
    history_ = tuple(Happening(START, a_rollout().state, "h" * 2000) for _ in range(HISTORY))
    row = fitted(a_rollout(plan=plan, history=history_))
    yield row
    assert row.plan is not None
    assert row.plan.left_out + len(row.plan.decisions) == len(KEYS)


@case(rollouts.Rollout)
def ever_new_reasons_for_hours() -> Iterator[rollouts.Rollout]:
    """One a second, each as long as hundreds of regions make it."""
    row = a_rollout()
    for second in range(3600):
        row = enter(row, row.state, f"{second}: {LONG}", START + second * SECOND)
    yield fitted(row)


@functools.cache
def looked_at() -> rollouts.Rollout:
    """Five hundred keys in two hundred regions, in which all of them agree."""
    sides = [a_side(dict.fromkeys(KEYS, "0" * 32), region=name) for name in ENDPOINTS]
    return look_at_settings(a_rollout(), sides, a_policy(), START)[0]


@case(rollouts.Rollout)
def many_keys_travel_to_every_region() -> Iterator[rollouts.Rollout]:
    """The last of two hundred writes, of as many keys as the brake lets pass: nothing of it need be forgotten."""
    yield from the_last_write(KEYS[:140])


@case(rollouts.Rollout)
def every_key_travels_to_every_region_with_a_persons_word() -> Iterator[rollouts.Rollout]:
    yield from the_last_write(KEYS, reason="r" * 400)


def the_last_write(keys: Sequence[str], *, reason: str = "") -> Iterator[rollouts.Rollout]:
    new, old = "1" * 32, "0" * 32
    row = looked_at()
    put = lots(rollouts.Written(region, key, new, old) for region in ENDPOINTS[1:-1] for key in keys)
    prints = dict.fromkeys(KEYS, old)
    sides = [a_side({**prints, **dict.fromkeys(keys, new)}, region=name) for name in ENDPOINTS[:-1]]
    sides.append(a_side(prints, region=ENDPOINTS[-1]))
    row = msgspec.structs.replace(row, lots=put)
    if reason:
        _, decisions = look_at_settings(row, sides, a_policy(), START)
        said = tuple(
            rollouts.Verdict(
                key=decision.key,
                state=decision.state,
                kind=VerdictKind.APPROVE,
                by="b" * 200,
                reason=reason,
                at=START,
            )
            for decision in decisions
        )
        row = msgspec.structs.replace(row, verdicts=said)
    row, decisions = look_at_settings(row, sides, a_policy(), START)
    now = START + timedelta(hours=1)
    health = {name: a_health(at=now, since=START) for name in ENDPOINTS}
    view = RolloutView(sides=sides, decisions=decisions, health=health, now=now, worker="w" * 40)
    turned = turn_rollout(row, view, a_configuration().rules)
    assert isinstance(turned.step, Write)
    flight = turned.rollout.flight
    assert flight is not None
    row = fitted(msgspec.structs.replace(turned.rollout, left=(flight,) * MOST_LEFT))
    yield row
    assert row.flight is not None
    assert (row.flight.phase, len(row.flight.keys)) == (Phase.CLAIMED, len(keys))
    assert len(row.written) == len(keys) * (len(ENDPOINTS) - 1)


@functools.cache
def told_apart() -> rollouts.Rollout:
    """Drive a row in which each write replaced another value in each region, and operators decided on each key."""
    put = lots(
        rollouts.Written(region, key, "1" * 32, f"{number:032}")
        for number, region in enumerate(ENDPOINTS[1:])
        for key in KEYS
    )
    said = tuple(
        rollouts.Verdict(
            key=key, state=f"{number:016}", kind=kind, by="b" * 200, reason="r" * 400, at=START,
            side=ENDPOINTS[0] if kind is VerdictKind.TAKE else "",
        )
        for number, key in enumerate(KEYS)
        for kind in (VerdictKind.REJECT if number < 10 else VerdictKind.TAKE, VerdictKind.FORCE)
    )  # fmt: skip
    return fitted(msgspec.structs.replace(looked_at(), lots=put, verdicts=said))


@case(rollouts.Rollout)
def every_region_had_another_value() -> Iterator[rollouts.Rollout]:
    row = told_apart()
    yield row
    assert any("decisions dropped, since the row is full" in happening.text for happening in row.history)
    assert any("what was written of" in happening.text for happening in row.history)


def test_what_a_full_row_forgot_is_asked_of_a_person() -> None:
    """Where a row has no room for what was written of a key, the key is held: nothing is taken for news."""
    row = told_apart()
    forgotten = set(KEYS) - {written.key for written in row.written}
    assert KEYS[0] in forgotten, "it was left different on purpose, too"
    sides = [
        a_side(dict.fromkeys(KEYS, "1" * 32), region=ENDPOINTS[0]),
        a_side(dict.fromkeys(KEYS, "1" * 32), region=ENDPOINTS[1]),
        *(a_side(dict.fromkeys(KEYS, "0" * 32), region=endpoint) for endpoint in ENDPOINTS[2:]),
    ]
    _, decisions = look_at_settings(row, sides, a_policy(), START)
    assert {decision.key for decision in decisions if decision.action is Action.CONFLICT} >= forgotten


@case(rollouts.StoreKey)
def the_key_of_a_store() -> Iterator[rollouts.StoreKey]:
    yield fitted(rollouts.StoreKey(id="0" * 16, since=START))


# -- groups -------------------------------------------------------------------------------------------------------


@case(Watched)
def what_is_remembered_of_many_regions() -> Iterator[Watched]:
    """With a SCEP proof, or a long reason why there is none, for each of two hundred."""
    proof = ScepProof(
        at=START, ca_sha256="a" * 64, spki_sha256="b" * 64, capabilities=("AES",) * 8, subject=LONG,
        registration_authorities=("c" * 64,) * 4, remarks=(LONG,) * 3, problem=LONG, not_after=START,
    )  # fmt: skip
    probe = ProbeResult(at=START, status=503, problem=LONG, millis=10_000, expected=((200, 299),) * 8)
    health = Health(
        state=State.DOWN, at=START, since=START, reason=LONG, probe=probe, scep=proof, monitored_at=START,
        at_odds_since=START,
    )  # fmt: skip
    sites = tuple(
        Site(
            id=a_region(endpoint).site_id[:-240],
            host=f"{'h' * 60}.azurewebsites.net",
            os=Os.WINDOWS,
            running=True,
        )
        for endpoint in ENDPOINTS
    )
    members = tuple(
        Member(name=endpoint, site_id=a_region(endpoint).site_id[:-240].lower()) for endpoint in ENDPOINTS
    )
    yield fitted(
        Watched(
            profile_id="/p", health=dict.fromkeys(ENDPOINTS, health), sites=sites, sites_at=START,
            members=members, members_at=START,
        )
    )  # fmt: skip


# -- packages -----------------------------------------------------------------------------------------------------


def a_package(number: int) -> hosts.Package:
    return hosts.Package(
        digest=f"{number:064}",
        members=99_999,
        size=1 << 30,
        newest=START,
        sketch=tuple(range(2**47, 2**47 + 32)),
    )


@case(hosts.Packages)
def regions_with_packages_of_their_own() -> Iterator[hosts.Packages]:
    """Two hundred, each from a host of its own, for hours; everything that can be in the row is."""
    row = packages.first("scepman", START)
    at = {
        name: hosts.Location(
            id=f"custom.{number:032}", host=f"{number:03}{'h' * 57}.blob.core.windows.net", channel="custom",
            os=None, origin=hosts.Origin.UNLISTED,
        )
        for number, name in enumerate(ENDPOINTS)
    }  # fmt: skip
    row = packages.located(row, at, ENDPOINTS)
    for number, name in enumerate(ENDPOINTS):
        runs = hosts.Running(
            version="3.1.1234", version_at=START, package=a_package(number), package_at=START
        )
        row = packages.running(row, name, runs)
    order = hosts.Order(work=hosts.Work.ROTATE, regions=ENDPOINTS, by="b" * 200, at=START, reason="r" * 400)
    kinds = tuple(f"{kind} {name}" for name in ENDPOINTS for kind in ("no-package-host", "signature-ends"))
    row = msgspec.structs.replace(row, order=order, findings=kinds, skew_since=START, looked_at=START)
    for second in range(3600):
        row = packages.enter(row, hosts.State.HELD, f"{second}: {LONG}", START + second * SECOND)
    for number in range(100):
        flight = hosts.Flight(
            id="f" * 16, work=hosts.Work.ROTATE, phase=hosts.Phase.UNDOING, region=ENDPOINTS[number],
            reason="r", claimed_at=START, worker="w" * 40, worker_until=START, start=Start.HEALTHY, site="s" * 300,
            old=at[ENDPOINTS[0]], new=at[ENDPOINTS[number]], package=a_package(number),
        )  # fmt: skip
        row = packages.lost(msgspec.structs.replace(row, flight=flight), f"{number}: {LONG}", START)
        row = msgspec.structs.replace(packages.dropped(row, LONG, START), order=order)
    row = fitted(msgspec.structs.replace(row, flight=flight, left=(flight,) * packages.MOST_LEFT))
    yield row
    assert {use.region for use in row.uses} == set(ENDPOINTS)
    assert len({use.running.package.digest for use in row.uses if use.running.package}) == len(ENDPOINTS)


@case(hosts.Watch)
def a_host_that_changes_its_package_all_the_time() -> Iterator[hosts.Watch]:
    """And fails for another long reason every other time."""
    location = hosts.Location(
        id="custom." + "0" * 32, host="h" * 253, channel="c" * 200, os=None, origin=hosts.Origin.LISTED
    )
    row = history.begin(location, START, site_id=a_region("west").site_id)
    for second in range(0, 2 * 3600, 10):
        at = START + second * SECOND
        bad = second % 20 == 0
        check = hosts.Check(
            at=at, problem=f"{second}: {LONG}" if bad else "", package=None if bad else a_package(second),
            etag="e" * 8190, certificate_until=START,
        )  # fmt: skip
        row = history.noted(row, check, hosts.Rules())
        yield fitted(row)


# -- drills -------------------------------------------------------------------------------------------------------


@functools.cache
def the_longest_drill() -> drills.Slot:
    """Four hours at its pace, in a group of two hundred, with eight resolvers and a service that fails in between."""
    rules, group = drills.Rules(), a_group(*ENDPOINTS)
    asked = drills.Request(
        group=group.id, region=ENDPOINTS[-1], observe_seconds=drills.LONGEST, target_rto_seconds=120,
        reason=LONG, by=LONG,
    )  # fmt: skip
    resolvers = tuple(f"2001:0db8:0000:0000:0000:0000:0000:000{number}" for number in range(8))
    health = {name: a_health(State.DOWN) for name in ENDPOINTS}
    answers = preflight(
        Circumstances(
            asked=asked, seen=drills.Seen(group=group, health=health, incidents=(), unsettled=LONG, at=START),
            id="", permit=None, running="", service="scep.example.org",
            names=dict.fromkeys(resolvers, NameAnswer(at=START, problem=LONG)),
            through=drills.ServiceAnswer(at=START, problem=LONG), scep=True, audit_only=False,
            calendar=Calendar(), declared=Declared(), now=START,
        )
    ).answers  # fmt: skip
    drill = drilling.accepted(
        asked, group, number=1, name="scepman-0123456789", service="s" * 253, resolvers=resolvers,
        predicted=drills.Predicted(orderly=60, sudden=190, detection=130, ttl=60), preflight=answers,
        practice=True, idempotency="0" * 32, now=START, rules=rules,
    )  # fmt: skip
    drill = msgspec.structs.replace(
        drill, state=drills.State.RESTORING, drained_at=START, worker="w" * 40, worker_until=START
    )
    problems: list[str] = []
    whole = drills.LONGEST + rules.restore_within + rules.verify_within
    samples: list[drills.Sample] = []
    step, at = drilling.pace(drill, rules), 0.0
    while at < whole:
        failed = len(samples) % 2
        problem = drilling.numbered(f"{len(samples)}: {LONG}" if failed else "", problems)
        samples.append(drills.Sample(round(at + 0.1, 1), "01234567", "1", problem))
        at += step
    taken = drilling.sampled(drill, "w" * 40, samples, problems, START, rules)
    assert taken is not None
    assert len(taken.samples) == len(samples)
    for second in range(3600):  # Azure does not take it, each time for another reason
        now = START + second * SECOND
        tried = drilling.not_enabled(taken, f"{second}: {LONG}", Effect.UNKNOWN, now, gone=False)
        assert tried is not None
        taken = tried
    known = tuple(drills.Known(key="k" * 32, body="b" * 32, drill=drill.id, at=START) for _ in range(20))
    slot = drills.Slot(group_id=group.id, group=group.name, drill=taken, known=known)
    for day in range(400):
        slot = drilling.passed_over(slot, START + timedelta(days=day), f"{day}: {LONG}")
    return slot


@case(drills.Slot)
def a_drill_of_four_hours() -> Iterator[drills.Slot]:
    slot = fitted(the_longest_drill())
    yield slot
    assert slot.drill is not None
    assert len(slot.drill.samples) > 7000, "no figure of a report is made from a part of what was seen"


@case(drills.Archived)
def a_drill_of_four_hours_that_is_over() -> Iterator[drills.Archived]:
    drill = the_longest_drill().drill
    assert drill is not None
    ended = drilling.aborted(drill, LONG, LONG, START)
    yield fitted(drills.Archived(drill=ended, archived=START))


@case(drill_rows._Bound)
def an_idempotency_key() -> Iterator[msgspec.Struct]:
    yield fitted(drill_rows._Bound(body="0" * 32, at=START))


# -- what all of them use -----------------------------------------------------------------------------------------


@case(disruption.Held)
def a_permit_that_two_hundred_regions_allow() -> Iterator[disruption.Held]:
    """Its reason names them all."""
    seen = {name: a_health(at=START) for name in ENDPOINTS}
    answer = permit(a_disruption(ENDPOINTS[0]), seen, None, START)
    assert isinstance(answer, Granted)
    yield fitted(disruption.Held(answer.permit))


@case(Letter)
def a_message_of_any_length() -> Iterator[Letter]:
    """Drive a message: the card stays, and facts that are too many are left out with a word."""
    yield from _letters(
        Message(
            id="inc-1.opened", kind="incident.opened", subject="inc-1", at=START,
            card=Card(title=f"weu fails {LONG}", lines=("l" * 300_000,) * 4), facts={"timeline": [LONG] * 20},
        )
    )  # fmt: skip


@case(Letter)
def a_message_of_one_long_line() -> Iterator[Letter]:
    yield from _letters(
        Message(
            id="inc-1.opened", kind="incident.opened", subject="inc-1", at=START,
            card=Card(title=f"weu fails {LONG * 6}"), facts={},
        )
    )  # fmt: skip


def _letters(message: Message) -> Iterator[Letter]:
    """The row as it is posted, and after tries that failed for a day, each with another long error."""
    store, clock, channel = FakeStore(), FakeClock(), FakeChannel()
    at = letter_key("teams", "inc-1.opened")
    _run(post(store, message, ["teams"], START))
    for number in range(60):
        letter, _ = _run(read(store, at, Letter))
        assert letter is not None
        assert letter.card.title.startswith("weu fails")
        assert b"timeline" not in bytes(letter.facts) or len(letter.facts) < BOUND
        yield letter
        channel.down = Unavailable(f"{number}: {LONG}", effect=Effect.NOT_APPLIED)
        clock.advance(3600)
        _run(send(store, {"teams": channel}, clock))


def _run[T](effect: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(effect)


@case(copies.Kept)
def a_copy_in_the_vault() -> Iterator[copies.Kept]:
    store = FakeStore()
    listed = copies.Listed(FakeCopies(), store, FakeClock(), a_group(*ENDPOINTS).id)
    name = "counterpart-" + "f" * 16
    _run(listed.keep(name, Value("v" * 100_000), expires=START))
    row, _ = _run(read(store, copies.kept_key(name), copies.Kept))
    assert row is not None
    yield row


@case(pulse.Heartbeat)
def the_timer() -> Iterator[pulse.Heartbeat]:
    yield fitted(pulse.Heartbeat(START, START))


@case(lease.Lease)
def the_lease_of_the_timer() -> Iterator[lease.Lease]:
    yield fitted(lease.Lease("i" * 253, START))


def test_what_nothing_can_go_from_is_refused_as_ours() -> None:
    """No bare ValueError ends a round."""
    assert within_bounds(Row(Key("a/b"), b"x" * MAX_BODY)).key == "a/b"
    with pytest.raises(TooLarge, match="a row holds"):
        within_bounds(Row(Key("a/b"), b"x" * (MAX_BODY + 1)))


# -- the test, below all cases -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(CASES, key=str), ids=lambda it: f"{it.__module__}.{it.__name__}")
def test_a_row_takes_half_of_what_it_may(kind: type) -> None:
    """In SQLite and in Tables alike: a property of 64 KiB, an entity of 1 MiB."""
    for drive in CASES[kind]:
        rows = list(drive())
        assert rows, drive.__name__
        for row in rows:
            assert type(row) is kind
            body = msgspec.json.encode(row)
            assert len(body) <= BOUND, drive.__name__
            entity = _entity_of(Row(Key("a/b"), body))
            assert all(len(item) <= PROPERTY for item in entity.values())
            assert sum(len(item) for item in entity.values()) <= ENTITY / 2
            assert msgspec.json.decode(body, type=kind) == row
