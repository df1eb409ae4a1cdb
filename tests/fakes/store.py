"""The Store port's fake: a dictionary."""

from collections.abc import AsyncIterator

from shared.errors import Conflict
from shared.store import Key, Row, Stored, Version, within_bounds


class FakeStore:
    """Rows in a dictionary; versions count every write, so that none comes twice."""

    def __init__(self) -> None:
        self.rows: dict[Key, Stored] = {}
        self.writes = 0

    async def get(self, key: Key) -> Stored | None:
        """The row, or None."""
        return self.rows.get(key)

    async def put(self, row: Row, *, if_version: Version | None) -> Version:
        """Write, at the version given only."""
        within_bounds(row)
        self._compare(row.key, if_version)
        self.writes += 1
        version = Version(str(self.writes))
        self.rows[row.key] = Stored(row, version)
        return version

    async def delete(self, key: Key, *, if_version: Version) -> None:
        """Remove, at the version given only."""
        self._compare(key, if_version)
        del self.rows[key]

    async def list(self, prefix: str) -> AsyncIterator[Stored]:
        """By prefix, in order; the first segment is whole."""
        segment, slash, _ = prefix.partition("/")
        for key in sorted(self.rows):
            if key.startswith(prefix) and (slash or key.split("/")[0] == segment):
                yield self.rows[key]

    def _compare(self, key: Key, version: Version | None) -> None:
        held = self.rows.get(key)
        if (held.version if held else None) != version:
            raise Conflict(f"{key}: not at the version that was read")
