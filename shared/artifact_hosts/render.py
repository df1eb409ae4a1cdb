"""A group's packages and the hosts, rendered as facts for JSON: names and reasons, never a URL. Pure."""

from typing import Any

from shared.artifact_hosts.choose import Choice, Exhausted, Held, Keep, Rotate
from shared.artifact_hosts.findings import runs
from shared.artifact_hosts.model import Check, Finding, HostState, Package, Packages, Watch
from shared.artifact_hosts.transitions import SENTENCES
from shared.groups.model import Group


def packages_facts(
    group: Group, row: Packages, choices: tuple[Choice, ...], findings: tuple[Finding, ...]
) -> dict[str, Any]:
    """A group's packages as plain facts."""
    by_region = {choice.region: choice for choice in choices}
    return {
        "group": group.name,
        "group_id": group.id,
        "state": row.state,
        "meaning": SENTENCES[row.state],
        "since": row.since,
        "reason": row.reason,
        "looked_at": row.looked_at,
        "regions": [
            {
                "region": use.region,
                "location": str(use.location) if use.location else None,
                "host": use.location.host if use.location else None,
                "channel": use.location.channel if use.location else None,
                "runs": runs(use),
                **_choice_facts(by_region.get(use.region)),
            }
            for use in row.uses
        ],
        "under_way": _under_way(row),
        "last_order": (
            {"at": row.outcome.at, "done": row.outcome.well, "reason": row.outcome.reason}
            if row.outcome
            else None
        ),
        "findings": [finding_facts(finding) for finding in findings],
        "history": [
            {"at": happening.at, "state": happening.state, "text": happening.text}
            for happening in row.history
        ],
    }


def _under_way(row: Packages) -> dict[str, Any] | None:
    if row.flight is not None:
        return {
            "work": row.flight.work,
            "region": row.flight.region,
            "phase": row.flight.phase,
            "since": row.flight.claimed_at,
            "by": row.flight.by or None,
        }
    if row.order is not None:
        return {
            "work": row.order.work,
            "region": row.order.regions[0],
            "phase": "ordered",
            "since": row.order.at,
            "by": row.order.by,
        }
    return None


def _choice_facts(choice: Choice | None) -> dict[str, Any]:
    match choice:
        case None:
            return {"choice": "keep", "reason": "not looked at yet", "to": None, "way_out": None}
        case Keep():
            return {"choice": "keep", "reason": choice.reason, "to": None, "way_out": None}
        case Rotate():
            return {"choice": "rotate", "reason": choice.reason, "to": str(choice.to), "way_out": None}
        case Exhausted():
            return {"choice": "exhausted", "reason": choice.reason, "to": None, "way_out": None}
        case Held():
            return {"choice": "held", "reason": choice.reason, "to": None, "way_out": choice.way_out}


def finding_facts(it: Finding) -> dict[str, Any]:
    """A finding as plain facts."""
    return {
        "kind": it.kind,
        "severity": it.severity,
        "region": it.region or None,
        "text": it.text,
        "way_out": it.way_out,
    }


def watch_facts(it: Watch, state: HostState) -> dict[str, Any]:
    """A watched location as plain facts."""
    return {
        "location": str(it.location),
        "id": it.location.id,
        "host": it.location.host,
        "channel": it.location.channel,
        "os": it.location.os,
        "state": state,
        "since": it.since,
        "good_since": it.good_since,
        "problem": it.problem,
        "checks": [
            {"at": one.at, "problem": one.problem, "millis": one.millis, "bytes_read": one.bytes_read}
            for one in it.glances
        ],
        "next_at": it.next_at,
        "package": package_facts(it.package),
        "certificate_until": it.certificate_until,
    }


def check_facts(it: Check) -> dict[str, Any]:
    """One check as plain facts."""
    return {
        "ok": it.ok,
        "problem": it.problem,
        "status": it.status,
        "package": package_facts(it.package),
        "certificate_until": it.certificate_until,
        "bytes_read": it.bytes_read,
        "millis": it.millis,
    }


def package_facts(it: Package | None) -> dict[str, Any] | None:
    """A package's identity as plain facts."""
    if it is None:
        return None
    return {"digest": it.digest, "members": it.members, "size": it.size, "newest_member": it.newest}
