"""Drills' effects: begin one, take it further at each wake-up, abort it, give its region back, keep its record.

One row per group (`drill-slots/`) holds the running drill, so that of two starters one wins; one per drill that is
over (`drills/`) keeps it. Restoring never waits: not for a permit, not for a claim, not for a look at anything
(`rescue` needs the row alone).
"""

import asyncio
import hashlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

import msgspec

from shared.clock import Clock
from shared.disruption.model import Disruption, Kind, Permit
from shared.disruption.permit import Denial, Granted
from shared.disruption.ports import EndpointControl
from shared.disruption.workflow import Held, permit_key, release, request
from shared.drills.card import drill_card
from shared.drills.measure import EARLIER, measure
from shared.drills.model import (
    Archived,
    Drill,
    Known,
    Predicted,
    Request,
    Rules,
    Sample,
    Seen,
    ServiceAnswer,
    Slot,
    State,
)
from shared.drills.ports import Look, ServiceLooks
from shared.drills.predict import predict
from shared.drills.preflight import Circumstances, Declared, Preflight, at_most, preflight, spared
from shared.drills.report import drill_facts, preflight_facts
from shared.drills.schedule import Calendar
from shared.drills.transitions import (
    CARDS,
    Drain,
    Enable,
    Finish,
    Rest,
    Step,
    View,
    Watch,
    aborted,
    accepted,
    coded,
    cut_off,
    drained,
    enabled,
    is_claimed,
    is_urgent,
    left,
    not_drained,
    not_enabled,
    numbered,
    pace,
    paid,
    passed_over,
    perhaps_drained,
    sampled,
    trouble,
    turn,
    who_answered,
)
from shared.errors import (
    AppError,
    BadEvent,
    Conflict,
    Effect,
    IllegalTransition,
    NotFound,
    Refused,
)
from shared.groups.discover import row_name, site_ids
from shared.groups.model import Group, NameAnswer, Profile
from shared.groups.ports import Names
from shared.outbox import Message, post
from shared.store import Key, Store, Stored, decoded, key, read, readable, revise, write

log = logging.getLogger(__name__)

SLOTS, ARCHIVE, KEYS = "drill-slots", "drills", "drill-keys"
KEYS_KEPT = timedelta(days=2)
MANY_KNOWN = 20  # requests of a group whose keys are remembered
TRIES, AGAIN = 20, 0.25  # of a request under a key that loses to others; seconds between two
LOOK_WITHIN = 10.0  # seconds; a look that takes longer is none
OFTEN, SELDOM = (
    600,
    8.0,
)  # samples up to which the row is saved with each of them; seconds between saves after that
_HTTPS = 443
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,150}-drill-\d{1,9}")


class Tools(msgspec.Struct, frozen=True, kw_only=True):
    """The ports and settings that drills use."""

    store: Store
    clock: Clock
    control: EndpointControl
    names: Names  # for the regions' own host names
    resolvers: Mapping[str, Names]
    service: ServiceLooks
    channels: tuple[str, ...]
    rules: Rules
    calendar: Calendar
    declared: Declared
    hosts: Mapping[str, str]  # group, lower case: the host name that devices use
    scep_path: str  # empty: the apps are no SCEP servers
    audit_only: bool = False  # no endpoint is ever changed
    base_url: str = ""

    def host(self, group: Group) -> str:
        """The name under which devices know the group's service."""
        return self.hosts.get(group.name.lower(), group.profile.fqdn)


