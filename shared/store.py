"""Versioned rows, and the one way to change them. Knows no rules of any slice.

Keys are paths of lower-case segments, `settings_sync/<group>`; a body is JSON bytes of at most `MAX_BODY`.
Compare-and-swap is the only concurrency tool: `revise` gets, decides, puts, and decides again on a conflict.
A row that this version cannot read is never written over, never deleted, and never taken for one that is missing.

Every row is bounded: `fitted` drops the oldest detail of one that would take more than half of what a row holds. A
kind of row that can grow says what its oldest detail is (`Shrinks`).
"""

import logging
import re
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any, NewType, Protocol, Self

import msgspec

from shared.ages import waits
from shared.clock import Clock, Compared
from shared.errors import Conflict, TooLarge, Unreadable, WrongClock

log = logging.getLogger(__name__)

Key = NewType("Key", str)
Version = NewType("Version", str)

MAX_BODY = 15 * 64 * 1024  # bytes; an entity of Azure Tables holds 1 MiB, and a binary property of it 64 KiB
BOUND = MAX_BODY // 2  # bytes that a row takes; what is left is room for what nobody foresaw
ATTEMPTS = 3
MESSAGES = "outbox/"  # before the keys of what people are to be told
RECALLED = timedelta(seconds=5)  # that a row is remembered where it is asked for often
MANY_RECALLED = 512  # rows
MANY_DECODED, SMALL = 128, 32 * 1024  # so many rows of at most so many bytes are kept decoded

_SEGMENT = re.compile(r"[a-z0-9][a-z0-9._-]{0,199}")


class Shrinks(Protocol):
    """A kind of row that can grow."""

    def shorter(self) -> Self | None:
        """The same without its oldest detail, which it says; None: nothing is left that could go."""
        ...


class Row(msgspec.Struct, frozen=True):
    """One stored thing: its key and its JSON body."""

    key: Key
    body: bytes


class Stored(msgspec.Struct, frozen=True):
    """A row as it was read, with the version to name when writing it back."""

    row: Row
    version: Version


class Store(Protocol):
    """Versioned rows: Azure Tables in the cloud, SQLite at home.

    Every method may raise Unavailable or Throttled; writes raise Conflict when the row is not at `if_version`.
    """

    async def get(self, key: Key) -> Stored | None:
        """The row, or None."""
        ...

    async def put(self, row: Row, *, if_version: Version | None) -> Version:
        """Write the row; `if_version=None` means that it must be new. Returns the new version."""
        ...

    async def delete(self, key: Key, *, if_version: Version) -> None:
        """Remove the row."""
        ...

    def list(self, prefix: str) -> AsyncIterator[Stored]:
        """Every row whose key begins with `prefix` (whole first segment at least), ordered by key."""
        ...


def key(*segments: str) -> Key:
    """Join segments into a key.

    Raises:
        ValueError: a segment is empty, too long, or has a character outside `a-z 0-9 . _ -`.
    """
    for segment in segments:
        if not _SEGMENT.fullmatch(segment):
            raise ValueError(f"not a key segment: {segment!r}")
    return Key("/".join(segments))


async def read[T](store: Store, at: Key, kind: type[T]) -> tuple[T | None, Version | None]:
    """The row's body as `kind`, with its version; a missing row is (None, None).

    Raises:
        Unreadable: the row was written by something that is not this version of the product.
    """
    stored = await store.get(at)
    if stored is None:
        return None, None
    return decoded(stored, kind), stored.version


def decoded[T](stored: Stored, kind: type[T]) -> T:
    """A row's body as `kind`. Raises Unreadable."""
    try:
        found = _KEPT.get(stored.row.body, kind)
        if found is None:
            found = msgspec.json.decode(stored.row.body, type=kind)
            _KEPT.keep(stored.row.body, kind, found)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Unreadable(
            f"the row {stored.row.key} was written by another version of Counterpart, and nothing is done on a "
            f"guess ({error})"
        ) from error
    return found


