"""What is to be told is told: once written, at least once sent, given up loudly, and not twenty cards an hour."""

import asyncio
import logging
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cards import Card, Link
from shared.errors import AppError, Conflict, Denied, Effect, NotFound, PermanentError, Throttled, Unavailable
from shared.outbox import (
    BURST,
    FIRST_PAUSE,
    GIVE_UP_AFTER,
    LEASE,
    LONGEST_PAUSE,
    REPEAT,
    URGENT,
    Letter,
    Message,
    Sent,
    digest,
    letter_key,
    pause,
    post,
    send,
    sending_beside,
    waiting,
)
from shared.store import Key, Row, Version, read
from tests.fakes.channels import FakeChannel
from tests.fakes.clock import FakeClock
from tests.fakes.store import FakeStore

DOWN = Unavailable("post a card: HTTP 503", effect=Effect.NOT_APPLIED)
SILENT = Unavailable("post a card: no answer within 60 s")


class Office:
    """An outbox with two channels: people, and a program."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = FakeStore()
        self.teams = FakeChannel()
        self.hook = FakeChannel(for_people=False)
        self.channels = {"teams": self.teams, "webhook": self.hook}

    async def post(
        self, id_: str = "inc-1.opened", *, subject: str = "", rank: int = 0, severity: int = 3
    ) -> None:
        now = self.clock.now()
        card = Card(title=f"card {id_}", links=(Link("See", f"https://x.test/{id_}"),))
        message = Message(
            id=id_,
            kind=f"incident.{id_.rsplit('.', 1)[-1]}",
            subject=subject or id_,
            at=now,
            card=card,
            facts={"id": id_},
            rank=rank,
            severity=severity,
        )
        await post(self.store, message, tuple(self.channels), now)

    async def send(self, seconds: float = 0.0) -> Sent:
        self.clock.advance(seconds)
        return await send(self.store, self.channels, self.clock)

    async def letter(self, id_: str = "inc-1.opened", channel: str = "teams") -> Letter:
        found, _ = await read(self.store, letter_key(channel, id_), Letter)
        assert found is not None
        return found


async def test_posted_once_sent_once() -> None:
    """However often it is posted and however often the timer comes."""
    office = Office()
    for _ in range(3):
        await office.post()
        await office.send(60)
    assert office.teams.titles == ["card inc-1.opened"]
    assert [letter.id for letter in office.hook.letters] == ["inc-1.opened"]
    assert bytes(office.hook.letters[0].facts) == b'{"id":"inc-1.opened"}'
    assert (await office.letter()).sent_at is not None


async def test_a_channel_that_is_down_is_tried_again() -> None:
    """With growing pauses; the other channel is not held up by it."""
    office = Office()
    office.teams.down = DOWN
    await office.post()
    tries: list[int] = []
    for _ in range(60):
        await office.send(60)
        tries.append((await office.letter()).tries)
    assert office.hook.titles == ["card inc-1.opened"]
    assert 5 <= tries[-1] <= 9
    assert (await office.letter()).problem == str(DOWN)
    office.teams.down = None
    for _ in range(45):
        await office.send(60)
    assert office.teams.titles == ["card inc-1.opened"]


async def test_retry_after_is_honoured() -> None:
    """A channel that asks for ten minutes gets them."""
    office = Office()
    office.teams.fails = [Throttled("post a card: HTTP 429", retry_after=600)]
    await office.post()
    await office.send()
    await office.send(590)
    assert office.teams.titles == []
    await office.send(20)
    assert office.teams.titles != []


@pytest.mark.parametrize(
    "error", [NotFound("post a card: HTTP 404"), Denied("HTTP 401"), PermanentError("HTTP 400")]
)
async def test_a_wrong_address_is_tried_again_slowly(error: AppError) -> None:
    """It may be corrected within the day; until then it is asked twice an hour."""
    office = Office()
    office.teams.down = error
    await office.post()
    for _ in range(120):
        await office.send(60)
    assert 3 <= (await office.letter()).tries <= 6


async def test_given_up_after_a_day_loudly(caplog: pytest.LogCaptureFixture) -> None:
    """The row stays and says why; the log has an error."""
    office = Office()
    office.teams.down = DOWN
    await office.post()
    given_up: list[str] = []
    for _ in range(60):
        given_up += [message.id for message in (await office.send(1800)).given_up]
    assert given_up == ["inc-1.opened"]
    letter = await office.letter()
    assert letter.given_up_at is not None
    assert letter.given_up_at - letter.posted_at >= GIVE_UP_AFTER
    assert [message.id for message in await waiting(office.store)] == ["inc-1.opened"]
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "given up" in errors[0]
    tries = letter.tries
    await office.send(3600)
    assert (await office.letter()).tries == tries


@pytest.mark.parametrize("count", [1, BURST + 1])
async def test_what_is_given_up_is_noted_before_its_row_says_so(count: int) -> None:
    """Each letter, also those of a digest. One that could not be noted is tried, and given up, once more."""
    office = Office()
    office.teams.down = DOWN
    noted: list[str] = []

    async def note(letter: Letter) -> None:
        assert (await office.letter(letter.id)).given_up_at is None
        noted.append(letter.id)
        if len(noted) == 1:
            raise Unavailable("the store does not answer")

    for number in range(count):
        await office.post(f"inc-{number}.opened")
    office.clock.advance(GIVE_UP_AFTER.total_seconds())
    with pytest.raises(Unavailable, match="the store"):
        await send(office.store, office.channels, office.clock, note=note)
    assert all(message.waiting for message in await waiting(office.store))
    for _ in range(count):
        office.clock.advance(LEASE)
        await send(office.store, office.channels, office.clock, note=note)
    assert noted[0] in noted[1:]
    assert set(noted) == {f"inc-{number}.opened" for number in range(count)}
    assert len(noted) == count + 1
    assert not any(message.waiting for message in await waiting(office.store))


async def test_what_is_told_of_one_thing_keeps_its_order() -> None:
    """Resolved never arrives before opened; another thing's card does not wait for it."""
    office = Office()
    office.teams.fails = [PermanentError("HTTP 400")]
    await office.post("inc-1.opened", subject="inc-1")
    await office.send()
    await office.post("inc-1.resolved", subject="inc-1", rank=1)
    await office.post("inc-2.opened", subject="inc-2")
    for _ in range(50):
        await office.send(60)
    assert office.teams.titles == ["card inc-2.opened", "card inc-1.opened", "card inc-1.resolved"]


