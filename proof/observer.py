"""The laws, judged by what is really so. Shares no code with the product, and asks it nothing.

Each rule says how much later than the truth the product may act: it looks once a minute, and requests take time.

1. When a request that restarts a region or takes it out was sent, another region answered devices (well, and offered
   by Traffic Manager) at some moment of the last `FRESH` after which we had not taken it out ourselves. A region that
   did not answer at some moment of it may be restarted without, for that may mend it. No other region was still
   starting because of us, and none at all was out, or not yet offered again, because of a drill, whose permit lasts
   until then; each of these for `WAITED` at most. One whose endpoint a person took out of the profile is no region of
   the group until it is there again. A hold gives its permit back when it has taken a region out: that
   region is no refuge, and no more. When we disabled an endpoint, another was enabled and online within `GLANCE`.
   What we have seen of a region is dated no later than now, by the true time.
2. A value that we wrote had been in some other region for the whole soak, and that region had not been ill for longer
   than there is between two looks (`BLINK`), the last look's age left out; a Key Vault reference resolved there. Not
   asked of what we put back, or of keys that a person forced. A reference that we wrote and that does not resolve
   where we wrote it is not there any more after `VERIFIED`, and `UNDONE` undisturbed turns in which all other regions
   served.
3. What we replaced was no person's change of which the regions have never agreed since and which nobody decided,
   unless it was made after our last reading began, which was the last thing that we did before the write: in between
   no reader of Azure can see it. What we put back is what we found, and is put
   back where all have been well for `SOUND` only by a person's word. A message comes again only after a delivery
   that did not end well. In the end all regions agree, and nothing is left lying about. A foreign key changes
   nothing: whoever has another fingerprint key than the store's leaves its rows of settings, packages and permits as
   they are.
   Absence needs proof: who did not find a site, an endpoint or a copy when looking last ends no write, moves no
   baseline and drops no decision, unless the endpoint or the copy was missed `PROOF` times over `PROVED` seconds.
4. No row or its key, no letter, log line, error, answer or page has a value in it.
5. Every row that holds a decision holds a reason, and every letter says more than its headline. A person's
   decision ends when its key is alike everywhere, or with a line of the history.
6. An endpoint that a drill took out is back by the second undisturbed turn after the drill's deadline, one that a
   hold took out after `HEALED` such turns in which its region was well. In the end none is disabled by us.
7. While nothing has happened for long, nothing is written to Azure, and no more is read than the budget allows.
8. What is begun ends, or a person was told what it waits for, within a day in which nothing hinders it. This is asked
   at every turn, of all that rows and the vault say is under way. A region that is down is not left waiting for
   itself (`proof/stuck.py`).
"""

import dataclasses
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import takewhile
from typing import Any, Final

import msgspec

from proof.alarms import Alarms
from proof.budget import Budget
from proof.lasting import Lasting
from proof.outages import Outages
from proof.stuck import Stuck
from proof.world import PACKAGE, REFERENCE, RESOLVED, SECRET, Call, Moment, Site, Tick, World, seconds

LAWS: Final = {
    1: "never disrupt the last healthy region",
    2: "a bad change stays where it was made",
    3: "nothing is lost",
    4: "values stay secret",
    5: "every decision says why",
    6: "what we take out we give back",
    7: "converged means quiet",
    8: "what is begun ends, or a person knows what it waits for",
}

SKEW: Final = 5.0  # seconds that two clocks may differ
FRESH: Final = 60.0 + 30.0 + SKEW  # evidence of a permit, and the part of a claim in which a write may begin
GLANCE: Final = 30.0 + SKEW  # from reading the profile to changing it
BLINK: Final = 66.0  # between two looks, nobody sees anything
BEHIND: Final = FRESH + 6.0  # the last look at a source, when the write is sent
WAITED: Final = 600.0  # for a region that we disturbed to come back, when a write or a drill is given up
SETTLED: Final = 1500.0  # after the last thing that happened all that follows from it was done, or is held
DRILLED: Final = 400.0  # from asking for a drill to its draining: three turns of the timer, and requests
REHEARSAL: Final = 120.0 + 90.0 + SKEW  # from draining to the deadline in the drill's row
VERIFIED: Final = 600.0 + SKEW  # from a write to the end of its verification
PROOF: Final = 3  # readings that miss a thing,
PROVED: Final = 120.0  # over so long, before it may be taken for gone
WAKE: Final = 60.0  # so long a wake-up may go on with what it read
UNDONE: Final = 12  # turns of a permit that somebody else has: a rotation's soak, and requests
SERVED: Final = 180.0  # so long after it came back a region is known to serve
SOUND: Final = 400.0  # so long well, and looked at for the soak of it, a region has come back
HEALED: Final = 30  # undisturbed turns in good health, twice the soak of a hold


