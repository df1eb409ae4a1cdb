"""A plan: the merge's decisions under one fingerprint, and the rules by which it refuses itself. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from shared.errors import UnsafePlan
from shared.settings_sync import limits
from shared.settings_sync.fingerprint import digest
from shared.settings_sync.model import Action, Decision, Plan, Refusal, Side, Verdict, VerdictKind, counted
from shared.settings_sync.policy import KeyClass, Policy, concrete
from shared.settings_sync.spelling import Untranslatable, is_connection, spell

BRAKE_FROM = 10  # keys; below this a share says little
LIFTED = frozenset(
    {"identity", "brake", "undone"}
)  # the rules that an approval lifts; no word lifts the others
BRAKE_SHARE = 0.30  # octoDNS stops at the same share of a zone's records

TIDY = "remove all spellings but one in that region, then look at the plan again"
_RENAME = "change it where it is, take another region's value, or make it local in the policy file"
_APPROVE = "look at the difference, then: counterpart apply --fingerprint {fingerprint} --reason TEXT"
_TAKE = "say which region is right: counterpart resolve --take REGION (--key KEY, or --all) --reason TEXT"


def plan(
    decisions: Sequence[Decision],
    sides: Sequence[Side],
    *,
    policy: Policy,
    verdicts: Iterable[Verdict] = (),
    undone: Collection[str] = (),
) -> Plan:
    """Put the decisions under a fingerprint and let the plan refuse itself where a rule says so.

    `undone` are states of keys whose rollout was undone. An earlier approval does not count for them: the caller
    takes a state out of `undone` when a person says so.
    """
    told = tuple(
        decision for decision in decisions if decision.action not in {Action.AGREE, Action.KEEP_LOCAL}
    )
    told = _stopped(told, sides, policy)
    # The fingerprint stands for what was seen and what would be done, so that an approval fits nothing else.
    print_ = digest(
        [
            (decision.key, decision.action, decision.state, decision.sources, decision.targets)
            for decision in told
        ]
    )
    approved = {
        (verdict.key, verdict.state)
        for verdict in verdicts
        if verdict.kind in {VerdictKind.APPROVE, VerdictKind.TAKE, VerdictKind.FORCE}
    }
    changes = [decision for decision in told if decision.action in {Action.TAKE, Action.DELETE}]
    unapproved = [change for change in changes if (change.key, change.state) not in approved]
    total = sum(1 for decision in decisions if decision.action is not Action.KEEP_LOCAL)
    there = {
        key for side in sides for key in side.entries
    }  # a key that all have deleted is not one to agree in
    refusals = (
        *_ambiguous(told),
        *_conflicts(told),
        *_identity(unapproved, policy),
        *_undone(changes, undone),
        *_brake(unapproved, changes, total),
        *_cannot_travel(told),
    )
    return Plan(
        fingerprint=print_,
        decisions=told,
        refusals=tuple(_addressed(refusal, print_) for refusal in refusals),
        agreed=sum(1 for decision in decisions if decision.action is Action.AGREE and decision.key in there),
        local=sum(1 for decision in decisions if decision.action is Action.KEEP_LOCAL),
    )


def _addressed(refusal: Refusal, print_: str) -> Refusal:
    way_out = refusal.way_out.replace("{fingerprint}", print_)
    return msgspec.structs.replace(refusal, way_out=way_out)


def _ambiguous(told: Sequence[Decision]) -> Iterable[Refusal]:
    for decision in told:
        if decision.action is Action.AMBIGUOUS:
            yield Refusal(
                rule="ambiguous",
                keys=(decision.key,),
                text=f"{decision.key}: {decision.reason}",
                way_out=TIDY,
                alone=True,
            )


def _conflicts(told: Sequence[Decision]) -> Iterable[Refusal]:
    conflicts = [decision for decision in told if decision.action is Action.CONFLICT]
    first = [conflict for conflict in conflicts if conflict.first_contact]
    later = [conflict for conflict in conflicts if not conflict.first_contact]
    if first:
        yield Refusal(
            rule="first-contact",
            keys=tuple(decision.key for decision in first),
            text=f"different at first contact, with no common past: {counted(len(first))}",
            way_out=_TAKE,
        )
    if later:
        yield Refusal(
            rule="conflict",
            keys=tuple(decision.key for decision in later),
            text=f"changed differently in several regions: {counted(len(later))}",
            way_out=_TAKE,
        )


def _identity(unapproved: Sequence[Decision], policy: Policy) -> Iterable[Refusal]:
    keys = tuple(
        decision.key
        for decision in unapproved
        if policy.rule_for(decision.key).key_class is KeyClass.IDENTITY
    )
    if keys:
        yield Refusal(
            rule="identity",
            keys=keys,
            text=f"says which certificate authority, storage or tenant this is: {counted(len(keys))}",
            way_out=_APPROVE,
        )


def _undone(changes: Sequence[Decision], undone: Collection[str]) -> Iterable[Refusal]:
    keys = tuple(change.key for change in changes if change.state in undone)
    if keys:
        yield Refusal(
            rule="undone",
            keys=keys,
            text=f"written once and put back, because the region did not come back: {counted(len(keys))}",
            way_out=f"change them at their source, or {_APPROVE}",
        )


def _brake(unapproved: Sequence[Decision], changes: Sequence[Decision], total: int) -> Iterable[Refusal]:
    if unapproved and total >= BRAKE_FROM and len(changes) > BRAKE_SHARE * total:
        share = f"{len(changes) / total:.0%}; the brake is {BRAKE_SHARE:.0%}"
        yield Refusal(
            rule="brake",
            keys=tuple(change.key for change in changes),
            text=f"{len(changes)} of {total} keys would change ({share})",
            way_out=_APPROVE,
        )


def _stopped(told: Sequence[Decision], sides: Sequence[Side], policy: Policy) -> tuple[Decision, ...]:
    """The decisions, with those changes marked that cannot be written to one of their targets."""
    by_region = {side.region.name: side for side in sides}
    changes = [decision for decision in told if decision.action in {Action.TAKE, Action.DELETE}]
    why_not = {
        change.key: problem
        for change in changes
        if (
            problem := "; ".join(
                sorted({_obstacle(change, by_region, name, policy) for name in change.targets} - {""})
            )
        )
    }
    why_not |= _too_long([change for change in changes if change.key not in why_not], by_region)
    return tuple(
        msgspec.structs.replace(
            decision, action=Action.CANNOT_TRAVEL, reason=f"{decision.reason}; {why_not[decision.key]}"
        )
        if decision.key in why_not
        else decision
        for decision in told
    )


def _too_long(changes: Sequence[Decision], by_region: Mapping[str, Side]) -> Mapping[str, str]:
    """Every change that makes a target longer, where all of them together are too long for it.

    Which of them should rather go is nobody's guess. What makes it shorter travels, and then more may fit.
    """
    found: dict[str, str] = {}
    for name in sorted({name for change in changes for name in change.targets}):
        growth = {
            change.key: more
            for change in changes
            if name in change.targets
            if (more := _growth(change, by_region, name)) > 0
        }
        if problem := limits.too_long(name, by_region[name].size + sum(growth.values())):
            found |= dict.fromkeys(growth, problem)
    return found


def _growth(change: Decision, by_region: Mapping[str, Side], target: str) -> int:
    """Return how many bytes longer the target gets by it."""
    old, new = by_region[target].entries.get(change.key), by_region[change.sources[0]].entries.get(change.key)
    return (new.size if new else 0) - (old.size if old else 0)


def _cannot_travel(told: Sequence[Decision]) -> Iterable[Refusal]:
    for decision in told:
        if decision.action is Action.CANNOT_TRAVEL:
            text = f"{decision.key} cannot travel to {', '.join(decision.targets)}: {decision.reason}"
            yield Refusal(rule="cannot-travel", keys=(decision.key,), text=text, way_out=_RENAME, alone=True)


def _obstacle(decision: Decision, by_region: Mapping[str, Side], target: str, policy: Policy) -> str:
    """Why this key cannot be written to that region from every region that it may be taken from, or nothing."""
    if decision.action is Action.DELETE:
        return ""
    sources = (by_region[name] for name in decision.sources)
    return next(
        (it for source in sources if (it := _between(decision.key, source, by_region[target], policy))), ""
    )


def _between(key: str, source: Side, target: Side, policy: Policy) -> str:
    entry = source.entries[key]
    if entry.obstacle:
        return f"in {source.region.name} {entry.obstacle}"
    rule = policy.rule_for(key)
    if rule.key_class is KeyClass.TRANSLATED:
        try:
            concrete(("",) * rule.template.count("*"), rule.template, target.region)
        except UnsafePlan as error:
            return str(error)
    if is_connection(key):
        return ""
    name = spelling(key, source, target)
    return name.reason if isinstance(name, Untranslatable) else ""


def spelling(key: str, source: Side, target: Side) -> str | Untranslatable:
    """The name under which the target has, or is to have, a key of the source."""
    return spell(
        key,
        source_name=source.entries[key].name,
        source_os=source.region.os,
        target_os=target.region.os,
        target_names={name: entry.name for name, entry in target.entries.items()},
    )
