"""The Store on Azure Tables, in Azure.

One entity per row: the partition is the key's first segment, the row key the rest, the body lies in binary
properties of 64 KiB each, and the ETag is the version. The table is made by the first write that finds none.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final
from uuid import uuid4

import aiohttp
from azure.core import MatchConditions
from azure.core.async_paging import AsyncItemPaged
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables import TableEntity, UpdateMode
from azure.data.tables.aio import TableClient

from shared.adapters.failures import RETRY, create, translated, within
from shared.errors import Conflict, NotFound
from shared.store import MAX_BODY, Key, Row, Stored, Version, within_bounds

TABLE: Final = "counterpart"
DEADLINE: Final = 20.0  # seconds for one call with its retries
PROPERTY: Final = 64 * 1024  # bytes: what one binary property holds
PARTS: Final = MAX_BODY // PROPERTY

NEEDS: Final = "the role Storage Table Data Contributor"

# A row key may not hold `/`, and nothing sorts between `.` and `0`: these three move, their order stays.
_ENCODE: Final = str.maketrans("-./", "!-.")
_DECODE: Final = str.maketrans("!-.", "-./")
_AFTER: Final = "~"  # sorts after every character of a key

_WRITER: Final = "writer"
"""Names one write. A write whose answer was lost is sent again, by the SDK or by aiohttp, and then finds itself
in the row: that is no conflict."""


class TablesStore:
    """Rows as entities of one table; `aclose` closes the client."""

    def __init__(self, client: TableClient) -> None:
        self._client = client

    async def get(self, key: Key) -> Stored | None:
        """The row, or None; None too when there is no table yet."""
        entity = await self._entity(key)
        return _stored(entity) if entity else None

    async def put(self, row: Row, *, if_version: Version | None) -> Version:
        """Write the row if it is at `if_version`; None: if there is none. Returns its new version.

        Raises:
            Conflict: the row is at another version.
            TooLarge: the body is longer than `MAX_BODY`.
        """
        entity = _entity_of(row)
        try:
            return await self._write(entity, if_version)
        except (Conflict, NotFound) as error:
            held = await self._entity(row.key)
            if held and held.get(_WRITER) == entity[_WRITER]:
                return _version(held.metadata)
            if isinstance(error, Conflict) or if_version is not None:
                raise Conflict(f"{row.key}: somebody else wrote this row; read it again") from error
        what = f"create table {self._client.table_name}"
        await create(self._client.create_table, what, seconds=DEADLINE, needs=NEEDS)
        return await self._write(entity, if_version)

    async def delete(self, key: Key, *, if_version: Version) -> None:
        """Remove the row if it is at `if_version`. Raises Conflict when it is not, or is not there."""
        partition, row_key = _address(key)
        answers: list[int] = []  # the SDK tells nobody about a 404
        what = f"delete {key}"
        async with within(DEADLINE, what):
            with translated(what, needs=NEEDS):
                await self._client.delete_entity(
                    partition,
                    row_key,
                    etag=if_version,
                    match_condition=MatchConditions.IfNotModified,
                    raw_response_hook=lambda response: answers.append(response.http_response.status_code),
                )
        if answers[-1] == 404:  # noqa: PLR2004 -- HTTP
            raise Conflict(f"{key}: somebody else removed this row")

    async def list(self, prefix: str) -> AsyncIterator[Stored]:
        """Rows whose key begins with `prefix`, its first segment whole, by key; not one moment's picture."""
        partition, _, rest = prefix.partition("/")
        first = rest.translate(_ENCODE)
        found = self._client.query_entities(
            "PartitionKey eq @partition and RowKey ge @first and RowKey lt @last",
            parameters={"partition": partition, "first": first, "last": first + _AFTER},
        )
        async for page in _pages(found, f"list {prefix}"):
            for entity in page:
                stored = _stored(entity)
                if stored.row.key.startswith(prefix):
                    yield stored

    async def aclose(self) -> None:
        """Close the client; a lent session stays open."""
        await self._client.close()

    async def _entity(self, key: Key) -> TableEntity | None:
        partition, row_key = _address(key)
        what = f"get {key}"
        try:
            async with within(DEADLINE, what):
                with translated(what, needs=NEEDS):
                    return await self._client.get_entity(partition, row_key)
        except NotFound:
            return None

    async def _write(self, entity: Mapping[str, Any], if_version: Version | None) -> Version:
        what = f"put {entity['PartitionKey']}/{entity['RowKey'].translate(_DECODE)}"
        async with within(DEADLINE, what):
            with translated(what, needs=NEEDS):
                if if_version is None:
                    return _version(await self._client.create_entity(entity))
                return _version(
                    await self._client.update_entity(
                        entity,
                        mode=UpdateMode.REPLACE,
                        etag=if_version,
                        match_condition=MatchConditions.IfNotModified,
                    )
                )


def open_tables(
    account: str, session: aiohttp.ClientSession, credential: Callable[[], AsyncTokenCredential]
) -> TablesStore:
    """The store in a storage account.

    Args:
        account: the table endpoint, `https://<account>.table.core.windows.net`, or a connection string.
        session: lent, with its CAs and its resolver.
        credential: called for an endpoint only; a connection string brings its own key.
    """
    options: dict[str, Any] = {
        **RETRY,
        "transport": AioHttpTransport(session=session, session_owner=False),
        "logging_enable": False,
    }
    if not account.startswith("https://"):
        return TablesStore(TableClient.from_connection_string(account, TABLE, **options))
    return TablesStore(TableClient(account, TABLE, credential=credential(), **options))


async def _pages(found: AsyncItemPaged[TableEntity], what: str) -> AsyncIterator[list[TableEntity]]:
    """Page by page, so that the deadline covers a read and not what the reader does with it."""
    pages = aiter(found.by_page())
    while True:
        try:
            async with within(DEADLINE, what):
                with translated(what, needs=NEEDS):
                    page = await anext(pages, None)
                    entities = [entity async for entity in page] if page else None
        except NotFound:  # no table yet
            return
        if entities is None:
            return
        yield entities


def _address(key: Key) -> tuple[str, str]:
    """(partition key, row key)."""
    partition, _, rest = key.partition("/")
    return partition, rest.translate(_ENCODE)


def _entity_of(row: Row) -> dict[str, Any]:
    within_bounds(row)
    partition, row_key = _address(row.key)
    parts = {
        f"body{start // PROPERTY}": row.body[start : start + PROPERTY]
        for start in range(0, len(row.body), PROPERTY)
    }
    return {"PartitionKey": partition, "RowKey": row_key, _WRITER: uuid4().hex, **parts}


def _stored(entity: TableEntity) -> Stored:
    partition, row_key = entity["PartitionKey"], entity["RowKey"]
    key = f"{partition}/{row_key.translate(_DECODE)}" if row_key else partition
    body = b"".join(entity.get(f"body{part}", b"") for part in range(PARTS))
    return Stored(Row(Key(key), body), _version(entity.metadata))


def _version(metadata: Mapping[str, Any]) -> Version:
    return Version(metadata["etag"])
