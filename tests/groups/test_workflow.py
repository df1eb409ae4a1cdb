"""Looking at groups: few reads, evidence that is remembered, and nothing that one bad site can stop."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec
import pytest

from shared.errors import Denied
from shared.groups.discover import Scope
from shared.groups.model import Group, Health, MonitorStatus, ProbeRequest, ProbeResult, ScepProof, State
from shared.groups.workflow import (
    Looking,
    Watched,
    assemble,
    discover,
    doubt_sites,
    observe,
    watched_key,
)
from shared.store import read
from tests.builders import SUBSCRIPTION, a_profile, an_endpoint, host, site_id
from tests.fakes.app_service import FakeAppService
from tests.fakes.clock import FakeClock
from tests.fakes.probe import CA, FakeProbes
from tests.fakes.store import FakeStore
from tests.fakes.traffic_manager import FakeProfiles

MINUTE = timedelta(seconds=60)


class Watch:
    """A pair that is looked at."""

    def __init__(self, looking: Looking | None = None) -> None:
        self.clock = FakeClock()
        self.store = FakeStore()
        self.probes = FakeProbes({host("west"): 200, host("east"): 200}, clock=self.clock)
        self.sites = FakeAppService({site_id("west"): {}, site_id("east"): {}})
        self.profile = a_profile()
        self.looking = looking or Looking()

    async def group(self, read_at: datetime | None = None) -> Group:
        """The group as it is assembled now, of a profile that was read then."""
        return await assemble(
            self.profile,
            store=self.store,
            sites=self.sites,
            clock=self.clock,
            looking=self.looking,
            read_at=read_at,
        )

    async def look(self, seconds: float = 60.0, *, prove: bool = False) -> Mapping[str, Health]:
        """Time passes; what is seen then."""
        self.clock.advance(seconds)
        return await observe(
            await self.group(),
            store=self.store,
            probes=self.probes,
            clock=self.clock,
            looking=self.looking,
            prove=prove,
        )

    def asked(self, what: str) -> int:
        """Return how often west was asked."""
        return self.probes.asked.count((host("west"), what))


async def test_all_groups_of_a_subscription_take_one_read() -> None:
    """Twenty profiles, one read."""
    profiles = FakeProfiles([a_profile(name=f"group{number:02}") for number in range(20)])
    assert len(await discover(Scope(subscriptions=(SUBSCRIPTION,)), profiles)) == 20
    assert profiles.reads == [SUBSCRIPTION]


async def test_a_sites_own_facts_are_read_once_a_day() -> None:
    """Each site once; again after a day, or when an endpoint is new."""
    watch = Watch()
    await watch.group()
    await watch.group()
    assert len(watch.sites.reads) == 2
    watch.clock.advance(86_401)
    await watch.group()
    assert len(watch.sites.reads) == 4
    watch.sites.sites[site_id("north").lower()] = {}
    watch.sites._ids[site_id("north").lower()] = site_id("north")
    watch.profile = a_profile(*watch.profile.endpoints, an_endpoint("north"))
    assert [region.name for region in (await watch.group()).regions] == ["west", "east", "north"]


async def test_a_site_that_is_gone_is_no_region_and_stops_no_other() -> None:
    """The endpoint may outlive its site; the rest of the group is looked at as ever."""
    watch = Watch()
    watch.profile = a_profile(*watch.profile.endpoints, an_endpoint("gone"))
    assert [region.name for region in (await watch.group()).regions] == ["west", "east"]


async def test_a_refusal_is_no_absence() -> None:
    """When Azure does not let us read a site, the group is not taken to be smaller."""
    watch = Watch()

    def refuse(_site: str) -> None:
        raise Denied("no right to read it")

    watch.sites.before_read = refuse
    with pytest.raises(Denied):
        await watch.group()


async def test_a_site_that_is_not_found_stays_what_it_was() -> None:
    """Its facts are asked for again, and what is known of it goes on while its endpoint is there."""
    watch = Watch()
    await doubt_sites(watch.store, watch.profile.id)
    assert watch.store.rows == {}
    await watch.look()
    reads = len(watch.sites.reads)
    del watch.sites.sites[site_id("east").lower()]
    await doubt_sites(watch.store, watch.profile.id)
    assert [region.name for region in (await watch.group()).regions] == ["west", "east"]
    assert len(watch.sites.reads) == reads + 1


async def test_an_endpoint_is_gone_after_three_answers_over_minutes() -> None:
    """Until then the region is missing, and one answer that has it begins anew."""
    watch = Watch()
    whole = watch.profile
    await watch.group()
    watch.profile = a_profile(whole.endpoints[0])
    for _ in range(2):
        watch.clock.advance(60)
        assert (await watch.group()).missing == ("east",)
    watch.profile = whole
    assert (await watch.group()).missing == ()
    watch.profile = a_profile(whole.endpoints[0])
    for missing in (("east",), ("east",), ()):
        watch.clock.advance(60)
        assert (await watch.group()).missing == missing


async def test_an_older_answer_with_other_endpoints_is_found_out() -> None:
    """It counts for nothing; one with the same endpoints is as good as ever."""
    watch = Watch()
    begin = watch.clock.now()
    whole, watch.profile = watch.profile, a_profile(watch.profile.endpoints[0])
    await watch.group(begin)
    old, watch.profile = watch.profile, whole
    assert not (await watch.group(begin + 2 * MINUTE)).outdated
    assert not (await watch.group(begin + MINUTE)).outdated
    watch.profile = old
    group = await watch.group(begin + MINUTE)
    assert (group.outdated, group.missing) == (True, ())


async def test_a_region_is_probed_once_a_minute_and_proved_every_five() -> None:
    """Ten minutes of ticks; doorbells between them ask nothing more."""
    watch = Watch()
    for _ in range(10):
        await watch.look(60)
        await watch.look(0)
        await watch.look(5)
        watch.clock.advance(-5)
    assert watch.asked("probe") == 10
    assert watch.asked("scep") == 2


async def test_a_timer_that_comes_early_does_not_skip_its_turn() -> None:
    """Fifty-five seconds are a minute."""
    watch = Watch()
    for _ in range(4):
        await watch.look(55)
    assert watch.asked("probe") == 4


async def test_endpoints_that_come_and_go_under_new_names_leave_nothing() -> None:
    """Of one that is proved to be gone the row remembers nothing, so that it does not grow with the years."""
    watch = Watch()
    (west, east) = watch.profile.endpoints
    for number in range(20):
        watch.profile = a_profile(west, msgspec.structs.replace(east, name=f"east-{number}"))
        for _ in range(4):
            await watch.look()
    row, _ = await read(watch.store, watched_key(watch.profile.id), Watched)
    assert row is not None
    assert {member.name for member in row.members} == {"west", "east-19"}
    assert set(row.health) == {"west", "east-19"}


async def test_a_permit_gets_a_fresh_proof() -> None:
    """Asked for one, each region proves its CA unless it did within the minute."""
    watch = Watch()
    await watch.look()
    await watch.look(prove=True)
    await watch.look(0, prove=True)
    assert watch.asked("scep") == 2


async def test_a_failed_proof_is_asked_for_again_after_a_minute() -> None:
    """One bad answer does not count for five."""
    watch = Watch()
    watch.probes.scep[host("west")] = ScepProof(at=watch.clock.now(), problem="GetCACert answered 500")
    assert (await watch.look())["west"].state is State.UNKNOWN
    watch.probes.scep[host("west")] = CA
    assert (await watch.look())["west"].state is State.HEALTHY
    assert watch.asked("scep") == 2


async def test_without_a_scep_path_nothing_is_proved() -> None:
    """Apps that are no SCEP servers are judged by their probe."""
    watch = Watch(Looking(scep_path=""))
    assert (await watch.look(prove=True))["west"].state is State.HEALTHY
    assert watch.asked("scep") == 0


async def test_two_authorities_leave_no_refuge() -> None:
    """The regions' proofs are compared, and it shows at once when they are one again."""
    watch = Watch()
    watch.probes.scep[host("east")] = "eb" * 32
    assert {health.state for health in (await watch.look()).values()} == {State.UNKNOWN}
    watch.probes.scep[host("east")] = CA
    assert {health.state for health in (await watch.look(prove=True)).values()} == {State.HEALTHY}
    assert (await watch.look())["west"].since == watch.clock.now() - MINUTE


