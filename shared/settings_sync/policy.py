"""Which settings travel between regions, and why. Pure: the caller reads the files and hands in their text.

A policy is a list of rules, and the first whose pattern fits a key decides. Fixed rules come first (shipped,
never overruled), then the user's, then the other shipped ones, each in the order of its file; a key without a
rule is replicated. `diff`, `merge` and `plan` ask it; docs/settings-policy.md is written from the files.
"""

import functools
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec

from shared.errors import SettingsError, UnsafePlan
from shared.groups.model import Region

SHIPPED: Final = ("policies/scepman.toml", "policies/appservice.toml")
"""The shipped files in their order, as package data of `shared.settings_sync`."""

_LOOKS_LIKE: Final = (
    'a policy looks like this: rule = [{keys = ["AppConfig:ConcurrentSCEPRequestLimit"], class = "local", '
    'reason = "our regions differ in size"}]'
)
_FIELDS: Final = ("keys", "class", "reason", "template", "fixed")
_TOKEN: Final = re.compile(r"\{[^{}]*\}")
_PLACEHOLDERS: Final = ("{host}", "{site}", "{location}", "{endpoint}")


class KeyClass(StrEnum):
    """The class of a setting, which decides about its changes."""

    REPLICATE = "replicate"
    LOCAL = "local"
    IDENTITY = "identity"
    TRANSLATED = "translated"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One pattern with its class. `template` is for translated keys; a `fixed` rule is never overruled."""

    pattern: str  # canonical (`A:B`), `*` stands for anything, case does not count
    key_class: KeyClass
    reason: str
    source: str  # the file it stands in
    template: str = ""
    fixed: bool = False


EVERYTHING_ELSE: Final = Rule(
    pattern="*",
    key_class=KeyClass.REPLICATE,
    reason="No rule names this key. Regions of one service are alike unless there is a reason why not.",
    source="built in",
)


class Policy:
    """Rules in the order in which they are asked."""

    __slots__ = ("_first", "_patterns", "rules")

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules: Final = tuple(rules)
        # One alternation: it tries its branches from left to right, and the group that matched is the rule.
        branches = "|".join(f"({_expression(rule.pattern)})" for rule in self.rules)
        self._patterns: Final = re.compile(branches, re.IGNORECASE | re.DOTALL)
        self._first: Final = functools.lru_cache(maxsize=4096)(self._first_match)  # all groups have like keys

    def rule_for(self, key: str) -> Rule:
        """The rule that decides about a key: an app setting's (`A:B`) or `connectionstrings/<name>`."""
        return self._first(key.replace("__", ":"))

    def _first_match(self, key: str) -> Rule:
        match = self._patterns.fullmatch(key)
        return self.rules[match.lastindex - 1] if match and match.lastindex else EVERYTHING_ELSE


def compose(*, shipped: Sequence[Rule], user: Sequence[Rule] = ()) -> Policy:
    """Put the user's rules over the shipped ones. SettingsError names every rule that a fixed one forbids."""
    fixed = tuple(rule for rule in shipped if rule.fixed)
    if problems := tuple(problem for rule in user for problem in _trespasses(rule, fixed)):
        raise SettingsError(problems)
    return Policy((*fixed, *user, *(rule for rule in shipped if not rule.fixed)))


def _trespasses(rule: Rule, fixed: Sequence[Rule]) -> Iterator[str]:
    where = f"{rule.source}: {rule.pattern}"
    if rule.fixed:
        yield f"{where}: only shipped rules are fixed; leave the field out"
    law = next((item for item in fixed if _covers(item.pattern, rule.pattern)), None)
    if law and law.key_class is not rule.key_class:
        yield f"{where}: leave this rule out, {law.pattern} is {law.key_class} for everyone. {law.reason}"


def _expression(pattern: str) -> str:
    """The first place where a middle part fits is as good as any, so no other one is tried: many `*` stay quick."""
    first, *rest = (re.escape(part) for part in pattern.split("*"))
    if not rest:
        return first
    *middle, last = rest
    return first + "".join(f"(?>.*?{part})" for part in middle if part) + ".*" + last


def _covers(wide: str, narrow: str) -> bool:
    """Return whether every key of one pattern is a key of the other; a `*` can be matched by a `*` only."""
    return _compiled(wide).fullmatch(narrow) is not None


@functools.lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(_expression(pattern), re.IGNORECASE | re.DOTALL)


# Reading a file.