type _Row = dict[str, Any]
_LOOKS: Final = ("probe", "scep")
HALF_A_ROW: Final = 256 * 1024  # bytes


@dataclasses.dataclass(frozen=True)
class Breach:
    """A law was broken."""

    law: int
    at: float
    text: str


@dataclasses.dataclass
class _Key:
    """What is known of one key in one region."""

    past: list[tuple[float, object]]  # since when it had which value
    edited: float = -1e9  # by a person, whose value is there
    replaced: float = -1e9  # the same of the value that we replaced rightly
    ours: tuple[object, object] | None = None  # what we replaced, and by what,
    forced: bool = False  # without a soak, as a person wanted
    fared: list[tuple[float, bool]] = dataclasses.field(
        default_factory=list
    )  # since when a reference resolves, or not


class Observer:
    """Watches one world. `breaches` lists what went wrong, in order."""

    def __init__(
        self,
        *,
        soak: float,
        revert: float | None = None,
        moves: bool = True,
        on_breach: Callable[[Breach], None] = lambda _: None,
    ) -> None:
        self.soak = soak
        self.revert = (
            revert  # after so long a change whose region fails goes back, as people have said once for all
        )
        self._moves = moves  # whether regions are moved to another package host without a person's word
        self.breaches: list[Breach] = []
        self.checks: Counter[int] = Counter()  # law: how often it was asked
        self.unseeable = 0  # edits in between our reading and our write, which nobody can see
        self.effects: list[tuple[float, str, str, object]] = []  # when, what, where, with which content
        self._on_breach = on_breach
        self._world: World
        self._keys: dict[tuple[str, str], _Key] = {}
        self._agreed: dict[str, float] = {}
        self._word: dict[str, float] = {}
        self._forced: dict[str, float] = {}
        self._left: dict[str, float] = {}
        self.taken: dict[str, float] = {}  # region: its endpoint was disabled by us
        self._last_taken: dict[str, float] = {}  # region: when that was last, be it back by now
        self._switched: dict[str, float] = {}  # region: when we last enabled or disabled it, before just now
        self._drills: dict[str, float] = {}  # region: when a person asked for one
        self._drilled: set[str] = set()  # of the regions last taken, those that a drill took
        self._sound: Counter[str] = Counter()  # of them: undisturbed turns in which they were to be back
        self._stirred = -1e9  # when somebody did something, or something happened
        self._shape: object = None  # of what nobody tells us: package hosts, authorities
        self._differ: set[str] = set()  # keys in which the regions do not agree
        self._starting: dict[str, float] = {}  # region: restarted by us
        self._unproved: dict[
            tuple[str, str], tuple[float, int]
        ] = {}  # references that we wrote: when, and turns since
        self._told: dict[str, list[tuple[float, str]]] = {}  # message: deliveries
        self._troubles: list[float] = []  # deliveries that did not end well, and deaths
        self._refusals: list[float] = []  # of anything that was to be done

    def watch(self, world: World) -> None:
        """Begin."""
        self._world = world
        world.witness = self
        for site in world.sites.values():
            for name, item in site.settings.items():
                self._keys[site.name, name] = _Key([(-1e9, item)])
            self.looked_up(site)
        self._home = {site.name: site.app.get(PACKAGE) for site in world.sites.values()}
        self._budget = Budget(len(world.sites), early=SKEW)
        self._outages = Outages(world, self.check)
        self._lasting = Lasting(world, self.check, taken=self.taken)
        self._stuck = Stuck(world, self.check, moves=self._moves)
        self._alarms = Alarms(
            world,
            self.check,
            differed=self._differed,
            stirred=lambda begin: self._stirred >= begin,
            unheard=lambda begin: _any(self._refusals, begin, self.now),
        )

    @property
    def now(self) -> float:
        """The world's time."""
        return self._world.clock.time()

    def complain(self, law: int, text: str) -> None:
        """A law was broken."""
        breach = Breach(law, self.now, text)
        self.breaches.append(breach)
        self._on_breach(breach)

    def check(self, law: int, holds: bool, text: Callable[..., str], *about: object) -> None:
        """One question. `text` says what is wrong, of what it is about."""
        self.checks[law] += 1
        if not holds:
            self.complain(law, text(*about))

    # -- what people do and say

    def edited(self, site: Site, before: Mapping[str, object]) -> None:
        """A person changed settings."""
        self.stirred()
        for name, _, new in _changes(before, site.settings):
            key = self._note(site, name, new)
            key.edited, key.ours = self.now, None
            self._agreement(name)

    def decided(self, names: list[str], *, forced: bool = False, left: bool = False) -> None:
        """A person decided on keys, maybe that they stay different."""
        self.stirred()
        for name in names:
            self._word[name] = self.now
            if left:
                self._left[name] = self.now
            else:
                self._left.pop(name, None)  # somebody wants it alike again
            if forced:
                self._forced[name] = self.now

    def ordered_drill(self, region: str) -> None:
        """A person asked for a drill of a region; whether it takes place is the product's decision."""
        self._drills[region] = self.now
        self._outages.rehearsed(region, self.now)
        self._alarms.asked_for_drill(region)

    def rekeyed(self) -> None:
        """Somebody gave the app a key that is not the store's."""
        self.stirred()
        self._alarms.rekeyed()

    def trouble(self) -> None:
        """A process died, or the outcome of one of its requests was not told to it."""
        self._troubles.append(self.now)
        self.stirred()

    def refused(self) -> None:
        """Something that was asked for was not done, or its outcome was not told."""
        self._refusals.append(self.now)

    def untaken(self) -> None:
        """The channel took no letter, or did not say so."""
        self._outages.untaken()

    def stirred(self) -> None:
        """Somebody rang, or did something: for a while it is not quiet."""
        self._stirred = self.now

    # -- what the product does

    def written(self, site: Site, before: Mapping[str, object], call: Call) -> None:
        """The product wrote settings."""
        changes = _changes(before, site.settings)
        if (
            before.get(PACKAGE) == self._home[site.name]
        ):  # who was moved goes home when its host has stayed well
            self._acted(site, call)
        self.effects.append((self.now, call.name, site.name, tuple(changes)))
        self.check(7, bool(changes), lambda: f"{site.name} was restarted by a write that changes nothing")
        self._disturbed(site, call)
        for name, old, new in changes:
            self._wrote(site, name, old, new, call)

    def looked_up(self, site: Site) -> None:
        """App Service asked the vault for what references of a region stand for."""
        for name, status in site.references.items():
            resolved = status == RESOLVED
            fared = self._key(site.name, name).fared
            fared.append((self.now, resolved))
            del fared[:-8]
            if resolved:
                self._unproved.pop((site.name, name), None)

    def restarted(self, site: Site, call: Call) -> None:
        """The product restarted an app."""
        self._acted(site, call)
        self.effects.append((self.now, call.name, site.name, None))
        self._disturbed(site, call)

    def switched(self, site: Site, call: Call | None) -> None:
        """An endpoint was enabled or disabled."""
        if site.enabled or call is None:
            self.taken.pop(site.name, None)
        if call is None:
            self._drilled.discard(site.name)
            self.stirred()
            return
        self._acted(site, call)
        self.effects.append((self.now, call.name, site.name, site.weight))
        if not site.enabled:
            self._disturbed(site, call, mends=False)
            self._take(site, call)
            offered = any(
                any(moment.offered for moment in other.within(call.began - GLANCE, self.now))
                for other in self._others(site)
            )
            self.check(1, offered, lambda: f"{site.name} was disabled while no other endpoint was online")
        self._switched[site.name] = self.now

    def stored(self, key: str, body: bytes, before: bytes = b"", missed: Collection[str] = ()) -> None:
        """The product wrote a row. `missed`: what whoever wrote it did not find when looking last."""
        self.check(3, len(body) <= HALF_A_ROW, lambda: f"{key} takes {len(body)} bytes, more than half a row")
        hidden = SECRET.encode() not in body and SECRET not in key
        self.check(4, hidden, lambda: f"a value lies in the store, in {key}")
        self._lasting.stored(key)
        kind = key.partition("/")[0]
        if kind == "drill-slots":  # large, and written with every sample
            self.check(5, b'"reason":""' not in body, lambda: f"{key}: something has no reason")
        if kind == "watched":
            self._dated(key, msgspec.json.decode(body))
        if kind in _REASONED:
            row = msgspec.json.decode(body)
            self._stuck.stored(key, row)
            if before:
                self._kept(key, msgspec.json.decode(before), row, missed)
            for where, reason in _REASONED[kind](row):
                self.check(5, bool(reason), lambda where: f"{key}: {where} has no reason", where)
            if kind == "outbox":
                self._outages.letter(key, row)
                self._alarms.letter(key, row)
                self._lasting.letter(key, row)
                self._stuck.letter(row)

    def _dated(self, key: str, row: _Row) -> None:
        """What was seen of a region was seen before now, by the true time: a permit rests on how old it is."""
        for name, item in row["health"].items():
            times = [
                item["at"],
                item["since"],
                item.get("monitored_at"),
                *((item.get(of) or {}).get("at") for of in _LOOKS),
            ]
            latest = max(seconds(at) for at in times if at)
            self.check(
                1,
                latest <= self.now + SKEW,
                lambda *about: f"{about[0]}: what is known of {about[1]} is dated later than now",
                key,
                name,
            )

    def _kept(self, key: str, before: _Row, row: _Row, missed: Collection[str]) -> None:
        """Absence needs proof, and a person's decision never ends in silence."""
        unsure = sorted(name for name in missed if not self._is_proved(name))
        regions = self._world.sites.keys() - _concerned(before.get("flight"))
        others = {*regions, *(f"endpoint of {region}" for region in regions)}
        about = {
            name: unsure if name != "flight" else [name for name in unsure if name not in others]
            for name in _FOR_GOOD
        }
        forgets = [name for name in _FOR_GOOD if about[name] and _forgets(name, before, row)]
        if "flight" in forgets and not self._is_begun(before["flight"]):
            forgets.remove("flight")  # a claim under which nothing was written may be given back
        self.check(
            3,
            not forgets,
            lambda: (
                f"{key}: its {forgets[0]} is forgotten, since {about[forgets[0]][0]} was not found for a moment"
            ),
        )
        for item in before.get("verdicts", ()):
            if item["by"] in _NO_PERSON or any(_same_word(item, other) for other in row["verdicts"]):
                continue
            open_ = {its["key"] for its in (row.get("plan") or {}).get("decisions", ())}
            told = any("decision" in its["text"] for its in row["history"] if its not in before["history"])
            replaced = any(its["key"] == item["key"] for its in row["verdicts"])
            self.check(
                5,
                item["key"] not in open_ or told or replaced,
                lambda it: f"{key}: what {it['by']} decided on {it['key']} is gone, and no line says so",
                item,
            )

    def _is_begun(self, flight: _Row) -> bool:
        """Return whether we wrote to the region of a write or a rotation since it was claimed."""
        region, since = flight.get("target") or flight["region"], seconds(flight["claimed_at"]) - SKEW
        return any(
            where == region and what.startswith(("arm.put", "arm.restart"))
            for _, what, where, _ in takewhile(lambda it: it[0] >= since, reversed(self.effects))
        )

    def _is_proved(self, what: str) -> bool:
        """Whether an endpoint, or a copy, was missed for so long that it may be taken for gone. A site never is."""
        times = self._world.missed.get(what, [])
        if not times:  # another wake-up has found it since this one looked
            ended, times = self._world.found_again.get(what, (-1e9, []))
            times = times if self.now - ended < WAKE else []
        long = len(times) >= PROOF and times[-1] - times[0] >= PROVED - 2 * SKEW
        return long and (what == "the copy" or what.startswith("endpoint of "))

    def told(self, letter: str, body: bytes, call: Call) -> None:
        """The product told people something."""
        self.check(4, SECRET.encode() not in body, lambda: f"a value was sent to people in {letter}")
        earlier = self._told.setdefault(letter, [])
        if earlier:
            first = earlier[0][0]
            self.check(
                3,
                _any(self._troubles, first, self.now),
                lambda: f"{letter} was told twice, and nothing had gone wrong",
            )
        earlier.append((call.began, call.process))  # it is taken, also if who sent it dies on the way
        self._outages.heard(letter, body.decode())
        said = msgspec.json.decode(body)
        about = said["kind"], said["facts"].get("topic", ""), said["facts"].get("region", "")
        self.effects.append((self.now, "tell", letter, about))

    def shown(self, text: str) -> None:
        """The product answered a person: with a page, with facts, with an error."""
        self.check(4, SECRET not in text, lambda: "a value was shown to a person")

    def explained(self, kind: str, facts: object) -> None:
        """The product showed facts to a person."""
        for where, reason in _reasons(facts, kind):
            self.check(5, bool(reason), lambda where: f"{where} is shown without a reason", where)

    def logged(self, line: str, *, loud: bool = False) -> None:
        """The product wrote a line of its log, maybe as an error."""
        self.check(4, SECRET not in line, lambda: "a value was logged")
        if loud:
            self._outages.cried(line)

    def turned(self, site: Site) -> None:
        """A region fell ill or got well."""
        if site.well:
            self._starting.pop(site.name, None)

    def ticked(self, tick: Tick) -> None:
        """A turn of the timer is over."""
        world = self._world
        hosts = tuple((host.up, host.version) for host in world.hosts.values())
        shape = hosts, tuple(site.authority for site in world.sites.values())
        if shape != self._shape or not tick.clean:
            self._shape = shape
            self.stirred()
        if self._is_quiet():
            spent = self._budget.over(tick.began, tick.calls)
            self.check(7, not spent, lambda: f"nothing had happened for long, and {spent}")
        else:
            self._budget.begin_anew()
        if tick.clean:
            for name, at in self.taken.items():
                self._overdue(world.sites[name], at, tick)
            for (region, name), (at, turns) in self._unproved.items():
                self._unproved[region, name] = at, turns + self._undoable(world.sites[region], at, tick)
                self.check(
                    2,
                    turns < UNDONE,
                    lambda *it: f"{it[0]} still has {it[1]}, which does not resolve there",
                    region,
                    name,
                )
        self._outages.ticked(tick)
        self._alarms.ticked(tick)
        self._lasting.ticked(tick)
        self._stuck.ticked(tick)

    # -- rules

    def _is_quiet(self) -> bool:
        """Return whether nothing has happened for so long that nothing may follow from it any more."""
        begin = self.now - SETTLED
        sites = self._world.sites.values()
        return (
            self._stirred <= begin
            and self._world.managed
            and not self._differ
            and all(site.past[-1].at <= begin and site.well and site.status == "Online" for site in sites)
            and all(host.up for host in self._world.hosts.values())
            and len({site.authority for site in sites}) == 1
            and all(site.app.get(PACKAGE) == self._home[site.name] for site in sites)
        )

    def _acted(self, site: Site, call: Call) -> None:
        """The product changed something of a region."""
        quiet = self._is_quiet() and not self.taken
        self.check(7, not quiet, lambda: f"{call.name} at {site.name}, and nothing had happened for long")
        self.stirred()

    def _take(self, site: Site, call: Call) -> None:
        self.taken[site.name] = self._last_taken[site.name] = self.now
        self._sound[site.name] = 0
        self._drilled.discard(site.name)
        asked = self._drills.get(site.name, -1e9)
        if self.now - asked < DRILLED and not _was_ill(site, call.began):
            self._drilled.add(site.name)

    def _overdue(self, site: Site, at: float, tick: Tick) -> None:
        """What we took out is back by its time: of a drill by its deadline, of a hold when it is sound again."""
        sites = self._world.sites.values()
        drill = site.name in self._drilled
        if drill:
            due, most = at + REHEARSAL <= tick.began, 1
        else:
            sound = site.well and site.since <= tick.began and len({site.authority for site in sites}) == 1
            due, most = sound, HEALED
        self._sound[site.name] = self._sound[site.name] + 1 if due else 0
        what = "a drill" if drill else "a hold"
        late = self._sound[site.name] > most
        self.check(6, not late, lambda: f"{site.name} is still out, though {what} should have given it back")

    def _undoable(self, site: Site, at: float, tick: Tick) -> bool:
        """Return whether what was written then was to be put back in this turn: nothing else keeps who would."""
        begin = tick.began - SERVED
        others = [other.past[-1] for other in self._others(site)]
        return at + VERIFIED <= tick.began and all(
            other.well and other.offered and other.at < begin for other in others
        )

    def _disturbed(self, site: Site, call: Call, *, mends: bool = True) -> None:
        """A region was restarted or, which mends nothing, taken out."""
        refuge = any(self._is_refuge(other, call.began) for other in self._others(site))
        down = mends and _was_ill(site, call.began)
        self.check(
            1, refuge or down, lambda: f"{call.name} disturbed {site.name}, and no other region was serving"
        )
        away = self._world.away  # which is no region of the group then
        both = [other.name for other in self._others(site) if other.name != away and self._is_starting(other)]
        both += [name for name in self._last_taken if (mends or name != site.name) and self._is_drilled(name)]
        self.check(
            1,
            not both,
            lambda: f"{call.name} disturbed {site.name} while {both[0]} had not come back from us",
        )
        drill = None if mends else self._drill_of(site.name)
        self.check(1, drill is None, lambda: f"{call.name} disturbed {site.name}, whose {drill} is not over")
        if mends:
            self._starting[site.name] = self.now

    def _is_refuge(self, site: Site, at: float) -> bool:
        """Return whether it served devices by evidence that was good then: nothing from before we took it out."""
        taken = self._last_taken.get(site.name, -1e9)
        begin = max(at - FRESH, taken) if taken < at else at - FRESH
        return any(moment.well and moment.offered for moment in site.within(begin, at))

    def _drill_of(self, region: str) -> str | None:
        """The drill that has taken this region out, or gives it back, and is not over."""
        for key, (body, _) in self._world.rows.items():
            if key.startswith("drill-slots/"):
                drill = msgspec.json.decode(body).get("drill")
                if (
                    drill
                    and drill["region"] == region
                    and drill["state"] in {"observing", "restoring", "verifying"}
                ):
                    return str(drill["id"])
        return None

    def _is_starting(self, site: Site) -> bool:
        """Return whether it was restarted by us and is not well yet."""
        return not site.well and self.now - self._starting.get(site.name, -1e9) < WAITED

    def _is_drilled(self, region: str) -> bool:
        """Return whether a drill took it out, and it is not offered again."""
        site = self._world.sites[region]
        if region not in self._drilled or self.now - self._switched[region] >= WAITED:
            return False
        return not any(
            moment.well and moment.offered for moment in site.within(self._last_taken[region], self.now)
        )

    def _wrote(self, site: Site, name: str, old: object, new: object, call: Call) -> None:
        key = self._key(site.name, name)
        undone = key.ours == (new, old)
        if self._is_lost(site, name, call) and not undone:
            read = call.read.get(site.name, 1e12)
            seen = key.edited < read
            self.check(
                3, not seen, lambda: f"{call.name} overwrote what a person had set in {site.name}: {name}"
            )
            self.unseeable += not seen
            # What was there when we looked is what we would put back.
            found = next((item for since, item in reversed(key.past) if since <= read), None)
            self._note(site, name, new)
            key.edited, key.ours = -1e9, (found, new)
        elif name == PACKAGE:
            self._rotated(site, str(new), call)
            self._note(site, name, new)
            key.ours = (old, new)
        else:
            law, text = self._unsound(site, name, new, call)
            self.check(law or 2, not law or undone, lambda: f"{call.name} {text}")
            if undone:
                self._put_back(site, name, call)
            self._note(site, name, new)
            if _is_reference(new) and not undone:
                self._unproved[site.name, name] = self.now, 0
            key.ours = None if law else (old, new)
            # A person's word to do it without a soak was about what is put back; it stands again.
            if undone and key.forced:
                self._forced[name] = self.now
            key.forced = not undone and self._is_forced(name)
            # What a person had set is not there any more; it is again when we put it back.
            key.edited, key.replaced = (key.replaced, -1e9) if undone else (-1e9, key.edited)
        self._agreement(name)

    def _put_back(self, site: Site, name: str, call: Call) -> None:
        """What we wrote is put back: where all regions have been well for long nobody but a person wants that."""
        begin = call.began - SOUND
        since = self._key(site.name, name).past[-1][0]  # when we wrote it
        sites = self._world.sites.values()
        well = all(site.well and site.since <= begin for site in sites)
        resolved = all(status == RESOLVED for site in sites for status in site.references.values())
        wanted = max(self._word.get(name, -1e9), self._edited(name)) >= min(since, begin)
        self.check(
            3,
            not (well and resolved) or wanted,
            lambda: f"{call.name} put {name} back in {site.name}, where all had been well for long",
        )

    def _is_lost(self, site: Site, name: str, call: Call) -> bool:
        """Return whether a person's change is there of which the regions never agreed, and which nobody decided."""
        edited = self._key(site.name, name).edited
        if edited <= max(self._agreed.get(name, -1e9), self._word.get(name, -1e9)):
            return False
        if name == PACKAGE and edited < call.read.get(site.name, 1e12):
            return False  # a region is moved away from a host on purpose, whoever sent it there
        reverted = self.revert is not None and call.began - edited >= self.revert
        return not (reverted and _was_ill(site, call.began))

    def _rotated(self, site: Site, url: str, call: Call) -> None:
        host = self._world.hosts.get(url)
        known = host is not None and host.version >= site.runs
        self.check(3, known, lambda: f"{call.name} gave {site.name} an older or unknown package")

    def _unsound(self, site: Site, name: str, new: object, call: Call) -> tuple[int, str]:
        """Which law a value breaks that comes to a region; none: it came from one that had soaked it."""
        holders = [other for other in self._others(site) if self._held(other.name, name, new, call.began)]
        if not holders:
            return 3, f"wrote to {site.name} what no other region had: {name}"
        soaked = [holder for holder in holders if self._soaked(holder, name, new, call.began)]
        if self._is_forced(name) or any(self._resolved(site, name, new, call.began) for site in soaked):
            return 0, ""
        where = ", ".join(holder.name for holder in holders)
        if soaked:
            return 2, f"took {name} to {site.name}, although it does not resolve in {where}"
        return 2, f"took {name} to {site.name}, although {where} had not soaked it in good health"

    def _is_forced(self, name: str) -> bool:
        return self._forced.get(name, -1e9) > self._agreed.get(name, -1e9)

    def _held(self, region: str, name: str, value: object, at: float) -> bool:
        """Return whether a region had the value a moment ago: as late as the last reading may have been."""
        past = self._key(region, name).past
        ends = [*(since for since, _ in past[1:]), 1e12]
        return any(item == value and end >= at - FRESH for (_, item), end in zip(past, ends, strict=True))

    def _soaked(self, source: Site, name: str, value: object, at: float) -> bool:
        begin = at - self.soak + SKEW  # who saw the change and who counts may have clocks that differ
        past = self._key(source.name, name).past
        ends = [*(since for since, _ in past[1:]), 1e12]
        stood = any(
            item == value and since <= begin and end >= at - FRESH
            for (since, item), end in zip(past, ends, strict=True)
        )
        return stood and _longest_illness(source, begin, at - BEHIND) < BLINK

    def _resolved(self, source: Site, name: str, value: object, at: float) -> bool:
        """Return whether a reference resolved in a region by the last look, or is none."""
        fared = self._key(source.name, name).fared
        ends = [*(since for since, _ in fared[1:]), 1e12]
        return not _is_reference(value) or any(
            flag and end >= at - BEHIND for (_, flag), end in zip(fared, ends, strict=True)
        )

    def _others(self, site: Site) -> list[Site]:
        return [item for item in self._world.sites.values() if item is not site]

    def _key(self, region: str, name: str) -> _Key:
        return self._keys.setdefault((region, name), _Key([(-1e9, None)]))

    def _note(self, site: Site, name: str, value: object) -> _Key:
        key = self._key(site.name, name)
        key.past.append((self.now, value))
        del key.past[:-8]
        key.fared = [*key.fared[-7:], (self.now, False)]  # until it has been looked up
        self._unproved.pop((site.name, name), None)
        return key

    def _agreement(self, name: str) -> None:
        if len({repr(site.settings.get(name)) for site in self._world.sites.values()}) == 1:
            self._agreed[name] = self.now
            self._differ.discard(name)
        elif name != PACKAGE:
            self._differ.add(name)

    def _differed(self, begin: float) -> bool:
        """Return whether the regions differed at any time since then in something that nobody left different.

        Whoever left them different spoke of the regions that there were then.
        """
        return any(item >= begin for item in self._agreed.values()) or any(
            self._left.get(name, 1e12) >= begin
            or self._left[name] < max(self._edited(name), self._world.regrouped)
            for name in self._differ
        )

    def _edited(self, name: str) -> float:
        return max(self._key(region, name).edited for region in self._world.sites)

    # -- the end

    def at_rest(self, *, apart: set[str]) -> None:
        """All is well and has been for long, and everybody has decided: nothing may be left over."""
        world = self._world
        for name in {name for site in world.sites.values() for name in site.settings} - apart - {PACKAGE}:
            values = {repr(site.settings.get(name)) for site in world.sites.values()}
            self.check(3, len(values) == 1, lambda name: f"the regions never agreed in {name}", name)
        for name, site in world.sites.items():
            self.check(
                6, name not in self.taken, lambda name: f"{name} was taken out and never given back", name
            )
            self.check(3, site.well, lambda name: f"{name} was left ill", name)
        self.check(3, not world.vault, lambda: "a copy of old values was left in the vault")
        for key, (body, _) in world.rows.items():
            left = _LEFT.get(key.partition("/")[0])
            if left is not None:
                what = left(msgspec.json.decode(body))
                self.check(3, not what, lambda key, what: f"{key}: {what} was left over", key, what)
            if key.startswith("permit/"):
                self._given_back(key, msgspec.json.decode(body).get("permit"))

    def _given_back(self, key: str, permit: _Row | None) -> None:
        """One whose time is over is nobody's, if who had it could not give it back."""
        if permit is None:
            return
        began, end = (seconds(permit[name]) for name in ("granted_at", "until"))
        hindered = any(_any(group, began - SKEW, end + SKEW) for group in (self._troubles, self._refusals))
        # One that was given back before its region was well lies there until the next one, and is nobody's then.
        excused = end < self.now and (hindered or permit["disturbed_at"] is not None)
        self.check(3, excused, lambda: f"{key}: a permit was left over")


