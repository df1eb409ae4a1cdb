"""The transactional outbox: messages are written with the decision, and sent after it, at least once.

`post` writes one row per channel, once for each message id, whoever calls it how often. `send` sends what is due: a
row is claimed by compare-and-swap before it is sent and marked after. A failure is tried again with growing pauses;
after a day it is given up, loudly: the log has an error, `note` is told before the row says so, and the row stays,
with the reason.

A try without an answer may have been delivered all the same. People get at most one more try then, on a card that
says that it may be a repeat, and other messages do not wait for it. A program gets the message until it answers,
since the message's id makes a repeat harmless.

People get one digest instead of many cards when there would be more than `BURST` in an hour. What is of severity 1
never waits for one. `sending_beside` sends what is posted while other work goes on.
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from shared.ages import age, waits
from shared.cards import Card, Link, least
from shared.clock import Clock
from shared.errors import AppError, Conflict, Effect, PermanentError, TransientError, Unreadable
from shared.store import Key, Store, Stored, Version, decoded, key, readable, write
from shared.words import LINE, clipped

log = logging.getLogger(__name__)

PREFIX = "outbox"
BURST = 20  # cards an hour; beyond that people get digests
HOUR = timedelta(hours=1)
DIGEST_EVERY = timedelta(minutes=10)
FIRST_PAUSE, LONGEST_PAUSE = 30.0, 1800.0  # seconds between two tries of one message
GIVE_UP_AFTER = timedelta(days=1)
LONGEST_WAIT = GIVE_UP_AFTER / 4  # for the next try, whatever the other side asks for
KEPT = timedelta(
    days=2
)  # a sent row stays so long: it counts for the hour, and a repeat of its message is known
KEPT_FAILED = timedelta(days=14)
LEASE = 90.0  # seconds that a claimed message is left to whoever claimed it: more than a channel's deadline of 60 s
AT_ONCE = 50  # messages sent in one go
SILENT_AT_ONCE = 2  # tries without an answer, after which the channel's other messages wait for the next call
URGENT = 1  # the severity that never waits for the next digest
URGENT_EACH = (
    5  # so many of them get cards of their own; more at one moment are one digest, which is sent at once
)
ORDINARY = 3
MOST_SILENT = 2  # tries without an answer, after which people are sent no more
REPEAT = "This may be a repeat: the channel did not answer the first time."
_FEW_BYTES = 4096  # of facts that are not cut
_DIGEST_LINES, _DIGEST_LINKS = 15, 4


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Something to tell. `id` is told once: lower-case letters, digits, dots and dashes."""

    id: str
    kind: str  # incident.opened, incident.resolved, drill.finished, ...
    subject: str  # what it is about: an incident's id, a group
    at: datetime
    card: Card  # for people
    facts: Mapping[str, Any]  # for programs: what JSON can say
    rank: int = 0  # of two messages of one moment, the smaller one is sent first
    severity: int = ORDINARY  # 1 is the worst


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """The delivery status of a message. Most rows are sent messages, of which nothing else is read."""

    id: str
    channel: str
    posted_at: datetime
    sent_at: datetime | None = None
    digested: bool = False  # it was told as a line of a digest
    given_up_at: datetime | None = None
    perhaps_delivered_at: datetime | None = None  # no try is left, and none of them was refused

    @property
    def waiting(self) -> bool:
        """Return whether it is still to be sent."""
        return self.sent_at is None and self.given_up_at is None and self.perhaps_delivered_at is None