def slot_key(group_id: str) -> Key:
    """Return where a group's running drill lies."""
    return key(SLOTS, row_name(group_id))


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a dry run."""

    preflight: Preflight
    predicted: Predicted
    seen: Seen


class Started(msgspec.Struct, frozen=True):
    """A drill, and whether this request began it."""

    drill: Drill
    new: bool


# -- beginning --------------------------------------------------------------------------------------------------


async def check(asked: Request, look: Look, tools: Tools, *, id: str = "") -> Checked:  # noqa: A002 -- it is called that everywhere
    """Ask every rule, by a look made now. Writes nothing. `id` is the drill's own, once it has one.

    Raises:
        NotFound: there is no such region.
    """
    seen = await look(prove=True)
    group = seen.group
    region = group.region(asked.region)
    if region is None:
        known = ", ".join(region.name for region in group.regions) or "none"
        raise NotFound(f"{group.name} has no region {asked.region[:80]!r}; it has {known}")
    slot, _ = await read(tools.store, slot_key(group.id), Slot)
    held, _ = await read(tools.store, permit_key(row_name(group.id)), Held)
    names, through = await asyncio.gather(
        _resolve(tools.host(group), tools), _ask(tools.host(group), group, tools)
    )
    ongoing = slot.drill if slot is not None else None
    found = preflight(
        Circumstances(
            asked=msgspec.structs.replace(asked, region=region.name),
            seen=seen,
            id=id,
            permit=held.permit if held else None,
            running=ongoing.id if ongoing is not None and not ongoing.ended else "",
            service=tools.host(group),
            names=names,
            through=through,
            scep=bool(tools.scep_path),
            audit_only=tools.audit_only,
            calendar=tools.calendar,
            declared=tools.declared,
            now=tools.clock.now(),
        )
    )
    return Checked(preflight=found, predicted=predict(group.profile), seen=seen)


async def start(
    asked: Request, look: Look, tools: Tools, *, idempotency: str = "", due: datetime | None = None
) -> Started:
    """Begin a drill, if every rule allows it; the next wake-up drains the region.

    `idempotency` is the caller's key: the same request under the same key is the same drill. `due` is the time of
    the schedule that a practice run is for.

    Raises:
        BadEvent: the key was used for another request.
        NotFound: there is no such region.
        Refused: a rule forbids it, or another drill is under way; the error carries all answers.
    """
    body = _digest(msgspec.json.encode(asked))
    if not idempotency:
        return await _begin(asked, look, tools, digest="", body=body, due=due)
    digest = _digest(idempotency.encode())
    await _bind(digest, body, tools)
    for more in reversed(range(TRIES)):
        if (known := await _known(asked.group, digest, body, tools)) is not None:
            return Started(known, new=False)
        try:
            return await _begin(asked, look, tools, digest=digest, body=body, due=due)
        except (Refused, Conflict) as error:  # perhaps only since the same request, sent twice, was faster
            if (known := await _known(asked.group, digest, body, tools)) is not None:
                return Started(known, new=False)
            if isinstance(error, Refused) or not more:
                raise
        await tools.clock.sleep(AGAIN)  # the other copies are still looking at the group, as this one did
    raise AssertionError("unreachable: the loop returns or raises")


async def _begin(
    asked: Request, look: Look, tools: Tools, *, digest: str, body: str, due: datetime | None
) -> Started:
    """Ask every rule, and take the group's row for the drill. An empty `digest`: there is no Idempotency-Key."""
    checked = await check(asked, look, tools)
    if not checked.preflight.allowed:
        raise Refused(_why_refused(checked.preflight), facts=_refusal_facts(checked, ""))
    group = checked.seen.group
    await _tidy(group.id, tools)
    made: Drill | None = None

    def decide(row: Slot | None) -> Slot | None:
        nonlocal made
        slot = row or Slot(group_id=group.id, group=group.name)
        if slot.drill is not None:
            made = None
            return None
        now = tools.clock.now()
        made = accepted(
            asked,
            group,
            number=slot.next,
            name=row_name(group.id),
            service=tools.host(group),
            resolvers=tuple(tools.resolvers),
            predicted=checked.predicted,
            preflight=checked.preflight.answers,
            practice=due is not None,
            idempotency=digest,
            now=now,
            rules=tools.rules,
        )
        known = (*slot.known, Known(key=digest, body=body, drill=made.id, at=now)) if digest else slot.known
        return msgspec.structs.replace(
            slot,
            next=slot.next + 1,
            drill=made,
            known=known[-MANY_KNOWN:],
            considered=due or slot.considered,
            practised=due or slot.practised,
        )

    slot = await revise(tools.store, slot_key(group.id), Slot, decide)
    if made is None:
        winner = slot.drill if slot is not None and slot.drill is not None else None
        name = winner.id if winner else "another drill"
        raise Refused(f"drill {name} is not over", facts=_refusal_facts(checked, name))
    log.info("%s: drill %s of %s was accepted", group.name, made.id, made.region)
    return Started(await _pay(made, tools), new=True)


