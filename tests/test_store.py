"""Keys, and the one way to change a row: get, decide, put, and decide again on a conflict."""

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Conflict, Unreadable
from shared.store import (
    ATTEMPTS,
    MANY_DECODED,
    MANY_RECALLED,
    RECALLED,
    SMALL,
    Key,
    Recalling,
    Row,
    Stored,
    Version,
    decoded,
    key,
    read,
    readable,
    revise,
    write,
)
from tests.fakes.clock import FakeClock
from tests.fakes.store import FakeStore

AT = key("counters", "one")


class Counter(msgspec.Struct, frozen=True):
    """A body for these tests."""

    count: int
    by: tuple[str, ...] = ()


def one_more(held: Counter | None) -> Counter:
    """A decision: count on."""
    return Counter(held.count + 1 if held else 1)


class Rival:
    """A store where somebody else writes first, as many times as told."""

    def __init__(self, store: FakeStore, wins: int) -> None:
        self.store = store
        self.wins = wins
        self.get = store.get
        self.delete = store.delete
        self.list = store.list

    async def put(self, row: Row, *, if_version: Version | None) -> Version:
        """Write, after the rival did."""
        if self.wins:
            self.wins -= 1
            held, version = await read(self.store, row.key, Counter)
            await write(self.store, row.key, Counter((held.count if held else 0) + 10), if_version=version)
        return await self.store.put(row, if_version=if_version)


segments = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,199}", fullmatch=True)


@given(st.lists(segments, min_size=1, max_size=4))
def test_segments_make_a_key_and_come_back(parts: list[str]) -> None:
    """A key is its segments, joined."""
    assert key(*parts).split("/") == parts


@pytest.mark.parametrize(
    "segment", ["", "A", "a/b", "a b", ".a", "-a", "_a", "ä", "a\n", "a" * 201, "a~", "a!"]
)
def test_what_a_segment_may_not_be(segment: str) -> None:
    """No empty, upper-case, long or foreign segments: they would not sort or travel alike everywhere."""
    with pytest.raises(ValueError, match="not a key segment"):
        key("fine", segment)


async def test_a_missing_row_is_decided_on_as_none() -> None:
    """The first revision makes the row."""
    store = FakeStore()
    assert await revise(store, AT, Counter, one_more) == Counter(1)
    assert await read(store, AT, Counter) == (Counter(1), Version("1"))


async def test_each_revision_builds_on_the_last() -> None:
    """What was written is what the next decision sees."""
    store = FakeStore()
    for _ in range(5):
        await revise(store, AT, Counter, one_more)
    assert (await read(store, AT, Counter))[0] == Counter(5)


@pytest.mark.parametrize("nothing_new", [lambda held: held, lambda held: None])
async def test_a_decision_to_change_nothing_writes_nothing(
    nothing_new: Callable[[Counter | None], Counter | None],
) -> None:
    """The same value, or None, leaves the row and its version alone; the answer is what the row holds."""
    store = FakeStore()
    assert await revise(store, AT, Counter, nothing_new) is None
    await write(store, AT, Counter(7), if_version=None)
    assert await revise(store, AT, Counter, nothing_new) == Counter(7)
    assert store.writes == 1


async def test_a_conflict_is_decided_anew_on_what_the_rival_wrote() -> None:
    """Neither write is lost."""
    store = FakeStore()
    assert await revise(Rival(store, wins=ATTEMPTS - 1), AT, Counter, one_more) == Counter(21)
    assert (await read(store, AT, Counter))[0] == Counter(21)


async def test_it_gives_up_when_others_keep_winning() -> None:
    """After the last attempt the conflict is the caller's, and the row is the rival's."""
    store = FakeStore()
    with pytest.raises(Conflict):
        await revise(Rival(store, wins=ATTEMPTS), AT, Counter, one_more)
    assert (await read(store, AT, Counter))[0] == Counter(10 * ATTEMPTS)


async def test_a_row_of_another_shape_is_refused() -> None:
    """A body that this version did not write is an error, and is not overwritten."""
    store = FakeStore()
    await store.put(Row(AT, b'{"total": 1}'), if_version=None)
    with pytest.raises(Unreadable, match="counters/one was written by another version"):
        await revise(store, AT, Counter, one_more)
    assert store.rows[Key(AT)].row.body == b'{"total": 1}'


