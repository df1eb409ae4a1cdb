"""The simulated SCEPman instances answer as their settings, their state and their faults say."""

import asyncio
import hashlib
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509

from simulator.scepman_rules import NEEDS, Component, problems, read_settings, seen
from simulator.services import scepman
from simulator.world import Site, World
from tests.simulator.small_world import NORTH, SERVICE, WEST, ask, contoso, running

SCEP = "/certsrv/mscep/mscep.dll"


def broken(world: World, site: Site) -> set[Component]:
    """The components that do not work."""
    return {problem.component for problem in problems(seen(world, site))}


@pytest.mark.parametrize(
    ("change", "component"),
    [
        ({"AppConfig:KeyVaultConfig:KeyVaultURL": "https://kv-other.vault.azure.test/"}, Component.KEY_VAULT),
        ({"AppConfig:KeyVaultConfig:KeyVaultURL": None}, Component.KEY_VAULT),
        ({"AppConfig:KeyVaultConfig:RootCertificateConfig:CertificateName": "Old-CA"}, Component.KEY_VAULT),
        ({"AppConfig:AuthConfig:TenantId": "99999999-2222-3333-4444-555555555555"}, Component.IDENTITY),
        (
            {"AppConfig:AuthConfig:ManagedIdentityEnabledForWebsiteHostname": f"{NORTH}.azurewebsites.test"},
            Component.IDENTITY,
        ),
        ({"AppConfig:ValidityPeriodDays": "two years"}, Component.CONFIGURATION),
        ({"AppConfig:IntuneValidation:ValidityPeriodDays": "365.5"}, Component.CONFIGURATION),
        ({"AppConfig:DCValidation:Enabled": "yes"}, Component.CONFIGURATION),
        ({"AppConfig:BaseUrl": "scep.contoso.test"}, Component.CONFIGURATION),
        (
            {"AppConfig:LicenseKey": "@Microsoft.KeyVault(VaultName=kv-contoso;SecretName=none)"},
            Component.CONFIGURATION,
        ),
        ({"AppConfig:CertificateStorage:TableStorageEndpoint": "stcontoso"}, Component.STORAGE),
    ],
)
def test_each_wrong_setting_breaks_the_component_that_needs_it(
    change: dict[str, str | None], component: Component
) -> None:
    """One wrong setting breaks one component, and the other region not at all."""
    world = contoso()
    world.edit(world.sites[WEST], change)
    assert broken(world, world.sites[WEST]) == {component}
    assert broken(world, world.sites[NORTH]) == set()


def test_an_instance_runs_with_what_it_loaded() -> None:
    """A setting that was put aside the platform's restart changes nothing yet."""
    world = contoso()
    world.sites[WEST].app_settings["AppConfig:ValidityPeriodDays"] = "many"
    assert broken(world, world.sites[WEST]) == set()
    world.start(world.sites[WEST])
    assert broken(world, world.sites[WEST]) == {Component.CONFIGURATION}


def test_a_linux_app_does_not_see_a_name_with_colons() -> None:
    """Windows reads both spellings, Linux only the one with underscores."""
    world = contoso()
    for name in (WEST, NORTH):
        site = world.sites[name]
        world.edit(site, {"AppConfig:BaseUrl": "https://a.test", "AppConfig__LicenseKey": "b"})
    assert read_settings(world.sites[WEST])["baseurl"] == "https://a.test"
    assert "baseurl" not in read_settings(world.sites[NORTH])
    assert {read_settings(world.sites[name])["licensekey"] for name in (WEST, NORTH)} == {"b"}


def test_a_reference_that_resolves_is_no_problem_and_a_refused_vault_is() -> None:
    """A vault that refuses the app's identity breaks the app, by the vault and by its own references."""
    world = contoso()
    site = world.sites[WEST]
    world.vaults["kv-contoso"].refused_sites.add(WEST)
    assert broken(world, site) == {Component.KEY_VAULT}


async def test_healthy_hosts_answer_under_every_name_with_one_ca(tmp_path: Path) -> None:
    """`/probe` and SCEP answer at the default host name and at the custom domain, both regions with one CA."""
    world = contoso()
    async with running(world, tmp_path, scepman.serve) as cloud:
        seen_ca = set()
        for site in world.sites.values():
            for host in (site.host, SERVICE):
                assert (await ask(cloud, site, "/probe", host=host))[0] == 200
                status, kind, body = await ask(cloud, site, f"{SCEP}?operation=GetCACert", host=host)
                assert (status, kind) == (200, "application/x-x509-ca-cert")
                seen_ca.add(body)
        status, _, body = await ask(
            cloud, world.sites[WEST], f"{SCEP}/pkiclient.exe?operation=GetCACaps&message=ignored"
        )
        assert status == 200
        assert {"POSTPKIOperation", "SHA-256", "AES"} <= set(body.decode().split())
        _, _, page = await ask(cloud, world.sites[WEST], "/")
    assert seen_ca == {world.ca_certificate}
    name = x509.load_der_x509_certificate(world.ca_certificate).subject.rfc4514_string()
    assert world.ca_common_name in name
    assert b"Version: 3.1.26152" in page
    assert b"Not Connected" not in page
    assert world.count("probe", WEST) == 2
    assert [
        happening.detail
        for happening in world.journal
        if happening.what == "scep" and happening.where == NORTH
    ] == ["GetCACert 200"] * 2