async def test_a_burst_becomes_a_digest() -> None:
    """Twenty cards an hour; the rest comes as one, which names each. Programs get every one."""
    office = Office()
    for number in range(BURST + 30):
        await office.post(f"inc-{number}.opened")
    await office.send()
    (combined,) = office.teams.letters
    assert combined.card.title == f"card inc-0.opened, and {BURST + 29} more messages"
    assert ("incident.opened", str(BURST + 30)) in combined.card.facts
    assert len(office.hook.letters) == BURST + 30
    assert (await office.letter("inc-7.opened")).digested


async def test_after_twenty_cards_digests_and_not_more_often_than_every_ten_minutes() -> None:
    """One message a minute for two hours: twenty cards, then a digest every ten minutes."""
    office = Office()
    for number in range(120):
        await office.post(f"inc-{number}.opened")
        await office.send(60)
    digests = [title for title in office.teams.titles if " more message" in title]
    singles = [title for title in office.teams.titles if title not in digests]
    assert BURST <= len(singles) <= 2 * BURST + 12  # a digest of one message is that message
    assert len(digests) <= 12
    assert len(office.teams.letters) < 60
    await office.send(1200)
    assert await waiting(office.store) == ()


async def test_a_digest_that_fails_comes_again() -> None:
    """Its letters stay as they were, and are told later."""
    office = Office()
    office.teams.fails = [DOWN]
    for number in range(BURST + 5):
        await office.post(f"inc-{number}.opened")
    await office.send()
    assert len(await waiting(office.store)) == BURST + 5
    await office.send(120)
    assert len(office.teams.letters) == 1
    assert await waiting(office.store) == ()