def _why_refused(found: Preflight) -> str:
    return f"the preflight refuses it: {spared(found.answers)}"


def _refusal_facts(checked: Checked, running: str) -> dict[str, object]:
    named = running or next(
        (
            refusal.reason.split()[1]
            for refusal in checked.preflight.refusals
            if refusal.rule == "one-at-a-time"
        ),
        "",
    )
    facts: dict[str, object] = {"preflight": preflight_facts(checked.preflight.answers)}
    return facts | ({"running": named} if named else {})


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


class _Bound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The row of an Idempotency-Key: which request it stands for."""

    body: str
    at: datetime


async def _bind(digest: str, body: str, tools: Tools) -> None:
    """The key stands for this request from now on. Raises BadEvent when it stands for another one."""
    mine = _Bound(body, tools.clock.now())
    bound = await revise(tools.store, key(KEYS, digest), _Bound, lambda row: row or mine)
    if bound is not None and bound.body != body:
        raise BadEvent("this Idempotency-Key was used with another request; use a new one")


async def _known(group_id: str, digest: str, body: str, tools: Tools) -> Drill | None:
    slot, _ = await read(tools.store, slot_key(group_id), Slot)
    since = tools.clock.now() - KEYS_KEPT
    for known in slot.known if slot else ():
        if (known.key, known.body) == (digest, body) and known.at > since:
            return await find(known.drill, tools.store)
    return None


async def next_region(profile: Profile, store: Store) -> str:
    """The region whose turn it is to be drilled: the one that was not for the longest time."""
    last = {
        earlier_drill.region: earlier_drill.accepted_at
        for earlier_drill in reversed(await earlier_drills(profile.id, store))
    }
    sites = frozenset(site_ids(profile))
    names = [
        endpoint.name for endpoint in profile.endpoints if endpoint.enabled and endpoint.target_id in sites
    ]
    if not names:
        raise NotFound(f"{profile.name} has no enabled endpoint that targets a web app")
    return min(names, key=lambda it: (last[it].isoformat() if it in last else "", it))


async def skipped(group_id: str, group: str, due: datetime, why: str, tools: Tools) -> bool:
    """Note, once, that a practice run is passed over. Returns whether it was news."""
    news = False

    def decide(row: Slot | None) -> Slot | None:
        nonlocal news
        slot = row or Slot(group_id=group_id, group=group)
        news = slot.considered is None or slot.considered < due
        if not news:
            return None
        return passed_over(slot, due, why)

    await revise(tools.store, slot_key(group_id), Slot, decide)
    return news


# -- going on ---------------------------------------------------------------------------------------------------


async def rescue(tools: Tools) -> None:
    """Give back every region whose drill should be over, by its row alone: first of all at each wake-up.

    Nothing that goes wrong with one keeps it from another, and no profile need be read for it.
    """
    rows = [stored async for stored in tools.store.list(f"{SLOTS}/")]
    await asyncio.gather(*(_rescue(row, tools) for row in rows))


async def _rescue(stored: Stored, tools: Tools) -> None:
    """One group's. A row that cannot be read, or a bug that one drill meets, must not keep the others out."""
    try:
        drill = decoded(stored, Slot).drill
        if drill is not None and is_urgent(drill, tools.clock.now(), tools.rules):
            await _settle(drill, tools)
    except Exception:
        log.exception("%s: its drill is not settled", stored.row.key)


async def _settle(drill: Drill, tools: Tools) -> None:
    """Take a drill as far as it goes without a look at anything."""
    view = View(now=tools.clock.now(), worker="rescue")
    after = await _change(drill.group_id, drill.id, lambda it: turn(it, view, tools.rules).drill, tools)
    if after is not None and after.state is State.RESTORING:
        after = await _enable(after, tools)
    if after is not None and after.ended:
        await _finish(after, tools)


