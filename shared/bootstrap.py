"""The composition root: settings in, ports out. The only module that imports adapters.

An adapter, with the Azure library behind it, is imported when it is first used, so that `health` and an event that
is not ours never pay for a management library (the libraries' import costs are in the facts, section 4.1).
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from shared.clock import RandomIds, SystemClock
from shared.ports import Ports
from shared.settings import Settings
from shared.store import Store

if TYPE_CHECKING:
    import aiohttp
    from azure.core.credentials_async import AsyncTokenCredential

    from shared.adapters.app_service import AppService
    from shared.adapters.key_vault import KeyVaultCopies
    from shared.adapters.traffic_manager import TrafficManagerProfiles


class _Late:
    """Stands for an adapter until it is first used."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._made: Any = None

    def made(self) -> Any:
        """The adapter, made now if it was not."""
        if self._made is None:
            self._made = self._make()
        return self._made

    def __getattr__(self, name: str) -> Any:
        return getattr(self.made(), name)

    async def aclose(self) -> None:
        """Close the adapter if it was ever made and can be closed."""
        for name in ("aclose", "close"):
            if hasattr(self._made, name):
                await getattr(self._made, name)()
                return


def connect(settings: Settings, *, closing: AsyncExitStack | None = None) -> Ports:
    """Make the ports. Call it where an event loop runs. `closing` is given what is to be closed at the end."""
    from shared.adapters.http import open_session
    from shared.adapters.probe import HttpProbes

    session = open_session(settings.ca_bundle or None, settings.dns_servers)
    clock = SystemClock()
    credential = _Late(lambda: _credential(settings, session))
    late = {
        "app_service": _Late(lambda: _app_service(settings, session, credential.made())),
        "store": _Late(lambda: _store(settings, session, credential)),
        "profiles": _Late(lambda: _profiles(settings, session, credential.made())),
        "copies": _Late(lambda: _copies(settings, session, credential.made())),
    }
    if closing is not None:
        closing.push_async_callback(session.close)
        for it in (credential, *late.values()):
            closing.push_async_callback(it.aclose)
    app_service = cast("AppService", late["app_service"])
    return Ports(
        clock=clock,
        ids=RandomIds(),
        store=cast("Store", late["store"]),
        profiles=cast("TrafficManagerProfiles", late["profiles"]),
        sites=app_service,
        probes=HttpProbes(session, clock),
        settings_reads=app_service,
        settings_writes=app_service,
        copies=cast("KeyVaultCopies", late["copies"]),
    )


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Ports]:
    """The ports for as long as the block runs: for the command line and tests."""
    async with AsyncExitStack() as closing:
        yield connect(settings, closing=closing)


def _credential(settings: Settings, session: "aiohttp.ClientSession") -> "AsyncTokenCredential":
    from shared.adapters.credentials import open_credential

    return open_credential(session, arm_url=settings.arm_url)


def _app_service(
    settings: Settings, session: "aiohttp.ClientSession", credential: "AsyncTokenCredential"
) -> "AppService":
    from shared.adapters.app_service import AppService

    return AppService(credential, session, base_url=settings.arm_url, audience=settings.arm_url)


def _profiles(
    settings: Settings, session: "aiohttp.ClientSession", credential: "AsyncTokenCredential"
) -> "TrafficManagerProfiles":
    from shared.adapters.traffic_manager import TrafficManagerProfiles

    return TrafficManagerProfiles(credential, session, base_url=settings.arm_url, audience=settings.arm_url)


def _copies(
    settings: Settings, session: "aiohttp.ClientSession", credential: "AsyncTokenCredential"
) -> "KeyVaultCopies":
    from shared.adapters.key_vault import KeyVaultCopies

    return KeyVaultCopies(settings.vault_url, credential, session)


def _store(settings: Settings, session: "aiohttp.ClientSession", credential: _Late) -> Store:
    if settings.store.startswith("sqlite:"):
        from shared.adapters.sqlite import SqliteStore

        return SqliteStore(settings.store.removeprefix("sqlite:"))
    from shared.adapters.tables import open_tables

    return open_tables(settings.store, session, credential.made)
