"""Data with plausible fields, for tests that care about one of them: `a_region(os=Os.LINUX)`."""

import functools
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import msgspec

from shared.disruption.model import Disruption, Kind, Permit
from shared.groups.model import (
    AppSettings,
    ConnectionString,
    Endpoint,
    Group,
    Health,
    Monitor,
    MonitorStatus,
    Os,
    ProbeResult,
    Profile,
    Region,
    RegionSettings,
    ScepProof,
    State,
    Value,
)
from shared.settings import Settings
from shared.settings_sync.model import Action, Decision, Entry, Print, Rollout, Side
from shared.settings_sync.model import State as RolloutState
from shared.settings_sync.policy import KeyClass, Policy, Rule
from shared.settings_sync.transitions import Rules
from tests.fakes.clock import START

SUBSCRIPTION = "00000000-1111-2222-3333-444444444444"
GROUP = "scepman"
FINGERPRINT_KEY = "a test's own secret, long enough to be one"


def site_id(region: str) -> str:
    """The ARM id of a region's site."""
    return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Web/sites/app-{region}"


def host(region: str) -> str:
    """The default host name of a region's site."""
    return f"app-{region}.azurewebsites.net"


def an_endpoint(name: str = "west", **changes: object) -> Endpoint:
    """An endpoint that is online and targets the region's site."""
    plain = Endpoint(
        name=name,
        type="azureEndpoints",
        target_id=site_id(name),
        target=host(name),
        location=f"{name} europe",
        enabled=True,
        status=MonitorStatus.ONLINE,
    )
    return msgspec.structs.replace(plain, **changes)


def a_profile(*endpoints: Endpoint, name: str = GROUP, **changes: object) -> Profile:
    """A profile with a pair of endpoints, unless told otherwise."""
    plain = Profile(
        id=f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Network/trafficManagerProfiles/{name}",
        name=name,
        enabled=True,
        routing="Performance",
        fqdn=f"{name}.trafficmanager.net",
        ttl=60,
        monitor=Monitor(
            protocol="HTTPS", port=443, path="/probe", interval=30, timeout=10, tolerated_failures=3
        ),
        endpoints=endpoints or (an_endpoint("west"), an_endpoint("east")),
        tags=(("counterpart", "managed"),),
    )
    return msgspec.structs.replace(plain, **changes)


def a_region(name: str = "west", *, os: Os = Os.WINDOWS, location: str | None = None) -> Region:
    """A region with its site."""
    return Region(
        name=name,
        location=f"{name} europe" if location is None else location,
        site_id=site_id(name),
        host=host(name),
        os=os,
    )


def a_group(*names: str) -> Group:
    """A group of healthy-looking regions: a pair, unless told otherwise."""
    regions = names or ("west", "east")
    profile = a_profile(*(an_endpoint(region) for region in regions))
    return Group(
        id=profile.id,
        name=profile.name,
        profile=profile,
        regions=tuple(a_region(region) for region in regions),
    )


def a_health(
    state: State = State.HEALTHY,
    *,
    at: datetime = START,
    since: datetime | None = None,
    probe: int | None = 200,
    scep: ScepProof | None = None,
) -> Health:
    """A judgement at a time, an hour old in its state."""
    return Health(
        state=state,
        at=at,
        since=since or at - timedelta(hours=1),
        reason=f"a test says {state}",
        probe=ProbeResult(at=at, status=probe, problem="" if probe else "no answer"),
        scep=scep,
        monitor=MonitorStatus.ONLINE,
    )


def a_disruption(region: str = "west", *, work: str = "work", at_most: float = 600.0) -> Disruption:
    """A settings write's wish."""
    return Disruption(
        id=work, kind=Kind.SETTINGS_WRITE, group=GROUP, region=region, at_most=timedelta(seconds=at_most)
    )


def a_permit(
    region: str = "west",
    *,
    work: str = "work",
    at: datetime = START,
    seconds: float = 600.0,
    disturbed_at: datetime | None = None,
    awaited: datetime | None = None,
    awaited_until: datetime | None = None,
) -> Permit:
    """A permit as it lies in the row."""
    return Permit(
        id=work,
        kind=Kind.SETTINGS_WRITE,
        region=region,
        granted_at=at,
        until=at + timedelta(seconds=seconds),
        reason="a test",
        disturbed_at=disturbed_at,
        awaited=awaited,
        awaited_until=awaited_until,
    )


def a_side(
    prints: Mapping[str, Print],
    *,
    region: str | Region = "west",
    local: Collection[str] = (),
    ambiguous: Collection[str] = (),
    unfit: Collection[str] = (),
) -> Side:
    """A region's side, from fingerprints by key; None and missing are the same. Names are spelled as the keys."""
    return Side(
        region=a_region(region) if isinstance(region, str) else region,
        entries={
            key: Entry(key, print_, "its value does not fit a test" if key in unfit else "")
            for key, print_ in prints.items()
            if print_ is not None
        }
        | {key: Entry(key, "twice", spellings=(key, key.swapcase())) for key in ambiguous},
        local=tuple(sorted(local)),
    )


def some_settings(
    app: Mapping[str, str], connections: Mapping[str, tuple[str, str]] | None = None
) -> RegionSettings:
    """A site's settings as a port gives them."""
    return RegionSettings(
        app=AppSettings({name: Value(text) for name, text in app.items()}),
        connections={
            name: ConnectionString(Value(text), kind) for name, (text, kind) in (connections or {}).items()
        },
    )


def a_decision(key: str = "key", action: Action = Action.TAKE, **changes: object) -> Decision:
    """A decision: west's value goes to east."""
    plain = Decision(
        key=key,
        action=action,
        reason="a test",
        state=f"state of {key}",
        sources=("west",) if action in {Action.TAKE, Action.DELETE} else (),
        targets=("east",) if action in {Action.TAKE, Action.DELETE} else (),
    )
    return msgspec.structs.replace(plain, **changes)


def a_policy(**classes: KeyClass) -> Policy:
    """A policy that gives these keys their classes; the rest is replicated."""
    return Policy(
        Rule(
            pattern=key,
            key_class=key_class,
            reason="a test",
            source="a test",
            template="https://{host}/*" if key_class is KeyClass.TRANSLATED else "",
        )
        for key, key_class in classes.items()
    )


def a_rollout(state: RolloutState = RolloutState.CONVERGED, **changes: object) -> Rollout:
    """A rollout with nothing under way."""
    plain = Rollout(group=GROUP, state=state, since=START, reason="a test", key_id="none")
    return msgspec.structs.replace(plain, **changes)


@functools.cache
def _plain_settings() -> Settings:
    """Read once, since the shipped policy takes its time to parse."""
    return Settings.from_env(
        {
            "COUNTERPART_FINGERPRINT_KEY": FINGERPRINT_KEY,
            "COUNTERPART_VAULT_URL": "https://kv-test.vault.azure.net",
            "COUNTERPART_STORE": "sqlite:never-opened.db",
            "COUNTERPART_SUBSCRIPTIONS": SUBSCRIPTION,
        }
    )


def settings(*, rules: Rules | None = None, policy: Policy | None = None) -> Settings:
    """The configuration that a test's world runs under: the defaults, unless told otherwise."""
    plain = _plain_settings()
    return msgspec.structs.replace(plain, rules=rules or plain.rules, policy=policy or plain.policy)