async def tend(group_id: str, look: Look, tools: Tools, *, worker: str, patient: bool) -> Drill | None:
    """Take the group's drill as far as this wake-up's time allows. Returns it as it is then; None: there is none.

    `patient`: this wake-up may take `Rules.wake` seconds. One that may not only does what is urgent.
    """
    wake = _Wake(group_id, look, tools, worker)
    try:
        return await _tended(group_id, wake, tools, worker=worker, patient=patient)
    except asyncio.CancelledError:  # cut off and not dead: the next wake-up may go on
        now = tools.clock.now()
        if (drill := await running(group_id, tools.store)) is not None:
            await _change(group_id, drill.id, lambda it: cut_off(it, worker, now), tools)
        raise


async def _tended(group_id: str, wake: "_Wake", tools: Tools, *, worker: str, patient: bool) -> Drill | None:
    began = tools.clock.now()
    while (drill := await running(group_id, tools.store)) is not None:
        if not patient and not is_urgent(drill, tools.clock.now(), tools.rules):
            return drill
        if patient and is_claimed(drill, worker, tools.clock.now()) and await wake.is_alive(drill):
            return drill
        done = await wake.step(drill)
        if done is None or done.ended:
            return done or await running(group_id, tools.store)
        if tools.clock.now() - began >= timedelta(seconds=tools.rules.wake):
            return await _change(group_id, done.id, lambda it: left(it, worker) or it, tools)
    return None


class _Taken(msgspec.Struct, frozen=True):
    """One look at DNS and SCEP."""

    at: datetime
    regions: tuple[str, ...]  # per resolver: the region that it answered; empty: none, or not known
    by: str  # the region that served; empty: not known
    through: ServiceAnswer


