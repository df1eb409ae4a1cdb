"""Judges what two instances did to a pair, by the world's own journal. Shares nothing with the product.

Every value that a person sets is unique, so that it is known of each value where it was made, and when. People add
and change, and delete nothing. It knows law 1 (of writes, and of endpoints taken out of DNS), law 2, of law 3 that
nothing of a person's is overwritten or taken away and nothing invented, law 4, law 6 at the end, and of law 7 that no
write changes nothing. It does not know law 5, nor what quiet costs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from simulator.pair import COPIES_VAULT
from simulator.scepman_rules import problems, seen
from simulator.world import PACKAGE, Site, World

OURS = "counterpart"
NOTICE = 1.0  # seconds that a look takes to notice a region's failure, at the pace of these runs
GAP = 1.0  # seconds before a write in which a person's change may be missed: the documented round trip, and more
LONG_DOWN = 5.0  # seconds after which everybody must know that a region is down


@dataclass(frozen=True)
class Write:
    """One full write of a site's settings: what it changed, and who wrote."""

    at: float
    site: str
    who: str
    changed: dict[str, tuple[str | None, str | None]]  # before, after


@dataclass(frozen=True)
class Word:
    """A person's decision, when it was given: what the person had seen of these keys may be overwritten there."""

    at: float
    sites: frozenset[str]
    keys: frozenset[str]


