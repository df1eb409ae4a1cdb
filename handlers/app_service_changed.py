"""When App Service says that a site changed, we look at that site's group at once.

Never acts on what the event says beyond which site to look at; that the site was stopped or restarted is noted, as
evidence should it fail. Safe to repeat because looking twice at the same settings changes nothing; what was looked at
since is not read again, and a burst of events is one or two rounds. Safe to lose because the timer sweeps. An event
that is not ours, or that cannot be read, is acknowledged and logged: delivering it again would not help.
"""

import logging

from shared.events.app_service import Kind, parse
from shared.ports import Ports
from shared.reconcile import incidents
from shared.reconcile import workflow as reconcile
from shared.settings import Settings

log = logging.getLogger(__name__)


async def handle(event: str, *, ports: Ports, settings: Settings) -> None:
    """Look at the group of the site that the event names."""
    signal = parse(event)
    found = await ports.directory.group_of(signal.site_id, settings.scope)
    if found is None:
        log.info("event %s: %s is in no group of ours", signal.id, signal.site_id)
        return
    profile, read_at = found
    log.info("event %s: %s %s", signal.id, signal.site_id.rsplit("/", 1)[-1], signal.kind)
    restarts = {Kind.SETTINGS, Kind.RESTARTED}  # a change of settings restarts the app too
    restarted = signal.site_id if signal.kind in restarts else ""
    doorbell = signal.kind is Kind.SETTINGS and not await reconcile.looked_since(profile, signal.at, ports)
    if signal.kind in {Kind.RESTARTED, Kind.STOPPED}:
        await incidents.happened(signal, profile, ports, settings)
    await ports.doorbells.join(
        (profile.id.lower(), doorbell, restarted),
        lambda: reconcile.rung(
            profile, ports, settings, doorbell=doorbell, restarted=restarted, read_at=read_at
        ),
    )
