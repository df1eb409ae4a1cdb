"""The contract of Probes, on the fake and on the adapter with the simulator."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from shared.adapters.probe import HttpProbes
from shared.groups.model import ProbeRequest, ProbeResult, ScepProof
from shared.groups.ports import Probes
from simulator.pair import a_pair
from simulator.world import World
from tests.contracts.simulated import simulated
from tests.fakes.clock import START, FakeClock
from tests.fakes.probe import FakeProbes

A, B = "app-scepman-weu.azurewebsites.test", "app-scepman-neu.azurewebsites.test"


@dataclass(frozen=True)
class Bench:
    """The port under test with a healthy pair behind it, and what can befall B."""

    port: Probes
    tcp: int
    fail: Callable[[], None]  # B answers 503
    lose: Callable[[], None]  # B is gone
    swap: Callable[[], None]  # B answers another CA

    async def probe(self, host: str) -> ProbeResult:
        """A host's probe."""
        return await self.port.get_probe(host, ProbeRequest(port=self.tcp))

    async def prove(self, host: str) -> ScepProof:
        """A host's SCEP proof."""
        return await self.port.get_scep_proof(host, port=self.tcp, path="/certsrv/mscep/mscep.dll")


@pytest.fixture(params=["fake", "simulator"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """Both hosts are well."""
    if request.param == "fake":
        fake = FakeProbes({A: 200, B: 200}, clock=FakeClock())
        yield Bench(
            port=fake,
            tcp=443,
            fail=lambda: fake.results.update({B: 503}),
            lose=lambda: fake.results.update({B: "the connection was refused"}),
            swap=lambda: fake.scep.update({B: "0b" * 32}),
        )
        return
    world = a_pair()
    async with simulated(world) as here:
        yield Bench(
            port=HttpProbes(here.session, FakeClock()),
            tcp=here.cloud.https_port,
            fail=lambda: _befall(world, "status", 503),
            lose=lambda: _befall(world, "down", 1),
            swap=lambda: _befall(world, "other_ca", 1),
        )


def _befall(world: World, fault: str, value: int) -> None:
    setattr(world.sites["app-scepman-neu"].faults, fault, value)


async def test_a_healthy_pair(bench: Bench) -> None:
    """Both hosts are well, at the clock's time, and prove one CA with the capabilities that Intune needs."""
    for host in (A, B):
        result = await bench.probe(host)
        assert (result.ok, result.at, result.status, result.problem) == (True, START, 200, "")
    one, other = await bench.prove(A), await bench.prove(B)
    assert one.ok
    assert one == other
    assert len(one.ca_sha256) == len(one.spki_sha256) == 64
    assert {"POSTPKIOperation", "SHA-256"} <= set(one.capabilities)


async def test_a_failing_app(bench: Bench) -> None:
    """A 503 is an answer, and no proof comes; the other host stays well."""
    bench.fail()
    result, proof = await bench.probe(B), await bench.prove(B)
    assert (result.ok, result.status) == (False, 503)
    assert not proof.ok
    assert "503" in proof.problem
    assert (await bench.probe(A)).ok


async def test_a_lost_region(bench: Bench) -> None:
    """A host that is gone has no status, but a problem."""
    bench.lose()
    result, proof = await bench.probe(B), await bench.prove(B)
    assert result.status is None
    assert result.problem
    assert proof.problem
    assert (await bench.prove(A)).ok


async def test_another_ca(bench: Bench) -> None:
    """A host with a CA of its own answers well and proves something else."""
    bench.swap()
    one, other = await bench.prove(A), await bench.prove(B)
    assert one.ok
    assert other.ok
    assert one.ca_sha256 != other.ca_sha256
    assert one.spki_sha256 != other.spki_sha256


async def test_a_name_that_leads_nowhere(bench: Bench) -> None:
    """A name that does not exist, or cannot, is a problem told, never an exception."""
    for host in (
        "app-gone.azurewebsites.test",
        "a..b.test",
        f"{'x' * 64}.test",
        "",
        "ünïcode.test",
        "-.test",
    ):
        result, proof = await bench.probe(host), await bench.prove(host)
        assert result.status is None
        assert result.problem
        assert proof.problem