_FOR_GOOD: Final = ("flight", "baseline", "verdicts", "written")
_NO_PERSON: Final = frozenset({"the policy on_bad_change"})


def _concerned(flight: _Row | None) -> set[object]:
    """The regions that a write or a rotation is of."""
    return {flight.get(role) for role in ("source", "target", "region")} if flight else set()


def _forgets(name: str, before: _Row, row: _Row) -> bool:
    """Return whether something of a row is not in it any more; of a flight only that it is over counts."""
    if name == "flight":
        flown, flies = before.get("flight"), row.get("flight")
        return flown is not None and (flies is None or bool(flies["id"] != flown["id"]))
    return bool(before.get(name, []) != row.get(name, []))


def _same_word(it: _Row, other: _Row) -> bool:
    return (it["key"], it["state"], it["kind"]) == (other["key"], other["state"], other["kind"])


def _changes(before: Mapping[str, object], after: Mapping[str, object]) -> list[tuple[str, object, object]]:
    names = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    return [(name, before.get(name), after.get(name)) for name in names]


def _is_reference(value: object) -> bool:
    return isinstance(value, str) and value.startswith(REFERENCE)


def _longest_illness(site: Site, begin: float, end: float) -> float:
    """The longest stretch within these times in which a region did not answer."""
    longest, since = 0.0, None
    for moment in (*site.within(begin, end), Moment(end, well=True, offered=True)):
        at = max(moment.at, begin)
        if since is not None and moment.well:
            longest, since = max(longest, at - since), None
        elif since is None and not moment.well:
            since = at
    return longest


