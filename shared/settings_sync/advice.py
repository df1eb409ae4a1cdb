"""The operator's options for a group's settings now, in the order of advice. Pure.

The one answer to "what now?": `counterpart plan`, `counterpart status`, cards, pages and the API all show it. It
depends on the rollout, on its plan, and on the health of the regions: a change whose own region is down is not to be
approved.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from shared.groups.model import Health
from shared.groups.model import State as HealthState
from shared.settings_sync.ask import Ask, askable
from shared.settings_sync.model import Action, Decision, Plan, Rollout, State, counted
from shared.settings_sync.plan import LIFTED

_SIDES: Final = frozenset({"first-contact", "conflict"})  # the rules that only a side settles
_NAMED: Final = 3  # keys that one sentence names


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to do: what it does to the regions, and the command for it."""

    what: str
    effect: str  # what is written, and which region restarts
    command: str = ""  # empty: it is done outside of Counterpart


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """The automatic next step, and the operator's options, the best first."""

    outlook: str
    options: tuple[Option, ...] = ()


def advise(
    group: str, regions: Iterable[str], rollout: Rollout | None, health: Mapping[str, Health]
) -> Advice:
    """Return what happens next and what is possible.

    Args:
        group: the group's name, for the commands.
        regions: the names of the group's regions.
        rollout: as it is now; None when the group was never looked at.
        health: by region, as last seen.
    """
    if rollout is None or rollout.plan is None:
        return Advice(outlook="not looked at yet: the next round reads the settings of every region")
    plan = rollout.plan
    if (flight := rollout.flight) is not None:
        keys = _keys([planned.key for planned in flight.keys])
        outlook = (
            f"{keys} from {flight.source} to {flight.target}: {rollout.state}. There is nothing to decide now"
        )
        return Advice(outlook=f"{outlook}: {rollout.reason}")
    return _Asked(group, tuple(regions), rollout, plan, health).advice()


