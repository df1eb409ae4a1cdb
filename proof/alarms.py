"""Whether what people are told is so. Part of the observer, which has the outages themselves in `outages`.

A letter says what is so, or was when its incident began. Each rule asks whether it was so at any moment of a span:
from `SEEN` before the incident began, as the letter has it, until the letter is written down; of an end, from `SEEN`
before that end. An opening is not believed to have begun longer ago than `SEEN` and some undisturbed turns. A letter
of a kind that has no rule is a breach, so that whoever adds one says what justifies it.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from proof.world import PACKAGE, Host, Site, Tick, World, seconds

SEEN: Final = 900.0  # what is looked at every minute, or proved every five, also when the store fails for ten
SWEPT: Final = (
    2700.0  # what may be found by a sweep alone: every quarter of an hour, one missed, and as above
)
TOGETHER: Final = (
    240.0  # what fails so long after another seems to fail with it: Traffic Manager takes two minutes
)
# to notice, a probe is believed for one, and a round takes its time
CAUGHT_UP: Final = 5  # undisturbed turns after which nothing is told that is older than `SEEN`,
KNOWN: Final = (
    1800.0  # and so long after the product could not look for `BLIND` it knows of every host that is up:
)
BLIND: Final = (
    900.0  # what it knew is believed for three checks of five minutes, and it takes some good ones anew
)
CHECKED: Final = 1140.0  # a check is believed until the third after it is due, and a turn longer
ASKED: Final = 400.0  # from a person's word to the drill: three turns of the timer, and requests

type _Row = dict[str, Any]


class Alarms:
    """What is told, beside what is so."""

    def __init__(
        self,
        world: World,
        check: Callable[..., None],
        *,
        differed: Callable[[float], bool],
        stirred: Callable[[float], bool],
        unheard: Callable[[float], bool],
    ) -> None:
        self._world, self._check = world, check
        self._differed = differed  # whether regions differed since then in what nobody wanted different
        self._stirred = stirred  # whether anybody did something since then, or something happened
        self._unheard = unheard  # whether since then something was not done, or not known to be
        self._known: set[str] = set()
        self._drills: dict[str, list[float]] = {}  # region: when people asked for one
        self._foreign = False  # whether the app ever had a key that is not the store's
        self._clean: deque[float] = deque(maxlen=CAUGHT_UP)  # when the last undisturbed turns began
        self._blind = 0.0  # when the product last began to look, having not looked for long or never
        self._hindered: float | None = None  # since when no turn has been undisturbed
        self._one = self._many = -1e9  # when the regions last proved one CA, and several

    def asked_for_drill(self, region: str) -> None:
        """A person wants a drill."""
        self._drills.setdefault(region, []).append(self._now)

    def rekeyed(self) -> None:
        """The app has a key that is not the store's."""
        self._foreign = True

    def ticked(self, tick: Tick) -> None:
        """A turn is over."""
        if self._hindered is not None and self._now - self._hindered > BLIND:
            self._blind = self._now
        if tick.clean:
            self._clean.append(tick.began)
            self._hindered = None
        elif self._hindered is None:
            self._hindered = tick.began
        if self._proved() > 1:
            self._many = self._now
        else:
            self._one = self._now

    def letter(self, key: str, row: _Row) -> None:
        """A row of the outbox was written."""
        if key in self._known:
            return
        self._known.add(key)
        facts = row["facts"]
        rule = _RULES.get((facts.get("topic", ""), row["kind"]))
        self._check(5, rule is not None, lambda: f"{key}: nobody judges a letter of the kind {row['kind']}")
        if rule is not None:
            why_not = rule(self, facts)
            self._check(5, not why_not, lambda: f"{key} is told, and {why_not}")

    def foreign(self, facts: _Row) -> str:
        """The app has a key that is not the store's."""
        del facts
        return "" if self._foreign else "the app always had the store's own key"

    # -- regions

    def fails(self, facts: _Row) -> str:
        """A region fails: opened, or worse than before."""
        begin, site = self._begin(facts), self._site(facts)
        if not self._was_out(site, begin):
            return f"{site.name} was well and in DNS since {SEEN:.0f} s before"
        if facts["severity"] == 1 and not self._all_out(begin):
            return "some region served all the time"
        return self._wrong_cause(facts["cause"], site, seconds(facts["started"]) - SEEN)

    def led_away(self, facts: _Row) -> str:
        """DNS leads devices to the other regions."""
        begin, site = self._begin(facts), self._site(facts)
        left = any(not moment.offered for moment in site.within(begin, self._now))
        # One that was enabled in between is in DNS at once, before Traffic Manager has looked at it.
        others = any(
            (other.enabled and other.switched >= begin)
            or any(moment.offered for moment in other.within(begin, self._now))
            for other in self._others(site)
        )
        return self.fails(facts) if left and others else f"DNS never led away from {site.name}"

    def well_again(self, facts: _Row) -> str:
        """A region is well, or out of service on purpose."""
        site = self._site(facts)
        moments = site.within(self._end(facts), self._now)
        so = not site.enabled or site.name == self._world.away or any(moment.well for moment in moments)
        return "" if so else f"{site.name} has not answered since {SEEN:.0f} s before"

    def _wrong_cause(self, cause: str, site: Site, begin: float) -> str:
        """Return what speaks against a cause, which is told with each card, however late in the incident."""
        match cause:
            case "unknown":
                return ""
            case "one-region":
                served = any(
                    moment.well for other in self._others(site) for moment in other.within(begin, self._now)
                )
                return "" if served else "no other region was well"
            case "shared-dependency":
                return "" if self._all_out(begin) else "the regions did not fail together"
            case "artifact-host":
                lost = any(not host.up or host.since >= begin for host in self._world.hosts.values())
                astray = self._world.leads_nowhere(site, begin)
                return "" if lost or astray else "every package host was up"
            case "settings-change":
                # It is dated by who saw it, maybe in a sweep.
                return (
                    ""
                    if site.changed >= begin - (SWEPT - SEEN)
                    else f"the settings of {site.name} were as before"
                )
            case _:  # certificates, host names, probe paths and stopped apps are well in this world
                return f"nothing here fails for the cause {cause}"

    def _was_out(self, site: Site, begin: float, end: float | None = None) -> bool:
        """Whether it failed, or no device was led there: its endpoint may have been out of the profile, too."""
        end = self._now if end is None else end
        world = self._world
        away = world.lacks == site.name and world.moved_from <= end and world.moved_until >= begin
        return away or any(not (moment.well and moment.offered) for moment in site.within(begin, end))

    def _all_out(self, begin: float) -> bool:
        """Whether all regions failed, or were out of DNS, so shortly one after the other that it seemed at once."""
        world = self._world
        away = world.lacks if begin < world.lacks_until else ""  # it seemed that no device is led there
        sites = [site for site in world.sites.values() if site.name != away]
        turns = {max(begin, moment.at) for site in sites for moment in site.within(begin, self._now)}
        return any(all(self._was_out(site, at - TOGETHER, at) for site in sites) for at in turns)

    # -- authorities, package hosts, settings

    def differing_authorities(self, facts: _Row) -> str:
        """The regions prove several CAs."""
        so = self._proved() > 1 or self._many >= self._begin(facts)
        return "" if so else "the regions proved one CA"

    def one_authority(self, facts: _Row) -> str:
        """The regions prove one CA."""
        so = self._proved() == 1 or self._one >= self._end(facts)
        return "" if so else "the regions proved several CAs"

    def no_host(self, facts: _Row) -> str:
        """No host is left from which a region could start; or none is relied on, as some checks are too few."""
        if facts["cause"] == "package-setting":
            return self._astray(facts)
        sure = facts["cause"] == "hosts-exhausted"
        begin = self._begin(facts) - (CHECKED - SEEN if sure else KNOWN)
        known = [url for url, host in self._fit(self._site(facts)) if host.up and host.since < begin]
        left = known if sure or self._now - self._blind > KNOWN else []
        return f"{left[0]} was there all the time" if left else ""

    def _astray(self, facts: _Row) -> str:
        """The package setting of a region leads to no package."""
        site = self._site(facts)
        host = self._world.hosts.get(site.app.get(PACKAGE, ""))
        lost = host is not None and (not host.up or host.since >= self._begin(facts))
        astray = self._world.leads_nowhere(site, self._begin(facts))
        return "" if astray or lost else f"the package setting of {site.name} leads to a host that is up"

    def a_host(self, facts: _Row) -> str:
        """A region has a host again."""
        end = self._end(facts)
        found = any(host.up or host.since >= end for _, host in self._fit(self._site(facts)))
        return "" if found else "no host was there"

    def held(self, facts: _Row) -> str:
        """A difference waits for a person; or a region was not found for minutes."""
        if facts.get("cause") == "unread":
            return "" if self._world.missed_last >= self._begin(facts) else "every region was found"
        return "" if self._differed(self._begin(facts)) else "the regions differed in nothing undecided"

    def held_no_more(self, facts: _Row) -> str:
        """It waits no more."""
        so = self._stirred(seconds(facts["resolved"]) - SWEPT)
        return "" if so else "nobody had decided or done anything"

    # -- drills

    def drill(self, facts: _Row) -> str:
        """A drill begins, or is over."""
        accepted = seconds(facts["accepted_at"])
        asked = self._drills.get(facts["region"], [])
        wanted = any(abs(accepted - item) < ASKED for item in asked)
        return "" if wanted else f"nobody had asked for a drill of {facts['region']}"

    def drill_over(self, facts: _Row) -> str:
        """A drill is over, and its region given back."""
        back = self._site(facts).enabled or facts["drained_at"] is None
        return self.drill(facts) if back else f"{facts['region']} is still out of DNS"

    def drill_stuck(self, facts: _Row) -> str:
        """A drill's region is still out of DNS; or may be, when something was not answered."""
        accepted = seconds(facts["accepted_at"])
        begin = max(accepted, seconds(facts["since"]) - SEEN)
        out = any(not moment.offered for moment in self._site(facts).within(begin, self._now))
        so = out or (facts["perhaps_out_because"] is not None and self._unheard(accepted))
        return self.drill(facts) if so else f"{facts['region']} was in DNS all the time"

    # -- what is so

    @property
    def _now(self) -> float:
        return self._world.clock.time()

    def _begin(self, facts: _Row) -> float:
        opening = facts["resolved"] is None and facts["mitigated"] is None
        began = seconds(facts["started"])
        caught_up = self._clean[0] if len(self._clean) == CAUGHT_UP else -1e9
        return (max(began, min(self._now - SEEN, caught_up)) if opening else began) - SEEN

    def _end(self, facts: _Row) -> float:
        return seconds(facts["resolved"]) - SEEN

    def _site(self, facts: _Row) -> Site:
        return self._world.sites[facts["region"]]

    def _others(self, site: Site) -> list[Site]:
        return [item for item in self._world.sites.values() if item is not site]

    def _proved(self) -> int:
        return len({site.authority for site in self._world.sites.values()})

    def _fit(self, site: Site) -> list[tuple[str, Host]]:
        """The hosts that have the package of a region, not an older one, with which it comes up."""
        name = _name(site.app.get(PACKAGE, ""))
        return [
            (url, host)
            for url, host in self._world.hosts.items()
            if _name(url) == name and host.version >= site.runs and (site.name, url) not in self._world.unfit
        ]


def _name(url: str) -> str:
    return url.rpartition("/")[2].lower()


_RULES: Final[dict[tuple[str, str], Callable[[Alarms, _Row], str]]] = {
    ("service", "incident.opened"): Alarms.fails,
    ("service", "incident.escalated-to-2"): Alarms.fails,
    ("service", "incident.escalated-to-1"): Alarms.fails,
    ("service", "incident.mitigated"): Alarms.led_away,
    ("service", "incident.held"): Alarms.held,
    ("service", "incident.resolved"): Alarms.well_again,
    ("authority", "incident.opened"): Alarms.differing_authorities,
    ("authority", "incident.resolved"): Alarms.one_authority,
    ("hosts", "incident.opened"): Alarms.no_host,
    ("hosts", "incident.escalated-to-2"): Alarms.no_host,
    ("hosts", "incident.resolved"): Alarms.a_host,
    ("settings", "incident.held"): Alarms.held,
    ("settings", "incident.resolved"): Alarms.held_no_more,
    ("", "key.foreign"): Alarms.foreign,
    ("", "drill.started"): Alarms.drill,
    ("", "drill.finished"): Alarms.drill_over,
    ("", "drill.stuck"): Alarms.drill_stuck,
}