def test_a_row_that_is_the_same_is_decoded_once() -> None:
    """Whoever reads it again gets the same object; what was written anew, a large row and another kind do not."""

    def stored(body: bytes) -> Stored:
        return Stored(Row(AT, body), Version("1"))

    one = decoded(stored(b'{"count":1}'), Counter)
    assert decoded(stored(bytes(bytearray(b'{"count":1}'))), Counter) is one
    assert decoded(stored(b'{"count":2}'), Counter) == Counter(2)
    assert decoded(stored(b'{"count":1}'), dict) == {"count": 1}
    large = stored(msgspec.json.encode(Counter(1, by=("x" * SMALL,))))
    assert decoded(large, Counter) == decoded(large, Counter)
    assert decoded(large, Counter) is not decoded(large, Counter)


async def test_what_one_wrote_is_not_decoded_to_be_read_again() -> None:
    """The next reader gets the very object; not so of a large one."""
    store = FakeStore()
    small, large = Counter(71, by=("me",)), Counter(72, by=("x" * SMALL,))
    version = await write(store, AT, small, if_version=None)
    assert (await read(store, AT, Counter))[0] is small
    assert msgspec.json.decode(store.rows[Key(AT)].row.body, type=Counter) == small
    await write(store, AT, large, if_version=version)
    found, _ = await read(store, AT, Counter)
    assert found == large
    assert found is not large


def test_of_what_is_kept_decoded_the_longest_unread_goes() -> None:
    """As many as a round may read of one group, not all that there ever were."""

    def row(count: int) -> Stored:
        return Stored(Row(AT, msgspec.json.encode(Counter(1000 + count))), Version("1"))

    first, second = decoded(row(1), Counter), decoded(row(2), Counter)
    for count in range(3, MANY_DECODED + 2):
        decoded(row(count), Counter)
        assert decoded(row(1), Counter) is first
    assert decoded(row(2), Counter) is not second


async def test_a_listing_passes_over_what_it_cannot_read(caplog: pytest.LogCaptureFixture) -> None:
    """The other rows are there, the log names the one that is not, and it stays as it is."""
    store = FakeStore()
    await write(store, AT, Counter(1), if_version=None)
    await store.put(Row(key("counters", "other"), b'{"total": 1}'), if_version=None)
    assert [counter async for counter, _ in readable(store, "counters/", Counter)] == [Counter(1)]
    assert "counters/other" in caplog.text
    assert len(store.rows) == 2


async def test_what_is_asked_for_often_is_read_once_in_a_moment() -> None:
    """Another's write shows a moment later; a row under another prefix is never remembered."""
    inner, clock = FakeStore(), FakeClock()
    store = Recalling(inner, "counters/", clock)
    elsewhere = key("others", "one")
    for at in (AT, elsewhere):
        assert await store.get(at) is None
        await write(inner, at, Counter(1), if_version=None)
    assert await store.get(AT) is None
    assert (await read(store, elsewhere, Counter))[0] == Counter(1)
    clock.advance(RECALLED.total_seconds())
    assert (await read(store, AT, Counter))[0] == Counter(1)


async def test_what_was_remembered_wrongly_is_found_out_by_writing() -> None:
    """Somebody else wrote first: the next attempt reads anew, and nothing of theirs is lost."""
    inner = FakeStore()
    store = Recalling(inner, "counters/", FakeClock())
    await revise(store, AT, Counter, one_more)
    await revise(inner, AT, Counter, one_more)
    assert await revise(store, AT, Counter, one_more) == Counter(3)
    held, version = await read(store, AT, Counter)
    assert held == Counter(3)
    assert version is not None
    await store.delete(AT, if_version=version)
    assert await store.get(AT) is None


async def test_not_more_is_remembered_than_fits() -> None:
    """A fleet's rows do not stay in memory."""
    inner = FakeStore()
    store = Recalling(inner, "counters/", FakeClock())
    for number in range(MANY_RECALLED * 2 + 1):
        await store.get(key("counters", f"{number}"))
    assert len(store._rows) <= MANY_RECALLED
