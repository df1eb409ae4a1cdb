"""Client options, deadlines and resource ids that the adapters over Azure Resource Manager share."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple, Protocol

import aiohttp
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline import PipelineResponse
from azure.core.pipeline.policies import AsyncRetryPolicy
from azure.core.pipeline.transport import AioHttpTransport

from shared.adapters.failures import RETRY, Foreign, translated, within
from shared.adapters.pace import Pace, PacePolicy
from shared.errors import Busy, Conflict, NotFound, Throttled, Unavailable

PUBLIC_ARM: Final = "https://management.azure.com"
READ_DEADLINE = 30.0  # seconds, retries included
WRITE_DEADLINE = 60.0  # seconds
LONGEST_WAIT = 5.0  # seconds of Retry-After that a read waits by itself

_SITE = re.compile(
    r"/subscriptions/(?P<subscription>[^/\s?#%]+)/resourceGroups/(?P<group>[^/\s?#%]+)"
    r"/providers/Microsoft\.Web/sites/(?P<name>[^/\s?#%]+)",
    re.IGNORECASE,
)


class SiteId(NamedTuple):
    """The parts of a web app's ARM id, with the casing in which they were given."""

    subscription: str
    group: str
    name: str


def parse_resource_id(site_id: str) -> SiteId:
    """The parts of a web app's ARM id. The production slot's: an id that goes on with `/slots/` is none.

    Raises:
        NotFound: the text is no such id; nothing can be found under it.
    """
    found = _SITE.fullmatch(site_id)
    if found is None:
        raise NotFound(
            f"{site_id!r} is not the id of a web app; one looks like /subscriptions/<id>/resourceGroups/<name>"
            "/providers/Microsoft.Web/sites/<name>"
        )
    return SiteId(**found.groupdict())


class _Closable(Protocol):
    async def close(self) -> None: ...


class Clients[C: _Closable]:
    """Management clients over a lent session: one for each subscription, made when first needed.

    Args:
        make: the client's class.
        session: lent; closing the clients leaves it open.
        base_url: of Resource Manager, `https://management.azure.com`.
        audience: for whom tokens are asked; the same URL in public Azure.
        pace: shared by all who sign in as the same identity; one of their own when none is given.
    """

    def __init__(
        self,
        make: Callable[..., C],
        credential: AsyncTokenCredential,
        session: aiohttp.ClientSession,
        *,
        base_url: str,
        audience: str,
        pace: Pace | None = None,
    ) -> None:
        self._make = make
        self._pace = pace or Pace()
        self._credential = credential
        self._session = session
        self._base_url = base_url.rstrip("/")
        self._scope = f"{audience.rstrip('/')}/.default"
        self._made: dict[str, C] = {}

    def of(self, subscription: str) -> C:
        """The client of a subscription, whose id may come in any casing."""
        at = subscription.lower()
        if at not in self._made:
            self._made[at] = self._make(self._credential, subscription, **self._options())
        return self._made[at]

    async def aclose(self) -> None:
        """Close the clients."""
        made, self._made = self._made, {}
        for client in made.values():
            await client.close()

    def _options(self) -> dict[str, Any]:
        return {
            "base_url": self._base_url,
            "credential_scopes": [self._scope],
            "transport": AioHttpTransport(session=self._session, session_owner=False),
            "retry_policy": _BoundedRetry(**RETRY),  # a new one each: a policy belongs to one pipeline
            "per_retry_policies": [PacePolicy(self._pace)],
            "user_agent": "counterpart",
            "logging_enable": False,  # bodies hold settings; only this option would log them
            "permit_redirects": False,  # and a redirect would carry them elsewhere
        }


class _BoundedRetry(AsyncRetryPolicy[Any, Any]):
    """Tries again unless the wait that is asked for is long: then the caller is told, and may come back."""

    def is_retry(self, settings: dict[str, Any], response: PipelineResponse[Any, Any]) -> bool:
        """The SDK's rule, which by itself would sleep any Retry-After in full."""
        wait = self.get_retry_after(response)
        return not (wait and wait > LONGEST_WAIT) and bool(super().is_retry(settings, response))


def once() -> dict[str, Any]:
    """Call options for a write that must be sent once at most: a lost answer may hide an effect.

    Two layers repeat requests by themselves. azure-core 1.41 stops at `retry_total=0`, even for a Retry-After;
    aiohttp 3.14 resends a PUT whose connection broke, unless a middleware stands between.
    """
    return {"retry_total": 0, "middlewares": (_unrepeated,)}


async def _unrepeated(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Raise a broken connection as the one class of its kind that aiohttp does not answer by sending again."""
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise  # never connected, so nothing was sent
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as broken:
        raise aiohttp.ClientConnectionError("the connection broke") from broken


@asynccontextmanager
async def asking(what: str, *, seconds: float = READ_DEADLINE, needs: str = "") -> AsyncIterator[None]:
    """One call of Resource Manager: our deadline around it, its failures turned into ours.

    App Service says that another operation holds a site in two ways: 409 (`Cannot modify this site because another
    operation is in progress`), and 429 without a `Retry-After` (`Cannot acquire exclusive lock to create, update or
    delete this site`; public reports, not checked on a live subscription). A quota's 429 always has a `Retry-After`.
    """
    try:
        async with within(seconds, what):
            with translated(what, needs=needs):
                try:
                    yield
                except ValueError as error:  # a 200 whose body is not JSON, as a proxy in between may send
                    raise Unavailable(f"{what}: the answer cannot be read") from Foreign(error)
    except (Conflict, Throttled) as error:
        if isinstance(error, Throttled) and error.retry_after is not None:
            raise
        raise Busy(f"{error}: another operation is in progress", retry_after=error.retry_after) from error


def text(value: object) -> str:
    """A model's field as plain text: the SDK gives known values as enumerations, unknown ones as text."""
    return str(getattr(value, "value", value)) if value is not None else ""
