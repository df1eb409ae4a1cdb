"""The full settings to PUT: the target's own with the planned keys replaced, and the way back. Pure.

A settings PUT replaces everything, so what is written is always built on what was read a moment before.
"""

import json
from collections.abc import Mapping, Sequence

import msgspec

from shared.errors import StalePlan, UnsafePlan
from shared.groups.model import AppSettings, ConnectionString, Json, RegionSettings, Value, is_broken
from shared.settings_sync import limits
from shared.settings_sync.model import Planned, Side
from shared.settings_sync.plan import spelling
from shared.settings_sync.policy import KeyClass, Policy, abstract, concrete
from shared.settings_sync.spelling import Untranslatable, is_connection


class Patch(msgspec.Struct, frozen=True):
    """The changes for one site, by the names the site uses; None deletes."""

    app: Mapping[str, Value | None]
    connections: Mapping[str, ConnectionString | None]


def forward(
    keys: Sequence[Planned], source: Side, target: Side, source_settings: RegionSettings, policy: Policy
) -> Patch:
    """The changes that give the target the source's values, where it does not have them yet.

    Raises:
        UnsafePlan: a value cannot be said in the target.
    """
    app: dict[str, Value | None] = {}
    connections: dict[str, ConnectionString | None] = {}
    for planned in keys:
        if target.print_of(planned.key) == planned.new:
            continue
        name = _target_name(planned, source, target)
        if is_connection(planned.key):
            strings = source_settings.connections
            connections[name] = None if planned.new is None else strings[source.entries[planned.key].name]
        else:
            app[name] = (
                None
                if planned.new is None
                else _target_value(planned.key, source, target, source_settings, policy)
            )
    return Patch(app, connections)


def _target_name(planned: Planned, source: Side, target: Side) -> str:
    """Return what the target calls the key, or is to call it."""
    own = target.entries.get(planned.key)
    if own is not None:
        return own.name
    if is_connection(planned.key):
        return source.entries[planned.key].name
    name = spelling(planned.key, source, target)
    if isinstance(name, Untranslatable):
        raise UnsafePlan(f"{planned.key}: {name.reason}")
    return name


def _target_value(key: str, source: Side, target: Side, settings: RegionSettings, policy: Policy) -> Value:
    value = settings.app[source.entries[key].name]
    rule = policy.rule_for(key)
    if rule.key_class is not KeyClass.TRANSLATED:
        return value
    free = None if isinstance(value.raw, Json) else abstract(value.reveal(), rule.template, source.region)
    if free is None:
        raise UnsafePlan(f"{key}: the value in {source.region.name} does not fit the policy's template")
    return Value(concrete(free, rule.template, target.region))


def applied(
    patch: Patch, settings: RegionSettings
) -> tuple[AppSettings | None, Mapping[str, ConnectionString] | None]:
    """The full app settings and connection strings after the patch; None where nothing changes."""
    app = {name: value for name, value in {**settings.app, **patch.app}.items() if value is not None}
    strings = {
        name: connection_string
        for name, connection_string in {**settings.connections, **patch.connections}.items()
        if connection_string is not None
    }
    return (
        None if app == dict(settings.app) else AppSettings(app),
        None if strings == dict(settings.connections) else strings,
    )


def too_long(patch: Patch, settings: RegionSettings, region: str) -> str:
    """Why the region cannot take the settings that the patch leads to, or nothing. What does not grow is taken."""
    app, strings = applied(patch, settings)
    new = RegionSettings(
        app=settings.app if app is None else app,
        connections=settings.connections if strings is None else strings,
    )
    after = limits.total(new)
    return limits.too_long(region, after) if after > limits.total(settings) else ""


# -- the way back -----------------------------------------------------------------------------------------------


type _Kept = str | tuple[str] | None  # a text, the JSON of anything else, or nothing there


class _Copy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The copy in Key Vault: old values by canonical key and by the site's own name."""

    app: tuple[tuple[str, str, _Kept], ...]  # key, name, old value
    connections: tuple[tuple[str, str, _Kept, str], ...]  # key, name, old value, type


def copied(keys: Sequence[Planned], source: Side, target: Side, settings: RegionSettings) -> Value:
    """The target's old values of every planned key, as one secret. `target` and `settings` are from before the write.

    Raises:
        UnsafePlan: a key cannot be said in the target.
    """
    app: list[tuple[str, str, _Kept]] = []
    strings: list[tuple[str, str, _Kept, str]] = []
    for planned in keys:
        name = _target_name(planned, source, target)
        if is_connection(planned.key):
            string = settings.connections.get(name)
            strings.append(
                (planned.key, name, _kept(string.value), string.type)
                if string
                else (planned.key, name, None, "")
            )
        else:
            value = settings.app.get(name)
            app.append((planned.key, name, _kept(value) if value is not None else None))
    return Value(msgspec.json.encode(_Copy(tuple(app), tuple(strings))).decode())


def _kept(value: Value) -> _Kept:
    """As a copy holds it: plainly, so that a person can read it, where it is a text that UTF-8 can say."""
    is_json = isinstance(value.raw, Json) or is_broken(value.raw)
    return (value.json,) if is_json else value.reveal()


def _from_copy(kept: _Kept) -> Value | None:
    match kept:
        case None | str():
            return None if kept is None else Value(kept)
        case (said,):
            read = json.loads(said)
            return Value(read if isinstance(read, str) else Json(said))


def backward(copy: Value, keys: Sequence[Planned], target: Side) -> Patch:
    """The changes that put the target's old values back, only where it still has ours.

    Raises:
        StalePlan: the copy is not one of ours.
    """
    try:
        old = msgspec.json.decode(copy.reveal(), type=_Copy)
        app = [(key, name, _from_copy(item)) for key, name, item in old.app]
        strings = [(key, name, _from_copy(item), kind) for key, name, item, kind in old.connections]
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        # Not `from error`: its text may quote the copy.
        raise StalePlan(f"the vault copy cannot be read ({type(error).__name__})") from None
    ours = {planned.key for planned in keys if target.print_of(planned.key) == planned.new}
    return Patch(
        app={_name_now(key, name, target): value for key, name, value in app if key in ours},
        connections={
            _name_now(key, name, target): None if value is None else ConnectionString(value, kind)
            for key, name, value, kind in strings
            if key in ours
        },
    )


def _name_now(key: str, name: str, target: Side) -> str:
    """What the target calls the key now, if it has it; somebody may have respelled it since the copy was made."""
    own = target.entries.get(key)
    return own.name if own else name
