"""The Store port's contract, on the fake, on SQLite and on Azure Tables (Azurite)."""

import asyncio
import itertools
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables.aio import TableClient

from shared.adapters.failures import RETRY
from shared.adapters.sqlite import PAGE, SqliteStore
from shared.adapters.tables import TablesStore, open_tables
from shared.errors import Conflict, TooLarge, TransientError, Unavailable
from shared.store import MAX_BODY, Key, Row, Store, Version, key
from tests.adapters.azurite import ACCOUNT, KEY, running_azurite
from tests.fakes.store import FakeStore

ROOT = Path(__file__).parents[2]
A = key("settings_sync", "pair")

_tables = itertools.count(1)


@pytest.fixture(scope="session")
def azurite() -> Iterator[str]:
    """The table endpoint of the emulator."""
    with running_azurite() as endpoint:
        yield endpoint


@pytest.fixture(params=["fake", "sqlite", "tables"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    match request.param:
        case "fake":
            yield FakeStore()
        case "sqlite":
            sqlite = SqliteStore(tmp_path / "made" / "store.sqlite")
            yield sqlite
            await sqlite.aclose()
        case _:
            endpoint: str = request.getfixturevalue("azurite")
            async with a_tables_store(endpoint, f"contract{next(_tables)}") as tables:
                yield tables


@asynccontextmanager
async def a_tables_store(endpoint: str, table: str) -> AsyncIterator[TablesStore]:
    """A store on a table of the emulator."""
    async with aiohttp.ClientSession() as session:
        client = TableClient(
            endpoint,
            table,
            credential=AzureNamedKeyCredential(ACCOUNT, KEY),
            transport=AioHttpTransport(session=session, session_owner=False),
            **RETRY,
        )
        store = TablesStore(client)
        yield store
        await store.aclose()
        assert not session.closed


def test_the_adapters_have_the_ports_shape() -> None:
    """The types are compared by mypy; nobody inherits the port."""
    stores: list[type[Store]] = [FakeStore, SqliteStore, TablesStore]
    assert all(Store not in kind.__mro__ for kind in stores)


async def test_a_row_is_read_as_it_was_written(store: Store) -> None:
    """What put wrote, get gives, at the version that put returned."""
    version = await store.put(Row(A, b'{"a":1}'), if_version=None)
    stored = await store.get(A)
    assert stored is not None
    assert (stored.row, stored.version) == (Row(A, b'{"a":1}'), version)


async def test_a_missing_row_is_none(store: Store) -> None:
    """Nothing is there before the first write, neither by key nor in a listing."""
    assert await store.get(A) is None
    assert await keys(store, "settings_sync") == []


async def test_a_row_is_created_once(store: Store) -> None:
    """`if_version=None` means that the row must be new; the loser changes nothing."""
    await store.put(Row(A, b"1"), if_version=None)
    with pytest.raises(Conflict):
        await store.put(Row(A, b"2"), if_version=None)
    assert await body(store, A) == b"1"


async def test_a_row_is_replaced_at_the_version_read(store: Store) -> None:
    """A write at the right version wins and makes a new version; the old version is then no use."""
    first = await store.put(Row(A, b"long before" * 20_000), if_version=None)
    second = await store.put(Row(A, b"2"), if_version=first)
    assert second != first
    with pytest.raises(Conflict):
        await store.put(Row(A, b"3"), if_version=first)
    assert await body(store, A) == b"2"


async def test_a_missing_row_is_at_no_version(store: Store) -> None:
    """Neither a write nor a removal at a version finds a row that is gone."""
    first = await store.put(Row(A, b"1"), if_version=None)
    await store.delete(A, if_version=first)
    with pytest.raises(Conflict):
        await store.put(Row(A, b"2"), if_version=first)
    with pytest.raises(Conflict):
        await store.delete(A, if_version=first)
    assert await store.get(A) is None


async def test_a_row_is_removed_at_its_version_only(store: Store) -> None:
    """A removal at an old version is a conflict and removes nothing."""
    first = await store.put(Row(A, b"1"), if_version=None)
    second = await store.put(Row(A, b"2"), if_version=first)
    with pytest.raises(Conflict):
        await store.delete(A, if_version=first)
    assert await body(store, A) == b"2"
    await store.delete(A, if_version=second)
    assert await store.get(A) is None


async def test_a_version_never_comes_twice(store: Store) -> None:
    """A row that was removed and made again is not mistaken for the old one."""
    first = await store.put(Row(A, b"1"), if_version=None)
    await store.delete(A, if_version=first)
    await asyncio.sleep(0.002)  # an ETag of Tables is a time stamp
    again = await store.put(Row(A, b"1"), if_version=None)
    assert again != first


# Twice what `fitted` lets a row take; aiohttp warns of more than a MiB on the wire, as Base64 makes it.
@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_a_body_may_be_as_long_as_the_limit(store: Store) -> None:
    """A body of MAX_BODY bytes comes back whole, an empty one too; one byte more is a mistake of the caller."""
    big = bytes(itertools.islice(itertools.cycle(range(251)), MAX_BODY))
    version = await store.put(Row(A, big), if_version=None)
    assert await body(store, A) == big
    with pytest.raises(TooLarge, match="bytes"):
        await store.put(Row(A, big + b"x"), if_version=version)
    await store.put(Row(A, b""), if_version=version)
    assert await body(store, A) == b""


async def test_a_body_may_hold_any_text(store: Store) -> None:
    """Bodies are bytes: no alphabet is lost."""
    text = "Zürich, 東京, 🧾 \u0000\u2028'".encode()
    await store.put(Row(A, text), if_version=None)
    assert await body(store, A) == text


async def test_rows_are_listed_by_prefix_in_order(store: Store) -> None:
    """The first segment is whole, the rest is text; the order is that of the keys as strings."""
    made = ["g", "g/a", "g/a/b", "g/a-b", "g/a.b", "g/a0", "g/a_b", "g/ab", "g/b", "g2/a", "h/a", "g-h/a"]
    for name in reversed(made):
        await store.put(Row(Key(name), name.encode()), if_version=None)
    assert await keys(store, "g") == sorted(name for name in made if name == "g" or name.startswith("g/"))
    assert await keys(store, "g/") == sorted(name for name in made if name.startswith("g/"))
    assert await keys(store, "g/a") == sorted(name for name in made if name.startswith("g/a"))
    assert await keys(store, "g/a/") == ["g/a/b"]
    assert await keys(store, "g/zz") == []
    assert await keys(store, "i") == []


async def test_a_listing_gives_bodies_and_versions(store: Store) -> None:
    """What a listing gives can be written back."""
    await store.put(Row(A, b"1"), if_version=None)
    (stored,) = [stored async for stored in store.list("settings_sync")]
    assert stored.row.body == b"1"
    await store.put(Row(A, b"2"), if_version=stored.version)
    assert await body(store, A) == b"2"


async def test_of_racing_writers_one_wins(store: Store) -> None:
    """Eight writers of one version: one is told that it won, the others Conflict, and the row is the winner's."""
    created = await race(store, [b"c%d" % n for n in range(8)], None)
    stored = await store.get(A)
    assert stored is not None
    assert [stored.row.body] == created
    replaced = await race(store, [b"r%d" % n for n in range(8)], stored.version)
    assert [await body(store, A)] == replaced


async def race(store: Store, bodies: list[bytes], version: Version | None) -> list[bytes]:
    """The bodies whose writers were told that they won."""
    told = await asyncio.gather(
        *(store.put(Row(A, body), if_version=version) for body in bodies), return_exceptions=True
    )
    lost = [version for version in told if isinstance(version, BaseException)]
    assert all(isinstance(error, Conflict) for error in lost), lost
    return [body for body, version in zip(bodies, told, strict=True) if isinstance(version, str)]


async def keys(store: Store, prefix: str) -> list[str]:
    """The keys of a listing, in its order."""
    return [stored.row.key async for stored in store.list(prefix)]


async def body(store: Store, at: Key) -> bytes | None:
    """A row's body."""
    stored = await store.get(at)
    return stored.row.body if stored else None


async def test_sqlite_keeps_rows_when_reopened(tmp_path: Path) -> None:
    """A new process finds the row and its version."""
    path = tmp_path / "store.sqlite"
    before = SqliteStore(path)
    version = await before.put(Row(A, b"1"), if_version=None)
    await before.aclose()
    after = SqliteStore(path)
    assert await body(after, A) == b"1"
    await after.put(Row(A, b"2"), if_version=version)
    await after.aclose()


async def test_sqlite_lists_more_rows_than_a_page(tmp_path: Path) -> None:
    """The pages of a listing join without a gap or a repeat."""
    store = SqliteStore(tmp_path / "store.sqlite")
    made = [f"g/{n:04}" for n in range(PAGE * 2)]
    for name in made:
        await store.put(Row(Key(name), b""), if_version=None)
    assert await keys(store, "g") == made
    await store.aclose()


async def test_a_closed_sqlite_store_says_so(tmp_path: Path) -> None:
    """Closing twice is harmless; using it after is Unavailable."""
    store = SqliteStore(tmp_path / "store.sqlite")
    await store.aclose()
    await store.aclose()
    with pytest.raises(Unavailable, match="closed"):
        await store.get(A)


async def test_a_file_that_is_no_database_is_an_error_of_ours(tmp_path: Path) -> None:
    """SQLite's own error does not get out."""
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"this is not a database, and long enough for SQLite to look at its header" * 20)
    store = SqliteStore(path)
    with pytest.raises(Exception, match=r"store\.sqlite") as caught:
        await store.get(A)
    assert not isinstance(caught.value, sqlite3.Error)
    await store.aclose()


COUNTER = """
import asyncio, sys
from shared.adapters.sqlite import SqliteStore
from shared.errors import Conflict
from shared.store import Row, key

async def main(path, times):
    store, at = SqliteStore(path), key("count", "one")
    while times:
        held = await store.get(at)
        try:
            await store.put(Row(at, b"%d" % (int(held.row.body) + 1 if held else 1)),
                            if_version=held.version if held else None)
        except Conflict:
            continue
        times -= 1
    await store.aclose()

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


async def test_sqlite_loses_nothing_between_processes(tmp_path: Path) -> None:
    """Two processes that open one new file at the same time and count on one row lose no count."""
    path = tmp_path / "store.sqlite"
    command = [sys.executable, "-c", COUNTER, str(path), "40"]
    counting = [await asyncio.create_subprocess_exec(*command, cwd=ROOT) for _ in range(2)]
    assert [await process.wait() for process in counting] == [0, 0]
    store = SqliteStore(path)
    assert await body(store, key("count", "one")) == b"80"
    await store.aclose()


async def test_a_table_is_made_by_the_first_write_only(azurite: str) -> None:
    """Reads leave no table behind; two first writers at once both find one."""
    async with a_tables_store(azurite, "absent") as store, a_tables_store(azurite, "absent") as other:
        assert await store.get(A) is None
        with pytest.raises(Conflict):
            await store.put(
                Row(A, b"1"), if_version=Version("W/\"datetime'2026-01-01T00%3A00%3A00.0000000Z'\"")
            )
        await asyncio.gather(
            store.put(Row(key("g", "one"), b"1"), if_version=None),
            other.put(Row(key("g", "two"), b"2"), if_version=None),
        )
        assert await keys(store, "g") == ["g/one", "g/two"]


class Gateway:
    """Passes requests on to the emulator, and may lose one answer: the connection breaks instead."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.lose = b""  # the method whose next answer is lost

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: requests and answers with a Content-Length or chunked, forwarded as they come."""
        there, back = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            while request := await reader.read(65536):
                lose = bool(self.lose) and request.startswith(self.lose)
                back.write(request)
                answer = await there.read(65536)
                if lose:
                    self.lose = b""
                    return
                writer.write(answer)
        finally:
            back.close()
            writer.close()


async def test_a_write_whose_answer_was_lost_is_no_conflict(azurite: str) -> None:
    """The SDK sends a PUT again when the connection broke: it finds the row written by itself."""
    address = urlsplit(azurite)
    gateway = Gateway(address.port or 0)
    server = await asyncio.start_server(gateway.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, a_tables_store(f"http://127.0.0.1:{port}{address.path}", "lost") as store:
        first = await store.put(Row(A, b"1"), if_version=None)
        gateway.lose = b"PUT"
        second = await store.put(Row(A, b"2"), if_version=first)
        assert gateway.lose == b"", "no answer was lost"
        stored = await store.get(A)
        assert stored is not None
        assert (stored.row.body, stored.version) == (b"2", second)


async def test_a_connection_string_opens_the_store(azurite: str) -> None:
    """As `COUNTERPART_STORE` holds it; no token is asked for."""
    account = f"AccountName={ACCOUNT};AccountKey={KEY};TableEndpoint={azurite}"
    async with aiohttp.ClientSession() as session:
        store = open_tables(account, session, no_credential)
        await store.put(Row(A, b"1"), if_version=None)
        assert await body(store, A) == b"1"
        await store.aclose()


def no_credential() -> AsyncTokenCredential:
    """Nobody should ask."""
    raise AssertionError("a connection string brings its own key")


async def test_a_dead_tables_endpoint_is_unavailable(unused_tcp_port: int) -> None:
    """Nobody listens: an error that a later try may mend."""
    async with a_tables_store(f"http://127.0.0.1:{unused_tcp_port}/dead", "absent") as store:
        with pytest.raises(TransientError, match=r"get settings_sync/pair"):
            await store.get(A)
