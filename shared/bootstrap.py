"""The composition root: settings in, ports out. The only module that imports adapters.

An adapter, with the Azure library behind it, is imported when it is first used, so that `health` and an event that
is not ours never pay for a management library (the libraries' import costs are in the facts, section 4.1).
"""

import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from shared.clock import Compared, RandomIds, SystemClock
from shared.outbox import Channel
from shared.ports import Ports
from shared.settings import SYSTEM, Settings
from shared.store import Guarded, Store

if TYPE_CHECKING:
    import aiohttp
    from azure.core.credentials_async import AsyncTokenCredential

    from shared.adapters.app_service import AppService
    from shared.adapters.credentials import SignedIn
    from shared.adapters.event_grid_topic import EventGridTopic
    from shared.adapters.key_vault import KeyVaultCopies
    from shared.adapters.pace import Pace
    from shared.adapters.packages import HttpPackages
    from shared.adapters.probe import HttpProbes
    from shared.adapters.service import HttpService
    from shared.adapters.storage_queue import StorageQueueErrands
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
    from shared.adapters.audit_only import AuditOnly
    from shared.adapters.dns import DnsNames
    from shared.adapters.home_page import HttpHomePages
    from shared.adapters.http import comparing, open_session

    # The SDKs log every request at INFO; a timer that looks every minute would bury what matters.
    logging.getLogger("azure").setLevel(logging.WARNING)
    clock = SystemClock()
    compared = Compared(clock)
    dated = comparing(compared, [settings.arm_url, *re.findall(r"https?://[^;]+", settings.store)])
    session = open_session(settings.ca_bundle or None, settings.dns_servers, traces=[dated])
    credential = _Late(lambda: _credential(settings, session))
    pace = _Late(_pace)
    late = {
        "app_service": _Late(lambda: _app_service(settings, session, credential.made(), pace.made())),
        "store": _Late(lambda: _store(settings, session, credential)),
        "profiles": _Late(lambda: _profiles(settings, session, credential.made(), pace.made())),
        "copies": _Late(lambda: _copies(settings, session, credential.made())),
        "packages": _Late(lambda: _packages(settings, clock)),
        "probes": _Late(lambda: _probes(settings, session, clock)),
        "service": _Late(lambda: _service(settings, session, clock)),
        "topic": _Late(lambda: _topic(settings, session, credential.made())),
        "identity": _Late(lambda: _identity(settings, credential.made())),
        "errands": _Late(lambda: _errands(settings, session, credential)),
    }
    if closing is not None:
        closing.push_async_callback(session.close)
        for item in (credential, *late.values()):
            closing.push_async_callback(item.aclose)
    app_service = cast("AppService", late["app_service"])
    endpoints = cast("TrafficManagerProfiles", late["profiles"])
    barred = AuditOnly(endpoints) if settings.audit_only else None
    return Ports(
        clock=clock,
        ids=RandomIds(),
        store=Guarded(cast("Store", late["store"]), compared),
        profiles=cast("TrafficManagerProfiles", late["profiles"]),
        sites=app_service,
        probes=cast("HttpProbes", late["probes"]),
        settings_reads=app_service,
        settings_writes=barred or app_service,
        copies=cast("KeyVaultCopies", late["copies"]),
        control=barred or app_service,
        packages=cast("HttpPackages", late["packages"]),
        pages=HttpHomePages(session),
        endpoints=barred or endpoints,
        names=DnsNames(settings.dns_servers, clock),
        resolvers={
            name: DnsNames(settings.dns_servers if name == SYSTEM else (name,), clock)
            for name in settings.drill_resolvers
        },
        service=cast("HttpService", late["service"]),
        channels=_channels(settings, session, cast("EventGridTopic", late["topic"])),
        compared=compared,
        identity=cast("SignedIn", late["identity"]),
        errands=cast("StorageQueueErrands", late["errands"]) if settings.queue is not None else None,
    )


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Ports]:
    """The ports for as long as the block runs: for the command line and tests."""
    async with AsyncExitStack() as closing:
        yield connect(settings, closing=closing)