async def test_severity_1_never_waits_for_a_digest() -> None:
    """After twenty cards in an hour, a card that no region serves still goes out at once and by itself."""
    office = Office()
    for number in range(BURST):
        await office.post(f"inc-{number}.opened")
        await office.send(60)
    for number in range(5):
        await office.post(f"inc-6{number}.opened")
    await office.send(1)
    await office.post("inc-99.opened", subject="inc-99", severity=2)
    await office.post("inc-99.escalated", subject="inc-99", severity=URGENT, rank=1)
    await office.send(1)
    assert office.teams.titles[-2:] == ["card inc-99.opened", "card inc-99.escalated"]


async def test_a_digest_is_titled_by_the_worst() -> None:
    """The worst first, with its colour, its count right, and a button with its name for each incident."""
    office = Office()
    for number in range(BURST + 1):
        await office.post(f"inc-{number}.opened", severity=2 if number == BURST else 3)
    await office.send()
    (card,) = [letter.card for letter in office.teams.letters]
    assert card.title == f"card inc-{BURST}.opened, and {BURST} more messages"
    assert card.lines[0].endswith(f"card inc-{BURST}.opened")
    assert card.links[0] == Link(f"card inc-{BURST}.opened", f"https://x.test/inc-{BURST}.opened")
    assert len({link.url for link in card.links}) == len(card.links) == 4
    two = digest([await office.letter("inc-1.opened"), await office.letter("inc-2.opened")])
    assert two.title == "card inc-1.opened, and 1 more message"


async def test_people_get_one_more_try_after_silence() -> None:
    """The channel does not answer: perhaps delivered. One more try says that it may be a repeat; then it is over."""
    office = Office()
    office.teams.fails = [SILENT, SILENT, SILENT]
    await office.post()
    for _ in range(120):
        await office.send(60)
    letter = await office.letter()
    assert letter.perhaps_delivered_at is not None
    assert letter.tries == 2
    assert not letter.waiting
    assert [message.id for message in await waiting(office.store)] == ["inc-1.opened"]
    office = Office()
    office.teams.fails = [SILENT]
    await office.post()
    await office.send()
    await office.send(60)
    (letter,) = office.teams.letters
    assert letter.card.lines == (REPEAT,)
    assert (await office.letter()).sent_at is not None


async def test_a_program_gets_it_until_it_answers() -> None:
    """A repeat is harmless there: the id is the same."""
    office = Office()
    office.hook.fails = [SILENT] * 4
    await office.post()
    for _ in range(60):
        await office.send(60)
    assert [letter.id for letter in office.hook.letters] == ["inc-1.opened"]
    assert office.hook.letters[0].card.lines == ()


async def test_others_do_not_wait_for_what_was_perhaps_delivered() -> None:
    """Neither another subject's message in the same call, nor the same subject's next one."""
    office = Office()
    office.teams.fails = [SILENT]
    await office.post("inc-1.opened", subject="inc-1")
    await office.post("inc-2.opened", subject="inc-2")
    await office.send()
    assert office.teams.titles == ["card inc-2.opened"]
    await office.post("inc-1.resolved", subject="inc-1", rank=1)
    await office.send(1)
    assert office.teams.titles == ["card inc-2.opened", "card inc-1.resolved"]


async def test_what_is_posted_is_sent_beside_the_work() -> None:
    """A message goes out while the work that posted it goes on, and the last one at its end."""
    office = Office()

    async def deliver() -> None:
        await office.send()

    async with sending_beside(deliver, linger=5):
        await office.post("drl-1.started")
        for _ in range(50):
            await asyncio.sleep(0)
        assert office.teams.titles == ["card drl-1.started"]
        await office.post("drl-1.finished")
    assert office.teams.titles == ["card drl-1.started", "card drl-1.finished"]


async def test_a_slow_channel_does_not_hold_the_work_up() -> None:
    """The end waits for a bounded time; what is being sent then ends, and is marked, by itself."""
    office = Office()
    answered = asyncio.Event()
    taken = office.teams.send

    async def slowly(letter: Letter) -> None:
        await answered.wait()
        await taken(letter)

    office.teams.send = slowly  # type: ignore[method-assign]

    async def deliver() -> None:
        await office.send()

    async with sending_beside(deliver, linger=0.01):
        await office.post()
    assert office.teams.titles == []
    answered.set()
    for _ in range(50):
        await asyncio.sleep(0)
    assert (await office.letter()).sent_at is not None