class _Asked(msgspec.Struct, frozen=True):
    """The facts from which options are made."""

    group: str
    regions: tuple[str, ...]
    rollout: Rollout
    plan: Plan
    health: Mapping[str, Health]

    @property
    def sources(self) -> tuple[str, ...]:
        """The regions that hold what would travel."""
        return tuple(dict.fromkeys(source for change in self.plan.changes for source in change.sources))

    @property
    def ill(self) -> tuple[str, ...]:
        """The sources that are not known to be healthy."""
        return tuple(source for source in self.sources if not self._is_healthy(source))

    def _is_healthy(self, region: str) -> bool:
        seen = self.health.get(region)
        return seen is not None and seen.state is HealthState.HEALTHY

    def advice(self) -> Advice:
        """Return what is possible while nothing is being written."""
        plan = self.plan
        if self.rollout.state is State.CONTAINED:
            outlook = (
                f"it does not travel while {_listed(self.sources)} is not healthy: {self.rollout.reason}"
            )
            return Advice(outlook=outlook, options=self.contained())
        if plan.is_held or (plan.refusals and not plan.changes):
            return Advice(outlook="it waits for a decision", options=self.held())
        if plan.changes:
            return Advice(outlook=self.soaking(), options=(*self.revert(), *self.force(), *self.outside()))
        if plan.decisions:
            left = _keys([decision.key for decision in plan.decisions])
            outlook = f"nothing travels: the regions are left different in {left} by a decision"
            return Advice(outlook=outlook, options=self.sides())
        return Advice(outlook=f"nothing to do: the regions agree in {counted(plan.agreed)}")

    def contained(self) -> tuple[Option, ...]:
        """The way back comes first."""
        repair = Option(
            what="repair the setting at its source",
            effect="nothing is written by Counterpart; a change at the source starts the soak anew",
        )
        return (*self.revert(), repair, *self.force())

    def held(self) -> tuple[Option, ...]:
        """By the rules that hold the plan. What no word lifts says its own way out."""
        rules = {refusal.rule for refusal in self.plan.refusals}
        found = list(self.outside())
        if rules & _SIDES:
            found += self.sides()
        if self.ill:
            found += [*self.revert(), *self.approve()]
        else:
            found += [*self.approve(), *self.revert()]
        return tuple(found)

    def outside(self) -> Iterable[Option]:
        """Yield one option for all keys that only a change in the regions themselves settles, by their way out."""
        keys: dict[str, list[str]] = {}
        for refusal in self.plan.refusals:
            if refusal.rule not in LIFTED | _SIDES:
                keys.setdefault(refusal.way_out, []).extend(refusal.keys)
        for way_out, held in keys.items():
            yield Option(what=f"{_keys(held)}: {way_out}", effect="nothing is written by Counterpart")

    def soaking(self) -> str:
        """Return what happens by itself to a plan that nothing holds, or only single keys."""
        keys = _keys([decision.key for decision in self.plan.changes])
        held = [key for refusal in self.plan.refusals for key in refusal.keys]
        rest = f". Held by name, and left alone: {_keys(held)}" if held else ""
        if not self.ill:
            return f"{keys}: travels when {_listed(self.sources)} has stayed healthy for the soak{rest}"
        return f"{keys}: waits, since {_listed(self.ill)} is not healthy; it is contained if that lasts{rest}"

    def approve(self) -> Iterable[Option]:
        """Let a held plan travel."""
        found = askable(Ask.APPROVE, self.rollout)
        if found:
            warning = (
                f". Not advised: {_listed(self.ill)}, where it was made, is not healthy" if self.ill else ""
            )
            yield Option(
                what=f"let it travel{warning}",
                effect=_writes(found, "targets"),
                command=self._command("apply", self._this, _REASON),
            )

    def force(self) -> Iterable[Option]:
        """Let a change travel without its soak."""
        found = askable(Ask.FORCE, self.rollout)
        if found:
            yield Option(
                what="let it travel without the soak, which protects the other regions",
                effect=_writes(found, "targets"),
                command=self._command("apply", self._this, "--force", _REASON),
            )

    def revert(self) -> Iterable[Option]:
        """Put the change back at its source."""
        found = askable(Ask.REVERT, self.rollout)
        if found:
            sources = tuple(dict.fromkeys(source for decision in found for source in decision.sources))
            yield Option(
                what=f"put the change back in {_listed(sources)}, from the values that the other regions have",
                effect=_writes(found, "sources"),
                command=self._command("revert", self._this, _REASON),
            )

    def sides(self) -> tuple[Option, ...]:
        """Take a region's values, those of healthy regions first, or leave the regions different."""
        found = askable(Ask.TAKE, self.rollout)
        if not found:
            return ()
        ordered = sorted(self.regions, key=lambda region: not self._is_healthy(region))
        keys = _keys([decision.key for decision in found])
        takes = [
            Option(
                what=f"take {region}'s values",
                effect=f"writes {keys} where they differ from {region}, and restarts there",
                command=self._command("resolve", f"--take {region}", "--all", self._this, _REASON),
            )
            for region in ordered
        ]
        if all(decision.action is Action.KEEP_APART for decision in found):
            return tuple(takes)
        leave = Option(
            what="leave the regions different",
            effect="nothing is written",
            command=self._command("resolve", "--leave", "--all", self._this, _REASON),
        )
        return (*takes, leave)

    @property
    def _this(self) -> str:
        return f"--fingerprint {self.plan.fingerprint}"

    def _command(self, verb: str, *arguments: str) -> str:
        return " ".join(["counterpart", verb, "--group", self.group, *arguments])


_REASON: Final = "--reason TEXT"


def effect_of(
    ask: Ask, rollout: Rollout, *, keys: Iterable[str] = (), region: str = "", regions: Iterable[str] = ()
) -> str:
    """Return what a decision of this kind would write and restart, in one sentence."""
    wanted = {key.lower() for key in keys}
    found = [decision for decision in askable(ask, rollout) if not wanted or decision.key.lower() in wanted]
    match ask:
        case Ask.REJECT:
            different = _keys([decision.key for decision in found])
            return f"leaves the regions different in {different}: nothing is written"
        case Ask.TAKE:
            others = [name for name in regions if name.lower() != region.lower()]
            named = _keys([decision.key for decision in found])
            return f"writes {region}'s values of {named} to {_listed(others)}, where they differ, and restarts there"
        case Ask.REVERT:
            return _writes(found, "sources")
        case Ask.APPROVE | Ask.FORCE:
            return _writes(found, "targets")


def _writes(found: Sequence[Decision], where: str) -> str:
    """Return what is written where, and that each write restarts the region's app."""
    at: dict[str, list[str]] = {}
    for decision in found:
        for region in getattr(decision, where):
            at.setdefault(region, []).append(decision.key)
    if not at:
        return "nothing is written"
    return "; ".join(
        f"writes {_keys(keys)} to {region}, which restarts" for region, keys in sorted(at.items())
    )


def _keys(keys: Sequence[str]) -> str:
    named = ", ".join(keys[:_NAMED])
    return named if len(keys) <= _NAMED else f"{counted(len(keys))} ({named}, ...)"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names) if names else "its source"
