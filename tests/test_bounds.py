"""Every stored row is bounded: floods, long names and hundreds of regions take at most half of what a row holds."""

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.cards import Card
from shared.errors import TooLarge
from shared.groups.model import Health, Os, ProbeResult, ScepProof, Site, State
from shared.groups.workflow import Watched
from shared.incidents.model import Archived, Claim, Fact, Kind, Ledger, Severity
from shared.incidents.transitions import MOST_BYTES, Rules, advance, incidents
from shared.outbox import Letter, Message, letter_key, post
from shared.settings_sync.model import Happening, Plan, Refusal
from shared.settings_sync.transitions import HISTORY
from shared.settings_sync.transitions import look as look_at_settings
from shared.store import BOUND, MAX_BODY, Key, Row, fitted, read, within_bounds
from tests.builders import a_decision, a_policy, a_rollout, a_side
from tests.fakes.clock import START
from tests.fakes.store import FakeStore

ENDPOINTS = tuple(f"endpoint-{number:03}-{'n' * 240}" for number in range(200))
KEYS = tuple(f"AppConfig:{'K' * 90}{number:03}" for number in range(500))
RULES = Rules()


def size(value: msgspec.Struct) -> int:
    """Bytes of the row."""
    return len(msgspec.json.encode(fitted(value)))


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


def test_a_flapping_region_for_hours() -> None:
    """Three regions, each look another than the one before: the ledger keeps what changed, and its bound."""
    ledger = Ledger(group_id="/g", group="scepman")
    biggest = 0
    for second in range(0, 3 * 3600, 10):
        looks = [a_look(second, region, well=second // 10 % 2 == 0) for region in ("west", "east", "north")]
        ledger = fitted(advance(ledger, looks, START + timedelta(seconds=second), RULES))
        biggest = max(biggest, len(msgspec.json.encode(ledger)))
    assert biggest <= BOUND
    (last, *_) = sorted(incidents(ledger, RULES), key=lambda it: it.started, reverse=True)
    assert last.flaps > 20
    assert len(msgspec.json.encode(fitted(Archived(incident=last, archived=START)))) <= BOUND


def test_two_hundred_endpoints_that_flap_at_once() -> None:
    """With names as long as Azure allows; each keeps its incident."""
    ledger = Ledger(group_id="/g", group="scepman")
    for second in range(0, 600, 30):
        looks = [a_look(second, region, well=second // 30 % 2 == 1) for region in ENDPOINTS]
        ledger = fitted(advance(ledger, looks, START + timedelta(seconds=second), RULES))
        assert len(msgspec.json.encode(ledger)) <= BOUND
    assert incidents(ledger, RULES)
    assert ledger.dropped > 0


def test_a_flood_of_alerts_with_long_names() -> None:
    """Whoever holds only the alert's key: the next failure is still recorded as an incident."""
    ledger = Ledger(group_id="/g", group="scepman")
    for number in range(400):
        at = START + timedelta(seconds=number)
        fired = Fact(
            kind=Kind.FIRED, at=at, heard=at, region="west", id=f"{number}{'i' * 250_000}",
            who="Azure Monitor", text="r" * 250_000, evidence=("e" * 250_000,) * 40,
        )  # fmt: skip
        ledger = fitted(advance(ledger, [fired], at, RULES))
        assert len(msgspec.json.encode(ledger)) <= BOUND
    later = START + timedelta(seconds=500)
    ledger = fitted(advance(ledger, [a_look(500, "east", well=False)], later, RULES))
    assert [it.region for it in incidents(ledger, RULES) if it.region == "east"] == ["east"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=400), max_size=40))
def test_any_text_fits(texts: list[str]) -> None:
    """Whatever letters they are made of: a bound in bytes, not in characters."""
    many = [a_look(number, "west", well=number % 2 == 0, text=text * 20) for number, text in enumerate(texts)]
    ledger = advance(Ledger(group_id="/g", group="g"), many, START, RULES)
    assert all(len(it.text.encode()) <= MOST_BYTES for it in ledger.facts)
    assert size(ledger) <= BOUND


def test_a_rollout_of_many_keys_over_many_regions() -> None:
    """The plan is kept for people: of a long one the beginning, and how much is left out."""
    plan = Plan(
        fingerprint="f00d",
        decisions=tuple(
            a_decision(key, sources=ENDPOINTS[:1], targets=ENDPOINTS[1:], reason="r" * 200) for key in KEYS
        ),
        refusals=(Refusal(rule="brake", keys=KEYS, text="t" * 500, way_out="w" * 200),),
    )
    history = tuple(Happening(START, a_rollout().state, "h" * 2000) for _ in range(HISTORY))
    row = fitted(a_rollout(plan=plan, history=history))
    assert size(row) <= BOUND
    assert row.plan is not None
    assert row.plan.left_out + len(row.plan.decisions) == len(KEYS)


def test_what_is_remembered_of_many_regions() -> None:
    """Footprints, a baseline of five hundred keys, and health with a SCEP proof for each of two hundred regions."""
    sides = [a_side(dict.fromkeys(KEYS, "1"), region=name) for name in ENDPOINTS]
    (row, _) = look_at_settings(a_rollout(), sides, a_policy(), START)
    assert size(row) <= BOUND
    proof = ScepProof(
        at=START, ca_sha256="a" * 64, spki_sha256="b" * 64, capabilities=("AES",) * 8, subject="CN=x" * 20
    )
    probe = ProbeResult(at=START, status=200, problem="")
    health = Health(state=State.HEALTHY, at=START, since=START, reason="r" * 200, probe=probe, scep=proof)
    site = Site(id="/subscriptions/" + "s" * 200, host="h" * 60, os=Os.WINDOWS, running=True, sku="P1v3")
    watched = Watched(profile_id="/p", health=dict.fromkeys(ENDPOINTS, health), sites=(site,) * 200)
    assert size(watched) <= BOUND


async def test_a_message_of_any_length_is_kept() -> None:
    """What people are told stays; of too many facts for programs it is said that they are left out."""
    store = FakeStore()
    message = Message(
        id="inc-1.opened", kind="incident.opened", subject="inc-1", at=START,
        card=Card(title="weu fails", lines=("l" * 300_000,) * 4), facts={"timeline": ["t" * 1000] * 2000},
    )  # fmt: skip
    await post(store, message, ["teams"], START)
    letter, _ = await read(store, letter_key("teams", "inc-1.opened"), Letter)
    assert letter is not None
    assert letter.card.title == "weu fails"
    assert b"left_out" in bytes(letter.facts)
    assert size(letter) <= BOUND


def test_what_nothing_can_go_from_is_refused_as_ours() -> None:
    """No bare ValueError ends a round."""
    assert within_bounds(Row(Key("a/b"), b"x" * MAX_BODY)).key == "a/b"
    with pytest.raises(TooLarge, match="a row holds"):
        within_bounds(Row(Key("a/b"), b"x" * (MAX_BODY + 1)))
