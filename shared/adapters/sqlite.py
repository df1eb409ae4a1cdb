"""The Store on one SQLite file: for the command line, the demo and tests. Several processes may share it.

All work runs in threads, off the event loop, on one connection behind a lock. The lock belongs to the thread,
not to the task: a task that is cancelled leaves its thread running, and the next one must wait for that.
"""

import asyncio
import functools
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from shared.adapters.failures import translated
from shared.errors import Conflict, Unavailable
from shared.store import Key, Row, Stored, Version, within_bounds

PATIENCE: Final = 10.0  # seconds that a writer waits for another process's transaction
PAGE: Final = 200  # rows read at once by `list`

_SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS rows (
        key TEXT PRIMARY KEY, body BLOB NOT NULL, version INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS writes (
        one INTEGER PRIMARY KEY CHECK (one = 1), count INTEGER NOT NULL
    ) STRICT""",
    "INSERT OR IGNORE INTO writes VALUES (1, 0)",
)
"""A version is the number of the write in the whole file: a row deleted and made again never repeats one."""


class SqliteStore:
    """Rows in a file; `aclose` when done. The file and its directory are made by the first call."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._closed = False

    async def get(self, key: Key) -> Stored | None:
        """The row, or None."""
        return await self._run(f"get {key}", lambda db: _get(db, key))

    async def put(self, row: Row, *, if_version: Version | None) -> Version:
        """Write the row if it is at `if_version`; None: if there is none. Returns its new version.

        Raises:
            Conflict: the row is at another version.
            TooLarge: the body is longer than `MAX_BODY`.
        """
        within_bounds(row)
        return await self._run(f"put {row.key}", lambda db: _put(db, row, if_version))

    async def delete(self, key: Key, *, if_version: Version) -> None:
        """Remove the row if it is at `if_version`. Raises Conflict when it is not, or is not there."""
        await self._run(f"delete {key}", lambda db: _delete(db, key, if_version))

    async def list(self, prefix: str) -> AsyncIterator[Stored]:
        """Rows whose key begins with `prefix`, its first segment whole, by key; not one moment's picture."""
        after = ""
        while True:
            page = await self._run(f"list {prefix}", functools.partial(_page, prefix=prefix, after=after))
            for stored in page:
                yield stored
            if len(page) < PAGE:
                return
            after = page[-1].row.key

    async def aclose(self) -> None:
        """Close the file; what is called after this raises Unavailable."""
        await asyncio.to_thread(self._close)

    async def _run[T](self, what: str, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.to_thread(self._locked, f"{what}, {self._path.name}", work)

    def _locked[T](self, what: str, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock, translated(what):
            if self._closed:
                raise Unavailable(f"{what}: the store is closed")
            if self._connection is None:
                self._connection = _open(self._path)
            return work(self._connection)

    def _close(self) -> None:
        with self._lock, translated(f"close {self._path.name}"):
            self._closed = True
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, timeout=PATIENCE, autocommit=True, check_same_thread=False)
    try:
        # The first transaction waits for its turn; a change of journal mode does not, and is made once per file.
        with _transaction(db):
            for statement in _SCHEMA:
                db.execute(statement)
        db.execute("PRAGMA journal_mode = WAL")
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    """One writer at a time, in all processes: what is compared inside holds until the commit."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _get(db: sqlite3.Connection, key: Key) -> Stored | None:
    with closing(db.execute("SELECT key, body, version FROM rows WHERE key = ?", (key,))) as found:
        row = found.fetchone()
    return _stored(row) if row else None


def _put(db: sqlite3.Connection, row: Row, if_version: Version | None) -> Version:
    with _transaction(db):
        _compare(db, row.key, if_version)
        (count,) = db.execute("UPDATE writes SET count = count + 1 RETURNING count").fetchone()
        db.execute(
            "INSERT OR REPLACE INTO rows (key, body, version) VALUES (?, ?, ?)", (row.key, row.body, count)
        )
    return Version(str(count))


def _delete(db: sqlite3.Connection, key: Key, if_version: Version) -> None:
    with _transaction(db):
        _compare(db, key, if_version)
        db.execute("DELETE FROM rows WHERE key = ?", (key,))


def _compare(db: sqlite3.Connection, key: Key, version: Version | None) -> None:
    held = _get(db, key)
    if (held.version if held else None) != version:
        raise Conflict(f"{key}: somebody else wrote this row; read it again")


def _page(db: sqlite3.Connection, prefix: str, after: str) -> list[Stored]:
    """The next rows of a listing. The upper bounds end in `~`, which sorts after every character of a key."""
    segment, slash, _ = prefix.partition("/")
    first, last = (prefix, f"{prefix}~") if slash else (f"{segment}/", f"{segment}/~")
    alone = "" if slash else segment  # a key of one segment
    query = (
        "SELECT key, body, version FROM rows "
        "WHERE key > :after AND (key = :alone OR (key >= :first AND key < :last)) ORDER BY key LIMIT :page"
    )
    found = db.execute(query, {"after": after, "alone": alone, "first": first, "last": last, "page": PAGE})
    return [_stored(row) for row in found.fetchall()]


def _stored(row: tuple[str, bytes, int]) -> Stored:
    key, body, version = row
    return Stored(Row(Key(key), body), Version(str(version)))
