"""Find the groups and look at them: the reads of every wake-up, and the one row that remembers them."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Self

import msgspec

from shared.ages import age
from shared.clock import Clock
from shared.errors import Denied, NotFound, TransientError
from shared.groups.classify import judge, one_authority
from shared.groups.discover import Member, Scope, are_same, chosen, group, members, row_name, site_ids
from shared.groups.model import (
    Endpoint,
    Group,
    Health,
    MonitorStatus,
    ProbeResult,
    Profile,
    Region,
    ScepProof,
    Site,
)
from shared.groups.monitoring import probe_request
from shared.groups.ports import Probes, Profiles, Sites
from shared.store import Key, Store, key, read, revise
from shared.words import clipped

log = logging.getLogger(__name__)

JITTER = 0.9  # a timer that comes a little early must not skip its turn
_HTTPS = 443
_LITTLE = 100  # bytes that are left of a text for which a row has no room
KEPT = timedelta(seconds=15)  # a quarter of what a permit takes for fresh


class Looking(msgspec.Struct, frozen=True, kw_only=True):
    """Intervals of observation, in seconds. The vendor asks monitors for one /probe a minute at most."""

    probe_every: float = 60.0
    prove_every: float = 300.0
    sites_every: float = 86_400.0
    scep_path: str = "/certsrv/mscep/mscep.dll"  # empty: the apps are no SCEP servers


class Watched(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The row: what was last seen of a group's regions and sites."""

    profile_id: str
    health: dict[str, Health]
    sites: tuple[Site, ...] = ()
    sites_at: datetime | None = None
    members: tuple[Member, ...] = ()
    members_at: datetime | None = None  # of the answer that had other members than the one before

    def shorter(self) -> Self | None:
        """Without what of a proof is only for people to read."""
        bare = {name: _bare(health) for name, health in self.health.items()}
        return None if bare == self.health else msgspec.structs.replace(self, health=bare)


def _bare(health: Health) -> Health:
    proof = health.scep and msgspec.structs.replace(
        health.scep,
        capabilities=(),
        registration_authorities=(),
        subject="",
        remarks=(),
        problem=clipped(health.scep.problem, _LITTLE),
    )
    probe = health.probe and msgspec.structs.replace(
        health.probe, problem=clipped(health.probe.problem, _LITTLE)
    )
    return msgspec.structs.replace(health, probe=probe, scep=proof, reason=clipped(health.reason, _LITTLE))


def watched_key(profile_id: str) -> Key:
    """Return where a group's observations lie."""
    return key("watched", row_name(profile_id))


async def discover(scope: Scope, profiles: Profiles) -> tuple[Profile, ...]:
    """The profiles that are ours: one read per subscription, for all groups."""
    found = await asyncio.gather(
        *(profiles.list_profiles(subscription) for subscription in scope.all_subscriptions)
    )
    return chosen((profile for listed in found for profile in listed), scope)


class Directory:
    """Which group a site belongs to, for events: read anew when what is known is older than `KEPT`.

    A burst of events asks Traffic Manager once, and of events that are not ours each costs a look into a dictionary.
    An event that comes within `KEPT` of its site's joining a group may be taken for nobody's: the timer finds the
    group, or sweeps it, all the same.
    """

    def __init__(self, profiles: Profiles, clock: Clock) -> None:
        self._profiles, self._clock = profiles, clock
        self._scope: Scope | None = None
        self._reading: asyncio.Task[_Listing] | None = None  # done, or under way and shared by all who ask

    async def group_of(self, site_id: str, scope: Scope) -> tuple[Profile, datetime] | None:
        """The profile and when it was read, or None when the site is in no group of ours.

        Raises Unavailable, Throttled, Denied: it is not known, and Traffic Manager does not say.
        """
        listing = await self._listing(scope)
        profile = listing.by_site.get(site_id.lower())
        return None if profile is None else (profile, listing.read_at)

    async def knows(self, profile_ids: Iterable[str], scope: Scope) -> bool:
        """Return whether one of these profiles is ours: a flood of questions about others costs a read in `KEPT`.

        Raises Unavailable, Throttled, Denied: Traffic Manager does not say.
        """
        listing = await self._listing(scope)
        return any(name.lower() in listing.profile_ids for name in profile_ids)

    async def _listing(self, scope: Scope) -> "_Listing":
        reading = self._reading
        if reading is None or self._scope != scope or self._is_spent(reading):
            self._scope = scope
            reading = self._reading = asyncio.create_task(self._read(scope))
            # An error is looked at even when nobody waits for it any more.
            reading.add_done_callback(lambda it: it.cancelled() or it.exception())
        return await asyncio.shield(reading)  # who gives up does not stop the others' reading

    def _is_spent(self, reading: "asyncio.Task[_Listing]") -> bool:
        if not reading.done():
            return False
        if reading.cancelled() or reading.exception() is not None:
            return True
        return age(reading.result().read_at, self._clock.now()) >= KEPT

    async def _read(self, scope: Scope) -> "_Listing":
        read_at = self._clock.now()
        found = await discover(scope, self._profiles)
        # Of two groups with one site the first one counts, as ever.
        by_site = {name.lower(): profile for profile in found[::-1] for name in site_ids(profile)}
        return _Listing(read_at, by_site, frozenset(profile.id.lower() for profile in found))