class Racing(FakeStore):
    """A store in which another instance claims a letter just before we do."""

    def __init__(self) -> None:
        super().__init__()
        self.race = False

    async def put(self, row: Row, *, if_version: Version | None) -> Version:
        if self.race and if_version is not None:
            raise Conflict(f"{row.key}: not at the version that was read")
        return await super().put(row, if_version=if_version)


async def test_two_instances_do_not_send_the_same() -> None:
    """Whoever loses the claim sends nothing."""
    office = Office()
    store = office.store = Racing()
    await office.post()
    store.race = True
    await office.send()
    assert office.teams.letters == []
    store.race = False
    await office.send()
    assert len(office.teams.letters) == 1


async def test_dying_while_sending() -> None:
    """A letter that was claimed and not marked is sent again after the lease: at least once."""
    office = Office()
    await office.post()

    class Dies(BaseException):
        pass

    marked: list[Key] = []
    real = office.store.put

    async def put(row: Row, *, if_version: Version | None) -> Version:
        if b'"sent_at":"' in row.body and not marked:
            marked.append(row.key)
            raise Dies
        return await real(row, if_version=if_version)

    office.store.put = put  # type: ignore[method-assign]
    with pytest.raises(Dies):
        await office.send()
    await office.send(30)
    assert len(office.teams.letters) == 1
    await office.send(LEASE)
    assert len(office.teams.letters) == 2
    assert REPEAT in office.teams.letters[1].card.lines


@pytest.mark.parametrize("letters", [1, BURST + 1])
async def test_who_has_no_more_time_leaves_no_letter_unmarked(letters: int) -> None:
    """Cancelled between the sending and its mark, as after an alert: alone or in a digest, it is told once."""
    office = Office()
    for number in range(letters):
        await office.post(f"inc-{number}.opened")
    marking, real = asyncio.Event(), office.store.put

    async def slowly(row: Row, *, if_version: Version | None) -> Version:
        if b'"sent_at":"' in row.body:
            await marking.wait()
        return await real(row, if_version=if_version)

    office.store.put = slowly  # type: ignore[method-assign]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await office.send()
    assert len(office.teams.letters) == 1
    marking.set()
    for _ in range(2 * letters + 5):
        await asyncio.sleep(0)
    await office.send(600)
    assert len(office.teams.letters) == 1
    assert not [message for message in await waiting(office.store) if message.channel == "teams"]


async def test_old_letters_go() -> None:
    """Sent ones after two days; those of a channel that is configured no more after two weeks."""
    office = Office()
    await office.post("inc-1.opened")
    await office.send()
    del office.channels["webhook"]
    await office.post("inc-2.opened")
    office.channels["gone"] = FakeChannel()
    await office.post("inc-3.opened")
    del office.channels["gone"]
    await office.send()
    await office.send(timedelta(days=3).total_seconds())
    assert [message.id for message in await waiting(office.store)] == ["inc-3.opened"]
    assert len(office.store.rows) == 1
    await office.send(timedelta(days=12).total_seconds())
    assert office.store.rows == {}


@given(st.integers(1, 40), st.text("abc", min_size=1, max_size=5), st.sampled_from([None, 5.0, 900.0, 1e9]))
def test_pauses(tries: int, id_: str, asked: float | None) -> None:
    """Never less than asked for (within reason), never zero, never much more than half an hour by themselves."""
    clock = FakeClock()
    letter = Letter(
        id=id_,
        channel="teams",
        kind="incident.opened",
        subject="x",
        at=clock.now(),
        card=Card(title="x"),
        facts=b"{}",  # type: ignore[arg-type]
        posted_at=clock.now(),
        next_at=clock.now(),
        tries=tries,
    )
    wait = pause(letter, Throttled("later", retry_after=asked))
    assert wait >= min(asked or 0.0, 21_600.0)
    assert wait >= FIRST_PAUSE * 0.75
    assert asked or wait <= LONGEST_PAUSE * 1.25
