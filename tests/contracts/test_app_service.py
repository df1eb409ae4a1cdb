"""The contract of Sites, SettingsReads and SettingsWrites, on the fake and on the adapter with the simulator."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

import pytest

from shared.adapters.app_service import AppService
from shared.disruption.model import Kind, Permit
from shared.disruption.ports import SettingsWrites
from shared.errors import NotFound
from shared.groups.model import AppSettings, ConnectionString, Json, Os, Site, Value
from shared.groups.ports import Sites
from shared.settings_sync.ports import SettingsReads
from simulator.pair import a_pair
from simulator.world import World
from tests.contracts.simulated import simulated
from tests.fakes.app_service import FakeAppService
from tests.fakes.clock import START

PERMIT = Permit(
    id="rollout-1", kind=Kind.SETTINGS_WRITE, region="neu", granted_at=START, until=START, reason="test"
)
REFERENCE = "AppConfig:CRL:RequestToken"


class Port(Sites, SettingsReads, SettingsWrites, Protocol):
    """The three ports that one adapter serves."""


@dataclass(frozen=True)
class Bench:
    """The port under test with what stands behind it: a pair, Windows and Linux."""

    port: Port
    windows: str  # site ids
    linux: str
    edit: Callable[[str, dict[str, str | None]], None]  # what a person does meanwhile
    say_missing: Callable[[], None]  # the Windows site's references do not resolve, as in Azure by themselves
    writes: Callable[[], int]  # how many took effect


@pytest.fixture(params=["fake", "simulator"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """Both sides begin with the same settings."""
    world = a_pair("linux")
    windows, linux = (site.id for site in world.sites.values())
    if request.param == "fake":
        fake = _fake(world)
        lost = {REFERENCE: "SecretNotFound"}
        yield Bench(
            port=fake,
            windows=windows,
            linux=linux,
            edit=lambda at, changes: fake.edit(at, **changes),
            say_missing=lambda: fake.references.update({windows.lower(): lost}),
            writes=lambda: len(fake.writes),
        )
        return
    by_id = {site.id: site for site in world.sites.values()}
    async with simulated(world) as here:
        adapter = AppService(here.credential, here.session, base_url=here.cloud.arm_url)
        yield Bench(
            port=adapter,
            windows=windows,
            linux=linux,
            edit=lambda at, changes: world.edit(by_id[at], changes),
            say_missing=lambda: None,
            writes=lambda: sum(
                happening.what in {"settings-put", "connections-put"} for happening in world.journal
            ),
        )
        await adapter.aclose()


def _fake(world: World) -> FakeAppService:
    sites = world.sites.values()
    return FakeAppService(
        {site.id: site.app_settings for site in sites},
        connections={site.id: site.connection_strings for site in sites},
        os={site.id: Os(site.os) for site in sites},
        hosts={site.id: site.host for site in sites},
    )


async def test_a_site(bench: Bench) -> None:
    """A site says its host, system and state; its id may be asked for in any casing."""
    assert await bench.port.get_site(bench.windows.upper()) == Site(
        id=bench.windows,
        host="app-scepman-weu.azurewebsites.test",
        os=Os.WINDOWS,
        running=True,
        sku="PremiumV3",
    )
    assert (await bench.port.get_site(bench.linux)).os is Os.LINUX


async def test_settings_are_read_as_they_are_spelled(bench: Bench) -> None:
    """Each side's names come in its own spelling, values masked, connection strings with their type."""
    windows = await bench.port.get_settings(bench.windows)
    linux = await bench.port.get_settings(bench.linux)
    assert windows.app["AppConfig:LicenseKey"] == linux.app["AppConfig__LicenseKey"]
    assert windows.connections["Reporting"].type == "SQLAzure"
    assert windows.connections == linux.connections
    assert "S3CRET" not in f"{windows!r}{windows.app['AppConfig:LicenseKey']}"


