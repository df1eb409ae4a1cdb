"""The precondition of a settings write: the region must be able to start again.

Every settings write restarts the app, and an app whose package host is down does not come back. settings_sync
knows no hosts and artifact_hosts no rollouts, so what the one must know of the other is looked up here.
"""

from collections.abc import Mapping

from shared.artifact_hosts.catalogue import BROKEN
from shared.artifact_hosts.history import SHAKY, state_of
from shared.artifact_hosts.model import HostState, Origin
from shared.artifact_hosts.workflow import read_packages, watches_of
from shared.groups.model import Group, Health, State
from shared.ports import Ports
from shared.settings import Settings


async def no_package(
    region: str, health: Mapping[str, Health], *, group: Group, ports: Ports, settings: Settings
) -> str:
    """Return why a restart would take the region down, or nothing. Two reads of the store.

    A region that is down may always be written: the restart makes nothing worse, and it must not wait for itself.
    """
    if (seen := health.get(region)) is not None and seen.state is State.DOWN:
        return ""
    row = await read_packages(ports.store, group.id)
    use = row.use(region) if row else None
    if use is None or use.location is None:
        return ""
    if use.location.origin is Origin.BROKEN:
        return f"{region} would not start again: {BROKEN[use.location.channel]}"
    watch = (await watches_of((use.location,), ports.store)).get(use.location.id)
    if watch is None or state_of(watch, ports.clock.now(), settings.package_rules) is not HostState.DOWN:
        return ""
    return (
        f"{region} would be restarted without its package: {use.location} is down ({watch.problem or SHAKY}); "
        "it is written when it has another host"
    )
