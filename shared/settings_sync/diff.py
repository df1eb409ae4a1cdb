"""From a site's settings to a side: canonical keys and fingerprints, local keys set apart. Pure."""

from collections.abc import Callable, Iterable

from shared.groups.model import ConnectionString, Json, Region, RegionSettings, Value
from shared.settings_sync import limits
from shared.settings_sync.fingerprint import FingerprintKey, digest
from shared.settings_sync.model import Entry, Side
from shared.settings_sync.policy import KeyClass, Policy, Rule, abstract
from shared.settings_sync.spelling import by_key, connection_key


def side(
    region: Region,
    settings: RegionSettings,
    policy: Policy,
    secret: FingerprintKey,
    *,
    known: Iterable[str] = (),
) -> Side:
    """Reduce one region's settings to what may be compared and stored.

    `known` are keys already in use, so that regions which differ in capitals only still agree about keys.
    """
    known = tuple(known)
    app = by_key(settings.app, known=known)
    strings = by_key(settings.connections, known=known, key_of=connection_key)
    entries: dict[str, Entry] = {}
    local: list[str] = []

    def app_entry(key: str, name: str) -> Entry:
        return _entry(key, name, settings.app[name], policy.rule_for(key), region, secret)

    def string_entry(key: str, name: str) -> Entry:
        return _string(key, name, settings.connections[name], secret)

    for names, entry_of in ((app, app_entry), (strings, string_entry)):
        for key, spellings in names.items():
            if policy.rule_for(key).key_class is KeyClass.LOCAL:
                local.append(key)
            else:
                entries[key] = _one(key, spellings, entry_of)
    return Side(region=region, entries=entries, local=tuple(sorted(local)), size=limits.total(settings))


def _one(key: str, spellings: tuple[str, ...], entry_of: Callable[[str, str], Entry]) -> Entry:
    """The key's entry. One that stands there twice has a print of its own, which equals no value's and no nothing."""
    found = [entry_of(key, name) for name in spellings]
    if len(found) == 1:
        return found[0]
    print_ = digest("ambiguous", *((entry.name, entry.print) for entry in found))
    return Entry(spellings[0], print_, spellings=spellings, size=sum(entry.size for entry in found))


def _entry(key: str, name: str, value: Value, rule: Rule, region: Region, secret: FingerprintKey) -> Entry:
    why_not, size = limits.obstacle(name, value), limits.size(name, value)
    if rule.key_class is not KeyClass.TRANSLATED:
        return Entry(name, secret.value(key, value), why_not, size)
    free = None if isinstance(value.raw, Json) else abstract(value.reveal(), rule.template, region)
    if free is None:
        unfit = "its value does not fit the policy's template, so it cannot be translated"
        return Entry(name, secret.value(key, value), why_not or unfit, size)
    return Entry(name, secret.parts(key, rule.template, free), why_not, size)


def _string(key: str, name: str, string: ConnectionString, secret: FingerprintKey) -> Entry:
    why_not = limits.obstacle(name, string.value)
    return Entry(name, secret.connection(key, string), why_not, limits.size(name, string.value))


def footprint(of: Side) -> str:
    """One digest for everything that a region's side says."""
    return digest(sorted((key, entry.print) for key, entry in of.entries.items()))
