"""What each fault is, in the world: what happens at its time and in the minutes after."""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from proof.cast import Cast
from proof.observer import SKEW
from proof.ports import dice as dice_of
from proof.weather import HOUR, Error, Fate, Fault, Heap, stirs
from proof.world import BAD, MISSING, PACKAGE, RESOLVED, SECRET, SPARE, STRING, Site, looked_up, reference

MINUTE: Final = 60.0
ARMED: Final = 60 * MINUTE  # how long what waits for a call waits for it,
SHORTLY: Final = 8 * MINUTE  # where every turn of the timer makes such calls
_NEW: Final = 400  # of so many edits one adds a key


class Happenings:
    """What is to happen, and when."""

    def __init__(self, cast: Cast) -> None:
        self.cast, self.world, self.loop = cast, cast.world, cast.loop
        self.counts: Counter[Fault] = Counter()
        self.hits: Counter[Fault] = Counter()  # of what waits for a call: how often one came
        self._fault = Fault.EDIT  # which is happening just now
        self._ahead: list[tuple[float, int, Callable[[], None], Callable[[], bool]]] = []
        self._values = 0
        self._order = 0
        self._over = False
        self._homes = {site.name: site.app.get(PACKAGE) for site in self.world.sites.values()}

    # -- appointments

    @property
    def next(self) -> float | None:
        """When something is to happen next."""
        return self._ahead[0][0] if self._ahead else None

    def expect(self, heap: Heap) -> None:
        """This heap comes at its time, and people come to look some time after."""
        self.at(heap.at, lambda: self._fall(heap))

    def due(self, now: float) -> None:
        """What is to happen by now happens."""
        while self._ahead and self._ahead[0][0] <= now:
            _, _, act, _ = self._ahead.pop(0)
            act()

    def pass_over(self, until: float) -> bool:
        """Forget what was to happen next, if that is before then and would do nothing as things are."""
        if not self._ahead or self._ahead[0][0] >= until or not self._ahead[0][3]():
            return False
        self._ahead.pop(0)
        return True

    def peace(self) -> None:
        """No faults any more: what was taken is given back, and people look until nothing waits for them."""
        self._over = True
        self._ahead.clear()
        world, cast = self.world, self.cast
        cast.weather.clear()
        cast.armed.clear()
        cast.events.clear()
        cast.rivals_until = -1.0
        world.slow_boots = 0.0
        world.deaf_until = min(world.deaf_until, self.loop.time())
        world.moved_until = min(world.moved_until, self.loop.time())
        for instance in cast.instances:
            instance.process.fuse = None
        for url in world.hosts:
            world.host(url, up=True)
        for site in world.sites.values():
            self._package_back(site)
            site.authority = "ca" * 32
            world.admit(site.name)
            for why in ("region", "shared"):
                world.heal(site, why)
            if not site.enabled and site.name not in cast.observer.taken:
                world.switch(site.name, enabled=True)
        for number in range(20):
            self.at(self.loop.time() + (1 + number) * 1800.0, self._settle, self._content)

    def _settle(self) -> None:
        """A person takes one side, or mends a region that no decision mends."""
        self._mend()
        row = self.cast.row("settings-sync")
        if row is None or row["state"] not in {"held", "contained"} or row.get("flight"):
            return
        plan = row["plan"]
        keys = [item["key"] for item in plan["decisions"]]
        rules = {item["rule"] for item in plan.get("refusals", ())}
        body = {"group": "scepman", "fingerprint": plan["fingerprint"], "by": "ada", "reason": "peace"}
        if row["state"] == "contained":
            body["decision"] = "revert"
        elif "undone" in rules:  # once more would be undone once more
            sound = [
                site.name
                for site in self.world.sites.values()
                if not any(BAD in value or MISSING in value for value in site.app.values())
            ]
            body |= {"decision": "take", "region": min(sound or self.world.sites)}
        elif rules & {"conflict", "first-contact"}:
            body |= {"decision": "take", "region": min(self.world.sites)}
        else:
            body["decision"] = "approve"
        self.cast.open_decision()
        self.cast.ask(body, keys)

    def _mend(self) -> None:
        """A person replaces what an app does not bear, where it has been so for long."""
        for site in self.world.sites.values():
            if "settings" in site.ills and self.loop.time() - site.since > 1500.0:
                bad = [
                    name
                    for name, item in site.app.items()
                    if BAD in item or looked_up(item, site.name) != RESOLVED
                ]
                self._edit(site.name, {name: self._value() for name in bad})

    def at(self, at: float, act: Callable[[], None], idle: Callable[[], bool] = lambda: False) -> None:
        """This happens then; until then all may be quiet. `idle` says whether it would do nothing as things are."""
        self._order += 1
        self._ahead.append((float(int(at)), self._order, act, idle))
        self._ahead.sort(key=lambda it: it[:2])

    # -- heaps

    def _fall(self, heap: Heap) -> None:
        dice = dice_of(heap.dice)
        self.world.dice.seed(f"{heap.dice}/calls")
        for delay, fault in heap.faults:
            self.loop.call_later(
                max(1, int(delay * 64)) / 64, self._happens, fault, random.Random(dice.random())
            )
        for minutes in (dice.uniform(12, 40), dice.uniform(40, 120)):
            look = partial(self._look, dice_of(f"{heap.dice}/{minutes}"))
            self.at(heap.at + minutes * MINUTE, look, self._content)

    def _look(self, dice: random.Random) -> None:
        """A person comes and looks, and comes again while something is left to be seen to."""
        said = self.cast.visit(dice)
        if not said and dice.random() < 0.5:
            self._mend()
        if not self._content():
            later = self.loop.time() + dice.uniform(20, 120) * MINUTE
            self.at(later, lambda: self._look(dice), self._content)

    def _content(self) -> bool:
        """Return whether a person who comes and looks finds nothing to be seen to."""
        row = self.cast.row("settings-sync")
        waits = row is not None and row["state"] in {"held", "contained"}
        return not waits and not any("settings" in site.ills for site in self.world.sites.values())

    def _happens(self, fault: Fault, dice: random.Random) -> None:
        if self._over:
            return
        self.counts[fault] += 1
        self.cast.story.tell(f"({fault})")
        self._fault = fault
        _DEEDS[fault](self, dice)

    # -- tools

    def _region(self, dice: random.Random) -> Site:
        return self.world.sites[dice.choice(sorted(self.world.sites))]

    def _keys(self, dice: random.Random, count: int) -> list[str]:
        site = self.world.sites[min(self.world.sites)]
        return dice.sample(
            sorted(name for name in site.app if name.startswith("AppConfig:K") and "Vault" not in name), count
        )

    def _value(self) -> str:
        self._values += 1
        return f"{SECRET}-{self._values}"

    def _edit(self, region: str, changes: Mapping[str, object]) -> None:
        if self.world.edit(region, changes):
            self.cast.story.tell(f"a person edits {', '.join(changes)} in {region}")

    def _spell(self, names: str, fate: Fate, dice: random.Random, *, longest: float = 600.0) -> None:
        until = self.loop.time() + dice.uniform(30, longest)
        share = dice.choice((0.2, 0.5, 1.0))
        self.cast.weather.spell(names, fate, until=until, share=share, on_hit=self._hit())

    def _next_calls(self, names: str, fate: Fate, count: int) -> None:
        self.cast.weather.spell(names, fate, until=self._until(names), left=count, on_hit=self._hit())

    def _arm(self, when: str, name: str, count: int, act: Callable[[str], None]) -> None:
        hit = self._hit()

        def strike(region: str) -> None:
            hit()
            act(region)

        self.cast.arm(when, name, count, strike, until=self._until(name))

    def _until(self, names: str) -> float:
        """Until when this is waited for: no turn may be skipped while what every turn does is waited for."""
        return self.loop.time() + (ARMED if stirs(names) else SHORTLY)

    def _hit(self) -> Callable[[], None]:
        """To be called when what is happening just now meets its call."""
        fault = self._fault
        self.hits[fault] += 0  # it waits for one
        return partial(self._count_hit, fault)

    def _count_hit(self, fault: Fault) -> None:
        self.hits[fault] += 1

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        self.loop.call_later(max(1, int(seconds * 64)) / 64, act)

    # -- people

    def edit(self, dice: random.Random) -> None:
        """One person, one region, some keys; sometimes in several goes."""
        region = self._region(dice).name
        for number in range(dice.choice((1, 1, 1, 2, 3))):
            keys = self._keys(dice, dice.randrange(1, 4))
            delay = number * dice.uniform(1, 200)
            changes = {key: self._value() for key in keys}
            self._later(delay, partial(self._edit, region, changes))

    def bad_edit(self, dice: random.Random) -> None:
        """A value that some app does not bear."""
        region = self._region(dice)
        victim = self._region(dice).name
        bad = self._value() + dice.choice((BAD, f"{BAD}@{victim}", f"{BAD}@{region.name}"))
        self._edit(region.name, {self._keys(dice, 1)[0]: bad})

    def both_sides(self, dice: random.Random) -> None:
        """Two people, one key, two values."""
        (key,) = self._keys(dice, 1)
        for region in dice.sample(sorted(self.world.sites), 2):
            value = self._value()
            delay = dice.choice((0.0, dice.uniform(0, 400)))
            self._later(delay, partial(self._edit, region, {key: value}))

    def same_edit(self, dice: random.Random) -> None:
        """One value, put into every region by hand."""
        (key,) = self._keys(dice, 1)
        value = self._value()
        for region in sorted(self.world.sites):
            self._later(dice.uniform(0, 300), partial(self._edit, region, {key: value}))

    def delete(self, dice: random.Random) -> None:
        """A key goes, another one comes."""
        region = self._region(dice)
        (key,) = self._keys(dice, 1)
        self._edit(region.name, {key: None, f"AppConfig:KNew{dice.randrange(_NEW)}": self._value()})

    def string(self, dice: random.Random) -> None:
        """A connection string, with or without an app setting."""
        region = self._region(dice).name
        changes: dict[str, object] = {f"{STRING}db": (self._value(), "Custom")}
        if dice.random() < 0.5:
            changes[self._keys(dice, 1)[0]] = self._value()
        self._edit(region, changes)

    def identity(self, dice: random.Random) -> None:
        """What is held until a person approves."""
        self._edit(self._region(dice).name, {"AppConfig:KeyVaultConfig:KeyVaultURL": self._value()})

    def mass_edit(self, dice: random.Random) -> None:
        """More than the brake lets through."""
        self._edit(self._region(dice).name, {key: self._value() for key in self._keys(dice, 5)})

    def reference(self, dice: random.Random) -> None:
        """It resolves everywhere, nowhere, or not in this region or another one; half of them are corrected later."""
        region, other = self._region(dice).name, self._region(dice).name
        where = dice.choice(("", MISSING, f"{MISSING}@{region}", f"{MISSING}@{other}"))
        secret = f"{self._value()}{dice.choice(('', SPARE))}"
        (key,) = self._keys(dice, 1)
        self._edit(region, {key: reference(secret, where)})
        if where and dice.random() < 0.5:
            self._later(dice.uniform(60, 2400), partial(self._edit, region, {key: reference(self._value())}))

    def barred(self, dice: random.Random) -> None:
        """A region starts without its secrets, if it starts now: as one does whose settings are edited."""
        region = self._region(dice).name
        self.cast.story.tell(f"{region} may not read the vault")
        self.world.bar(region)
        self._later(dice.uniform(300, 1800), partial(self._admitted, region))
        if dice.random() < 0.5:
            changes = {key: self._value() for key in self._keys(dice, 1)}
            self._later(dice.uniform(1, 240), partial(self._edit, self._region(dice).name, changes))

    def _admitted(self, region: str) -> None:
        self.cast.story.tell(f"{region} may read the vault again")
        self.world.admit(region)

    def edit_between(self, dice: random.Random) -> None:
        """Somebody's edit lands around one of our readings, or right before our write."""
        keys = self._keys(dice, dice.randrange(1, 3))
        value = self._value()
        where = self._region(dice).name

        def strike(region: str) -> None:
            self._edit(dice.choice((region or where, where)), dict.fromkeys(keys, value))

        name, count = dice.choice(
            (("arm.put", 1), ("arm.get_settings", dice.randrange(1, 20)), ("vault.keep", 1))
        )
        when = dice.choice(("before", "after")) if name != "arm.put" else "before"
        self._arm(when, name, count, strike)

    def edit_behind(self, dice: random.Random) -> None:
        """Somebody edits the region that we have just written, or its source."""
        keys = self._keys(dice, dice.randrange(1, 3))
        value, where, delay = self._value(), self._region(dice).name, dice.choice((0.1, 5, 60, 200))

        def strike(region: str) -> None:
            at = dice.choice((region, where))
            self._later(delay, lambda: self._edit(at, dict.fromkeys(keys, value)))

        self._arm("after", "arm.put", 1, strike)

    def package_spoilt(self, dice: random.Random) -> None:
        """Or an empty one, or no URL; sometimes everything is spoilt with it. A person mends it hours later."""
        site = self._region(dice)
        nowhere = f"https://files.test/{self._value()}/own.zip"
        spoilt = dice.choice(
            (None, None, "", self._value(), nowhere, f"{nowhere}?se=2026-01-01T00%3A00%3A00Z&sig={SECRET}")
        )
        changes: dict[str, object] = {PACKAGE: spoilt}
        if dice.random() < 0.4:
            changes |= {key: self._value() + BAD for key in self._keys(dice, dice.randrange(1, 8))}
        self._edit(site.name, changes)
        hours = dice.uniform(3, 6) * HOUR
        self.at(self.loop.time() + hours, partial(self._package_back, site), lambda: self._is_home(site))

    def _package_back(self, site: Site) -> None:
        if not self._is_home(site):
            self._edit(site.name, {PACKAGE: self._homes[site.name]})

    def _is_home(self, site: Site) -> bool:
        return site.app.get(PACKAGE) == self._homes[site.name]

    def flood(self, dice: random.Random) -> None:
        """For up to two hours a region is down every other minute; names are long, and events many."""
        site, at = self._region(dice), 0.0
        for number in range(dice.randrange(10, 30)):
            self._later(at, partial(self._lost, [site], "region", dice.choice((40.0, 70.0, 100.0))))
            self._later(at + dice.uniform(0, 60), partial(self.cast.send_event, self._region(dice).name))
            if not number % 8:
                name = f"AppConfig:KLong{dice.randrange(_NEW)}" + "x" * 300
                self._later(at, partial(self._edit, self._region(dice).name, {name: self._value()}))
            at += dice.uniform(120, 240)

    def switched(self, dice: random.Random) -> None:
        """A person takes an endpoint out, and puts it back later."""
        site = self._region(dice)
        others = [item for item in self.world.sites.values() if item is not site and item.enabled]
        if others and site.enabled:
            self.cast.story.tell(f"a person disables {site.name}")
            self.world.switch(site.name, enabled=False)
            self._later(dice.uniform(60, 900), lambda: self._back(site))

    def _back(self, site: Site) -> None:
        if site.name not in self.cast.observer.taken:
            self.cast.story.tell(f"a person enables {site.name}")
            self.world.switch(site.name, enabled=True)

    def restart(self, dice: random.Random) -> None:
        """A person orders a restart, or ends a hold."""
        if dice.random() < 0.7:
            self.cast.order_restart()
        else:
            self.cast.release()

    def drill(self, dice: random.Random) -> None:
        """A drill of some region, which a person may end early."""
        self.cast.order_drill(self._region(dice).name, key=dice.choice(("", "one", "two")))
        if dice.random() < 0.3:
            self._later(dice.uniform(30, 300), self.cast.abort_drill)

    # -- messages

    def _events(self, how: str, dice: random.Random) -> None:
        self.cast.events.append((self.loop.time() + dice.uniform(60, 400), how))

    def event_lost(self, dice: random.Random) -> None:
        """Only the sweep will find it."""
        self._events("lost", dice)

    def event_doubled(self, dice: random.Random) -> None:
        """Event Grid delivers at least once."""
        self._events("doubled", dice)

    def event_late(self, dice: random.Random) -> None:
        """And in no order."""
        self._events("late", dice)

    def event_stray(self, dice: random.Random) -> None:
        """Of something long over."""
        for _ in range(dice.randrange(1, 4)):
            self.cast.send_event(self._region(dice).name)

    def alert_lost(self, dice: random.Random) -> None:
        """Action groups give up."""
        self._events("alerts lost", dice)

    # -- calls

    def arm_throttled(self, dice: random.Random) -> None:
        """Some or all calls, for some minutes."""
        self._spell("arm.", Fate(Error.THROTTLED, effect=False), dice)

    def site_missed(self, dice: random.Random) -> None:
        """One region's site, for some seconds or a few minutes."""
        region = self._region(dice).name
        error = dice.choice((Error.MISSED, Error.MISSED, Error.DENIED))
        until = self.loop.time() + dice.choice((6.0, 60.0, 150.0))
        self.cast.story.tell(f"{region} is answered with {error}")
        self.cast.weather.spell(
            f"arm.get@{region}", Fate(error, effect=False), until=until, on_hit=self._hit()
        )

    def list_lacks(self, dice: random.Random) -> None:
        """An endpoint or the whole profile, for less than is proof."""
        lacks = dice.choice((*sorted(self.world.sites), ""))
        until = self.loop.time() + dice.choice((30.0, 65.0, 100.0))
        if self.loop.time() < self.world.lacks_until:
            return  # they lack something else
        self.world.lacks_until = until
        self.cast.story.tell(f"Traffic Manager's answer leaves out {lacks or 'the profile'}")
        self.world.lacks = lacks
        self.cast.weather.spell(
            "arm.list_profiles", Fate(Error.MISSED, effect=False), until=until, on_hit=self._hit()
        )

    def endpoint_moved(self, dice: random.Random) -> None:
        """One of three regions leaves for longer than is proof; meanwhile people edit here and there."""
        if self.loop.time() < self.world.lacks_until:
            return
        drilled = (self.cast.row("drill-slots") or {}).get("drill")  # whose end would be the drill's, too
        if len(self.world.sites) <= 2 or drilled:
            self.list_lacks(dice)
            return
        region, away = self._region(dice).name, dice.choice((200.0, 400.0, 900.0))
        self.world.lacks, self.world.lacks_until = region, self.loop.time() + away
        self.world.moved_from, self.world.moved_until = self.loop.time(), self.world.lacks_until
        self.cast.story.tell(f"a person takes the endpoint of {region} out of the profile")
        self.cast.weather.spell(
            "arm.list_profiles",
            Fate(Error.MISSED, effect=False),
            until=self.loop.time() + away,
            on_hit=self._hit(),
        )
        keys = self._keys(dice, 2)
        self._later(dice.uniform(0, away), partial(self._edit, region, dict.fromkeys(keys, self._value())))
        other = self._region(dice).name
        changes = {key: self._value() for key in self._keys(dice, 1)}
        self._later(away - dice.uniform(1, 200), partial(self._edit, other, changes))
        for delay in (dice.uniform(1, 90), dice.uniform(60, 240)):
            self._later(away + delay, partial(self._decides_at_once, dice_of(f"{self._values}/{delay}")))

    def _decides_at_once(self, dice: random.Random) -> None:
        """A person who was waiting for it; and something rings, by an answer of a moment ago."""
        self.cast.send_event(self._region(dice).name)
        self.cast.visit(dice)

    def copy_missed(self, dice: random.Random) -> None:
        """The next time, or twice, that somebody asks for one."""
        self._next_calls("vault.get", Fate(Error.MISSED, effect=False), dice.randrange(1, 3))

    def arm_fails(self, dice: random.Random) -> None:
        """Some or all calls, for some minutes."""
        self._spell("arm.", Fate(Error.UNAVAILABLE, effect=False), dice)

    def _change(self, dice: random.Random) -> str:
        return dice.choice(
            ("arm.put", "arm.put", "arm.put_connection", "arm.restart", "arm.disable", "arm.enable")
        )

    def arm_silent(self, dice: random.Random) -> None:
        """The next change."""
        self._next_calls(self._change(dice), Fate(Error.TIMEOUT, effect=False, seconds=60.0), 1)

    def arm_unheard(self, dice: random.Random) -> None:
        """The next change, once or twice."""
        seconds = dice.choice((0.5, 20.0, 59.0))
        self._next_calls(
            self._change(dice), Fate(Error.TIMEOUT, effect=True, seconds=seconds), dice.choice((1, 1, 2))
        )

    def store_fails(self, dice: random.Random) -> None:
        """Some or all calls, for some minutes."""
        self._spell(
            dice.choice(("store.", "store.put", "store.get")), Fate(Error.UNAVAILABLE, effect=False), dice
        )

    def store_unheard(self, dice: random.Random) -> None:
        """The next writes of some kind of row."""
        kind = dice.choice(
            (
                "settings-sync",
                "permit",
                "packages",
                "incident-ledgers",
                "outbox",
                "failback-holds",
                "watched",
                "",
            )
        )
        self._next_calls(
            f"store.put {kind}".strip(), Fate(Error.UNAVAILABLE, effect=True), dice.randrange(1, 4)
        )

    def vault_fails(self, dice: random.Random) -> None:
        """Some or all calls, for some minutes."""
        self._spell("vault.", Fate(Error.UNAVAILABLE, effect=False), dice)

    def vault_unheard(self, dice: random.Random) -> None:
        """The next changes."""
        self._next_calls(
            dice.choice(("vault.keep", "vault.forget")),
            Fate(Error.UNAVAILABLE, effect=True),
            dice.randrange(1, 3),
        )

    def channel_fails(self, dice: random.Random) -> None:
        """All messages, for some time."""
        self._spell("channel.", Fate(Error.UNAVAILABLE, effect=False), dice, longest=2400.0)

    def channel_unheard(self, dice: random.Random) -> None:
        """The next messages."""
        self._next_calls("channel.", Fate(Error.TIMEOUT, effect=True, seconds=10.0), dice.choice((1, 1, 2)))

    def channel_lost(self, dice: random.Random) -> None:
        """All messages, for longer than one is tried."""
        until = self.loop.time() + dice.uniform(26, 30) * HOUR
        self.world.deaf_until = max(self.world.deaf_until, until)

    # -- regions and hosts

    def slow_boot(self, dice: random.Random) -> None:
        """For a quarter of an hour, apps take minutes to start."""
        self.world.slow_boots = float(dice.randrange(60, 720))
        self._later(400.0, self._quick_boots)

    def _quick_boots(self) -> None:
        self.world.slow_boots = 0.0

    def region_lost(self, dice: random.Random) -> None:
        """For minutes, now and then for longer."""
        self._lost([self._region(dice)], "region", dice.choice((60, 180, 400, 900)))

    def _lost(self, sites: list[Site], why: str, seconds: float) -> None:
        for site in sites:
            self.cast.story.tell(f"{site.name} is lost")
            self.world.ill(site, why)
            self._later(seconds, partial(self._found, site, why))

    def _found(self, site: Site, why: str) -> None:
        self.cast.story.tell(f"{site.name} is back")
        self.world.heal(site, why)

    def region_long(self, dice: random.Random) -> None:
        """For hours: all that waits for it is late, and people have seen to it otherwise."""
        self._lost([self._region(dice)], "region", dice.uniform(120, 300) * MINUTE)

    def arm_long(self, dice: random.Random) -> None:
        """No call, for most of an hour or more."""
        self._no_answer("arm.", dice)

    def store_long(self, dice: random.Random) -> None:
        """No call, for most of an hour or more."""
        self._no_answer("store.", dice)

    def _no_answer(self, names: str, dice: random.Random) -> None:
        until = self.loop.time() + dice.uniform(40, 80) * MINUTE
        error, seconds = dice.choice(((Error.UNAVAILABLE, 0.0), (Error.TIMEOUT, 10.0)))
        fate = Fate(error, effect=False, seconds=seconds)
        self.cast.weather.spell(names, fate, until=until, on_hit=self._hit())

    def flap(self, dice: random.Random) -> None:
        """Down and up and down."""
        site = self._region(dice)
        at = 0.0
        for _ in range(dice.randrange(2, 6)):
            for_ = dice.choice((20.0, 70.0, 150.0))
            self._later(at, partial(self._lost, [site], "region", for_))
            at += for_ + dice.choice((15.0, 60.0, 200.0))

    def shared_lost(self, dice: random.Random) -> None:
        """Every region at once."""
        self._lost(list(self.world.sites.values()), "shared", dice.choice((60, 300, 900)))

    def host_lost(self, dice: random.Random) -> None:
        """Apps that start now find no package there."""
        url = dice.choice(sorted(self.world.hosts))
        self.cast.story.tell(f"the host of {url} is lost")
        self.world.host(url, up=False)
        self._later(dice.choice((200.0, 600.0, 1300.0)), lambda: self._host_back(url))

    def _host_back(self, url: str) -> None:
        self.cast.story.tell(f"the host of {url} is back")
        self.world.host(url, up=True)

    def release(self, dice: random.Random) -> None:
        """The hosts get a new package, one after the other."""
        version = 1 + max(host.version for host in self.world.hosts.values())
        for host in self.world.hosts.values():
            self._later(dice.uniform(0, 1800), partial(setattr, host, "version", version))

    def authority(self, dice: random.Random) -> None:
        """A region answers, as another CA."""
        site = self._region(dice)
        site.authority = "eb" * 32
        self._later(dice.uniform(200, 900), lambda: setattr(site, "authority", "ca" * 32))

    # -- instances

    def skew(self, dice: random.Random) -> None:
        """Of one instance, from now on."""
        dice.choice(self.cast.instances).set_skew(dice.randrange(-32, 33) / 64 * SKEW)

    def rivals(self, dice: random.Random) -> None:
        """For some minutes every wake-up comes to both."""
        self.cast.rivals_until = self.loop.time() + dice.uniform(60, 600)

    def death(self, dice: random.Random) -> None:
        """At one of its next calls, before it or right after."""
        process = dice.choice(self.cast.instances).process
        process.fuse = dice.randrange(60)
        process.burns_late = dice.random() < 0.5
        self._later(SHORTLY, lambda: setattr(process, "fuse", None))
        hit, died = self._hit(), process.on_death

        def burnt() -> None:
            if process.fuse is not None and process.fuse < 0:
                hit()
            died()

        process.on_death = burnt

    def all_dead(self, dice: random.Random) -> None:
        """Both instances die, and for most of an hour nothing runs: claims and deadlines pass."""
        self._nobody(dice.uniform(20, 60) * MINUTE)

    def away(self, dice: random.Random) -> None:
        """They do so when a change has just been written, until its verification should be over."""
        delay, minutes = dice.choice((0.1, 30.0, 150.0)), dice.uniform(10, 20)
        self._arm(
            "after", "arm.put", 1, lambda _: self._later(delay, partial(self._nobody, minutes * MINUTE))
        )
        self._edit(self._region(dice).name, {self._keys(dice, 1)[0]: self._value()})

    def _nobody(self, seconds: float) -> None:
        until = self.loop.time() + seconds
        for instance in self.cast.instances:
            instance.away = until
            instance.process.die()


_DEEDS: Final[Mapping[Fault, Callable[[Happenings, random.Random], None]]] = {
    fault: getattr(Happenings, fault.name.lower()) for fault in Fault
}
