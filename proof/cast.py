"""Who wakes the product up: the timer, Event Grid, Azure Monitor, and people. They call its own handlers.

A delivery that fails, or whose process dies, comes again, as Azure's do; a person does not try again.
"""

import asyncio
import json
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextvars import Context, ContextVar, copy_context
from functools import partial
from typing import Any, Final

import msgspec

from handlers import (
    app_service_changed,
    decision,
    decision_page,
    drill,
    drill_abort,
    drill_report,
    drill_status,
    drills,
    health,
    incident,
    reconcile,
    traffic_manager_alert,
)
from handlers._edge import LINGER, Answer, Asked
from proof.loop import Loop
from proof.observer import Observer
from proof.ports import MISSED, PROFILE, READ, Line, Process, guarded, ports, site_id
from proof.ports import dice as dice_of
from proof.story import Story
from proof.weather import Weather
from proof.world import Site, Tick, World, moment
from shared.errors import PermanentError, TransientError
from shared.pages import html
from shared.ports import Ports
from shared.reconcile import workflow as rounds
from shared.reconcile.incidents import sending_beside
from shared.settings import Settings
from shared.settings_sync.fingerprint import FingerprintKey
from shared.store import MESSAGES

PROCESS: ContextVar[Process] = ContextVar("PROCESS")
TURN: Final = 60.0  # from one turn of the timer to the next
AGAIN: Final = (10.0, 30.0, 60.0, 300.0)  # seconds until a failed delivery comes again
CURIOUS: Final = 5  # of so many cards one is followed to its page,
WRONG: Final = (-3600.0, -600.0, -60.0, -10.0, 10.0, 60.0, 600.0, 3600.0)  # seconds that a clock may be off
NOSY: Final = 100  # and at so many turns of the timer one person looks whether we are well


type _Page = Callable[..., Coroutine[Any, Any, Answer]]


def another_key(settings: Settings) -> Settings:
    """The settings of somebody whose fingerprint key is not the store's."""
    return msgspec.structs.replace(
        settings, secret=FingerprintKey("another secret, just as long as the first")
    )


_OWNED: Final = ("settings-sync/", "packages/", "permit/", "fingerprint-key/")


def owned(rows: Mapping[str, tuple[bytes, int]]) -> dict[str, bytes]:
    """The rows that only an app with the store's own key may change."""
    return {name: body for name, (body, _) in rows.items() if name.startswith(_OWNED)}


def _remembered(rows: Mapping[str, tuple[bytes, int]]) -> dict[str, tuple[bytes, int]]:
    """The rows without the messages: what an incident already owed may be told by whoever comes by."""
    return {name: row for name, row in rows.items() if not name.startswith(MESSAGES)}


class Instance:
    """A running instance and what it is lent. A new process takes its place when it dies."""

    def __init__(self, name: str, cast: "Cast") -> None:
        self.name, self._cast = name, cast
        self.skew = 0.0
        self.away = -1.0  # until then no process takes its place
        self.begin()

    def begin(self) -> None:
        """Start a process."""
        cast = self._cast
        if cast.loop.time() < self.away:
            cast.loop.call_at(self.away, self.begin)
            return
        self.process = Process(self.name, cast.loop)
        self.process.skew = self.skew
        self.process.on_death = self._died
        self.line = Line(cast.world, self.process, cast.weather)
        self.line.before, self.line.after, self.line.awaits = cast.before, cast.after, cast.awaits
        self.line.calm = cast.calm
        self.line.on_effect = cast.met
        self.ports: Ports = ports(self.line)

    def set_skew(self, skew: float) -> None:
        """Its clock goes wrong."""
        self.skew = self.process.skew = skew

    def _died(self) -> None:
        cast = self._cast
        cast.observer.trouble()
        cast.story.tell(f"{self.name} dies")
        cast.loop.call_later(float(cast.world.dice.choice((1, 5, 20, 60, 150))), self.begin)


