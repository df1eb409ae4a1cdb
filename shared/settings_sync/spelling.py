"""How one setting is named on Windows and on Linux sites. Pure: names in, names out.

A Windows site spells a nested name `A:B`, a Linux site `A__B`; .NET reads both as the key `A:B`, in any case
of letters. `diff` asks for the keys of a site, `plan` and the writer for a key's name on another site.
Why names that are merely alike are refused: docs/decisions/0003-name-spelling.md.
"""

import re
from collections.abc import Iterable, Mapping

import msgspec

from shared.groups.model import Os

_NOT_ON_LINUX = re.compile(r"[^A-Za-z0-9_]")  # facts: App Service, configure-common


class Untranslatable(msgspec.Struct, frozen=True):
    """The key has no faithful name on that site; the reason is for a person."""

    reason: str


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of one site. A key that the site spells in two ways is in `ambiguous` and not in `found`."""

    found: Mapping[str, str]  # canonical key -> the name as the site spells it
    ambiguous: tuple[str, ...] = ()


def canonical(name: str) -> str:
    """The key that an app reads under this name: `:` for every `__`, the case of the letters kept."""
    return name.replace("__", ":")


def by_key(names: Iterable[str], *, known: Iterable[str] = ()) -> Names:
    """Find the key behind each name of one site.

    Args:
        names: All names of one kind (app settings, or connection strings) of one site.
        known: Keys already in use (the baseline's, other regions'). A name that differs from one of them only
            in case has that key, so that regions which disagree about capitals still agree about keys.
    """
    spelled: dict[str, str] = {}
    for key in known:
        spelled.setdefault(key.lower(), key)
    by_fold: dict[str, list[str]] = {}
    for name in sorted(names):
        by_fold.setdefault(canonical(name).lower(), []).append(name)
    keys = {fold: spelled.get(fold, canonical(spellings[0])) for fold, spellings in by_fold.items()}
    return Names(
        found={keys[fold]: spellings[0] for fold, spellings in by_fold.items() if len(spellings) == 1},
        ambiguous=tuple(keys[fold] for fold, spellings in by_fold.items() if len(spellings) > 1),
    )


def spell(
    key: str, *, source_name: str, source_os: Os, target_os: Os, target_names: Mapping[str, str]
) -> str | Untranslatable:
    """The name under which the target has, or is to have, a key of the source.

    Args:
        key: The canonical key.
        source_name: The name as the source's site spells it.
        source_os: What the source runs.
        target_os: What the target runs.
        target_names: The target's own keys with their names, as `by_key` finds them.
    """
    if key in target_names:
        return target_names[key]  # whoever administers that site chose it
    twin = next((name for own, name in target_names.items() if own.lower() == key.lower()), None)
    if twin is not None:
        return Untranslatable(f"{key} would stand beside {twin}, which differs from it only in case")
    if "=" in source_name:
        return Untranslatable(f"{source_name} has a '=', which no app setting's name may have")
    if source_os is target_os:
        return source_name
    return _on_linux(source_name) if target_os is Os.LINUX else _on_windows(source_name)


def _on_linux(source_name: str) -> str | Untranslatable:
    name = source_name.replace(":", "__")
    if "." in name:
        return Untranslatable(f"{source_name} has a '.', which the app would see as '_' on Linux")
    if strange := sorted(set(_NOT_ON_LINUX.findall(name))):
        shown = " ".join(strange)
        return Untranslatable(
            f"{source_name} has {shown} in it: a name on Linux has letters, digits and '_' only"
        )
    if canonical(name) != canonical(source_name):
        return Untranslatable(
            f"{source_name} has '_' before ':': as {name} the app on Linux would read another key"
        )
    return name


def _on_windows(source_name: str) -> str | Untranslatable:
    if "." in source_name:
        return Untranslatable(
            f"{source_name} has a '.', which the app on Linux sees as '_' and on Windows as '.'"
        )
    return canonical(source_name)
