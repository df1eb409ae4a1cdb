"""The status of a group on two axes that are never merged: in step? healthy? Reads rows only.

Nothing here asks Azure, so that it answers in an outage too. What needs a person is named, each with its reason.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import msgspec

from shared.artifact_hosts import model as packages
from shared.artifact_hosts.workflow import read_packages
from shared.drills.workflow import running
from shared.groups.model import Group, Health
from shared.groups.model import State as HealthState
from shared.groups.workflow import Watched, watched_key
from shared.incidents.card import subject
from shared.incidents.explain import cause_name
from shared.incidents.model import Incident
from shared.incidents.workflow import hold_of, recent
from shared.outbox import Letter, waiting
from shared.ports import Ports
from shared.settings import Settings
from shared.settings_sync.advice import Advice, advise
from shared.settings_sync.model import Rollout, State
from shared.settings_sync.render import advice_facts
from shared.settings_sync.transitions import dropped
from shared.settings_sync.workflow import FOREIGN, read_rollout
from shared.store import read, readable
from shared.words import moment

SILENT: Final = timedelta(minutes=5)  # without a look, after which nothing that a row says counts as so


class Answer(StrEnum):
    """The answer on one axis."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Axis(msgspec.Struct, frozen=True):
    """One axis: the answer, and the sentence that says why."""

    answer: Answer
    text: str


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One group as its rows have it."""

    group: str
    group_id: str
    in_step: Axis
    healthy: Axis
    health: Mapping[str, Health]
    rollout: Rollout | None
    advice: Advice
    incidents: tuple[Incident, ...] = ()  # open ones, the worst first
    drill: str = ""  # what a running drill does
    hold: str = ""  # what a failback hold does
    attention: tuple[str, ...] = ()  # why a person is needed; none: nobody is


async def summarize(group_id: str, ports: Ports, settings: Settings) -> Summary:
    """Read where a group is. Raises Unavailable, Throttled, Unreadable: its rows cannot be read."""
    store, now = ports.store, ports.clock.now()
    rollout = await read_rollout(store, group_id)
    watched, _ = await read(store, watched_key(group_id), Watched)
    health = dict(watched.health) if watched is not None else {}
    row = await read_packages(store, group_id)
    opened = [incident for incident in await recent(group_id, store, settings.incidents) if incident.open]
    opened.sort(key=lambda it: (it.severity, it.started))
    drill, hold = await running(group_id, store), await hold_of(group_id, store)
    name = group_id.rsplit("/", 1)[-1]
    silent = _silent(health, now)
    in_step, healthy = _in_step(rollout, silent), _healthy(health, silent)
    return Summary(
        group=name,
        group_id=group_id,
        in_step=in_step,
        healthy=healthy,
        health=health,
        rollout=rollout,
        advice=advise(name, sorted(health), rollout, health),
        incidents=tuple(opened),
        drill=f"{drill.id}: {drill.region} is {drill.state}: {drill.reason}" if drill is not None else "",
        hold=f"{hold.region} is kept out of DNS since {moment(hold.since)}: {hold.phase}"
        if hold is not None
        else "",
        attention=(
            *((ports.wrong_clock,) if ports.wrong_clock else ()),
            *((f"settings and packages are held: {FOREIGN}",) if _is_foreign(rollout, settings) else ()),
            *_attention(rollout, silent, opened, row.reason if row and row.state in _STUCK else ""),
        ),
    )


async def advice_for(group: Group, rollout: Rollout | None, ports: Ports) -> Advice:
    """Return what can be done about the group's settings now, by its regions' health as last seen."""
    watched, _ = await read(ports.store, watched_key(group.id), Watched)
    names = [region.name for region in group.regions]
    return advise(group.name, names, rollout, watched.health if watched is not None else {})


async def seen_groups(ports: Ports) -> tuple[str, ...]:
    """The ids of the groups that were ever looked at, for when Azure does not say which there are."""
    return tuple([row.profile_id async for row, _ in readable(ports.store, "watched/", Watched)])


async def undelivered(ports: Ports) -> tuple[Letter, ...]:
    """Messages that a channel refused, that were given up, or of which nobody knows whether they came."""
    return tuple(message for message in await waiting(ports.store) if message.problem)


_STUCK: Final = frozenset({packages.State.HELD, packages.State.EXHAUSTED})


def _silent(health: Mapping[str, Health], now: datetime) -> str:
    """Return why what the rows say is not known to be so any more; empty: it is."""
    if not health:
        return "never looked at: is the function app running?"
    if min(item.age(now) for item in health.values()) < SILENT:
        return ""
    if all(item.is_ahead(now) for item in health.values()):
        return "what is known of it is dated later than now: is a clock wrong?"
    last = max(item.as_of for item in health.values())
    return f"not looked at since {moment(last)}: is the function app running?"


def _in_step(rollout: Rollout | None, silent: str) -> Axis:
    if silent or rollout is None:
        return Axis(Answer.UNKNOWN, silent or "the settings were not compared yet")
    if rollout.unread is not None:
        return Axis(Answer.UNKNOWN, rollout.reason)
    answer = Answer.YES if rollout.state is State.CONVERGED else Answer.NO
    return Axis(answer, f"{rollout.state}: {rollout.reason}")


def _healthy(health: Mapping[str, Health], silent: str) -> Axis:
    if silent:
        return Axis(Answer.UNKNOWN, silent)
    well = [name for name, item in health.items() if item.state is HealthState.HEALTHY]
    text = f"{len(well)} of {len(health)} regions are healthy"
    if len(well) == len(health):
        return Axis(Answer.YES, text)
    down = [name for name, item in health.items() if item.state is HealthState.DOWN]
    if not down:
        return Axis(Answer.UNKNOWN, text)
    return Axis(Answer.NO, f"{text}; {', '.join(sorted(down))} down")


def _is_foreign(rollout: Rollout | None, settings: Settings) -> bool:
    ours = {
        fingerprint_key.id
        for fingerprint_key in (settings.secret, settings.previous)
        if fingerprint_key is not None
    }
    return rollout is not None and rollout.key_id not in ours


def _attention(
    rollout: Rollout | None, silent: str, opened: Sequence[Incident], packages_stuck: str
) -> list[str]:
    found = [silent] if silent else []
    found += [
        f"incident {incident.id}, severity {int(incident.severity)}: "
        f"{subject(incident)}: {cause_name(incident.cause)}"
        for incident in opened
    ]
    if rollout is not None and rollout.state in {State.HELD, State.CONTAINED}:
        found.append(f"settings are {rollout.state}: {rollout.reason}")
        found += dropped(rollout)
    elif rollout is not None and rollout.unread is not None and rollout.unread.is_proof:
        found.append(f"settings cannot be read: {rollout.reason}")
    if packages_stuck:
        found.append(f"packages: {packages_stuck}")
    return found


def summary_facts(summary: Summary) -> dict[str, Any]:
    """A summary as plain facts: key names and reasons, never a value."""
    rollout = summary.rollout
    return {
        "group": summary.group,
        "group_id": summary.group_id,
        "in_step": {"answer": summary.in_step.answer, "text": summary.in_step.text},
        "healthy": {"answer": summary.healthy.answer, "text": summary.healthy.text},
        "attention": list(summary.attention),
        "state": rollout.state if rollout else None,
        "since": rollout.since if rollout else None,
        "looked_at": rollout.looked_at if rollout else None,
        "fingerprint": rollout.plan.fingerprint if rollout and rollout.plan else None,
        **advice_facts(summary.advice),
        "regions": [
            {
                "region": name,
                "state": health.state,
                "since": health.since,
                "seen": health.at,
                "reason": health.reason,
                "ca_sha256": health.scep.ca_sha256 if health.scep else None,
            }
            for name, health in sorted(summary.health.items())
        ],
        "incidents": [
            {
                "id": incident.id,
                "severity": int(incident.severity),
                "about": subject(incident),
                "cause": incident.cause,
            }
            for incident in summary.incidents
        ],
        "drill": summary.drill or None,
        "hold": summary.hold or None,
    }


def letter_facts(letter: Letter) -> dict[str, object]:
    """A message that was not delivered, as plain facts."""
    return {
        "id": letter.id,
        "channel": letter.channel,
        "title": letter.card.title,
        "tries": letter.tries,
        "problem": letter.problem,
        "given_up": letter.given_up_at,
        "perhaps_delivered": letter.perhaps_delivered_at,
    }
