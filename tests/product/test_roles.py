"""Least privilege, proved both ways: what the deployed roles allow is enough, and nothing in them is spare.

Every test over the simulated cloud runs under these roles already, and is refused what they do not hold. Here one of
everything is played in one place, so that an action which nothing needs any more is found.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.main import Exit
from shared.artifact_hosts.model import Order, Work
from shared.errors import Denied
from shared.groups.workflow import discover
from shared.reconcile import workflow as reconcile
from shared.settings_sync.model import State
from simulator.pair import a_pair
from simulator.roles import DIRECTORY, EVENT_GRID_DATA_SENDER, allows, definition, role
from simulator.server import Cloud
from tests.cli.test_cli import Shell
from tests.product.test_over_real_http import Running, running
from tests.product.watch import WEU, watching

ROOT = Path(__file__).parents[2]
REFERENCE = "@Microsoft.KeyVault(VaultName=kv-scepman;SecretName=scepman-api-token)"
NAMES = sorted(file.stem for file in DIRECTORY.glob("*.json"))


def same(actions: Iterator[str] | set[str] | frozenset[str]) -> set[str]:
    """Actions in one spelling: Azure compares them without casing."""
    return {action.lower() for action in actions}


async def a_change_travels(on: Running) -> None:
    """A rollout with a Key Vault reference in it: read, listed, laid into the vault, written, verified."""
    on.world.edit(on.site("weu"), {"AppConfig:JamfValidation:RequestPassword": REFERENCE})
    await on.until(State.CONVERGED)
    assert on.writes("neu") == 1


async def regions_restart_in_order(on: Running) -> None:
    """A person orders a restart."""
    (profile,) = await discover(on.settings.scope, on.ports.profiles)
    now = on.ports.clock.now()
    order = Order(work=Work.RESTART, regions=("weu",), by="ada@contoso.test", at=now, reason="one version")
    await reconcile.order(profile, order, on.ports, on.settings)
    async with asyncio.timeout(20):
        while not any(
            happening.what == "restart" and happening.who == "counterpart" for happening in on.world.journal
        ):
            await on.round()
            await asyncio.sleep(0.05)


async def a_region_is_held_out_of_dns() -> set[str]:
    """The failback hold disables an endpoint and enables it again."""
    async with watching(COUNTERPART_FAILBACK_HOLD="on") as here:
        (profile,) = here.world.profiles.values()
        (endpoint,) = [endpoint for endpoint in profile.endpoints if endpoint.name == "weu"]
        here.site(WEU).faults.status = 503
        await here.until(lambda _: not endpoint.enabled)
        here.site(WEU).faults.status = None
        await here.until(lambda _: endpoint.enabled)
        return here.cloud.used_actions


async def test_the_product_needs_its_roles_and_nothing_else() -> None:
    """One of everything uses exactly what the app's roles allow, and sends to the topic: no more, no less."""
    async with running(a_pair()) as on:
        await a_change_travels(on)
        await regions_restart_in_order(on)
        used = on.cloud.used_actions | await a_region_is_held_out_of_dns()
        widely = on.cloud.used_widely["counterpart"]
    assert same(used) == same(role("counterpart", "copies") | EVENT_GRID_DATA_SENDER)
    assert same(widely) == same(role("discover"))


async def test_a_role_on_single_resources_lists_no_subscription() -> None:
    """Without the discovery role the product finds no group, and the error names the action and where it is due."""
    async with running(a_pair()) as on:
        del on.cloud.wide_roles["counterpart"]
        with pytest.raises(Denied, match=r"trafficManagerProfiles/read on the subscription"):
            await discover(on.settings.scope, on.ports.profiles)


async def test_looking_needs_the_audit_role_and_nothing_else(tmp_path: Path) -> None:
    """status, plan and package run under the audit role, use all of it, and write nothing."""
    async with Cloud(a_pair(), directory=tmp_path) as cloud:
        cloud.roles["counterpart"] = role("audit")
        shell = Shell(cloud)
        await shell.run("status", expect=Exit.HELD)  # nobody has looked at the group yet
        for command in (("plan",), ("package", "status"), ("incidents", "list")):
            await shell.run(*command)
        cloud.world.edit(cloud.world.sites[WEU], {"AppConfig:LicenseKey": "another"})
        await shell.run("plan", expect=Exit.HELD)
        assert same(cloud.used_actions) == same(role("audit"))
        assert same(cloud.used_widely["counterpart"]) == same(role("discover"))
        assert "counterpart" not in {happening.who for happening in cloud.world.journal}


def test_auditing_is_the_narrower_role() -> None:
    """What the audit role allows, the full role allows; and none of it changes anything."""
    assert role("audit") < role("counterpart")
    assert not any(name.lower().endswith(("/write", "/delete", "/restart/action")) for name in role("audit"))


@pytest.mark.parametrize("name", NAMES)
def test_every_action_says_why_and_where(name: str) -> None:
    """No wildcard, nothing twice, a reason each, and a file that exists and is named in the role."""
    found = definition(name)
    actions = [*found["actions"], *found["dataActions"]]
    names = [action["action"].lower() for action in actions]
    assert len(set(names)) == len(names)
    assert not any("*" in name for name in names)
    assert all(action["why"] and (ROOT / action["code"]).is_file() for action in actions)
    assert set(found) == {"name", "description", "scope", "actions", "dataActions"}


@pytest.mark.parametrize("name", ["counterpart", "audit", "discover"])
def test_an_action_is_named_where_it_is_needed(name: str) -> None:
    """The file that a role's reason names holds the action: a refusal will name it to the operator."""
    for item in definition(name)["actions"]:
        assert item["action"] in (ROOT / item["code"]).read_text("utf-8"), item


def test_wildcards_cover() -> None:
    """Azure's rule for actions: a star stands for anything, casing does not count, a dot is a dot."""
    assert allows({"*"}, "Microsoft.Web/sites/Read")
    assert allows({"microsoft.web/*/read"}, "Microsoft.Web/sites/config/Read")
    assert not allows({"Microsoft.Web/sites/read"}, "Microsoft.Web/sites/config/Read")
    assert not allows({"MicrosoftxWeb/sites/read"}, "Microsoft.Web/sites/Read")
