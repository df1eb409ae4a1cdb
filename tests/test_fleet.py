"""Errands: what is handed out when there are many groups, and what becomes of late and strange ones."""

from datetime import timedelta

import msgspec
import pytest

from shared.cards import Tone
from shared.disruption.permit import FRESH
from shared.errors import BadEvent
from shared.fleet import LARGEST, LIFETIME, Errand, failing, is_ours, parse, shuffled, written
from shared.groups.discover import Scope, row_name
from shared.groups.model import Value
from tests.builders import SUBSCRIPTION, a_profile, an_endpoint
from tests.fakes.clock import START

HERE = Scope(subscriptions=(SUBSCRIPTION,))


def an_errand(name: str = "scepman", age: float = 0.0) -> Errand:
    return Errand(profile=a_profile(name=name), read_at=START - timedelta(seconds=age))


def test_an_errand_is_read_as_it_was_written() -> None:
    """The message carries the whole profile and when it was read."""
    text = written(an_errand())
    assert text is not None
    assert parse(text) == an_errand()


def test_a_message_holds_every_profile_of_usual_size() -> None:
    """Fifty endpoints fit; two hundred with long names do not, and that is said rather than sent."""
    fits = a_profile(*(an_endpoint(f"region-{number}") for number in range(50)))
    too_many = a_profile(*(an_endpoint(f"a-region-with-a-long-name-{number}") for number in range(200)))
    text = written(Errand(profile=fits, read_at=START))
    assert text is not None
    assert len(text) * 4 / 3 < LARGEST
    assert written(Errand(profile=too_many, read_at=START)) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "null",
        "[" * 50_000,
        '{"profile":1,"read_at":"2026-03-02T12:00:00Z"}',
        "x" * (LARGEST + 1),
        "\ud800",
    ],
)
def test_what_is_no_errand_is_a_named_error(text: str) -> None:
    """Whoever else writes into the queue gets no round, and no crash."""
    with pytest.raises(BadEvent, match="no errand"):
        parse(text)


def test_a_message_of_the_most_characters_is_read() -> None:
    """One more is refused unread; whatever is read says what was wrong with it."""
    text = written(an_errand()) or ""
    assert parse(text + " " * (LARGEST - len(text))) == an_errand()
    with pytest.raises(BadEvent, match=f"a message of {LARGEST + 1} characters"):
        parse(text + " " * (LARGEST + 1 - len(text)))


def test_a_time_without_a_zone_is_no_time() -> None:
    """The age of the evidence must be known."""
    text = written(an_errand()) or ""
    assert "00Z" in text
    with pytest.raises(BadEvent):
        parse(text.replace("00Z", "00"))


def test_an_errand_is_late_before_its_evidence_is_old() -> None:
    """A permit takes nothing older than a minute; a round needs some of it."""
    assert LIFETIME < FRESH
    assert not an_errand(age=LIFETIME.total_seconds()).is_late(START)
    assert an_errand(age=LIFETIME.total_seconds() + 1).is_late(START)
    assert an_errand(age=-LIFETIME.total_seconds() - 1).is_late(START), "a clock is wrong"


def test_a_message_is_not_taken_at_its_word() -> None:
    """Only a group that the configuration watches is looked at: its subscription, and its tag or its id."""
    ours = an_errand()
    letters = SUBSCRIPTION.replace("0000", "abcd", 1)
    theirs = Errand(profile=a_profile(id=ours.profile.id.replace(SUBSCRIPTION, letters)), read_at=START)
    assert is_ours(theirs, Scope(subscriptions=(letters,)))
    assert not is_ours(theirs, Scope(subscriptions=("resourcegroups",)))
    assert is_ours(ours, HERE)
    assert not is_ours(ours, Scope(subscriptions=("99999999-1111-2222-3333-444444444444",)))
    assert not is_ours(ours, Scope(profiles=(a_profile(name="another").id,)))
    assert is_ours(ours, Scope(profiles=(ours.profile.id.upper(),)))
    untagged = msgspec.structs.replace(ours, profile=a_profile(tags=()))
    assert not is_ours(untagged, HERE)
    nowhere = msgspec.structs.replace(ours, profile=a_profile(id="scepman"))
    assert not is_ours(nowhere, HERE)