class _Wake:
    """One wake-up's work on one group's drill."""

    def __init__(self, group_id: str, look: Look, tools: Tools, worker: str) -> None:
        self._group_id, self._look, self._tools, self._worker = group_id, look, tools, worker
        self._seen: Seen | None = None  # the last look that succeeded
        self._looked: datetime | None = None
        self._addresses: dict[str, str] = {}  # of the regions' own host names

    async def step(self, drill: Drill) -> Drill | None:
        """One turn: decide and save, then do. None: there is nothing more to do at this wake-up."""
        view = await self._view(drill)
        step: Step = Rest()

        def decide(it: Drill) -> Drill:
            nonlocal step
            turned = turn(it, view, self._tools.rules)
            step = turned.step
            return turned.drill

        after = await _change(self._group_id, drill.id, decide, self._tools)
        if after is None:
            return None
        match step:
            case Rest():
                return None
            case Drain():
                return await self._drain(after)
            case Watch():
                return await self._watch(after)
            case Enable():
                return await _enable(after, self._tools)
            case Finish():
                await _finish(after, self._tools)
                return after

    async def is_alive(self, drill: Drill) -> bool:
        """Return whether the worker shows a sign of life before its lease expires; if not, this wake-up takes over.

        So a killed process costs no further wake-up: its region is given back by the next one.
        """
        clock, until = self._tools.clock, drill.worker_until
        while until is not None and clock.now() < until:
            await clock.sleep(min(self._tools.rules.sample_every, (until - clock.now()).total_seconds()))
            now = await running(self._group_id, self._tools.store)
            if now is None or now.id != drill.id or now.worker_until != until:
                return True
        return False

    # -- looking

    async def _view(self, drill: Drill) -> View:
        match drill.state:
            case State.ACCEPTED:
                return await self._beginning(drill)
            case State.OBSERVING | State.VERIFYING if self._is_due():
                seen = await self._fresh()
                return View(now=self._tools.clock.now(), worker=self._worker, seen=seen)
            case _:
                return View(now=self._tools.clock.now(), worker=self._worker)

    def _is_due(self) -> bool:
        every = timedelta(seconds=self._tools.rules.look_every)
        return self._looked is None or self._tools.clock.now() - self._looked >= every

    async def _fresh(self) -> Seen | None:
        """A look made now; None: it failed, or took too long to say anything about now."""
        self._looked = self._tools.clock.now()
        try:
            async with asyncio.timeout(LOOK_WITHIN):
                self._seen = await self._look(prove=False)
        except (AppError, TimeoutError) as error:
            log.warning("a look at a group in a drill failed: %s", _why(error))
            return None
        return self._seen

    async def _beginning(self, drill: Drill) -> View:
        """The rules, asked anew; when they cannot be asked, the drill waits for the next wake-up."""
        asked = Request(
            group=drill.group_id,
            region=drill.region,
            observe_seconds=drill.observe_seconds,
            target_rto_seconds=drill.target_rto_seconds,
            by=drill.asked_by,
        )
        try:
            async with asyncio.timeout(LOOK_WITHIN):
                found = await check(asked, self._look, self._tools, id=drill.id)
        except (AppError, TimeoutError) as error:
            why = _why(error)
            log.warning("%s: drill %s cannot begin yet: %s", drill.group, drill.id, why)
            return View(now=self._tools.clock.now(), worker=self._worker, hindered=why)
        now = self._tools.clock.now()
        self._seen = found.seen
        return View(now=now, worker=self._worker, seen=found.seen, preflight=found.preflight)

    # -- draining

    async def _drain(self, drill: Drill) -> Drill | None:
        """Disable the endpoint, if law 1 allows it by a permit and by the profile as it is at this very moment."""
        tools = self._tools
        if self._seen is not None:
            self._addresses = await _addresses(self._seen.group, tools)
        its = {address for address, region in self._addresses.items() if region == drill.region}
        await tools.service.begin_at(drill.service, its)
        before = [await self._take(drill) for _ in range(tools.rules.baseline)]
        secured = await self._secured(drill)
        if isinstance(secured, str):
            return await self._undrained(drill, secured)
        permit, fresh = secured
        if why := self._why_not(drill, before, fresh):
            return await self._undrained(drill, why)
        sent = tools.clock.now()
        try:
            await tools.control.disable_endpoint(self._group_id, drill.region, permit=permit)
        except AppError as error:
            if error.effect is Effect.NOT_APPLIED:
                return await self._undrained(drill, f"{drill.region} could not be disabled: {error}")
            reason = f"whether {drill.region} was disabled is not known: {error}"
            now = tools.clock.now()
            return await _change(self._group_id, drill.id, lambda it: perhaps_drained(it, reason, now), tools)
        return await self._drained(drill, before, sent)

    async def _secured(self, drill: Drill) -> tuple[Permit, Seen] | str:
        """The permit, and a look made while nobody else of ours may take anything out; or why there is none."""
        first = await self._permitted(drill, self._seen)
        if isinstance(first, Denial):
            return f"no permit: {first.reason}"
        fresh = await self._fresh()
        if fresh is None:
            return "the profile could not be read anew"
        again = await self._permitted(drill, fresh)
        return f"no permit: {again.reason}" if isinstance(again, Denial) else (again.permit, fresh)

    async def _permitted(self, drill: Drill, seen: Seen | None) -> Granted | Denial:
        tools = self._tools
        if seen is None:
            return Denial("nothing was seen yet")
        asked = Disruption(
            id=drill.id,
            kind=Kind.DRILL,
            group=drill.group,
            region=drill.region,
            at_most=at_most(drill.observe_seconds, tools.rules),
            profile=seen.group.profile,
        )
        name, now = row_name(self._group_id), tools.clock.now()
        return await request(tools.store, name, asked, seen.health, now, audit_only=tools.audit_only)

    def _why_not(self, drill: Drill, before: Sequence[_Taken], fresh: Seen) -> str:
        """Return what speaks against disabling the endpoint at this very moment; empty: nothing."""
        if drill.worker_until is not None and self._tools.clock.now() >= drill.worker_until:
            return "it took too long to be sure of what was seen"
        if not any(
            endpoint.name == drill.region and endpoint.enabled for endpoint in fresh.group.profile.endpoints
        ):
            return f"{drill.region} is disabled already, or gone"
        if before and not before[-1].through.ok:
            return f"a device is not served: {before[-1].through.problem}"
        return trouble(fresh, drill.region)

    async def _drained(self, drill: Drill, before: Sequence[_Taken], sent: datetime) -> Drill | None:
        samples, problems = _coded(before, drill, sent)
        mine = msgspec.structs.replace(drill, problems=problems)

        def change(it: Drill) -> Drill | None:
            after = drained(it, self._worker, sent, samples, self._tools.rules)
            return after and msgspec.structs.replace(after, problems=mine.problems)

        after = await _change(self._group_id, drill.id, change, self._tools)
        if after is None:
            log.warning("%s: drill %s was taken over while it drained: %s is enabled at once",
                        drill.group, drill.id, drill.region)  # fmt: skip
            await self._tools.control.enable_endpoint(self._group_id, drill.region)
        return after

    async def _undrained(self, drill: Drill, reason: str) -> Drill | None:
        now = self._tools.clock.now()
        return await _change(
            self._group_id, drill.id, lambda it: not_drained(it, self._worker, reason, now), self._tools
        )

    # -- sampling

    async def _watch(self, drill: Drill) -> Drill | None:
        """One sample while the row is small, a few when it is large; then they are saved."""
        tools = self._tools
        began = tools.clock.now()
        taken = [await self._take(drill)]
        if len(drill.samples) >= OFTEN:
            seldom = timedelta(seconds=min(SELDOM, tools.rules.lease / 3))  # a save is the sign of life, too
            while tools.clock.now() - began < seldom:
                taken.append(await self._take(drill))
        new, problems = _coded(taken, drill, drill.drained_at or drill.accepted_at)
        now = tools.clock.now()
        return await _change(
            self._group_id,
            drill.id,
            lambda it: sampled(it, self._worker, new, problems, now, tools.rules),
            tools,
        )

    async def _take(self, drill: Drill) -> _Taken:
        """One look at DNS and SCEP at once, and the rest of the interval."""
        tools = self._tools
        at = tools.clock.now()
        group = self._seen.group if self._seen is not None else None
        if group is None:  # not one look succeeded yet, so nobody could say who answered
            await tools.clock.sleep(pace(drill, tools.rules))
            return _Taken(at, tuple("" for _ in tools.resolvers), "", ServiceAnswer(at=at))
        if not self._addresses:
            self._addresses = await _addresses(group, tools)
        names, through = await asyncio.gather(
            _resolve(drill.service, tools), _ask(drill.service, group, tools)
        )
        known = dict(self._addresses)
        for answer in names.values():
            if who := who_answered(answer, group, {}):
                known |= dict.fromkeys(answer.addresses, who)
        regions = tuple(who_answered(name_answer, group, known) for name_answer in names.values())
        spent = (tools.clock.now() - at).total_seconds()
        await tools.clock.sleep(max(0.0, pace(drill, tools.rules) - spent))
        return _Taken(at, regions, known.get(through.address, ""), through)


