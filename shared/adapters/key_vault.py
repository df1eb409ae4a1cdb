"""A peer's old values in Key Vault: the port `RollbackCopies` of settings_sync.

A secret holds 25 KiB. A copy that fits is laid in as it is, so that a person can read it in the portal. A longer
one is compressed and laid into as many secrets as it needs: `name`, `name-2`, `name-3`. The first of them says how
many there are, and is written first and deleted last: a copy with a part missing is none, and what a killed process
left behind is found again.

A name is used for one copy. Key Vault takes seconds to delete a secret, and then keeps its name: in that time, and
after it, nothing can be laid in under that name.
"""

import asyncio
import base64
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

import aiohttp
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import HttpRequest
from azure.keyvault.secrets.aio import SecretClient

from shared.adapters.failures import RETRY, Foreign, translated, within
from shared.errors import Busy, Conflict, NotFound, PermanentError, Unavailable
from shared.groups.model import Value

DEADLINE: Final = 30.0  # seconds for one copy, retries included
PART: Final = 25_000  # bytes of one secret's value, our own heading not counted; Key Vault takes 25 KiB
HEADING: Final = "counterpart-copy of"  # ... N secrets: begins the first of several
MOST: Final = 99  # secrets of one copy
LARGEST: Final = 16 * 1024 * 1024  # bytes of a copy; more than a site can have in settings
CONTENT_TYPE: Final = "application/vnd.counterpart.copy"
NEEDS: Final = (
    "the role Counterpart copies (infra/roles/copies.json), or Key Vault Secrets Officer, on the vault"
)


class KeyVaultCopies:
    """Secrets of one vault. Nothing here logs or names a value.

    Deleted copies stay recoverable, and hidden, for as long as the vault keeps deleted secrets.
    """

    def __init__(
        self, vault_url: str, credential: AsyncTokenCredential, session: aiohttp.ClientSession
    ) -> None:
        self._client = SecretClient(
            vault_url,
            credential,
            transport=AioHttpTransport(session=session, session_owner=False),
            logging_enable=False,
            **RETRY,
        )

    async def keep(self, name: str, content: Value, *, expires: datetime) -> None:
        """Store a copy under a name that had none. `expires` informs; a reader may still read after.

        Raises:
            Busy: a copy of that name was deleted, or is being deleted. Another name will do.
        """
        async with within(DEADLINE, f"keep copy {name}"):
            for number, part in enumerate(_split(content), 1):
                await self._set(_part(name, number), part, expires)

    async def get(self, name: str) -> Value | None:
        """The copy, or None when there is none, or not all of it any more."""
        async with within(DEADLINE, f"get copy {name}"):
            first = await self._get(name)
            if first is None:
                return None
            others = range(2, _count(first) + 1)
            rest = await asyncio.gather(*(self._get(_part(name, number)) for number in others))
        found = [name for name in rest if name is not None]
        return _join([first, *found], name) if len(found) == len(rest) else None

    async def forget(self, name: str) -> None:
        """Delete the copy; no error when there is none. Does not wait until the vault has done it."""
        async with within(DEADLINE, f"forget copy {name}"):
            first = await self._get(name)
            if first is None:
                return
            for number in range(_count(first), 0, -1):
                await self._delete(_part(name, number))

    async def aclose(self) -> None:
        """Close the client; the lent session stays open."""
        await self._client.close()

    async def _set(self, secret: str, value: str, expires: datetime) -> None:
        with _asking(f"set secret {secret}"):
            await self._client.set_secret(secret, value, content_type=CONTENT_TYPE, expires_on=expires)

    async def _get(self, secret: str) -> str | None:
        try:
            with _asking(f"get secret {secret}"):
                return (await self._client.get_secret(secret)).value or ""
        except NotFound:
            return None

    async def _delete(self, secret: str) -> None:
        """One DELETE. The SDK's own method would poll until the secret shows up among the deleted ones."""
        try:
            with _asking(f"delete secret {secret}"):
                answer = await self._client.send_request(HttpRequest("DELETE", f"/secrets/{secret}"))
                answer.raise_for_status()
        except NotFound:
            return


@contextmanager
def _asking(what: str) -> Iterator[None]:
    """Failures turned into ours; the SDK checks the vault's challenge by itself and raises ValueError.

    Key Vault answers 409 while a secret of that name is being deleted or recovered, and to who sets one that lies
    among the deleted (public reports of `ObjectIsBeingDeleted`, `ObjectIsBeingRecovered`,
    `ObjectIsDeletedButRecoverable`). It is not our `Conflict`, which says that somebody else wrote a row.
    """
    try:
        with translated(what, needs=NEEDS):
            yield
    except Conflict as error:
        raise Busy(f"{error}: a secret of that name is deleted, or is being deleted or recovered") from error
    except ValueError as error:
        raise PermanentError(
            f"{what}: the SDK refuses the request or the vault's challenge; check the vault's URL"
        ) from Foreign(error)


def _part(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"


def _split(content: Value) -> list[str]:
    """The values of the secrets."""
    plain = content.reveal()
    if len(plain.encode()) <= PART and not plain.startswith(HEADING):
        return [plain]
    text = base64.b85encode(zlib.compress(plain.encode(), 9)).decode()
    parts = [text[start : start + PART] for start in range(0, len(text), PART)]
    if len(parts) > MOST or len(plain) > LARGEST:
        raise PermanentError(f"a copy in {len(parts)} secrets is more than can be read back")
    return [f"{HEADING} {len(parts)} secrets\n{parts[0]}", *parts[1:]]


def _count(first: str) -> int:
    """Return how many secrets the copy has, from the first one."""
    found = re.match(rf"{HEADING} ([0-9]{{1,2}}) secrets\n", first)
    return int(found[1]) if found else 1


def _join(parts: list[str], name: str) -> Value:
    if not parts[0].startswith(HEADING):
        return Value(parts[0])
    text = parts[0].partition("\n")[2] + "".join(parts[1:])
    unpacking = zlib.decompressobj()
    try:
        plain = unpacking.decompress(base64.b85decode(text), LARGEST)
        if unpacking.eof:  # not cut off, and no longer than a copy of ours
            return Value(plain.decode())
    except (ValueError, zlib.error):
        pass
    raise Unavailable(f"the parts of copy {name} do not belong together")
