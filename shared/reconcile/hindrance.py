"""What keeps a settings write away from a region which could not start again.

Every settings write restarts the app, and an app whose package host is down does not come back. settings_sync
knows no hosts and artifact_hosts no rollouts, so what the one must know of the other is looked up here.
"""

from shared.artifact_hosts.history import SHAKY, state_of
from shared.artifact_hosts.model import HostState
from shared.artifact_hosts.workflow import read_packages, watches_of
from shared.groups.model import Group
from shared.ports import Ports
from shared.settings import Settings


async def no_package(region: str, *, group: Group, ports: Ports, settings: Settings) -> str:
    """Why a restart would take the region down, or nothing. Two reads of the store."""
    row = await read_packages(ports.store, group.id)
    use = row.use(region) if row else None
    if use is None or use.location is None:
        return ""
    watch = (await watches_of((use.location,), ports.store)).get(use.location.id)
    if watch is None or state_of(watch, ports.clock.now(), settings.package_rules) is not HostState.DOWN:
        return ""
    return (
        f"{region} would be restarted without its package: {use.location} is down ({watch.problem or SHAKY}); "
        "it is written when it has another host"
    )