class Cast:
    """Everybody who acts upon one world."""

    def __init__(
        self, world: World, loop: Loop, weather: Weather, observer: Observer, story: Story, settings: Settings
    ) -> None:
        self.world, self.loop, self.weather = world, loop, weather
        self.observer, self.story, self.settings = observer, story, settings
        self.calm = False
        self.rivals_until = -1.0
        self.events: list[tuple[float, str]] = []  # until when events fare so: lost, doubled, late
        self.armed: list[tuple[float, str, str, int, Callable[[str], None]]] = []
        self.apart: set[str] = set()  # keys that a person left different
        self.wakes = 0
        self.opened: Counter[str] = Counter()  # pages, by their kind
        self._curiosity = dice_of("pages")  # its own, so that who reads changes nothing else
        self._strangers = dice_of("strangers")  # likewise
        self._clocks = dice_of("clocks")  # likewise
        self.on_effect: Callable[[Line, str], None] | None = None
        self.instances = [Instance(name, self) for name in ("a", "b")]
        world.on_settings, world.on_status = self._settings_changed, self._status_changed
        loop.on_task = self._adopt

    @staticmethod
    def _adopt(task: asyncio.Task[Any]) -> None:
        process = PROCESS.get(None)
        if process is not None:
            process.owns(task)

    # -- waking the product up

    def alive(self) -> list[Instance]:
        """The instances that run, the timer's first."""
        return [instance for instance in self.instances if instance.process.alive]

    def set_calm(self, *, calm: bool) -> None:
        """Whether every call is answered at once."""
        self.calm = self.loop.eager = calm
        for instance in self.instances:
            instance.line.calm = calm

    def wake[T](self, instance: Instance, work: Callable[[Ports], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
        """Run one reaction in an instance."""
        self.wakes += 1
        context = copy_context()
        context.run(PROCESS.set, instance.process)
        context.run(READ.set, {})
        context.run(MISSED.set, set())
        # Whoever wakes it up may be called in the middle of another process's work, and it is not that one's.
        task = Context().run(self.loop.create_task, self._at_work(instance, work), context=context)
        if not task.done():
            instance.process.owns(task)
        task.add_done_callback(partial(self._ended, instance.process))
        return task

    async def _at_work[T](self, instance: Instance, work: Callable[[Ports], Coroutine[Any, Any, T]]) -> T:
        """As the edge does: what is posted is sent beside the work."""
        async with sending_beside(instance.ports, self.settings, linger=LINGER):
            return await work(instance.ports)

    def _ended(self, process: Process, task: asyncio.Task[Any]) -> None:
        if task.cancelled() or not process.alive:
            return
        error = task.exception()
        if error is None:
            return
        self.observer.logged(_spoken(error))
        if not isinstance(error, TransientError | PermanentError):
            self.observer.complain(3, f"a wake-up ended as nobody foresaw: {type(error).__name__}: {error}")

    async def turn(self) -> bool:
        """The timer fires: in one instance, or, as rivals, in both. Returns whether nothing disturbed it."""
        alive = self.alive()
        if alive:
            self._pry()
        rivals = self.loop.time() < self.rivals_until
        chosen = alive if rivals else alive[:1]
        began, hit = self.loop.time(), self.weather.met.total()
        lines = [(instance.line, dict(instance.line.counts)) for instance in chosen]
        tasks = [
            self.wake(instance, lambda ports: reconcile.handle("{}", ports=ports, settings=self.settings))
            for instance in chosen
        ]
        while pending := [task for task in tasks if not task.done()]:
            if not any(instance.process.busy for instance in self.instances):
                break
            await self._until(pending)
        calls = {
            name: count - before.get(name, 0)
            for line, before in lines
            for name, count in line.counts.items()
            if count != before.get(name, 0)
        }
        undisturbed = len(lines) == 1 and lines[0][0].process.alive and hit == self.weather.met.total()
        clean = undisturbed and self.loop.time() - began < TURN
        self.observer.ticked(Tick(began, clean, calls))
        return clean

    async def _until(self, tasks: list[asyncio.Task[Any]]) -> None:
        """Until one of them is done, or a little later: the process of one may be dead."""
        await asyncio.wait(tasks, timeout=5.0, return_when=asyncio.FIRST_COMPLETED)

    # -- Event Grid and Azure Monitor

    def _fare(self) -> str:
        now = self.loop.time()
        self.events = [event for event in self.events if now < event[0]]
        return self.world.dice.choice(self.events)[1] if self.events else ""

    def _settings_changed(self, site: Site) -> None:
        self.send_event(site.name, self._fare())

    def send_event(self, region: str, fare: str = "") -> None:
        """Event Grid tells that a site's settings were changed."""
        if fare == "lost":
            self.story.tell(f"the event of {region} is lost")
            return
        dice = self.world.dice
        body = json.dumps(
            {
                "id": "1",
                "subject": f"/Microsoft.Web/sites/app-{region}",
                "topic": site_id(region),
                "eventType": "Microsoft.Web.AppUpdated",
                "eventTime": moment(self.loop.time()).isoformat(),
                "data": {"appEventTypeDetail": {"action": "ChangedAppSettings"}},
            }
        )
        for _ in range(2 if fare == "doubled" else 1):
            delay = dice.uniform(60, 1500) if fare == "late" else dice.uniform(1, 20)
            self._deliver(
                delay,
                lambda ports: app_service_changed.handle(body, ports=ports, settings=self.settings),
            )

    def _status_changed(self, site: Site) -> None:
        if site.status in {"Online", "Degraded"} and self._fare() != "alerts lost":
            delay = self.world.dice.uniform(30, 120)
            fired = site.status == "Degraded"
            body = json.dumps(
                _alert(site.name, fired=fired, at=moment(self.loop.time()).isoformat())
            ).encode()
            self._deliver(
                delay,
                lambda ports: traffic_manager_alert.handle(
                    Asked(body=body, person=""), ports=ports, settings=self.settings
                ),
            )

    def _deliver(
        self, delay: float, work: Callable[[Ports], Coroutine[Any, Any, object]], tries: int = 0
    ) -> None:
        self.loop.call_later(_whole(delay), self._hand_over, work, tries)

    def _hand_over(self, work: Callable[[Ports], Coroutine[Any, Any, object]], tries: int) -> None:
        alive = self.alive()
        if not alive:
            self._deliver(5.0, work, tries)
            return
        self.observer.stirred()
        chosen = alive if self.loop.time() < self.rivals_until else [self.world.dice.choice(alive)]
        for instance in chosen:
            task = self.wake(instance, work)
            self.loop.create_task(self._see_through(task, instance.process, work, tries))

    async def _see_through(
        self,
        task: asyncio.Task[object],
        process: Process,
        work: Callable[[Ports], Coroutine[Any, Any, object]],
        tries: int,
    ) -> None:
        """Deliver again what was not taken."""
        while not task.done() and process.alive:
            await self._until([task])
        failed = not process.alive or isinstance(task.exception(), TransientError)
        if failed and tries < len(AGAIN):
            self._deliver(AGAIN[tries], work, tries + 1)

    # -- people

    def person(self, work: Callable[[Ports], Awaitable[object]]) -> None:
        """A person asks for something, once."""
        self.observer.stirred()
        alive = self.alive()
        if alive:

            async def ask(ports: Ports) -> None:
                try:
                    self.observer.shown(_shown(await work(ports)))
                except (PermanentError, TransientError) as error:
                    self.observer.shown(_spoken(error))
                    self.story.tell(f"a person is told: {error}")

            self.wake(self.world.dice.choice(alive), ask)

    def visit(self, dice: random.Random, *, decide: bool = True) -> str:
        """A person looks what waits, and decides it. Returns what was asked for."""
        row = self.row("settings-sync")
        if row is None or row["state"] not in {"held", "contained"} or row.get("flight") or not decide:
            return ""
        if not self._strangers.randrange(CURIOUS):
            self.intrude()
        plan = row["plan"]
        rules = {item["rule"] for item in plan.get("refusals", ())}
        changes = [item["key"] for item in plan["decisions"] if item["action"] in {"take", "delete"}]
        keys = [item["key"] for item in plan["decisions"]]
        body: dict[str, Any] = {"group": "scepman", "fingerprint": plan["fingerprint"], "by": "ada"}
        if row["state"] == "contained":
            body["decision"] = dice.choice(("revert", "revert", "revert", "force"))
        elif rules & {"conflict", "first-contact"}:
            body |= {"decision": dice.choice(("take", "take", "take", "reject"))}
        else:
            body["decision"] = dice.choice(("approve", "approve", "take", "reject"))
        if body["decision"] == "take":
            body["region"] = dice.choice(sorted(self.world.sites))
        body["reason"] = "a person may"
        self.open_decision()
        self.ask(body, changes if body["decision"] in {"approve", "revert", "force"} else keys)
        return str(body["decision"])

    def ask(self, body: dict[str, Any], keys: list[str]) -> None:
        """A person decides."""
        self.story.tell(
            f"a person decides: {body['decision']} {body.get('region', '')} {', '.join(keys[:3])}"
        )
        names = [key.replace("connectionstrings/", "connectionStrings/") for key in keys]
        said = body["decision"]
        self.observer.decided(names, forced=said == "force", left=said == "reject")
        if body["decision"] == "reject":
            self.apart |= set(names)
        self._decide(body)

    def _decide(self, body: dict[str, Any]) -> None:
        raw = json.dumps(body).encode()
        self.person(
            lambda ports: decision.handle(Asked(body=raw, person="ada"), ports=ports, settings=self.settings)
        )

    def order_restart(self) -> None:
        """A person orders that all regions be restarted, one after the other."""
        self.story.tell("a person orders a restart of all regions")
        self._decide({"group": "scepman", "decision": "restart", "reason": "a person may", "by": "ada"})

    def release(self) -> None:
        """A person wants a held region back."""
        self.story.tell("a person ends the failback hold")
        self._decide({"group": "scepman", "decision": "release", "reason": "a person may", "by": "ada"})

    def begin_anew(self) -> None:
        """A person says that the store's own key is lost."""
        self.story.tell("a person begins anew under another key")

        async def reset(ports: Ports) -> object:
            profile = await rounds.profile_named("scepman", ports, self.settings)
            return await rounds.reset_baseline([profile], "ada", "it is lost", ports, self.settings)

        self.person(reset)

    def order_drill(self, region: str, *, key: str = "") -> None:
        """A person asks for a drill."""
        self.story.tell(f"a person orders a drill of {region}")
        self.observer.ordered_drill(region)
        body = {
            "group": "scepman",
            "region": region,
            "observe_seconds": 120,
            "reason": "a person may",
            "by": "ada",
        }
        asked = Asked(body=json.dumps(body).encode(), person="ada", idempotency=key)
        self.person(lambda ports: drill.handle(asked, ports=ports, settings=self.settings))

    def abort_drill(self) -> None:
        """A person ends the drill that is under way, if one is."""
        running = (self.row("drill-slots") or {}).get("drill")
        if running:
            self.story.tell("a person ends the drill")
            asked = Asked(body=b"", person="ada", params={"id": running["id"]})
            self.person(lambda ports: drill_abort.handle(asked, ports=ports, settings=self.settings))

    # -- people who read

    def open(self, page: _Page, name: str = "") -> None:
        """Somebody opens a page: at once, and drawing no dice, so that what else happens is the same without."""
        line = Line(self.world, Process("reader", self.loop), Weather())
        line.calm = True
        kind = page.__module__.rpartition(".")[2]
        line.on_effect = partial(self._changed_by, kind)
        asked = Asked(body=b"", person="ada", params={"id": name})
        self.opened[kind] += 1
        rows, writes = self.world.rows.copy(), self.world.writes
        apart = Loop()  # type: ignore[abstract]  # in whose time nothing of the others' happens
        apart.eager = True
        try:
            answer = Context().run(apart.run, page(asked, ports=ports(line), settings=self.settings))
        except (PermanentError, TransientError) as error:
            self.observer.shown(_spoken(error))
            self.observer.complain(3, f"{kind} cannot be opened for {name!r}: {error}")
        else:
            self.observer.shown(_shown(answer))
            self.observer.explained(kind, msgspec.to_builtins(answer.body))
        self.world.rows, self.world.writes = rows, writes

    def _changed_by(self, kind: str, line: Line, name: str) -> None:
        """A page does something. It may note what it was told of sites that nobody had asked about for a day."""
        del line
        self.observer.check(
            7, name == "store.put watched", lambda: f"to open {kind} changes something: {name}"
        )

    def intrude(self) -> None:
        """Somebody with another key looks and decides, over the same store: at once, and drawing no dice."""
        self.opened["stranger"] += 1
        rows, writes = self.world.rows.copy(), self.world.writes
        settings = another_key(self.settings)

        async def look(ports: Ports) -> None:
            profile = await rounds.profile_named("scepman", ports, settings)
            _, seen, _ = await rounds.show_plan(profile, ports, settings)
            body = {"group": "scepman", "decision": "take", "region": min(self.world.sites), "by": "eve"}
            body |= {"fingerprint": seen.plan.fingerprint if seen.plan else "", "reason": "a stranger may"}
            await decision.handle(
                Asked(body=json.dumps(body).encode(), person="eve"), ports=ports, settings=settings
            )

        line = Line(self.world, Process("stranger", self.loop), Weather())
        line.calm = True
        apart = Loop()  # type: ignore[abstract]  # in whose time nothing of the others' happens
        apart.eager = True
        try:
            Context().run(apart.run, look(ports(line)))
        except (PermanentError, TransientError) as error:
            self.observer.shown(_spoken(error))
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is a breach and not the end of the run
            self.observer.complain(3, f"another key ended as nobody foresaw: {type(error).__name__}: {error}")
        same = owned(self.world.rows) == owned(rows)
        self.observer.check(3, same, lambda: "somebody with another key changed what is remembered")
        self.world.rows, self.world.writes = rows, writes

    def mistime(self) -> None:
        """Somebody at a machine whose clock is minutes off runs a round over the same store: at once."""
        self.opened["mistimed"] += 1
        rows, writes = self.world.rows.copy(), self.world.writes
        visitor = Process("mistimed", self.loop)
        visitor.skew = self._clocks.choice(WRONG)

        async def go(ports: Ports) -> None:
            profile = await rounds.profile_named("scepman", ports, self.settings)
            await rounds.run(profile, ports, self.settings, doorbell=True)

        line = Line(self.world, visitor, Weather())
        line.calm = True
        apart = Loop()  # type: ignore[abstract]  # in whose time nothing of the others' happens
        apart.eager = True
        context = Context()
        context.run(READ.set, {})
        try:
            context.run(apart.run, go(guarded(line)))
        except (PermanentError, TransientError) as error:
            self.observer.shown(_spoken(error))
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is a breach and not the end of the run
            self.observer.complain(
                3, f"a wrong clock ended as nobody foresaw: {type(error).__name__}: {error}"
            )
        same = _remembered(self.world.rows) == _remembered(rows)
        self.observer.check(3, same, lambda: "somebody whose clock is wrong changed what is remembered")
        self.world.rows, self.world.writes = rows, writes

    def open_decision(self) -> None:
        """The page of what waits, or of nothing."""
        key = next((row for row in self.world.rows if row.startswith("settings-sync/")), "")
        if key:
            plan = (self.row("settings-sync") or {}).get("plan") or {"fingerprint": "none"}
            self.open(decision_page.handle, f"{key.partition('/')[2]}.{plan['fingerprint']}")

    def _follow(self) -> None:
        """Somebody goes from a card to what it is about: the incidents of late, and the drill."""
        key = next((row for row in self.world.rows if row.startswith("incident-ledgers/")), "")
        for item in (self.row("incident-ledgers") or {}).get("named", ()):
            self.open(incident.handle, f"{key.partition('/')[2]}-{item['number']}")

    def _pry(self) -> None:
        """Somebody looks how a drill goes, and now and then whether we are well."""
        running = (self.row("drill-slots") or {}).get("drill")
        if running:
            self.open(drill_status.handle, running["id"])
        if not self._curiosity.randrange(NOSY):
            self.open(health.handle)
        if not self._strangers.randrange(NOSY):
            self.intrude()
        if not self._clocks.randrange(NOSY):
            self.mistime()

    def read_all(self) -> None:
        """Somebody opens every page that there is, when all is over."""
        self.open(drills.handle)
        self.open_decision()
        for key in list(self.world.rows):
            kind, _, name = key.partition("/")
            if kind in {"drills", "incidents"}:
                self.open(drill_report.handle if kind == "drills" else incident.handle, name)

    def row(self, kind: str) -> dict[str, Any] | None:
        """A row as anybody could read it."""
        found = next((body for key, (body, _) in self.world.rows.items() if key.startswith(f"{kind}/")), None)
        return json.loads(found) if found else None

    # -- in the middle of ours

    def met(self, line: Line, name: str) -> None:
        """A process is about to do something."""
        if self.on_effect is not None:
            self.on_effect(line, name)

    def arm(self, when: str, name: str, count: int, act: Callable[[str], None], *, until: float) -> None:
        """Before or after the so-manieth call of this name takes effect, do this with its region."""
        self.armed.append((until, when, name, count, act))

    def awaits(self, name: str) -> bool:
        """Return whether something is to be done right before or after such a call."""
        now = self.loop.time()
        return any(now < until and name.startswith(its_name) for until, _, its_name, _, _ in self.armed)

    def before(self, name: str, region: str) -> None:
        """A call is about to take effect."""
        if self.armed:
            self._meet("before", name, region)

    def after(self, name: str, region: str) -> None:
        """A call took effect."""
        if name.startswith(_TELLING):
            self.story.tell(f"{name.partition('.')[2]} {region}".strip())
        if name == "channel.send" and not self._curiosity.randrange(CURIOUS):
            self._follow()
        if self.armed:
            self._meet("after", name, region)

    def _meet(self, when: str, name: str, region: str) -> None:
        now = self.loop.time()
        armed, self.armed = self.armed, []
        for until, its_when, its_name, count, act in armed:
            if now >= until:
                continue
            if its_when != when or not name.startswith(its_name):
                self.armed.append((until, its_when, its_name, count, act))
            elif count > 1:
                self.armed.append((until, its_when, its_name, count - 1, act))
            else:
                act(region)


_TELLING = (
    "arm.put",
    "arm.restart",
    "arm.disable",
    "arm.enable",
    "vault.keep",
    "vault.forget",
    "channel.send",
)


class Listener(logging.Handler):
    """Hears what the product logs."""

    def __init__(self, observer: Observer, story: Story) -> None:
        super().__init__(logging.INFO)
        self._observer, self._story = observer, story

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        line = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            line += f": {type(error).__name__}: {error}"
            self._observer.logged(_spoken(error))
            if "nobody foresaw" in line:
                self._observer.complain(3, line)
        self._observer.logged(line, loud=record.levelno >= logging.ERROR)
        if not line.startswith("groups looked at"):
            self._story.tell(line)


def _spoken(error: BaseException) -> str:
    """An error with those that it came from: what of it a log would show."""
    said: list[str] = []
    each: BaseException | None = error
    while each is not None:
        said.append(f"{each!r} {each} {getattr(each, '__notes__', '')}")
        each = each.__cause__ or each.__context__
    return "\n".join(said)


def _shown(answer: object) -> str:
    """All that an answer can be sent as."""
    if not isinstance(answer, Answer):
        return repr(answer)
    page = html(answer.page) if answer.page is not None else ""
    return f"{msgspec.json.encode(answer.body).decode()} {page} {answer.markdown}"


def _whole(seconds: float) -> float:
    """In whole 64ths."""
    return max(1, round(seconds * 64)) / 64


def _alert(region: str, *, fired: bool, at: str) -> dict[str, Any]:
    criterion = {
        "metricName": "ProbeAgentCurrentEndpointStateByProfileResourceId",
        "metricNamespace": "Microsoft.Network/trafficManagerProfiles",
        "operator": "LessThan",
        "threshold": "0.5",
        "timeAggregation": "Average",
        "dimensions": [{"name": "EndpointName", "value": region}],
        "metricValue": 0.0,
    }
    essentials = {
        "alertId": f"/subscriptions/x/providers/Microsoft.AlertsManagement/alerts/{region}",
        "alertRule": "an endpoint is degraded",
        "severity": "Sev1",
        "signalType": "Metric",
        "monitorCondition": "Fired" if fired else "Resolved",
        "monitoringService": "Platform",
        "alertTargetIDs": [PROFILE.lower()],
        "firedDateTime": at,
        "description": "",
        "essentialsVersion": "1.0",
        "alertContextVersion": "1.0",
    }
    if not fired:
        essentials["resolvedDateTime"] = at
    return {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {
            "essentials": essentials,
            "alertContext": {
                "properties": None,
                "conditionType": "SingleResourceMultipleMetricCriteria",
                "condition": {"windowSize": "PT1M", "allOf": [criterion]},
            },
            "customProperties": {},
        },
    }