@dataclass
class Judge:
    """Sees every write as it happens, and when a region was ill."""

    world: World
    soak: float
    writes: list[Write] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    ill: list[tuple[str, float, float]] = field(default_factory=list)  # site, from, until
    still: list[tuple[float, float]] = field(default_factory=list)  # when one of the two stood still
    _known: dict[str, dict[str, str]] = field(default_factory=dict)
    _first: Mapping[str, Mapping[str, str]] = field(
        default_factory=dict
    )  # by site, what it had when all began
    _sick: dict[str, float] = field(default_factory=dict)  # by what they started with: site, since

    def __post_init__(self) -> None:
        """Begin with what the sites have now."""
        self._known = {site.name: dict(site.app_settings) for site in self.world.sites.values()}
        self._first = dict(self._known)
        self.world.on_change.append(self.saw)

    def saw(self, site: Site, action: str) -> None:
        """A site was changed or restarted: note what and by whom, and how it is with what it started with."""
        self._feel(site)
        if action != "ChangedAppSettings":
            return
        before, after = self._known[site.name], dict(site.app_settings)
        self._known[site.name] = after
        names = before.keys() | after.keys()
        changed = {
            name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)
        }
        who = next(
            happening.who for happening in reversed(self.world.journal) if happening.what == "settings-put"
        )
        self.writes.append(Write(self.world.now(), site.name, who, changed))

    def _feel(self, site: Site) -> None:
        """A bad value, or a package that was not there, makes a region ill until it starts with better ones."""
        bad = bool(problems(seen(self.world, site))) or bool(site.package.failed)
        if bad:
            self._sick.setdefault(site.name, self.world.now())
        elif site.name in self._sick:
            self.ill.append((site.name, self._sick.pop(site.name), self.world.now()))

    @property
    def sick(self) -> frozenset[str]:
        """The sites that are ill by what they started with."""
        return frozenset(self._sick)

    def _illnesses(self) -> list[tuple[str, float, float]]:
        return [*self.ill, *((site, since, float("inf")) for site, since in self._sick.items())]

    def leaked(self, texts: Mapping[str, str]) -> list[str]:
        """Where a value of a setting stands that must be nowhere. The value itself is not shown here either."""
        values = self.world.secrets_in_use()
        counts = {place: sum(value in text for value in values) for place, text in texts.items()}
        return [f"{place} has {count} values of settings" for place, count in counts.items() if count]

    def left(self) -> list[str]:
        """When all is over: every endpoint that was taken out is back, and no old value lies in the vault."""
        copies = len(self.world.vaults[COPIES_VAULT].secrets)
        return [
            f"{endpoint.name} of {profile.name} was left out of DNS"
            for profile in self.world.profiles.values()
            for endpoint in profile.endpoints
            if not endpoint.enabled
        ] + ([f"{copies} copies of old values were left in the vault"] if copies else [])

    def _last_look(self, at: float) -> float:
        """When whoever acted at that moment may have looked last: who stood still goes on with what it had seen."""
        return min((since for since, until in self.still if since <= at <= until + NOTICE), default=at)

    def broken(self) -> list[str]:
        """Every law that was broken, as a sentence each."""
        found = [*self._taken_out(), *self._connections()]
        mine = [write for write in self.writes if write.who == OURS]
        for number, write in enumerate(mine):
            found += self._useless(write)
            found += self._overwritten(write)
            found += self._made_up(write)
            found += self._too_early(write)
            found += self._last_region(write)
            found += self._both(write, mine[:number])
        return found

    @staticmethod
    def _useless(write: Write) -> list[str]:
        """Two writers at once would write the same twice; a write that changes nothing restarts for nothing."""
        return [] if write.changed else [f"{write.site} was written at {write.at:.2f} and nothing changed"]

    def _both(self, write: Write, earlier: list[Write]) -> list[str]:
        """Never both regions within a soak."""
        return [
            f"{write.site} was written {write.at - item.at:.2f} s after {item.site}, within the soak"
            for item in earlier
            if item.site != write.site and write.at - item.at < self.soak
        ]

    def _overwritten(self, write: Write) -> list[str]:
        """A person's value is replaced by a later one that another region got, or by a person's decision."""
        found = []
        seen = self._last_look(write.at) - GAP
        for name, (old, _) in write.changed.items():
            fresh = [
                item
                for item in self.writes
                if item.site == write.site and item.at < seen and item.who != OURS
                and name in item.changed and item.changed[name][1] == old
            ]  # fmt: skip
            if (
                old is not None
                and fresh
                and not (
                    self._was_succeeded(name, write, fresh[-1]) or self._was_allowed(name, write, fresh[-1])
                )
            ):
                found.append(f"{name} of {write.site} was overwritten at {write.at:.2f}, set by a person")
        return found

    def _was_succeeded(self, name: str, write: Write, fresh: Write) -> bool:
        """The value had come to another region, where a person set the one that replaces it."""
        old, new = write.changed[name]
        elsewhere = [
            item
            for item in self.writes
            if item.site != write.site and item.at < write.at and name in item.changed
        ]
        return any(write.changed[name][1] == old for write in elsewhere) and any(
            write.changed[name][1] == new and write.who != OURS and write.at > fresh.at for write in elsewhere
        )

    def _was_allowed(self, name: str, write: Write, fresh: Write) -> bool:
        """A person decided so, after this value was there."""
        return any(
            fresh.at <= word.at <= write.at and write.site in word.sites and name in word.keys
            for word in self.words
        )

    def _made_up(self, write: Write) -> list[str]:
        """We write what a person set somewhere, or what the region had itself; and we take nothing away for good.

        Where a package comes from is ours to choose. What is a region's own must not come from another one.
        """
        found = []
        first = self._first[write.site]
        earlier = [item for item in self.writes if item.at < write.at]
        for name, (_, new) in write.changed.items():
            people = {
                write.changed[name][1] for write in earlier if write.who != OURS and name in write.changed
            }
            own = {
                item.changed[name][0] for item in earlier if item.site == write.site and name in item.changed
            }
            if name != PACKAGE and new not in people | own | {first.get(name)}:
                found.append(f"{name} of {write.site} got at {write.at:.2f} what nobody had set")
        return found

    def _connections(self) -> list[str]:
        """Nobody changes a connection string in these runs, so we must not either."""
        return [
            f"connection strings of {happening.where} were written at {happening.at:.2f}"
            for happening in self.world.journal
            if happening.what == "connections-put" and happening.who == OURS
        ]

    def _too_early(self, write: Write) -> list[str]:
        """No value reaches the peer before its source has been healthy for the whole soak."""
        found = []
        seen = self._last_look(write.at) - NOTICE
        for name, (_, new) in write.changed.items():
            made = [
                item
                for item in self.writes
                if item.who != OURS and item.at < write.at and item.changed.get(name, (None, None))[1] == new
                and item.site != write.site
            ]  # fmt: skip
            if new is None or not made:
                continue  # a deletion, or our own undoing
            source = made[-1]
            if write.at - source.at < self.soak - 0.05:
                found.append(f"{name} reached {write.site} {write.at - source.at:.2f} s after it was made")
            begin = max(source.at, write.at - self.soak)
            if any(
                site == source.site and since < seen and until > begin + NOTICE
                for site, since, until in self._illnesses()
            ):
                found.append(f"{name} reached {write.site} at {write.at:.2f} from a region that was ill")
        return found

    def _last_region(self, write: Write) -> list[str]:
        """The other region was not long known to be down, unless this one was down itself."""
        down = self._down(write.at)
        others = {site.name for site in self.world.sites.values()} - {write.site}
        if others <= down and write.site not in down:
            return [f"{write.site} was written at {write.at:.2f} while it was the last one that served"]
        return []

    def _down(self, at: float) -> set[str]:
        """The sites of which everybody must know by then that they are down."""
        known = self._last_look(at) - LONG_DOWN
        return {site for site, since, until in self._illnesses() if since < known and until > at}

    def _taken_out(self) -> list[str]:
        """Return what we take out of DNS: never the last that may serve, nor beside a write of ours."""
        targets = {
            f"{profile.name}/{endpoint.name}": endpoint.target_site
            for profile in self.world.profiles.values()
            for endpoint in profile.endpoints
        }
        enabled, found = set(targets), []
        ours = [write for write in self.writes if write.who == OURS]
        patches = [happening for happening in self.world.journal if happening.what == "endpoint-patch"]
        for number, happening in enumerate(patches):
            if "endpointStatus=Enabled" in happening.detail:
                enabled.add(happening.where)
            if "endpointStatus=Disabled" not in happening.detail:
                continue
            enabled.discard(happening.where)
            if happening.who != OURS:
                continue
            if {targets[one] for one in enabled} <= self._down(happening.at):
                found.append(
                    f"{happening.where} was disabled at {happening.at:.2f} while no other one served"
                )
            back = next(
                (one.at for one in patches[number + 1 :] if one.where == happening.where), float("inf")
            )
            found += [
                f"{write.site} was written at {write.at:.2f}, and {happening.where} was out from {happening.at:.2f}"
                for write in ours
                if happening.at - self.soak < write.at < back
            ]
        return found