def _credential(settings: Settings, session: "aiohttp.ClientSession") -> "AsyncTokenCredential":
    from shared.adapters.credentials import open_credential

    return open_credential(session, arm_url=settings.arm_url)


def _identity(settings: Settings, credential: "AsyncTokenCredential") -> "SignedIn":
    from shared.adapters.credentials import SignedIn

    return SignedIn(credential, audience=settings.arm_url)


def _service(settings: Settings, session: "aiohttp.ClientSession", clock: SystemClock) -> "HttpService":
    from shared.adapters.http import resolver
    from shared.adapters.service import HttpService

    return HttpService(session, resolver(settings.dns_servers), clock)


def _pace() -> "Pace":
    from shared.adapters.pace import Pace

    return Pace()


def _app_service(
    settings: Settings,
    session: "aiohttp.ClientSession",
    credential: "AsyncTokenCredential",
    pace: "Pace",
) -> "AppService":
    from shared.adapters.app_service import AppService

    return AppService(credential, session, base_url=settings.arm_url, audience=settings.arm_url, pace=pace)


def _profiles(
    settings: Settings,
    session: "aiohttp.ClientSession",
    credential: "AsyncTokenCredential",
    pace: "Pace",
) -> "TrafficManagerProfiles":
    from shared.adapters.traffic_manager import TrafficManagerProfiles

    return TrafficManagerProfiles(
        credential, session, base_url=settings.arm_url, audience=settings.arm_url, pace=pace
    )


def _copies(
    settings: Settings, session: "aiohttp.ClientSession", credential: "AsyncTokenCredential"
) -> "KeyVaultCopies":
    from shared.adapters.key_vault import KeyVaultCopies

    return KeyVaultCopies(settings.vault_url, credential, session)


def _packages(settings: Settings, clock: SystemClock) -> "HttpPackages":
    from shared.adapters.http import resolver, trust
    from shared.adapters.packages import HttpPackages

    return HttpPackages(
        resolver(settings.dns_servers),
        clock,
        trust=trust(settings.ca_bundle or None),
        networks=settings.package_networks,
    )


def _probes(settings: Settings, session: "aiohttp.ClientSession", clock: SystemClock) -> "HttpProbes":
    from shared.adapters.http import resolver
    from shared.adapters.probe import HttpProbes  # with a library that reads certificates

    return HttpProbes(session, clock, resolver=resolver(settings.dns_servers))


def _channels(
    settings: Settings, session: "aiohttp.ClientSession", topic: "EventGridTopic"
) -> dict[str, Channel]:
    """The ways to tell that are configured, by the names under which the outbox keeps them."""
    from shared.adapters.webhook import JsonWebhook, TeamsWebhook

    found: dict[str, Channel] = {}
    if settings.teams_webhook is not None:
        found["teams"] = TeamsWebhook(session, settings.teams_webhook)
    if settings.webhook is not None:
        found["webhook"] = JsonWebhook(session, settings.webhook)
    if settings.event_grid_topic:
        found["event-grid"] = topic
    return found


def _topic(
    settings: Settings, session: "aiohttp.ClientSession", credential: "AsyncTokenCredential"
) -> "EventGridTopic":
    from shared.adapters.event_grid_topic import EventGridTopic

    return EventGridTopic(settings.event_grid_topic, credential, session)


def _errands(
    settings: Settings, session: "aiohttp.ClientSession", credential: _Late
) -> "StorageQueueErrands":
    from shared.adapters.storage_queue import open_errands

    assert settings.queue is not None  # noqa: S101 -- asked before
    return open_errands(settings.queue.reveal(), session, credential.made)


def _store(settings: Settings, session: "aiohttp.ClientSession", credential: _Late) -> Store:
    if settings.store.startswith("sqlite:"):
        from shared.adapters.sqlite import SqliteStore

        return SqliteStore(settings.store.removeprefix("sqlite:"))
    from shared.adapters.tables import open_tables

    return open_tables(settings.store, session, credential.made)
