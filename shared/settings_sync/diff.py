"""From a site's settings to a side: canonical keys and fingerprints, local keys set apart. Pure."""

from collections.abc import Iterable

from shared.groups.model import Json, Region, RegionSettings, Value
from shared.settings_sync.fingerprint import FingerprintKey, digest
from shared.settings_sync.model import Entry, Side
from shared.settings_sync.policy import KeyClass, Policy, Rule, abstract
from shared.settings_sync.spelling import by_key

CONNECTION = "connectionstrings/"  # in front of a connection string's name; no app setting's name has a slash


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
    names = by_key(settings.app, known=known)
    entries: dict[str, Entry] = {}
    local: list[str] = []
    for key, name in names.found.items():
        rule = policy.rule_for(key)
        if rule.key_class is KeyClass.LOCAL:
            local.append(key)
        else:
            entries[key] = _entry(key, name, settings.app[name], rule, region, secret)
    strings, doubled = _connections(settings.connections, known)
    for key, name in strings.items():
        if policy.rule_for(key).key_class is KeyClass.LOCAL:
            local.append(key)
        else:
            entries[key] = Entry(name, secret.connection(key, settings.connections[name]))
    ambiguous = tuple(
        key for key in (*names.ambiguous, *doubled) if policy.rule_for(key).key_class is not KeyClass.LOCAL
    )
    return Side(region=region, entries=entries, local=tuple(sorted(local)), ambiguous=ambiguous)


def _connections(names: Iterable[str], known: Iterable[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The key of every connection string with its name, and the keys that are there in two capitalisations.

    Names are compared without case, as apps read them; unlike settings' they are spelled alike on both platforms.
    """
    spelled = {key.lower(): key for key in known if key.startswith(CONNECTION)}
    by_fold: dict[str, list[str]] = {}
    for name in sorted(names):
        by_fold.setdefault(CONNECTION + name.lower(), []).append(name)
    keys = {fold: spelled.get(fold, CONNECTION + found[0]) for fold, found in by_fold.items()}
    return (
        {keys[fold]: found[0] for fold, found in by_fold.items() if len(found) == 1},
        tuple(keys[fold] for fold, found in by_fold.items() if len(found) > 1),
    )


def _entry(key: str, name: str, value: Value, rule: Rule, region: Region, secret: FingerprintKey) -> Entry:
    if rule.key_class is not KeyClass.TRANSLATED:
        return Entry(name, secret.value(key, value))
    free = None if isinstance(value.raw, Json) else abstract(value.reveal(), rule.template, region)
    if free is None:
        return Entry(name, secret.value(key, value), fits=False)
    return Entry(name, secret.parts(key, rule.template, free))


def footprint(of: Side) -> str:
    """One digest for everything that a region's side says."""
    return digest(sorted((key, entry.print) for key, entry in of.entries.items()), of.ambiguous)
