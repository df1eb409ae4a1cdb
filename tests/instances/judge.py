"""Judges what two instances did to a pair, by the world's own journal. Shares nothing with the product.

Every value that a person sets is unique, so that it is known of each value where it was made, and when.
"""

from dataclasses import dataclass, field

from simulator.world import Site, World

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


@dataclass
class Judge:
    """Sees every write as it happens, and when a region was ill."""

    world: World
    soak: float
    writes: list[Write] = field(default_factory=list)
    ill: list[tuple[str, float, float]] = field(default_factory=list)  # site, from, until
    _known: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with what the sites have now."""
        self._known = {site.name: dict(site.app_settings) for site in self.world.sites.values()}
        self.world.on_change.append(self.saw)

    def saw(self, site: Site, action: str) -> None:
        """A site was changed: note what and by whom."""
        if action != "ChangedAppSettings":
            return
        before, after = self._known[site.name], dict(site.app_settings)
        self._known[site.name] = after
        names = before.keys() | after.keys()
        changed = {it: (before.get(it), after.get(it)) for it in names if before.get(it) != after.get(it)}
        who = next(it.who for it in reversed(self.world.journal) if it.what == "settings-put")
        self.writes.append(Write(self.world.now(), site.name, who, changed))

    def broken(self) -> list[str]:
        """Every law that was broken, as a sentence each."""
        found: list[str] = []
        mine = [it for it in self.writes if it.who == OURS]
        for number, write in enumerate(mine):
            found += self._useless(write)
            found += self._overwritten(write)
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
            f"{write.site} was written {write.at - it.at:.2f} s after {it.site}, within the soak"
            for it in earlier
            if it.site != write.site and write.at - it.at < self.soak
        ]

    def _overwritten(self, write: Write) -> list[str]:
        """A person's value is replaced only after the other region has had it too, or it is our own undone."""
        found = []
        for name, (old, _) in write.changed.items():
            fresh = [
                it
                for it in self.writes
                if it.site == write.site and it.at < write.at - GAP and it.who != OURS
                and name in it.changed and it.changed[name][1] == old
            ]  # fmt: skip
            if old is not None and fresh and not self._was_elsewhere(name, old, write):
                found.append(f"{name} of {write.site} was overwritten at {write.at:.2f}, set by a person")
        return found

    def _was_elsewhere(self, name: str, value: str, write: Write) -> bool:
        return any(
            it.site != write.site and it.at < write.at and it.changed.get(name, (None, None))[1] == value
            for it in self.writes
        )

    def _too_early(self, write: Write) -> list[str]:
        """No value reaches the peer before its source has been healthy for the whole soak."""
        found = []
        for name, (_, new) in write.changed.items():
            made = [
                it
                for it in self.writes
                if it.who != OURS and it.at < write.at and it.changed.get(name, (None, None))[1] == new
                and it.site != write.site
            ]  # fmt: skip
            if new is None or not made:
                continue  # a deletion, or our own undoing
            source = made[-1]
            if write.at - source.at < self.soak - 0.05:
                found.append(f"{name} reached {write.site} {write.at - source.at:.2f} s after it was made")
            begin = max(source.at, write.at - self.soak)
            if any(
                site == source.site and since < write.at - NOTICE and until > begin + NOTICE
                for site, since, until in self.ill
            ):
                found.append(f"{name} reached {write.site} at {write.at:.2f} from a region that was ill")
        return found

    def _last_region(self, write: Write) -> list[str]:
        """The other region was not long known to be down, unless this one was down itself."""
        down = {site for site, since, until in self.ill if since < write.at - LONG_DOWN and until > write.at}
        others = {it.name for it in self.world.sites.values()} - {write.site}
        if others <= down and write.site not in down:
            return [f"{write.site} was written at {write.at:.2f} while it was the last one that served"]
        return []