class Letter(Mark, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The row: one message for one channel. Holds no address: where a channel leads to is configuration."""

    kind: str
    subject: str
    at: datetime
    card: Card
    facts: msgspec.Raw
    next_at: datetime
    rank: int = 0
    severity: int = ORDINARY
    tries: int = 0
    refused: int = 0  # tries that the channel did not take, as it said
    silent: int = 0  # tries without an answer; what became of the others nobody knows: whoever tried died
    problem: str = ""  # of the last try

    def shorter(self) -> "Letter | None":
        """Without the facts for programs but what they are about; else with a card that says the least."""
        if len(self.facts) > _FEW_BYTES:
            cut = {
                "subject": self.subject,
                "kind": self.kind,
                "left_out": "these facts are too long to be kept",
            }
            return msgspec.structs.replace(self, facts=msgspec.Raw(msgspec.json.encode(cut)))
        card = least(self.card)
        return None if card == self.card else msgspec.structs.replace(self, card=card)


class Channel(Protocol):
    """A way to tell. `send` raises TransientError (with `retry_after` when told) or PermanentError."""

    @property
    def for_people(self) -> bool:
        """Return whether many messages should become one digest."""
        ...

    async def send(self, letter: Letter) -> None:
        """Hand one letter over; returning means that the other side took it."""
        ...


class Sent(msgspec.Struct, frozen=True):
    """The result of one call of `send`."""

    sent: int = 0
    failed: int = 0
    given_up: tuple[Letter, ...] = ()

    def __add__(self, other: "Sent") -> "Sent":
        return Sent(self.sent + other.sent, self.failed + other.failed, self.given_up + other.given_up)


type _Due = tuple[Letter, Version]


def letter_key(channel: str, message_id: str) -> Key:
    """Return where a message for a channel lies."""
    return key(PREFIX, f"{channel}.{message_id}")


async def post(store: Store, message: Message, channels: Sequence[str], now: datetime) -> None:
    """Lay the message down for every channel. One that is there already stays as it is."""
    facts = msgspec.Raw(msgspec.json.encode(message.facts))
    for channel in channels:
        letter = Letter(
            id=message.id,
            channel=channel,
            kind=message.kind,
            subject=message.subject,
            at=message.at,
            card=message.card,
            facts=facts,
            rank=message.rank,
            severity=message.severity,
            posted_at=now,
            next_at=now,
        )
        try:
            await write(store, letter_key(channel, message.id), letter, if_version=None)
        except Conflict:
            log.debug("message %s lies in the outbox already", message.id)
        else:
            if beside := _BESIDE.get():
                beside.wake()


type Note = Callable[[Letter], Awaitable[None]]
"""Notes that a letter is given up; what it raises leaves the letter to be tried, and given up, once more."""


async def _unnoted(letter: Letter) -> None:
    """The log has it."""


async def send(store: Store, channels: Mapping[str, Channel], clock: Clock, *, note: Note = _unnoted) -> Sent:
    """Send what is due, oldest first; delete what was kept for long enough.

    Raises Unavailable or Throttled only when the outbox itself cannot be read, and what `note` raises; what cannot
    be sent is noted in its row.
    """
    now = clock.now()
    rows = [row async for row in readable(store, f"{PREFIX}/", Mark)]
    for mark, stored in rows:
        if _is_spent(mark, now):
            await _quietly(store.delete(stored.row.key, if_version=stored.version))
    total = Sent()
    for name, channel in channels.items():
        marks = [mark for mark, _ in rows if mark.channel == name]
        due = _due(_waiting((stored for mark, stored in rows if mark.channel == name and mark.waiting)), now)
        if not due:
            continue
        if not (channel.for_people and _is_burst(marks, len(due), now)):
            total += await _send_each(store, channel, due[:AT_ONCE], clock, note)
            continue
        urgent, others = _urgent(due)
        at_once = _send_each if len(urgent) <= URGENT_EACH else _send_digest
        total += await at_once(store, channel, urgent, clock, note)
        if others and not _digest_lately(marks, now):
            total += await _send_digest(store, channel, others, clock, note)
    return total


def _urgent(due: Sequence[_Due]) -> tuple[list[_Due], list[_Due]]:
    """Split off what never waits for a digest: severity 1, and whatever else its subjects' order asks for."""
    subjects = {letter.subject for letter, _ in due if letter.severity <= URGENT}
    return [row for row in due if row[0].subject in subjects], [
        row for row in due if row[0].subject not in subjects
    ]


async def waiting(store: Store) -> tuple[Letter, ...]:
    """Return what is not sent, given up or still to be tried: for people who ask."""
    return tuple(
        [message async for message, _ in readable(store, f"{PREFIX}/", Letter) if message.sent_at is None]
    )


# -- beside other work ------------------------------------------------------------------------------------------


class _Beside:
    """The task that sends messages as soon as they are enqueued, beside the round's work."""

    def __init__(self, deliver: Callable[[], Awaitable[None]]) -> None:
        self._deliver = deliver
        self._woken = asyncio.Event()
        self._closing = False

    def wake(self) -> None:
        """Something was posted."""
        self._woken.set()

    async def run(self) -> None:
        """Send whenever something was posted, until `close`; what was posted before that is sent."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            if self._closing:
                return
            await self._deliver()

    async def close(self, task: asyncio.Task[None], linger: float) -> None:
        """Let it send what was posted, for so many seconds at most; then it is left to the next wake-up."""
        pending = self._woken.is_set()
        self._closing = True
        try:
            async with asyncio.timeout(linger):
                self._woken.set()
                await task
                if pending:
                    await self._deliver()
        except TimeoutError:
            log.info("what is left in the outbox is left to the next wake-up")
        finally:
            task.cancel()


_BESIDE: ContextVar[_Beside | None] = ContextVar("beside", default=None)  # of the work under way


@asynccontextmanager
async def sending_beside(deliver: Callable[[], Awaitable[None]], *, linger: float) -> AsyncIterator[None]:
    """Call `deliver` as soon as something was posted by the work inside, beside that work, and once more at its end.

    Args:
        deliver: sends what is due; it raises nothing.
        linger: seconds that the end waits for what is being sent.
    """
    beside = _Beside(deliver)
    task = asyncio.create_task(beside.run())
    token = _BESIDE.set(beside)
    try:
        yield
    finally:
        _BESIDE.reset(token)
        await beside.close(task, linger)


# -- sending ----------------------------------------------------------------------------------------------------


async def _send_each(store: Store, channel: Channel, due: Sequence[_Due], clock: Clock, note: Note) -> Sent:
    sent, failed, silent, given_up = 0, 0, 0, list[Letter]()
    stuck = set[str]()  # subjects whose earlier letter was refused just now
    for row in due:
        claimed = None if row[0].subject in stuck else await _claim(store, row, clock.now())
        if claimed is None:
            continue
        # Who looks for a limited time only must not leave a letter that was taken without its mark.
        letter, problem = await asyncio.shield(_deliver(store, channel, claimed, clock, note))
        sent += not problem
        failed += bool(problem)
        given_up += [letter] if letter.given_up_at else []
        if problem is None:
            continue
        if problem.effect is Effect.UNKNOWN:
            silent += 1
            if silent >= SILENT_AT_ONCE:
                break
            continue
        stuck.add(letter.subject)
        if not isinstance(problem, PermanentError):
            break  # the channel does not take anything now; the others' turn comes with the next wake-up
    return Sent(sent, failed, tuple(given_up))


async def _deliver(
    store: Store, channel: Channel, claimed: _Due, clock: Clock, note: Note
) -> tuple[Letter, AppError | None]:
    """Hand a claimed letter over and mark it."""
    letter, problem = await _hand_over(channel, claimed[0], clock)
    if letter.given_up_at is not None:  # who dies after the row says so would never note it
        await note(letter)
    await _save(store, letter, claimed[1])
    return letter, problem


async def _send_digest(store: Store, channel: Channel, due: Sequence[_Due], clock: Clock, note: Note) -> Sent:
    """One card for all that is due."""
    claimed = [it for row in due if (it := await _claim(store, row, clock.now())) is not None]
    if not claimed:
        return Sent()
    return await asyncio.shield(_deliver_digest(store, channel, claimed, clock, note))


async def _deliver_digest(
    store: Store, channel: Channel, claimed: Sequence[_Due], clock: Clock, note: Note
) -> Sent:
    """Hand one card for the claimed letters over and mark them."""
    first = claimed[0][0]
    often = max(claimed, key=lambda it: it[0].tries - it[0].refused)[0]
    combined = msgspec.structs.replace(
        first, card=digest([letter for letter, _ in claimed]), tries=often.tries, refused=often.refused
    )
    _, problem = await _hand_over(channel, combined, clock)
    given_up: list[Letter] = []
    for letter, version in claimed:
        now = clock.now()
        after = _failed(channel, letter, problem, now) if problem else _taken(letter, now, digested=True)
        if after.given_up_at is not None:
            await note(after)
        await _save(store, after, version)
        given_up += [after] if after.given_up_at else []
    return Sent(0 if problem else len(claimed), len(claimed) if problem else 0, tuple(given_up))


def digest(letters: Sequence[Letter]) -> Card:
    """One card that names them all, the worst first, and links to what each is about."""
    if len(letters) == 1:
        return letters[0].card
    worst = sorted(letters, key=lambda it: it.severity)  # of one severity in the order in which they came
    kinds = {letter.kind: sum(other.kind == letter.kind for other in letters) for letter in letters}
    lines = [f"{letter.at:%H:%M:%S} UTC {letter.card.title}" for letter in worst]
    if len(lines) > _DIGEST_LINES:
        lines = [*lines[:_DIGEST_LINES], f"and {_counted(len(lines) - _DIGEST_LINES, 'more message')}"]
    return Card(
        title=f"{worst[0].card.title}, and {_counted(len(letters) - 1, 'more message')}",
        tone=worst[0].card.tone,
        facts=tuple((kind, str(count)) for kind, count in sorted(kinds.items())),
        lines=tuple(lines),
        links=tuple(_digest_links(worst))[:_DIGEST_LINKS],
    )


def _digest_links(letters: Sequence[Letter]) -> Iterator[Link]:
    """One button for each subject, with its name: the last link of a card leads to what it is about."""
    seen = set[str]()
    for letter in letters:
        if letter.subject not in seen and letter.card.links:
            seen.add(letter.subject)
            yield Link(letter.card.title.partition(":")[0], letter.card.links[-1].url)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


async def _claim(store: Store, row: _Due, now: datetime) -> tuple[Letter, Version] | None:
    """Take the letter for a while; None when another instance was first."""
    letter = msgspec.structs.replace(
        row[0],
        tries=row[0].tries + 1,
        next_at=now + timedelta(seconds=LEASE),
    )
    try:
        return letter, await write(store, letter_key(letter.channel, letter.id), letter, if_version=row[1])
    except Conflict:
        return None


async def _hand_over(channel: Channel, letter: Letter, clock: Clock) -> tuple[Letter, AppError | None]:
    """Try once. An error's message says what and why; it never holds the channel's address (the adapters' law)."""
    try:
        await channel.send(_as_shown(channel, letter))
    except AppError as error:
        return _failed(channel, letter, error, clock.now()), error
    return _taken(letter, clock.now()), None


def _as_shown(channel: Channel, letter: Letter) -> Letter:
    """The letter, whose card tells people when it may be a repeat."""
    if not channel.for_people or letter.tries - 1 <= letter.refused:
        return letter
    card = msgspec.structs.replace(letter.card, lines=(REPEAT, *letter.card.lines))
    return msgspec.structs.replace(letter, card=card)


def _taken(letter: Letter, now: datetime, *, digested: bool = False) -> Letter:
    return msgspec.structs.replace(letter, sent_at=now, problem="", digested=digested)


def _failed(channel: Channel, letter: Letter, error: AppError, now: datetime) -> Letter:
    silent = error.effect is Effect.UNKNOWN
    problem = clipped(str(error), LINE)
    letter = msgspec.structs.replace(
        letter, refused=letter.refused + (not silent), silent=letter.silent + silent
    )
    if channel.for_people and letter.silent >= MOST_SILENT:
        log.warning(
            "message %s was perhaps delivered to %s, which did not answer: %s",
            letter.id, letter.channel, problem,
        )  # fmt: skip
        return msgspec.structs.replace(letter, perhaps_delivered_at=now, problem=problem)
    if now - letter.posted_at >= GIVE_UP_AFTER:
        log.error(
            "message %s could not be told to %s within a day and is given up: %s",
            letter.id, letter.channel, problem,
        )  # fmt: skip
        return msgspec.structs.replace(letter, given_up_at=now, problem=problem)
    wait = pause(letter, error)
    log.warning(
        "message %s was not taken by %s (try %d, again in %.0f s): %s",
        letter.id, letter.channel, letter.tries, wait, problem,
    )  # fmt: skip
    return msgspec.structs.replace(letter, next_at=now + timedelta(seconds=wait), problem=problem)


def pause(letter: Letter, error: AppError) -> float:
    """Seconds until the next try: doubling, spread by a quarter, never less than the other side asked for.

    The spread comes from the letter itself, so that messages that failed together do not come back together.
    """
    doubled = (
        LONGEST_PAUSE if isinstance(error, PermanentError) else FIRST_PAUSE * 2 ** min(letter.tries - 1, 10)
    )
    spread = hashlib.sha256(f"{letter.channel} {letter.id} {letter.tries}".encode()).digest()[0] / 255 - 0.5
    wait = min(doubled, LONGEST_PAUSE) * (1 + spread / 2)
    asked = error.retry_after if isinstance(error, TransientError) else None
    return max(wait, min(asked or 0.0, LONGEST_WAIT.total_seconds()))


async def _save(store: Store, letter: Letter, version: Version) -> None:
    await _quietly(write(store, letter_key(letter.channel, letter.id), letter, if_version=version))


async def _quietly(write: Awaitable[object]) -> None:
    """Another instance wrote the row meanwhile: what it wrote stands."""
    try:
        await write
    except Conflict:
        log.debug("an outbox row was written by another instance")


def _waiting(rows: Iterable[Stored]) -> Iterator[_Due]:
    """The letters that can be read; the others are left to the version that wrote them."""
    for row in rows:
        try:
            yield decoded(row, Letter), row.version
        except Unreadable as error:
            log.error("not told: %s", error)  # noqa: TRY400 -- its words say it


def _due(waiting: Iterable[_Due], now: datetime) -> list[_Due]:
    """Yield the messages that may be sent now, in order. A later message never overtakes another of its subject."""
    due: list[_Due] = []
    blocked = set[str]()
    for row in sorted(waiting, key=lambda it: (it[0].at, it[0].rank, it[0].id)):
        letter = row[0]
        if waits(letter.next_at, now, LONGEST_WAIT):
            if not letter.silent:  # perhaps delivered: nothing waits for its second try
                blocked.add(letter.subject)
        elif letter.subject not in blocked:
            due.append(row)
    return due


def _is_burst(letters: Iterable[Mark], due: int, now: datetime) -> bool:
    """Return whether sending each would make more than `BURST` cards in an hour."""
    lately = sum(
        letter.sent_at is not None and not letter.digested and age(letter.sent_at, now) < HOUR
        for letter in letters
    )
    return due > 0 and due + lately > BURST


def _digest_lately(letters: Iterable[Mark], now: datetime) -> bool:
    return any(
        letter.digested and letter.sent_at is not None and age(letter.sent_at, now) < DIGEST_EVERY
        for letter in letters
    )


def _is_spent(letter: Mark, now: datetime) -> bool:
    if letter.sent_at is None:  # waiting for so long: its channel is configured no more
        return now - letter.posted_at > KEPT_FAILED
    return now - letter.sent_at > KEPT
