"""The ready worlds, the way to change them from outside, and `python -m simulator` itself."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from simulator.artifact_hosts import GITHUB_HOST, VENDOR_HOST
from simulator.pair import COPIES_VAULT, MARK, a_pair, many, three_regions
from simulator.premises import Premises
from simulator.scepman_rules import problems, seen
from simulator.services import admin
from simulator.world import PACKAGE, Site, World

OWN = ("ManagedIdentity", "WEBSITE_", "APPLICATIONINSIGHTS", "ApplicationInsightsAgent")


def shared(site: Site) -> dict[str, str]:
    """Return what a site has in common with its peers, in one spelling."""
    named = {name.replace("__", ":"): value for name, value in site.app_settings.items()}
    return {name: value for name, value in named.items() if not any(own in name for own in OWN)}


@pytest.mark.parametrize("world", [a_pair(), a_pair("linux"), three_regions(), many(3)])
def test_every_ready_world_is_sound(world: World) -> None:
    """Every site is well by SCEPman's rules, all regions of a group agree, and nothing has happened yet."""
    for site in world.sites.values():
        assert problems(seen(world, site)) == ()
        assert site.references[
            "AppConfig:CRL:RequestToken".replace(":", "__" if site.os == "linux" else ":")
        ].found
    for profile in world.profiles.values():
        regions = [world.sites[endpoint.target_site] for endpoint in profile.endpoints]
        assert all(shared(site) == shared(regions[0]) for site in regions)
        assert len({site.app_settings[PACKAGE] for site in regions[:2]}) == 2
        assert len(shared(regions[0])) >= 40
    assert len({site.address for site in world.sites.values()}) == len(world.sites)
    assert COPIES_VAULT in world.vaults
    assert world.journal == []


def test_secrets_carry_the_mark() -> None:
    """Every password, key and token of the pair is recognisable, and no two are alike."""
    site = a_pair().sites["app-scepman-weu"]
    names = re.compile("Password|LicenseKey|SharedKey|CONNECTION_STRING")
    values = [value for name, value in site.app_settings.items() if names.search(name)]
    assert len(values) == len(set(values)) == 7
    assert all(MARK in value for value in values)


# The admin face


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Premises]:
    """The admin face alone."""
    premises = Premises(a_pair(), tmp_path)
    async with admin.serve(premises):
        yield premises


async def told(cloud: Premises, path: str, body: Any = None) -> tuple[int, Any]:
    """(status, JSON) of one request at the admin face."""
    method = "GET" if body is None else "POST"
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{cloud.admin_url}/_world{path}", json=body) as answer,
    ):
        return answer.status, await answer.json()


async def test_an_edit_from_outside(cloud: Premises) -> None:
    """An edit is what a person does in the portal: the settings change, the app restarts, no value is shown."""
    site = cloud.world.sites["app-scepman-weu"]
    body = {
        "site": site.name,
        "set": {"AppConfig:LicenseKey": f"{MARK}edited"},
        "unset": ["AppConfig:RemoteDebug"],
    }
    assert (await told(cloud, "/edit", body))[0] == 200
    assert site.app_settings["AppConfig:LicenseKey"] == f"{MARK}edited"
    assert "AppConfig:RemoteDebug" not in site.app_settings
    _, journal = await told(cloud, "/journal?since=0")
    assert [(item["what"], item["who"]) for item in journal] == [
        ("settings-put", "a person"),
        ("restart", "platform"),
        ("package-fetch", "platform"),
    ]
    _, state = await told(cloud, "")
    assert state["sites"][site.name]["generation"] == 2
    shown = json.dumps([journal, state])
    assert not [value for value in cloud.world.secrets_in_use() if value in shown and MARK in value]


async def test_a_vault_fails_from_outside(cloud: Premises) -> None:
    """One of them, for its API alone, and the state says so."""
    status, state = await told(cloud, "/faults", {"vaults": {"kv-counterpart": {"status": 503}}})
    assert status == 200
    assert state["vault_faults"]["kv-counterpart"] == {"status": 503, "after_effect": False, "lag": 0.0}
    assert cloud.world.vaults["kv-scepman"].faults.status is None


async def test_faults_from_outside(cloud: Premises) -> None:
    """Faults of sites, of Event Grid and of Resource Manager can be set; rules answer as often as they were told."""
    status, _ = await told(
        cloud,
        "/faults",
        {
            "sites": {"app-scepman-weu": {"down": True}},
            "events": {"lose": True},
            "arm": {
                "delay": 0.5,
                "answers": [{"method": "PUT", "path": "AppSettings", "status": 503, "times": 1}],
            },
        },
    )
    world = cloud.world
    assert status == 200
    assert (world.sites["app-scepman-weu"].faults.down, world.events.lose, world.arm.delay) == (
        True,
        True,
        0.5,
    )
    (rule,) = world.arm.rules
    path = "/x/config/appsettings"
    assert [rule("GET", path), rule("PUT", "/x"), rule("PUT", path), rule("PUT", path)] == [
        None,
        None,
        503,
        None,
    ]


