"""Audit-only: Counterpart looks and tells, and has no way to write, whatever its role allows."""

import inspect

import msgspec
import pytest

from shared.adapters.audit_only import AuditOnly
from shared.bootstrap import opened
from shared.disruption.ports import AppControl, EndpointControl, SettingsWrites
from shared.errors import Refused
from shared.settings import Settings
from shared.settings_sync.model import State
from simulator.pair import a_pair
from simulator.roles import role
from tests.builders import a_profile, an_endpoint
from tests.fakes.traffic_manager import FakeProfiles
from tests.product.test_over_real_http import KEY, TIMES, running


async def test_a_change_is_seen_and_stays_where_it_is() -> None:
    """Under the audit role: the change soaks, is told, and is written nowhere; not even a write is tried."""
    async with running(a_pair()) as on:
        on.cloud.roles["counterpart"] = role("audit")
        on.settings = msgspec.structs.replace(
            on.settings, rules=msgspec.structs.replace(on.settings.rules, audit_only=True)
        )
        on.world.edit(on.site("weu"), {KEY: "300"})
        rollout = await on.round()
        while rollout.state is not State.WRITING:
            rollout = await on.round()
        assert "only looks here" in (await on.round()).reason
        assert on.site("neu").app_settings.get(KEY) != "300"
        assert "Microsoft.Web/sites/config/Write" not in on.cloud.used_actions


async def test_the_ports_that_write_are_barred() -> None:
    """With the setting on, no adapter that could write is there."""
    async with running(a_pair()) as on:
        env = {**on.cloud.env(), **TIMES, "COUNTERPART_AUDIT_ONLY": "on"}
        settings = Settings.from_env(env)
        assert settings.rules.audit_only
        assert settings.package_rules.audit_only
        assert settings.hold.audit_only
        async with opened(settings) as ports:
            barred = (ports.settings_writes, ports.control, ports.endpoints)
            assert all(isinstance(settings_writes, AuditOnly) for settings_writes in barred)


@pytest.mark.parametrize("port", [SettingsWrites, AppControl, EndpointControl])
async def test_everything_that_can_hurt_is_refused(port: type) -> None:
    """Each method of the ports that can hurt, a later one too."""
    names = {
        name for name, item in vars(port).items() if inspect.iscoroutinefunction(item) and name[0] != "_"
    }
    assert names
    barred = AuditOnly(FakeProfiles())
    for name in names - {"enable_endpoint"}:
        with pytest.raises(Refused, match="COUNTERPART_AUDIT_ONLY"):
            await getattr(barred, name)("site", permit=None)


async def test_what_was_taken_out_is_given_back() -> None:
    """Turned on in the middle of a drill, the setting does not keep its region out of DNS (law 6)."""
    profiles = FakeProfiles([a_profile(an_endpoint("west", enabled=False), an_endpoint("east"))])
    await AuditOnly(profiles).enable_endpoint(profiles.profiles[0].id, "west")
    assert profiles.patches == [("west", True, None)]