def parse(text: str, source: str) -> tuple[Rule, ...]:
    """Read one policy file's text. SettingsError lists every problem, each with what is right."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError((f"{source}: this is not TOML: {error}; {_LOOKS_LIKE}",)) from error
    entries = document.pop("rule", [])
    problems = [f"{source}: {name!r} is not a field of a policy; {_LOOKS_LIKE}" for name in document]
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise SettingsError((*problems, f"{source}: 'rule' is not a list of tables; {_LOOKS_LIKE}"))
    rules: list[Rule] = []
    for number, entry in enumerate(entries, start=1):
        where = f"{source}, rule {number}"
        if found := tuple(_problems(entry)):
            problems += (f"{where}: {problem}" for problem in found)
            continue
        for rule in _rules(entry, source):
            earlier = next((item for item in rules if _covers(item.pattern, rule.pattern)), None)
            if earlier:
                problems.append(
                    f"{where}: {rule.pattern} comes after {earlier.pattern}, so it never counts; swap"
                )
            rules.append(rule)
    if problems:
        raise SettingsError(tuple(problems))
    return tuple(rules)


def _rules(entry: dict[str, Any], source: str) -> Iterator[Rule]:
    for pattern in entry["keys"]:
        yield Rule(
            pattern=pattern,
            key_class=KeyClass(entry["class"]),
            reason=" ".join(entry["reason"].split()),
            source=source,
            template=entry.get("template", ""),
            fixed=entry.get("fixed", False),
        )


def _problems(entry: dict[str, Any]) -> Iterator[str]:
    for name in sorted(entry.keys() - set(_FIELDS)):
        yield f"{name!r} is not a field of a rule; its fields are {', '.join(_FIELDS)}"
    yield from _key_problems(entry.get("keys"), translated=entry.get("class") == KeyClass.TRANSLATED)
    if entry.get("class") not in tuple(KeyClass):
        yield f'class is one of {", ".join(KeyClass)}, such as class = "local"'
    reason = entry.get("reason")
    if not isinstance(reason, str) or not reason.strip():
        yield 'a rule says why, such as reason = "our regions differ in size"'
    if not isinstance(entry.get("fixed", False), bool):
        yield "fixed is true or false, such as fixed = true"
    yield from _template_problems(entry.get("template"), translated=entry.get("class") == KeyClass.TRANSLATED)


def _key_problems(keys: object, *, translated: bool) -> Iterator[str]:
    if not isinstance(keys, list) or not keys:
        yield 'keys is a list of patterns, such as keys = ["AppConfig:CRL:*"]'
        return
    for key in keys:
        if not isinstance(key, str) or not key.strip():
            yield f'{key!r} is not a pattern; write a name, such as "AppConfig:CRL:*"'
        elif key != key.strip():
            yield f'{key!r} has blanks around it; write "{key.strip()}"'
        elif "__" in key:
            yield f'{key!r} is spelled as on Linux; write "{key.replace("__", ":")}", which is for both'
        elif translated and key.lower().startswith("connectionstrings/"):
            yield f'a connection string is not translated; make {key!r} local, as in class = "local"'


def _template_problems(template: object, *, translated: bool) -> Iterator[str]:
    example = 'such as template = "https://{host}*"'
    if template is None:
        if translated:
            yield f"a translated key needs a template, {example}"
        return
    if not translated:
        yield 'a template is for class = "translated" only; leave it out'
    if not isinstance(template, str):
        yield f"template is a text, {example}"
        return
    tokens = _TOKEN.findall(template)
    for token in sorted(set(tokens) - set(_PLACEHOLDERS)):
        yield f"{token} is not a placeholder; there are {', '.join(_PLACEHOLDERS)}, {example}"
    if "{" in _TOKEN.sub("", template) or "}" in _TOKEN.sub("", template):
        yield f"a brace in the template is alone; placeholders are {', '.join(_PLACEHOLDERS)}, {example}"
    if not tokens:
        yield f"the template names nothing of the region, so there is nothing to translate; write {example}"
    if template.count("*") > 1:
        yield f"a template has one * at most, for with two a value could be read in two ways, {example}"


# Translated values. A template is one that `parse` accepts.


def abstract(value: str, template: str, region: Region) -> tuple[str, ...] | None:
    """Return what is left of a value without the region's own names: the text under `*`, if the template has one.

    None when the value does not fit the template in this region: it cannot be translated.
    """
    ends = _ends(template, region)
    if ends is None:
        return None
    if len(ends) == 1:
        return () if value == ends[0] else None
    before, after = ends
    if len(value) < len(before) + len(after) or not value.startswith(before) or not value.endswith(after):
        return None
    return (value[len(before) : len(value) - len(after)],)


def concrete(free: tuple[str, ...], template: str, region: Region) -> str:
    """The value as this region is to have it. UnsafePlan when the region has no such name to put in."""
    ends = _ends(template, region)
    if ends is None:
        raise UnsafePlan(
            f"{region.name} lacks a name that the template {template} asks for; correct the template"
        )
    if len(free) != len(ends) - 1:
        raise UnsafePlan(f"the template {template} was changed under way; plan again")
    return "".join(free).join(ends)


def _ends(template: str, region: Region) -> tuple[str, ...] | None:
    """The template with this region's names in it, cut at its `*`; None when one of those names is empty."""
    names = {
        "{host}": region.host,
        "{site}": region.site_id.rpartition("/")[2],
        "{location}": region.location.replace(" ", "").lower(),  # "West Europe" is westeurope in names
        "{endpoint}": region.name,
    }
    if not all(names[token] for token in _TOKEN.findall(template)):
        return None
    return tuple(_TOKEN.sub(lambda token: names[token[0]], part) for part in template.split("*"))
