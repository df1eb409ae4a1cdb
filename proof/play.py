"""One run of one seed: a world, its weather, everybody in it, and the observer, from the first minute to the last.

At the end the faults stop, people decide what waits, and all must come to rest.
"""

import dataclasses
import logging
import math
import time
from collections import Counter
from typing import Any, Final

import msgspec

from proof import quiet
from proof.cast import Cast, Listener
from proof.forward import forward
from proof.happen import Happenings
from proof.loop import Loop
from proof.observer import Breach, Observer
from proof.ports import SUBSCRIPTION, dice
from proof.story import Story
from proof.weather import Fault, Weather, forecast, stirs
from proof.world import PACKAGE, SECRET, Site, World, moment, reference
from shared.artifact_hosts.catalogue import GITHUB, HOSTS, VENDOR
from shared.incidents.hold import HoldRules
from shared.settings import Settings
from shared.store import RECALLED

DAY: Final = 86_400.0
YEAR: Final = 365 * DAY
MONTH: Final = 30 * DAY
IDENTITY: Final = "AppConfig:KeyVaultConfig:KeyVaultURL"
KEYS: Final = (*(f"AppConfig:K{number:02}" for number in range(11)), IDENTITY)
TOKEN: Final = reference(f"{SECRET}-token")  # every region has one such reference
URLS: Final = (f"{HOSTS[GITHUB]}master/dist/Artifacts.zip", f"{HOSTS[VENDOR]}dist/Artifacts.zip")
_HOSTS: Final = dict(zip(URLS, (GITHUB, VENDOR), strict=True))
PEACE: Final = 12 * 3600.0  # at the end, for all to come to rest


@dataclasses.dataclass
class Report:
    """What a run showed."""

    seed: str
    simulated: float  # seconds
    breaches: list[Breach]
    story: list[str]
    faults: Counter[Fault]  # how often each was drawn,
    hits: Counter[Fault]  # and, of those that wait for a call, how often one came
    checks: Counter[int]
    met: Counter[str]
    effects: list[tuple[float, str, str, object]]
    end: dict[str, Any]  # the world in the end
    unseeable: int
    wakes: int
    skipped: float
    took: float  # seconds of this machine


