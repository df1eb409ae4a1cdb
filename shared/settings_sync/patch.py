"""The full settings to PUT: the target's own with the planned keys replaced, and the way back. Pure.

A settings PUT replaces everything, so what is written is always built on what was read a moment before.
"""

from collections.abc import Mapping, Sequence

import msgspec

from shared.errors import StalePlan, UnsafePlan
from shared.groups.model import AppSettings, ConnectionString, RegionSettings, Value
from shared.settings_sync.diff import CONNECTION
from shared.settings_sync.model import Planned, Side
from shared.settings_sync.plan import spelling
from shared.settings_sync.policy import KeyClass, Policy, abstract, concrete
from shared.settings_sync.spelling import Untranslatable


class Patch(msgspec.Struct, frozen=True):
    """What is to change in one site, by the names the site uses; None deletes."""

    app: Mapping[str, Value | None]
    connections: Mapping[str, ConnectionString | None]


def forward(
    keys: Sequence[Planned], source: Side, target: Side, source_settings: RegionSettings, policy: Policy
) -> Patch:
    """The changes that give the target the source's values.

    Raises:
        UnsafePlan: a value cannot be said in the target.
    """
    app: dict[str, Value | None] = {}
    connections: dict[str, ConnectionString | None] = {}
    for it in keys:
        if it.key.startswith(CONNECTION):
            name = it.key.removeprefix(CONNECTION)
            connections[name] = None if it.new is None else source_settings.connections[name]
        elif it.new is None:
            app[target.entries[it.key].name] = None
        else:
            app[_target_name(it.key, source, target)] = _target_value(
                it.key, source, target, source_settings, policy
            )
    return Patch(app, connections)


def _target_name(key: str, source: Side, target: Side) -> str:
    name = spelling(key, source, target)
    if isinstance(name, Untranslatable):
        raise UnsafePlan(f"{key}: {name.reason}")
    return name


def _target_value(key: str, source: Side, target: Side, settings: RegionSettings, policy: Policy) -> Value:
    value = settings.app[source.entries[key].name]
    rule = policy.rule_for(key)
    if rule.key_class is not KeyClass.TRANSLATED:
        return value
    free = abstract(value.reveal(), rule.template, source.region)
    if free is None:
        raise UnsafePlan(f"{key}: the value in {source.region.name} does not fit the policy's template")
    return Value(concrete(free, rule.template, target.region))


def applied(
    patch: Patch, settings: RegionSettings
) -> tuple[AppSettings | None, Mapping[str, ConnectionString] | None]:
    """The full app settings and connection strings after the patch; None where nothing changes."""
    app = {name: value for name, value in {**settings.app, **patch.app}.items() if value is not None}
    strings = {
        name: it for name, it in {**settings.connections, **patch.connections}.items() if it is not None
    }
    return (
        None if app == dict(settings.app) else AppSettings(app),
        None if strings == dict(settings.connections) else strings,
    )


# -- the way back -----------------------------------------------------------------------------------------------


class _Copy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What lies in Key Vault: old values by canonical key and by the site's own name."""

    app: tuple[tuple[str, str, str | None], ...]  # key, name, old value
    connections: tuple[tuple[str, str | None, str], ...]  # name, old value, type


def copied(
    patch: Patch, settings: RegionSettings, keys: Sequence[Planned], names: Mapping[str, str]
) -> Value:
    """The old values of everything that the patch changes, as one secret. `names` is key -> name in the patch."""
    app = tuple(
        (key, name, old.reveal() if (old := settings.app.get(name)) is not None else None)
        for key, name in sorted(names.items())
    )
    strings = tuple(_old_string(name, settings.connections.get(name)) for name in sorted(patch.connections))
    assert len(app) + len(strings) == len(keys)  # noqa: S101 -- a copy with a hole would be no way back
    return Value(msgspec.json.encode(_Copy(app, strings)).decode())


def _old_string(name: str, old: ConnectionString | None) -> tuple[str, str | None, str]:
    return (name, old.value.reveal(), old.type) if old else (name, None, "")


def names_of(keys: Sequence[Planned], source: Side, target: Side) -> dict[str, str]:
    """Canonical key -> the name in the target, for the app settings among the keys."""
    return {
        it.key: target.entries[it.key].name if it.new is None else _target_name(it.key, source, target)
        for it in keys
        if not it.key.startswith(CONNECTION)
    }


def backward(copy: Value, keys: Sequence[Planned], target: Side) -> Patch:
    """The changes that put the target's old values back, only where it still has ours.

    Raises:
        StalePlan: the copy is not one of ours.
    """
    try:
        old = msgspec.json.decode(copy.reveal(), type=_Copy)
    except msgspec.MsgspecError as error:
        # Not `from error`: its text may quote the copy.
        raise StalePlan(f"the vault copy cannot be read ({type(error).__name__})") from None
    ours = {it.key for it in keys if target.print_of(it.key) == it.new}
    return Patch(
        app={name: None if text is None else Value(text) for key, name, text in old.app if key in ours},
        connections={
            name: None if text is None else ConnectionString(Value(text), kind)
            for name, text, kind in old.connections
            if CONNECTION + name in ours
        },
    )