async def test_what_is_put_is_read(bench: Bench) -> None:
    """A put replaces everything: what it does not name is gone; names and values come back exactly."""
    wanted = AppSettings(
        {
            "AppConfig:A": Value("tabs\tlines\n\"quotes\" and 'ümläuts' ☂"),
            "AppConfig:Empty": Value(""),
            "Long": Value("x" * 8000),
            "Number": Value("00"),
        }
    )
    await bench.port.put_app_settings(bench.windows, wanted, permit=PERMIT)
    found = await bench.port.get_settings(bench.windows)
    assert dict(found.app) == dict(wanted)
    assert "Reporting" in found.connections
    assert bench.writes() == 1


async def test_what_is_no_text_comes_back_as_it_was_put(bench: Bench) -> None:
    """Null, "" and absent are three things, and so are the number 1, the text "1" and true."""
    wanted = {
        "Null": Value(Json("null")),
        "Empty": Value(""),
        "Truth": Value(Json("true")),
        "Number": Value(Json("1")),
        "Text": Value("1"),
    }
    await bench.port.put_app_settings(bench.windows, AppSettings(wanted), permit=PERMIT)
    strings = {"Db": ConnectionString(Value(Json("null")), "Custom")}
    await bench.port.put_connection_strings(bench.windows, strings, permit=PERMIT)
    found = await bench.port.get_settings(bench.windows)
    assert dict(found.app) == wanted
    assert len(set(found.app.values())) == 5
    assert found.connections == strings


async def test_connection_strings_are_put(bench: Bench) -> None:
    """Connection strings are replaced likewise, and app settings stay."""
    before = await bench.port.get_settings(bench.linux)
    wanted = {"Db": ConnectionString(Value("Server=x;Password=y"), "Custom")}
    await bench.port.put_connection_strings(bench.linux, wanted, permit=PERMIT)
    found = await bench.port.get_settings(bench.linux)
    assert found.connections == wanted
    assert dict(found.app) == dict(before.app)
    assert bench.writes() == 1


async def test_one_site_is_written(bench: Bench) -> None:
    """A put touches its own site only."""
    before = await bench.port.get_settings(bench.linux)
    await bench.port.put_app_settings(bench.windows, AppSettings({}), permit=PERMIT)
    assert await bench.port.get_settings(bench.linux) == before
    assert len((await bench.port.get_settings(bench.windows)).app) == 0


async def test_an_edit_by_somebody_else_shows(bench: Bench) -> None:
    """What others change is read at once; nothing is remembered between reads."""
    await bench.port.get_settings(bench.windows)
    bench.edit(bench.windows, {"AppConfig:New": "1", "AppConfig:LicenseKey": None})
    found = await bench.port.get_settings(bench.windows)
    assert found.app["AppConfig:New"] == Value("1")
    assert "AppConfig:LicenseKey" not in found.app


async def test_references_are_listed(bench: Bench) -> None:
    """Every Key Vault reference is listed by its setting's name, and whether it resolved."""
    (found,) = await bench.port.list_references(bench.windows)
    assert (found.name, found.status, found.resolved) == (REFERENCE, "Resolved", True)


async def test_a_reference_to_nothing(bench: Bench) -> None:
    """A reference to a secret that does not exist is listed with Azure's word for it."""
    nothing = "@Microsoft.KeyVault(VaultName=kv-scepman;SecretName=no-such-secret)"
    bench.edit(bench.windows, {REFERENCE: nothing})
    bench.say_missing()
    (found,) = await bench.port.list_references(bench.windows)
    assert (found.name, found.status, found.resolved) == (REFERENCE, "SecretNotFound", False)


async def test_there_is_no_such_site(bench: Bench) -> None:
    """Every call about a site that does not exist is NotFound, and writes nothing."""
    gone = bench.windows.replace("weu", "gone")
    for call in (
        bench.port.get_site(gone),
        bench.port.get_settings(gone),
        bench.port.list_references(gone),
        bench.port.put_app_settings(gone, AppSettings({}), permit=PERMIT),
        bench.port.put_connection_strings(gone, {}, permit=PERMIT),
    ):
        with pytest.raises(NotFound):
            await call
    assert bench.writes() == 0