def _any(times: list[float], begin: float, end: float) -> bool:
    """Return whether one of these times, which are in order, is in a span."""
    at = bisect_left(times, begin)
    return at < len(times) and times[at] <= end


def _was_ill(site: Site, at: float) -> bool:
    return any(not moment.well for moment in site.within(at - FRESH, at))


def _reasons(facts: object, where: str) -> Iterator[tuple[str, object]]:
    """Every reason in what is shown, and of what it is."""
    if isinstance(facts, dict):
        for name, item in facts.items():
            if name in {"reason", "cause"}:
                yield f"{where}: {name}", item
            else:
                yield from _reasons(item, f"{where}: {name}")
    elif isinstance(facts, list):
        for fact in facts:
            yield from _reasons(fact, where)


# What a row of each kind says of its decisions, and what of it may not be left over. Read as JSON, as anybody could.
_REASONED: Final[dict[str, Callable[[_Row], list[tuple[str, object]]]]] = {
    "settings-sync": lambda row: [
        (str(row["state"]), row["reason"]),
        *((item["key"], item["reason"]) for item in (row.get("plan") or {}).get("decisions", ())),
        *(
            (item["rule"], item["text"] and item["way_out"])
            for item in (row.get("plan") or {}).get("refusals", ())
        ),
    ],
    "packages": lambda row: [
        (str(row["state"]), row["reason"]),
        *(("flight", item["reason"]) for item in [row.get("flight")] if item),
    ],
    "permit": lambda row: [("permit", item["reason"]) for item in [row.get("permit")] if item],
    "failback-holds": lambda row: [("line", item["text"]) for item in row.get("history", ())],
    "drills": lambda row: [
        *((item["rule"], item["reason"]) for item in row["drill"]["preflight"]),
        *(("line", item["text"]) for item in row["drill"]["timeline"]),
        ("its end", row["drill"]["reason"]),
    ],
    "incidents": lambda row: [
        ("its cause", row["incident"]["cause"]),
        *(("line", item["text"]) for item in row["incident"]["timeline"]),
    ],
    "outbox": lambda row: [
        ("its card", row["card"]["title"] and row["card"]["lines"] and all(row["card"]["lines"])),
    ],
}
_LEFT: Final[dict[str, Callable[[_Row], str]]] = {
    "settings-sync": lambda row: "a write" if row.get("flight") else "",
    "packages": lambda row: "a rotation" if row.get("flight") else "an order" if row.get("order") else "",
    "failback-holds": lambda row: "a hold" if row.get("hold") else "",
    "drill-slots": lambda row: "a drill" if row.get("drill") else "",
    "outbox": lambda row: (
        "" if row.get("sent_at") or row.get("given_up_at") or row.get("perhaps_delivered_at") else "a message"
    ),
}
