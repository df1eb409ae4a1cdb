"""Starts and stops the simulated cloud: the world, and one face for each service in `SERVICES`."""

import contextlib
import tempfile
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from simulator.premises import Premises
from simulator.services import (
    admin,
    artifact_hosts,
    azure_monitor,
    dns,
    event_grid,
    event_grid_topic,
    key_vault,
    resource_manager,
    scepman,
    sign_in,
    traffic_manager,
    webhook,
)
from simulator.world import World

# One entry per service: an async context manager over the premises, open while the cloud runs.
# They start in this order and stop in the reverse order. A new service is one more line.
type Service = Callable[[Premises], AbstractAsyncContextManager[None]]
SERVICES: tuple[Service, ...] = (
    sign_in.serve,
    resource_manager.serve,
    key_vault.serve,
    artifact_hosts.serve,
    scepman.serve,
    dns.serve,
    traffic_manager.serve,
    event_grid.serve,
    webhook.serve,
    event_grid_topic.serve,
    azure_monitor.serve,
    admin.serve,
)


class Cloud(Premises):
    """The premises with every service running: `async with Cloud(world) as cloud`. Loopback only.

    Its files (CA bundle, the product's SQLite store) lie in `directory`, or in a temporary one that goes
    with it.
    """

    def __init__(self, world: World, *, directory: Path | None = None) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="cloud-") if directory is None else None
        super().__init__(world, Path(self._temporary.name) if self._temporary else Path(directory or "."))
        self._open = contextlib.AsyncExitStack()
        world.use_port(self.https_port)

    async def __aenter__(self) -> Self:
        """Start every service; when one cannot start, stop the others and raise."""
        if self._temporary:
            self._open.enter_context(self._temporary)
        try:
            for serve in SERVICES:
                await self._open.enter_async_context(serve(self))
        except BaseException:
            await self._open.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop every service."""
        await self._open.aclose()