class _Listing(msgspec.Struct, frozen=True):
    """The result of one listing: profiles by their sites' ids in lower case."""

    read_at: datetime
    by_site: Mapping[str, Profile]
    profile_ids: frozenset[str]  # in lower case


async def assemble(
    profile: Profile,
    *,
    store: Store,
    sites: Sites,
    clock: Clock,
    looking: Looking,
    read_at: datetime | None = None,
) -> Group:
    """The group behind a profile that was read at `read_at`; a site's own facts are read once a day.

    A region leaves when its endpoint is proved to be gone, and by nothing else: of a site that cannot be read what
    was known of it goes on. An endpoint whose site was never there is no region, and stops no other.
    """
    row, _ = await read(store, watched_key(profile.id), Watched)
    known = {site.id.lower(): site for site in row.sites} if row else {}
    wanted = site_ids(profile)
    now = clock.now()
    old = (
        row is None or row.sites_at is None or age(row.sites_at, now) > timedelta(seconds=looking.sites_every)
    )
    if old or any(name.lower() not in known for name in wanted):
        facts = await asyncio.gather(*(_site(name, sites, known.get(name.lower())) for name in wanted))
        fresh = tuple(fact for fact in facts if fact is not None)
        # What a missing endpoint led to is kept for when it is back.
        kept = tuple(item for name, item in known.items() if name not in {site.id.lower() for site in fresh})
        there = {member.site_id for member in row.members} if row else set()
        await _remember(
            store, profile.id, {}, (*fresh, *(site for site in kept if site.id.lower() in there)), now
        )
        known = {site.id.lower(): site for site in fresh}
    missing, outdated = await _meet(profile, row, store, read_at, now)
    return msgspec.structs.replace(group(profile, known), read_at=read_at, missing=missing, outdated=outdated)


async def _meet(
    profile: Profile, row: Watched | None, store: Store, read_at: datetime | None, now: datetime
) -> tuple[tuple[str, ...], bool]:
    """Return who is missing from this answer, and whether it is older than one with other members."""
    before = row.members if row else ()
    if row is not None and row.members_at is not None and read_at is not None and read_at < row.members_at:
        return (), not are_same(before, members(profile, (), now))
    after = members(profile, before, read_at or now)
    if after != before:

        def decide(it: Watched | None) -> Watched:
            known = it or Watched(profile_id=profile.id, health={})
            if known.members_at is not None and (read_at is None or read_at < known.members_at):
                return known  # somebody read a newer answer meanwhile
            at = known.members_at if are_same(known.members, after) else read_at
            left = {member.name for member in known.members} - {member.name for member in after}
            health = {name: health for name, health in known.health.items() if name not in left}
            return msgspec.structs.replace(known, health=health, members=after, members_at=at)

        await revise(store, watched_key(profile.id), Watched, decide)
    missing = tuple(member.name for member in after if member.missing is not None)
    if missing:
        log.warning("%s: not in Traffic Manager's answer: %s", profile.name, ", ".join(missing))
    return missing, False


async def _site(site_id: str, sites: Sites, known: Site | None) -> Site | None:
    """The site's facts under the id that the endpoint has for it; where they cannot be read, those that are known.

    None: there is no such site, and there was none before.
    """
    try:
        return msgspec.structs.replace(await sites.get_site(site_id), id=site_id)
    except NotFound as error:
        log.warning("an endpoint leads to a site that cannot be found: %s", error)
        return known
    except (Denied, TransientError) as error:
        if known is None:
            raise
        log.warning("a site's facts cannot be read: %s", error)
        return known


