"""When Azure Monitor says that Traffic Manager's probes lost or found an endpoint, we take that into its incident.

Answers 2xx only when the signal is safely in the store, and 503 when it is not: the action group tries 503 again and
drops everything else (facts: action groups). Then we look at the group at once; what goes wrong there is the
timer's to repeat, since the signal is safe. Never opens an incident for a group that is not ours. Safe to repeat and
to come late, because an alert is a fact with its own time and id.
"""

import asyncio
import logging
from datetime import datetime, timedelta

from handlers._edge import Answer, Asked
from shared.errors import AppError, BadEvent
from shared.events.azure_monitor import Alert, parse
from shared.groups.model import Profile
from shared.ports import Ports
from shared.reconcile import incidents
from shared.reconcile import workflow as reconcile
from shared.settings import Settings
from shared.words import moment

log = logging.getLogger(__name__)

LOOK_WITHIN = 7.0  # seconds for the look after: action groups do not wait much longer for an answer
LATEST = timedelta(hours=2)  # an alert from before that says nothing about now
AHEAD = timedelta(minutes=10)  # more than a clock goes wrong


async def handle(asked: Asked, *, ports: Ports, settings: Settings) -> Answer:
    """Take the alert in, then look at its group."""
    alert = parse(asked.body)
    began = ports.clock.now()
    _refuse_strange_times(alert, began)
    taken = await incidents.alert(alert, ports, settings)
    if not taken.groups:
        log.info("alert %s is about no group of ours", alert.id)
        return Answer(200, {"status": "ignored", "why": "the profile is no group of ours"})
    log.info("alert %s: %s %s", alert.id, ", ".join(taken.groups), alert.condition)
    await _look(taken.profiles, began, ports, settings)
    return Answer(200, {"status": "taken", "groups": taken.groups, "incidents": taken.incidents})


def _refuse_strange_times(alert: Alert, now: datetime) -> None:
    if alert.at > now + AHEAD:
        raise BadEvent(f"the alert is from the future: {moment(alert.at)}")
    if alert.at < now - LATEST:
        raise BadEvent(f"the alert is too old to say anything: {moment(alert.at)}")


async def _look(profiles: tuple[Profile, ...], read_at: datetime, ports: Ports, settings: Settings) -> None:
    """A look at each; not at the cost of the answer."""
    try:
        async with asyncio.timeout(LOOK_WITHIN):
            for profile in profiles:
                await reconcile.look(profile, ports, settings, read_at=read_at)
    except (AppError, TimeoutError) as error:
        log.warning("the look after an alert is left to the timer: %s: %s", type(error).__name__, error)
    except Exception:  # the signal is safe, and a 500 would only drop the next ones
        log.exception("the look after an alert failed, which nobody foresaw")