async def test_hosts_and_starts_from_outside(cloud: Premises) -> None:
    """A host can be lost, a version released and an app moved by the platform; the state tells what runs."""
    lost = {"hosts": {GITHUB_HOST: {"files": {"/x.zip": {"slow": 1}}, "down": True}}}
    assert (await told(cloud, "/faults", lost))[0] == 200
    assert cloud.world.artifact_hosts[GITHUB_HOST].file_faults["/x.zip"].slow == 1
    _, hosts = await told(cloud, "/release", {"version": "3.2.27001", "lag": None})
    assert "3.2.27001 windows" in hosts[GITHUB_HOST]["files"].values()
    assert "3.2.27001 windows" not in hosts[VENDOR_HOST]["files"].values()
    _, moved = await told(cloud, "/restart", {"site": "app-scepman-weu"})
    assert moved["runs"] == f"{GITHUB_HOST} the connection was reset"
    _, state = await told(cloud, "")
    assert state["hosts"][GITHUB_HOST]["faults"]["down"]
    assert state["sites"]["app-scepman-neu"]["runs"] == f"{VENDOR_HOST} 3.1.26152"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/edit", {"site": "nosuch"}),
        ("/restart", {"site": "nosuch"}),
        ("/release", {"lag": 1}),
        ("/faults", {"hosts": {"nosuch": {"down": True}}}),
        ("/faults", {"hosts": {GITHUB_HOST: {"files": {"/x.zip": {"down": True}}}}}),
        ("/edit", {"site": "app-scepman-weu", "set": {"A": [1]}}),
        ("/edit", ["A"]),
        ("/faults", {"nothing": {}}),
        ("/faults", {"sites": {"app-scepman-weu": {"broken": True}}}),
        ("/faults", {"sites": {"app-scepman-weu": {"down": "yes"}}}),
        ("/faults", {"sites": {"app-scepman-weu": {"tls": "weak"}}}),
        ("/faults", {"sites": {"app-scepman-weu": True}}),
        ("/faults", {"shared": {"sun": True}}),
        ("/faults", {"receivers": {"mail": {"down": True}}}),
        ("/faults", {"receivers": {"teams": {"status": "503"}}}),
        ("/site", {"site": "app-scepman-weu", "state": "Paused"}),
        ("/site", {"site": "app-scepman-weu", "tier": "Cheap"}),
        ("/site", {"state": "Stopped"}),
        ("/faults", {"vaults": {"nosuch": {"status": 503}}}),
        ("/faults", {"vaults": {"kv-counterpart": {"status": "503"}}}),
        ("/faults", {"arm": {"answers": [{"method": "PUT"}]}}),
        ("/journal?since=yesterday", None),
    ],
)
async def test_what_does_not_fit_is_told(cloud: Premises, path: str, body: Any) -> None:
    """A request that does not fit changes nothing and says what would fit."""
    status, answer = await told(cloud, path, body)
    assert status == 422
    assert answer["title"]
    assert cloud.world.journal == []


# The program


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`python -m simulator`, stopped by SIGTERM at the end."""
    command = [sys.executable, "-m", "simulator", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        try:
            yield program
        finally:
            program.send_signal(signal.SIGTERM)
            assert program.wait(30) == 0


def read_exports(program: subprocess.Popen[str], last: str) -> dict[str, str]:
    """The variables that the program prints, up to the last one."""
    found: dict[str, str] = {}
    assert program.stdout
    for line in program.stdout:
        name, _, value = line.strip().removeprefix("export ").partition("=")
        found[name] = value.strip("'")
        if name == last:
            break
    return found


def test_the_program_prints_an_environment(tmp_path: Path) -> None:
    """`--env` prints what the product and other clients need, and SIGTERM ends it cleanly."""
    with running("--env", "--directory", str(tmp_path / "made")) as program:
        found = read_exports(program, "NO_PROXY")
        assert Path(found["COUNTERPART_CA_BUNDLE"]).is_file()
    assert {"AZURE_AUTHORITY_HOST", "IDENTITY_ENDPOINT", "REQUESTS_CA_BUNDLE", "AZURE_CLIENT_SECRET"} <= set(
        found
    )
    assert found["COUNTERPART_ARM_URL"].startswith("https://127.0.0.1:")
    assert len(found["COUNTERPART_FINGERPRINT_KEY"]) >= 32


@pytest.mark.skipif(shutil.which("az") is None, reason="the Azure CLI is not installed")
def test_the_azure_cli_can_use_it(tmp_path: Path) -> None:
    """The real Azure CLI registers the cloud, signs in, changes a setting and reads Traffic Manager."""
    with running("--env") as program:
        found = read_exports(program, "NO_PROXY")
        environment = {**os.environ, **found, "AZURE_CONFIG_DIR": str(tmp_path)}  # noqa: TID251 -- az needs PATH

        def az(*arguments: str) -> Any:
            command = ["az", *arguments, "--only-show-errors", "--output", "json"]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout) if done.stdout else None

        az("config", "set", "core.instance_discovery=false", "core.collect_telemetry=false")
        az(
            "cloud",
            "register",
            "--name",
            "Simulated",
            "--endpoint-resource-manager",
            found["COUNTERPART_ARM_URL"],
        )
        az("cloud", "set", "--name", "Simulated")
        signed_in = ("-u", found["AZURE_CLIENT_ID"], "-p", found["AZURE_CLIENT_SECRET"])
        az("login", "--service-principal", *signed_in, "--tenant", found["AZURE_TENANT_ID"])
        site = ("--resource-group", "rg-scepman", "--name", "app-scepman-weu")
        az("webapp", "config", "appsettings", "set", *site, "--settings", "AppConfig:CRL:ValidityDays=3")
        settings = {
            item["name"]: item["value"] for item in az("webapp", "config", "appsettings", "list", *site)
        }
        profiles = az("network", "traffic-manager", "profile", "list")
    assert settings["AppConfig:CRL:ValidityDays"] == "3"
    assert len(settings) >= 40
    assert [(profile["name"], len(profile["endpoints"])) for profile in profiles] == [("scepman", 2)]