def _why(error: AppError | TimeoutError) -> str:
    """Return why a look is none. That its time was over has no words of its own."""
    return str(error) or f"a look at the group took longer than {LOOK_WITHIN:g} s"


def _coded(
    taken: Sequence[_Taken], drill: Drill, origin: datetime
) -> tuple[tuple[Sample, ...], tuple[str, ...]]:
    """As samples, with the problems that they point to."""
    problems = list(drill.problems)
    samples = tuple(
        Sample(
            at=round((item.at - origin).total_seconds(), 1),
            dns="".join(coded(region, drill.regions) for region in item.regions),
            by=coded(item.by, drill.regions),
            problem=numbered(item.through.problem, problems),
        )
        for item in taken
    )
    return samples, tuple(problems)


async def _resolve(name: str, tools: Tools) -> dict[str, NameAnswer]:
    """Return where the name leads, at every resolver."""
    answers = await asyncio.gather(*(resolver.resolve(name) for resolver in tools.resolvers.values()))
    return dict(zip(tools.resolvers, answers, strict=True))


async def _ask(host: str, group: Group, tools: Tools) -> ServiceAnswer:
    """Return what a device gets."""
    monitor = group.profile.monitor
    port = monitor.port if monitor.protocol == "HTTPS" else _HTTPS
    path = tools.scep_path or monitor.path or "/"
    return await tools.service.ask(
        host, port=port, path=path, scep=bool(tools.scep_path), expected=monitor.expected
    )


