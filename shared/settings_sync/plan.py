"""A plan: the merge's decisions under one fingerprint, and the rules by which it refuses itself. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from shared.errors import UnsafePlan
from shared.settings_sync.diff import CONNECTION
from shared.settings_sync.fingerprint import digest
from shared.settings_sync.model import Action, Decision, Plan, Refusal, Side, Verdict, VerdictKind, counted
from shared.settings_sync.policy import KeyClass, Policy, concrete
from shared.settings_sync.spelling import Untranslatable, spell

BRAKE_FROM = 10  # keys; below this a share says little
LIFTED = frozenset(
    {"identity", "brake", "undone"}
)  # the rules that an approval lifts; no word lifts the others
BRAKE_SHARE = 0.30  # octoDNS stops at the same share of a zone's records

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
    told = tuple(it for it in decisions if it.action not in {Action.AGREE, Action.KEEP_LOCAL})
    # The fingerprint stands for what was seen and what would be done, so that an approval fits nothing else.
    print_ = digest([(it.key, it.action, it.state, it.sources, it.targets) for it in told])
    approved = {
        (it.key, it.state)
        for it in verdicts
        if it.kind in {VerdictKind.APPROVE, VerdictKind.TAKE, VerdictKind.FORCE}
    }
    changes = [it for it in told if it.action in {Action.TAKE, Action.DELETE}]
    unapproved = [it for it in changes if (it.key, it.state) not in approved]
    total = sum(1 for it in decisions if it.action is not Action.KEEP_LOCAL)
    there = {key for it in sides for key in it.entries}  # a key that all have deleted is not one to agree in
    refusals = (
        *_ambiguous(sides),
        *_conflicts(told),
        *_identity(unapproved, policy),
        *_undone(changes, undone),
        *_brake(unapproved, changes, total),
        *_cannot_travel(changes, sides, policy),
    )
    return Plan(
        fingerprint=print_,
        decisions=told,
        refusals=tuple(_addressed(it, print_) for it in refusals),
        agreed=sum(1 for it in decisions if it.action is Action.AGREE and it.key in there),
        local=sum(1 for it in decisions if it.action is Action.KEEP_LOCAL),
    )


def _addressed(refusal: Refusal, print_: str) -> Refusal:
    way_out = refusal.way_out.replace("{fingerprint}", print_)
    return Refusal(rule=refusal.rule, keys=refusal.keys, text=refusal.text, way_out=way_out)


def _ambiguous(sides: Sequence[Side]) -> Iterable[Refusal]:
    spelled = {
        name: tuple(key for key in it.ambiguous) for it in sides if it.ambiguous for name in [it.region.name]
    }
    if spelled:
        keys = tuple(sorted({key for keys in spelled.values() for key in keys}))
        yield Refusal(
            rule="ambiguous",
            keys=keys,
            text=f"spelled in two ways within {', '.join(spelled)}, which counts is a guess: {counted(len(keys))}",
            way_out="remove one of the two spellings in that region",
        )


def _conflicts(told: Sequence[Decision]) -> Iterable[Refusal]:
    conflicts = [it for it in told if it.action is Action.CONFLICT]
    first = [it for it in conflicts if it.first_contact]
    later = [it for it in conflicts if not it.first_contact]
    if first:
        yield Refusal(
            rule="first-contact",
            keys=tuple(it.key for it in first),
            text=f"different at first contact, with no common past: {counted(len(first))}",
            way_out=_TAKE,
        )
    if later:
        yield Refusal(
            rule="conflict",
            keys=tuple(it.key for it in later),
            text=f"changed differently in several regions: {counted(len(later))}",
            way_out=_TAKE,
        )


def _identity(unapproved: Sequence[Decision], policy: Policy) -> Iterable[Refusal]:
    keys = tuple(it.key for it in unapproved if policy.rule_for(it.key).key_class is KeyClass.IDENTITY)
    if keys:
        yield Refusal(
            rule="identity",
            keys=keys,
            text=f"says which certificate authority, storage or tenant this is: {counted(len(keys))}",
            way_out=_APPROVE,
        )


def _undone(changes: Sequence[Decision], undone: Collection[str]) -> Iterable[Refusal]:
    keys = tuple(it.key for it in changes if it.state in undone)
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
            keys=tuple(it.key for it in changes),
            text=f"{len(changes)} of {total} keys would change ({share})",
            way_out=_APPROVE,
        )


def _cannot_travel(changes: Sequence[Decision], sides: Sequence[Side], policy: Policy) -> Iterable[Refusal]:
    by_region = {it.region.name: it for it in sides}
    for it in changes:
        problems = {problem for target in it.targets if (problem := _obstacle(it, by_region, target, policy))}
        for problem in sorted(problems):
            yield Refusal(
                rule="cannot-travel",
                keys=(it.key,),
                text=problem,
                way_out="rename the setting, or make it local in the policy file",
            )


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
    if not entry.fits:
        return f"the value in {source.region.name} does not fit the policy's template, so it cannot be translated"
    rule = policy.rule_for(key)
    if rule.key_class is KeyClass.TRANSLATED:
        try:
            concrete(("",) * rule.template.count("*"), rule.template, target.region)
        except UnsafePlan as error:
            return str(error)
    if key.startswith(CONNECTION):
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
        target_names={it: entry.name for it, entry in target.entries.items()},
    )