async def doubt_sites(store: Store, profile_id: str) -> None:
    """Read the sites' own facts anew next time: one of them was not found. What is known of them stays."""

    def decide(row: Watched | None) -> Watched | None:
        return row and msgspec.structs.replace(row, sites_at=None)

    await revise(store, watched_key(profile_id), Watched, decide)


async def observe(
    of: Group, *, store: Store, probes: Probes, clock: Clock, looking: Looking, prove: bool = False
) -> Mapping[str, Health]:
    """Look at every region: what Traffic Manager said, and our own probe and SCEP proof where they are due.

    `prove` asks for a SCEP proof younger than a probe's interval, as a permit needs.
    """
    row, _ = await read(store, watched_key(of.id), Watched)
    now = clock.now()
    # What is dated later than now is no evidence: it is looked at anew, and replaced.
    before = {name: health for name, health in row.health.items() if not health.is_ahead(now)} if row else {}
    results = await asyncio.gather(
        *(
            _ask(of, region, before.get(region.name), probes, now, looking, prove=prove)
            for region in of.regions
        )
    )
    endpoints = {endpoint.name: endpoint for endpoint in of.profile.endpoints}
    seen = {
        region.name: _judged(
            endpoints[region.name], of.read_at, probe, scep, before.get(region.name), clock, looking
        )
        for region, (probe, scep) in zip(of.regions, results, strict=True)
    }
    health = one_authority(seen)
    if health != before:
        await _remember(store, of.id, health, None, clock.now())
    return health


def _judged(
    endpoint: Endpoint,
    read_at: datetime | None,
    probe: ProbeResult | None,
    scep: ScepProof | None,
    before: Health | None,
    clock: Clock,
    looking: Looking,
) -> Health:
    # Two missed turns are a hole in the evidence; one late timer is not.
    gap = timedelta(seconds=max(3 * looking.probe_every, 1.0))
    known_at = before.monitored_at if before else None
    if before is not None and known_at is not None and read_at is not None and known_at > read_at:
        # Another wake-up has asked Traffic Manager since: its word counts.
        enabled = before.monitor is not MonitorStatus.DISABLED
        endpoint, read_at = (
            msgspec.structs.replace(endpoint, status=before.monitor, enabled=enabled),
            known_at,
        )
    health = judge(endpoint, probe=probe, scep=scep, before=before, now=clock.now(), gap=gap)
    return msgspec.structs.replace(health, monitored_at=read_at)


async def _ask(
    of: Group,
    region: Region,
    before: Health | None,
    probes: Probes,
    now: datetime,
    looking: Looking,
    *,
    prove: bool,
) -> tuple[ProbeResult | None, ScepProof | None]:
    """The probe and the proof, new where they are due."""
    probe = before.probe if before else None
    scep = before.scep if before else None
    monitor = of.profile.monitor
    port = monitor.port if monitor.protocol == "HTTPS" else _HTTPS
    # A proof that failed is asked for again soon, or one bad answer would count for five minutes.
    soon = prove or (scep is not None and not scep.ok)
    prove_every = looking.probe_every if soon else looking.prove_every
    probing = _due(probe.at if probe else None, now, looking.probe_every)
    proving = bool(looking.scep_path) and _due(scep.at if scep else None, now, prove_every)
    async with asyncio.TaskGroup() as asking:
        if probing:
            asked = probe_request(of.profile, region.name)
            new_probe = asking.create_task(probes.get_probe(region.host, asked))
        if proving:
            new_scep = asking.create_task(
                probes.get_scep_proof(region.host, port=port, path=looking.scep_path)
            )
    return (new_probe.result() if probing else probe), (new_scep.result() if proving else scep)


def _due(last: datetime | None, now: datetime, every: float) -> bool:
    return last is None or age(last, now) >= timedelta(seconds=every * JITTER)


async def _remember(
    store: Store, profile_id: str, health: Mapping[str, Health], sites: Iterable[Site] | None, now: datetime
) -> None:
    """Write what was seen; when two instances looked at once, the younger evidence of each region stays."""

    def decide(row: Watched | None) -> Watched:
        known = row or Watched(profile_id=profile_id, health={})
        kept = {name: health for name, health in known.health.items() if not health.is_ahead(now)}
        younger = {
            name: item for name, item in health.items() if name not in kept or kept[name].at <= item.at
        }
        return msgspec.structs.replace(
            known,
            health={**kept, **younger},
            sites=known.sites if sites is None else tuple(sites),
            sites_at=known.sites_at if sites is None else now,
        )

    await revise(store, watched_key(profile_id), Watched, decide)