async def _addresses(group: Group, tools: Tools) -> dict[str, str]:
    """The regions by the addresses of their own host names."""
    answers = await asyncio.gather(*(tools.names.resolve(region.host) for region in group.regions))
    return {
        address: region.name
        for region, answer in zip(group.regions, answers, strict=True)
        for address in answer.addresses
    }


# -- giving back ------------------------------------------------------------------------------------------------


async def _enable(drill: Drill, tools: Tools) -> Drill | None:
    """Put the endpoint back. None: it did not work, and is tried again at the next wake-up."""
    try:
        await tools.control.enable_endpoint(drill.group_id, drill.region)
    except AppError as error:
        log.error("%s: %s could not be enabled: %s", drill.group, drill.region, error)  # noqa: TRY400 -- its words say it
        gone, effect, reason, now = isinstance(error, NotFound), error.effect, str(error), tools.clock.now()
        after = await _change(
            drill.group_id,
            drill.id,
            lambda it: not_enabled(it, reason, effect, now, gone=gone),
            tools,
        )
        if after is not None:
            await _pay(after, tools)
        return after if after is not None and after.ended else None
    log.info("%s: %s enabled, drill %s is undone", drill.group, drill.region, drill.id)
    now = tools.clock.now()
    return await _change(drill.group_id, drill.id, lambda it: enabled(it, now) or it, tools)


async def abort(id: str, by: str, why: str, tools: Tools) -> Drill:  # noqa: A002 -- it is called that everywhere
    """A person wants it to end now; its region is given back before this returns.

    While somebody is at the draining of it, that is waited for, as long as they show a sign of life: what is enabled
    before it was disabled would not stay so. When Azure does not take the giving back, the row says so.

    Raises:
        NotFound: there is no such drill.
        IllegalTransition: it is over.
    """
    drill = await find(id, tools.store)
    if drill.ended:
        raise IllegalTransition(f"drill {drill.id} is over: {drill.state}, {drill.reason}")

    def change(it: Drill) -> Drill:
        return it if it.ended else aborted(it, by, why, tools.clock.now())

    after = await _change(drill.group_id, drill.id, change, tools)
    while after is not None and after.state is State.DRAINING:
        await tools.clock.sleep(tools.rules.sample_every)
        after = await _change(drill.group_id, drill.id, change, tools)
    if after is not None and after.state is State.RESTORING:
        after = await _enable(after, tools)
    if after is not None and after.ended:
        await _finish(after, tools)
    return await find(id, tools.store)


async def _finish(drill: Drill, tools: Tools) -> None:
    """The drill is over: give the permit back, keep the record, tell people, make room for the next one."""
    await release(tools.store, row_name(drill.group_id), drill.id)
    drill = await _pay(drill, tools)
    try:
        done = Archived(drill=drill, archived=tools.clock.now())
        await write(tools.store, key(ARCHIVE, drill.id), done, if_version=None)
    except Conflict:
        log.debug("drill %s is in the archive already", drill.id)

    def decide(row: Slot | None) -> Slot | None:
        mine = row is not None and row.drill is not None and row.drill.id == drill.id
        return msgspec.structs.replace(row, drill=None) if row is not None and mine else None

    await revise(tools.store, slot_key(drill.group_id), Slot, decide)
    log.info("%s: drill %s %s: %s", drill.group, drill.id, drill.state, drill.reason)


async def _tidy(group_id: str, tools: Tools) -> None:
    """A drill that is over and was not yet put away, because whoever ended it died, is put away."""
    drill = await running(group_id, tools.store)
    if drill is not None and drill.ended:
        await _finish(drill, tools)


async def _pay(drill: Drill, tools: Tools) -> Drill:
    """Lay the owed cards into the outbox, then strike them off."""
    after = drill
    for card in drill.owed:
        earlier = await recoveries(drill, tools.store) if card == "finished" else ()
        message = Message(
            id=f"{drill.id}.{card}",
            kind=f"drill.{card}",
            subject=drill.id,
            at=tools.clock.now(),
            card=drill_card(drill, card, earlier=earlier, base_url=tools.base_url),
            facts=drill_facts(drill, earlier),
            rank=list(CARDS).index(card),
        )
        await post(tools.store, message, tools.channels, tools.clock.now())
        after = await _change(drill.group_id, drill.id, partial(paid, card=card), tools) or after
    return after