class _Kept:
    """Rows as they were decoded or written: a round reads some several times, and most are the same a minute later.

    Whoever reads a row gets the same object as the one before; nobody changes it, what is decoded is frozen.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[bytes, type], Any] = {}  # the one that was asked for last at the end

    def get[T](self, body: bytes, kind: type[T]) -> T | None:
        """Return what is known of such a row."""
        found: T | None = self._found.pop((body, kind), None)
        if found is not None:
            self._found[body, kind] = found
        return found

    def keep(self, body: bytes, kind: type, found: object) -> None:
        """This is what such a row says."""
        if len(body) > SMALL:
            return
        if len(self._found) >= MANY_DECODED:
            del self._found[next(iter(self._found))]
        self._found[body, kind] = found


_KEPT = _Kept()


async def readable[T](store: Store, prefix: str, kind: type[T]) -> AsyncIterator[tuple[T, Stored]]:
    """Every row under a prefix that can be read, decoded; the others stay as they are, and the log says so."""
    async for stored in store.list(prefix):
        try:
            found = decoded(stored, kind)
        except Unreadable as error:
            log.error("passed over: %s", error)  # noqa: TRY400 -- its words say it
        else:
            yield found, stored


def fitted[T: msgspec.Struct](value: T) -> T:
    """The value as a row holds it: without its oldest detail when it would be longer than `BOUND`."""
    return _fitted(value)[0]


def _fitted[T: msgspec.Struct](value: T) -> tuple[T, bytes]:
    body = msgspec.json.encode(value)
    while len(body) > BOUND:
        shorter = getattr(value, "shorter", lambda: None)()
        if shorter is None:
            break
        value, body = shorter, msgspec.json.encode(shorter)
    return value, body


def within_bounds(row: Row) -> Row:
    """The row. Raises TooLarge when no store takes it."""
    if len(row.body) > MAX_BODY:
        raise TooLarge(f"{row.key}: a body of {len(row.body)} bytes; a row holds {MAX_BODY}")
    return row


async def write(store: Store, at: Key, value: msgspec.Struct, *, if_version: Version | None) -> Version:
    """Write `value`, as far as a row holds it. Raises Conflict when the row is not at `if_version`, TooLarge."""
    value, body = _fitted(value)
    row = Row(at, body)
    version = await store.put(row, if_version=if_version)
    _KEPT.keep(row.body, type(value), value)
    return version


async def revise[T: msgspec.Struct](
    store: Store, at: Key, kind: type[T], decide: Callable[[T | None], T | None]
) -> T | None:
    """Get, decide, put; on a conflict decide again from the start, `ATTEMPTS` times at most.

    `decide` is pure and may be called more than once. When it returns what it was given, or None, nothing is
    written. Returns what the row holds after. Raises Conflict when others kept winning.
    """
    for attempt in range(ATTEMPTS):
        before, version = await read(store, at, kind)
        after = decide(before)
        if after is None or after == before:
            return before
        after = fitted(after)
        if after == before:
            return before
        try:
            await write(store, at, after, if_version=version)
        except Conflict:
            if attempt == ATTEMPTS - 1:
                raise
        else:
            return after
    raise AssertionError("unreachable: the loop returns or raises")


class Guarded:
    """A store to which nothing is written by a clock that is wrong, but what people are told.

    Every step is written down before it is taken, so that none is taken then.
    """

    def __init__(self, inner: Store, compared: Compared) -> None:
        self._inner, self._compared = inner, compared

    async def get(self, key: Key) -> Stored | None:
        """As the port says."""
        return await self._inner.get(key)

    async def put(self, row: Row, *, if_version: Version | None) -> Version:
        """As the port says. Raises WrongClock."""
        self._check(row.key)
        return await self._inner.put(row, if_version=if_version)

    async def delete(self, key: Key, *, if_version: Version) -> None:
        """As the port says. Raises WrongClock."""
        self._check(key)
        await self._inner.delete(key, if_version=if_version)

    def list(self, prefix: str) -> AsyncIterator[Stored]:
        """As the port says."""
        return self._inner.list(prefix)

    def _check(self, key: Key) -> None:
        if (why := self._compared.wrong) and not key.startswith(MESSAGES):
            raise WrongClock(why)


class Recalling:
    """A store with the rows under a prefix, or one row, remembered for a moment where they are asked for often.

    A row that somebody else has written meanwhile is found out by its version when it is written.
    """

    def __init__(self, inner: Store, prefix: str, clock: Clock) -> None:
        self._inner, self._prefix, self._clock = inner, prefix, clock
        self._rows: dict[Key, tuple[datetime, Stored | None]] = {}  # until when

    async def get(self, key: Key) -> Stored | None:
        """As the port says."""
        if not key.startswith(self._prefix):
            return await self._inner.get(key)
        until, row = self._rows.get(key, (None, None))
        if until is None or not waits(until, self._clock.now(), RECALLED):
            row = await self._inner.get(key)
            self._keep(key, row)
        return row

    async def put(self, row: Row, *, if_version: Version | None) -> Version:
        """As the port says."""
        self._rows.pop(row.key, None)  # nothing is sure until it is written
        version = await self._inner.put(row, if_version=if_version)
        if row.key.startswith(self._prefix):
            self._keep(row.key, Stored(row, version))
        return version

    async def delete(self, key: Key, *, if_version: Version) -> None:
        """As the port says."""
        self._rows.pop(key, None)
        await self._inner.delete(key, if_version=if_version)

    def list(self, prefix: str) -> AsyncIterator[Stored]:
        """As the port says."""
        return self._inner.list(prefix)

    def _keep(self, key: Key, row: Stored | None) -> None:
        if len(self._rows) >= MANY_RECALLED:
            self._rows.clear()
        self._rows[key] = self._clock.now() + RECALLED, row