async def test_health_is_remembered_between_looks() -> None:
    """Since when a region is healthy outlives the process."""
    watch = Watch()
    first = await watch.look()
    later = (await watch.look())["west"]
    assert later.since == first["west"].at
    assert later.at == watch.clock.now()
    watch.probes.results[host("west")] = 503
    assert (await watch.look())["west"].state is State.UNKNOWN
    watch.profile = a_profile(an_endpoint("west", status=MonitorStatus.DEGRADED), an_endpoint("east"))
    assert (await watch.look(5))["west"].state is State.DOWN


async def test_of_two_looks_at_once_the_younger_evidence_stays() -> None:
    """An instance that began earlier does not overwrite what a later one saw."""
    watch = Watch()
    await watch.look()
    group = await watch.group()
    late = FakeClock(watch.clock.now() + MINUTE)
    overtaken = Overtaken(watch.probes, group, watch, late)
    watch.clock.advance(60)
    late.advance(30)
    await observe(group, store=watch.store, probes=overtaken, clock=watch.clock, looking=watch.looking)
    row, _ = await read(watch.store, watched_key(watch.profile.id), Watched)
    assert row is not None
    assert {health.at for health in row.health.values()} == {late.now()}


class Overtaken:
    """Probes during which another instance looks, later by its clock."""

    def __init__(self, probes: FakeProbes, group: Group, watch: Watch, late: FakeClock) -> None:
        self._probes, self._group, self._watch, self._late = probes, group, watch, late
        self._done = False

    async def get_probe(self, host: str, asked: ProbeRequest) -> ProbeResult:
        """The answer, after the other's whole look."""
        said = await self._probes.get_probe(host, asked)
        if not self._done:
            self._done = True
            theirs = FakeProbes(self._probes.results, clock=self._late)
            watch = self._watch
            await observe(
                self._group, store=watch.store, probes=theirs, clock=self._late, looking=watch.looking
            )
            watch.clock.advance(30)
        return said

    async def get_scep_proof(self, host: str, *, port: int, path: str) -> ScepProof:
        """The proof."""
        return await self._probes.get_scep_proof(host, port=port, path=path)