# -- the rows ---------------------------------------------------------------------------------------------------


async def _change(
    group_id: str, drill_id: str, change: Callable[[Drill], Drill | None], tools: Tools
) -> Drill | None:
    """Change the running drill of that id. None: it is not running any more, or `change` would not."""
    after: Drill | None = None

    def decide(row: Slot | None) -> Slot | None:
        nonlocal after
        known = row is not None and row.drill is not None and row.drill.id == drill_id
        after = change(row.drill) if known and row is not None and row.drill is not None else None
        return msgspec.structs.replace(row, drill=after) if row is not None and after is not None else None

    await revise(tools.store, slot_key(group_id), Slot, decide)
    return after


async def running(group_id: str, store: Store) -> Drill | None:
    """The group's drill that is not put away yet."""
    found = await slot(group_id, store)
    return found.drill if found is not None else None


async def slot(group_id: str, store: Store) -> Slot | None:
    """The group's row."""
    found, _ = await read(store, slot_key(group_id), Slot)
    return found


async def find(id: str, store: Store) -> Drill:  # noqa: A002 -- as above
    """The drill of that id.

    Raises:
        NotFound: there is none (any more).
    """
    missing = f"there is no drill {id[:120]!r}; `counterpart drill list` shows those there are"
    if not _ID.fullmatch(id):
        raise NotFound(missing)
    slot, _ = await read(store, key(SLOTS, id.rpartition("-drill-")[0]), Slot)
    if slot is not None and slot.drill is not None and slot.drill.id == id:
        return slot.drill
    row, _ = await read(store, key(ARCHIVE, id), Archived)
    if row is None:
        raise NotFound(missing)
    return row.drill


async def list_drills(store: Store) -> tuple[Drill, ...]:
    """Every drill there is, the newest first."""
    found: dict[str, Drill] = {}
    async for row, _ in readable(store, f"{ARCHIVE}/", Archived):
        found[row.drill.id] = row.drill
    for slot in await list_slots(store):
        if slot.drill is not None:
            found[slot.drill.id] = slot.drill
    return tuple(sorted(found.values(), key=lambda it: (it.accepted_at, it.id), reverse=True))


async def list_slots(store: Store) -> tuple[Slot, ...]:
    """Every group's row."""
    return tuple([item async for item, _ in readable(store, f"{SLOTS}/", Slot)])


async def earlier_drills(group_id: str, store: Store) -> tuple[Drill, ...]:
    """The group's drills in the archive, the newest first."""
    prefix = f"{ARCHIVE}/{row_name(group_id)}-drill-"
    found = [archived.drill async for archived, _ in readable(store, prefix, Archived)]
    return tuple(sorted(found, key=lambda it: it.accepted_at, reverse=True))


async def recoveries(drill: Drill, store: Store) -> tuple[float, ...]:
    """The recovery times of the last drills of the region before this one, the newest first."""
    name, _, number = drill.id.rpartition("-drill-")
    found: list[float] = []
    for earlier in range(int(number) - 1, 0, -1):  # by their keys: a group may have years of drills
        row, _ = await read(store, key(ARCHIVE, f"{name}-drill-{earlier}"), Archived)
        if row is None or len(found) == EARLIER:  # those before it were deleted too
            break
        it = row.drill
        if (
            it.region == drill.region
            and it.drained_at is not None
            and (time := measure(it).recovery) is not None
        ):
            found.append(time)
    return tuple(found)


async def forget(store: Store, now: datetime, rules: Rules) -> int:
    """Delete what is older than the retention, and keys that nobody will use again. Returns how many."""
    gone = 0
    async for row, stored in readable(store, f"{ARCHIVE}/", Archived):
        if now - row.archived > timedelta(seconds=rules.retention):
            await store.delete(stored.row.key, if_version=stored.version)
            gone += 1
    async for bound, stored in readable(store, f"{KEYS}/", _Bound):
        if now - bound.at > KEYS_KEPT:
            await store.delete(stored.row.key, if_version=stored.version)
            gone += 1
    return gone