class Play:
    """A run."""

    def __init__(
        self,
        seed: str,
        *,
        seconds: float = MONTH,
        skip: bool = True,
        settings: Settings | None = None,
        regions: tuple[str, ...] = (),
        faults: bool = True,
    ) -> None:
        self.seed, self.seconds, self.skip, self.faults = seed, seconds, skip, faults
        self.loop = Loop()  # type: ignore[abstract]  # what no port needs of a loop is left out
        self.traits = dice(f"{seed}/traits")
        drawn = settings_of(hold=self.traits.random() < 0.5, revert=self.traits.random() < 0.3)
        self.settings = settings or drawn
        names = regions or (("east", "west") if self.traits.random() < 0.7 else ("east", "north", "west"))
        self.story = Story(lambda: moment(self.loop.time()))
        rules = self.settings.rules
        self.observer = Observer(
            soak=rules.soak,
            revert=rules.soak_deadline if rules.revert_bad_changes else None,
            moves=self.settings.package_rules.rotate,
            on_breach=self._breached,
        )
        self.world = World(
            self.loop, [_site(name, n) for n, name in enumerate(names)], list(URLS), dice(seed)
        )
        self.observer.watch(self.world)
        self.weather = Weather()
        self.cast = Cast(self.world, self.loop, self.weather, self.observer, self.story, self.settings)
        self.happen = Happenings(self.cast)
        self.skipped = 0.0
        self._gist: tuple[bytes, ...] = ()
        self._decided = 0.0

    def run(self) -> Report:
        """From the first minute to the last, or to the first breach."""
        root = logging.getLogger()
        level, handlers = root.level, root.handlers
        root.handlers = [
            Listener(self.observer, self.story)
        ]  # whoever keeps every line would be most of the work
        root.setLevel(logging.INFO)
        began = time.process_time()
        try:
            self.loop.run(self._all())
        finally:
            root.handlers = handlers
            root.setLevel(level)
        return self._report(time.process_time() - began)

    def _report(self, took: float) -> Report:
        observer = self.observer
        return Report(
            seed=self.seed,
            simulated=self.loop.time(),
            breaches=observer.breaches,
            story=self.story.lines(),
            faults=self.happen.counts,
            hits=self.happen.hits,
            checks=observer.checks,
            met=self.weather.met,
            effects=observer.effects,
            end=self._end(),
            unseeable=observer.unseeable,
            wakes=self.cast.wakes,
            skipped=self.skipped,
            took=took,
        )

    def _end(self) -> dict[str, Any]:
        return {
            "settings": {site.name: site.settings for site in self.world.sites.values()},
            "endpoints": {
                site.name: (site.enabled, site.status, site.well) for site in self.world.sites.values()
            },
            "vault": dict(self.world.vault),
            "rows": {key: body for key, (body, _) in self.world.rows.items()},
        }

    def _breached(self, breach: Breach) -> None:
        self.story.tell(f"law {breach.law} is broken: {breach.text}")

    # -- time

    async def _all(self) -> None:
        for heap in forecast(self.seed, self.seconds) if self.faults else ():
            self.happen.expect(heap)
        await self._until(self.seconds)
        if not self.faults:
            return
        if not self.observer.breaches:
            self.happen.peace()
            await self._until(self.loop.time() + PEACE)
        if not self.observer.breaches:
            self.cast.read_all()
            self.observer.at_rest(apart=self.cast.apart)

    async def _until(self, end: float) -> None:
        """The timer's turns."""
        turn = self.loop.time() // quiet.TURN * quiet.TURN + quiet.TURN
        while turn <= end and not self.observer.breaches:
            await self._sleep(turn)
            began, before = self.loop.time(), self.world.rows.copy()
            clean = await self.cast.turn()
            turn = max(turn, self.loop.time() // quiet.TURN * quiet.TURN) + quiet.TURN
            turn = self._calmed(before, began, turn, end, clean=clean)
        if not self.observer.breaches:
            await self._sleep(end)

    async def _sleep(self, until: float) -> None:
        """Until then; what is to happen on the way happens."""
        while (at := self.happen.next) is not None and at < until:
            await self._pass(at)
            if not self.happen.pass_over(until):
                self.cast.set_calm(calm=False)
                self.happen.due(at)
        await self._pass(until)

    async def _pass(self, until: float) -> None:
        if self.loop.awaited <= until:
            self.cast.set_calm(calm=False)
        if until > self.loop.time():
            done = self.loop.create_future()
            self.loop.call_at(until, done.set_result, None)
            await done

    def _calmed(self, before: quiet.Rows, began: float, turn: float, end: float, *, clean: bool) -> float:
        """The next turn that is played, when all those until then would do nothing."""
        gist = quiet.gist(self.world.rows)
        if gist != self._gist:
            self._gist, self._decided = gist, self.loop.time()
        awaited, was_calm = self.loop.awaited, self.cast.calm
        rests = awaited > turn and self._rests()
        self.cast.set_calm(calm=rests)
        if not rests or not clean or not quiet.noop(before, self.world.rows, calm=was_calm):
            return turn
        self.story.begin_anew()
        due = quiet.due(self.world.rows, turn, self._truth(began), self.settings)
        # An instance remembers for a moment what it read: the turn right before something happens is played.
        recalled = RECALLED.total_seconds()
        latest = min(end, awaited - recalled, due)
        while self.skip and self.happen.pass_over(latest):
            pass
        latest = min(latest, (self.happen.next or end) - recalled)
        turns = math.ceil((latest - turn) / quiet.TURN)  # those before it; a calm one takes no time
        if not self.skip or turns < 1:
            return turn
        last = turn + (turns - 1) * quiet.TURN
        skew = self.cast.alive()[0].process.skew
        looked = moment(began + skew)
        self.world.rows = forward(self.world.rows, looked, turn, last, skew, self.settings)
        self.skipped += turns * quiet.TURN
        return last + quiet.TURN

    def _rests(self) -> bool:
        """Whether nothing is under way but what waits for its time, and nothing can go wrong with a quiet turn."""
        cast, sites, now = self.cast, self.world.sites.values(), self.loop.time()
        return (
            self.weather.fair(now)
            and all(stirs(name) for until, _, name, _, _ in cast.armed if until > now)
            and not any(
                instance.process.busy or instance.process.fuse is not None for instance in cast.instances
            )
            and len(cast.alive()) == len(cast.instances)
            and now >= cast.rivals_until
            and all(host.up for host in self.world.hosts.values())
            and all(site.status in {"Disabled", "Online" if site.well else "Degraded"} for site in sites)
            and len({site.authority for site in sites}) == 1
        )

    def _truth(self, began: float) -> quiet.Truth:
        sites = self.world.sites.values()
        return quiet.Truth(
            began=began,
            skew=self.cast.alive()[0].process.skew,
            versions={name: self.world.hosts[url].version for url, name in _HOSTS.items()},
            runs={site.name: site.runs for site in sites},
            changed=max(self._decided, *(site.changed for site in sites)),
            degraded={site.name for site in sites if site.status == "Degraded"},
        )


def played(asked: tuple[str, float]) -> Report:
    """Play a seed for so many days."""
    seed, days = asked
    return Play(seed, seconds=days * DAY).run()


def _site(name: str, number: int) -> Site:
    values = {**dict.fromkeys(KEYS, f"{SECRET}-0"), "AppConfig:Token": TOKEN}
    return Site(name, {**values, PACKAGE: URLS[number % 2]}, {"db": (f"{SECRET}-db", "Custom")})


def settings_of(*, hold: bool, revert: bool) -> Settings:
    """The defaults, with two traits of a run."""
    plain = Settings.from_env(
        {
            "COUNTERPART_FINGERPRINT_KEY": "a simulation's own secret, long enough to be one",
            "COUNTERPART_VAULT_URL": "https://kv-test.vault.azure.net",
            "COUNTERPART_STORE": "sqlite:never-opened.db",
            "COUNTERPART_SUBSCRIPTIONS": SUBSCRIPTION,
        }
    )
    rules = msgspec.structs.replace(plain.rules, revert_bad_changes=revert)
    return msgspec.structs.replace(plain, rules=rules, hold=HoldRules(on=hold))