def test_the_order_changes_each_minute() -> None:
    """Where the time is short, it is not always short for the same groups; within a minute the order stays."""
    profiles = [a_profile(name=f"g{number}") for number in range(20)]
    now = shuffled(profiles, START)
    assert now == shuffled(reversed(profiles), START + timedelta(seconds=30))
    assert {profile.name for profile in now} == {profile.name for profile in profiles}
    firsts = {shuffled(profiles, START + timedelta(minutes=number))[0].name for number in range(30)}
    assert len(firsts) > 5


def test_a_failing_group_is_told_once_a_day() -> None:
    """One message id for each group and day; groups of one name are apart."""
    one = failing(a_profile().id, "scepman", START)
    assert one.id == failing(a_profile().id, "scepman", START + timedelta(hours=1)).id
    assert one.id != failing(a_profile().id, "scepman", START + timedelta(days=1)).id
    assert one.id != failing(a_profile(name="other").id, "scepman", START).id


def test_what_is_told_of_a_failing_group() -> None:
    """Which, when, what it means, and the runbook; and the same for programs."""
    id_ = a_profile().id
    told = failing(id_, "scepman", START)
    assert (told.kind, told.subject, told.at) == ("rounds.failing", id_, START)
    assert told.id == f"rounds-fail.{row_name(id_)}.20260302"
    assert told.facts == {"group": "scepman", "group_id": id_}
    assert (told.card.tone, told.card.title.split(":")[0]) == (Tone.ATTENTION, "scepman")
    assert told.card.facts == (("Group", "scepman"), ("Seen", "2026-03-02 12:00:00 UTC"))
    assert len(told.card.lines) == 4
    assert told.card.lines[-1].endswith(" docs/runbooks/rounds-fail.md")


def test_a_row_that_cannot_be_read_is_told_apart() -> None:
    """With what is wrong instead of a guess, and a runbook of its own; both may be told on one day."""
    id_ = a_profile().id
    plain, told = failing(id_, "scepman", START), failing(id_, "scepman", START, unreadable="It is newer.")
    assert told.id == f"rows-unreadable.{row_name(id_)}.20260302"
    assert "It is newer." in told.card.lines[0]
    assert "does not understand" not in told.card.lines[0]
    assert told.card.lines[-1].endswith(" docs/runbooks/rows-unreadable.md")
    assert "does not understand" in plain.card.lines[0]


def test_the_largest_message() -> None:
    """To the byte, as it is encoded: 48 KiB of JSON are 64 KiB of Base64."""
    plain = len(written(an_errand("")) or "")
    fits = an_errand()
    room = LARGEST // 4 * 3 - plain
    assert room > 0
    longest = msgspec.structs.replace(
        fits, profile=a_profile(name="", fqdn="x" * (room + len(".trafficmanager.net")))
    )
    text = written(longest)
    assert text is not None
    assert len(text) == LARGEST // 4 * 3
    assert parse(text) == longest
    over = msgspec.structs.replace(longest.profile, fqdn=longest.profile.fqdn + "x")
    assert written(msgspec.structs.replace(longest, profile=over)) is None


@pytest.mark.parametrize("place", ["profile", "endpoint"])
def test_an_errand_holds_no_value_of_a_header(place: str) -> None:
    """It says that there are some; all else is in it."""
    headers = (("X-Key", Value("a secret")),)
    west, east = an_endpoint("west"), an_endpoint("east")
    bare = a_profile(west, east)
    if place == "profile":
        keyed = msgspec.structs.replace(bare, monitor=msgspec.structs.replace(bare.monitor, headers=headers))
    else:
        keyed = a_profile(west, msgspec.structs.replace(east, headers=headers))
    text = written(Errand(profile=keyed, read_at=START))
    assert text is not None
    assert "X-Key" not in text
    assert parse(text) == Errand(profile=bare, read_at=START, headers=True)
    assert not parse(written(Errand(profile=bare, read_at=START)) or "").headers