async def test_a_storage_fault_fails_the_probe_while_scep_goes_on(tmp_path: Path) -> None:
    """What `/probe` says and what SCEP does follow from different components."""
    world = contoso()
    site = world.sites[WEST]
    world.edit(site, {"AppConfig:CertificateStorage:TableStorageEndpoint": "nowhere"})
    async with running(world, tmp_path, scepman.serve) as cloud:
        status, _, body = await ask(cloud, site, "/probe")
        assert (status, body.decode()) == (503, "At least one SCEPman component is not working")
        assert (await ask(cloud, site, f"{SCEP}?operation=GetCACert"))[0] == 200
        world.edit(site, {"AppConfig:KeyVaultConfig:KeyVaultURL": None})
        assert (await ask(cloud, site, f"{SCEP}?operation=GetCACert"))[0] == 500
        assert (await ask(cloud, site, f"{SCEP}?operation=GetCACaps"))[0] == 200
        assert b"no such vault" in (await ask(cloud, site, "/"))[2]
    assert Component.STORAGE not in NEEDS["PKIOperation"]


async def test_faults_show_as_they_would_in_the_field(tmp_path: Path) -> None:
    """A lost region refuses, a stopped app is 403, a wrong CA differs, SCEP can fail alone, a name can be foreign."""
    world = contoso()
    site = world.sites[WEST]
    async with running(world, tmp_path, scepman.serve) as cloud:
        site.faults.scep_status = 502
        assert (await ask(cloud, site, "/probe"))[0] == 200
        assert (await ask(cloud, site, f"{SCEP}?operation=GetCACaps"))[0] == 502
        site.faults.scep_status, site.faults.status = None, 500
        assert (await ask(cloud, site, "/probe"))[0] == 500
        site.faults.status, site.faults.other_ca = None, True
        other = (await ask(cloud, site, f"{SCEP}?operation=GetCACert"))[2]
        assert (
            x509.load_der_x509_certificate(other).issuer
            == x509.load_der_x509_certificate(world.ca_certificate).issuer
        )
        assert hashlib.sha256(other).digest() != hashlib.sha256(world.ca_certificate).digest()
        world.stop_site(site, "a person")
        status, _, page = await ask(cloud, site, "/probe")
        assert (status, b"This web app is stopped" in page) == (403, True)
        world.start_site(site, "a person")
        site.faults.down = True
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await ask(cloud, site, "/probe")
        site.faults.down = False
        assert (await ask(cloud, site, "/probe"))[0] == 200
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await ask(cloud, site, "/probe", host="scep.fabrikam.test")


async def test_a_foreign_host_name_finds_no_site(tmp_path: Path) -> None:
    """App Service's front end knows only the names that were added to the app."""
    world = contoso()
    async with running(world, tmp_path, scepman.serve) as cloud:
        connector = aiohttp.TCPConnector(ssl=False)
        async with aiohttp.ClientSession(connector=connector) as session:
            url = f"https://127.0.0.11:{cloud.https_port}/probe"
            async with session.get(url, headers={"Host": "scep.fabrikam.test"}) as answer:
                assert answer.status == 404


async def test_requests_wait_while_the_app_starts(tmp_path: Path) -> None:
    """The front end keeps a request until the app has booted, by the world's clock."""
    world = contoso()
    moment = world.now()
    world.clock = lambda: moment
    site = world.sites[WEST]
    async with running(world, tmp_path, scepman.serve) as cloud:
        world.start(site)
        waiting = asyncio.create_task(ask(cloud, site, "/probe"))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        world.clock = lambda: moment + world.boot_seconds
        assert (await waiting)[0] == 200


async def test_a_site_that_comes_later_is_served(tmp_path: Path) -> None:
    """A region that is added while the cloud runs gets a host of its own."""
    world = contoso()
    async with running(world, tmp_path, scepman.serve) as cloud:
        added = world.add_site(Site("app-scepman-uk", "rg", "UK South", "windows", "127.0.0.13"))
        async with asyncio.timeout(5):
            while True:
                try:
                    status, _, _ = await ask(cloud, added, "/probe")
                except aiohttp.ClientConnectorError:
                    await asyncio.sleep(0.02)
                else:
                    break
    assert status == 503  # it has no settings


async def test_unusable_scep_requests_are_refused(tmp_path: Path) -> None:
    """An unknown operation and an empty message are the client's fault."""
    world = contoso()
    site = world.sites[WEST]
    async with running(world, tmp_path, scepman.serve) as cloud:
        assert (await ask(cloud, site, SCEP))[0] == 400
        assert (await ask(cloud, site, f"{SCEP}?operation=GetNextCACert"))[0] == 400
        assert (await ask(cloud, site, f"{SCEP}?operation=PKIOperation&message=%25"))[0] == 400
        assert (await ask(cloud, site, f"{SCEP}?operation=PKIOperation", method="POST"))[0] == 400


async def test_without_the_package_signing_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without scepserver still has one CA, and PKIOperation is 501 with the reason."""
    monkeypatch.setenv("PATH", str(tmp_path))
    world = contoso()
    site = world.sites[WEST]
    async with running(world, tmp_path, scepman.serve) as cloud:
        assert (await ask(cloud, site, f"{SCEP}?operation=GetCACert"))[2] == world.ca_certificate
        assert b"POSTPKIOperation" in (await ask(cloud, site, f"{SCEP}?operation=GetCACaps"))[2]
        status, _, body = await ask(cloud, site, f"{SCEP}?operation=PKIOperation", method="POST", body=b"x")
        assert status == 501
        assert b"scep is not installed" in body
