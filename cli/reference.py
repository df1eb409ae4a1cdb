"""Pages of docs/ that are written from what the product reads itself: `python -m cli.reference` does it.

Tests compare, so that a page cannot fall behind. Nothing here is needed to run the product.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

from shared.settings_sync.policy import EVERYTHING_ELSE, SHIPPED, KeyClass, Rule, parse

_CLASSES: Final = {
    KeyClass.REPLICATE: "kept equal: a change in one region travels to the others",
    KeyClass.LOCAL: "never copied and never compared: each region has its own",
    KeyClass.IDENTITY: "kept equal, and every change waits for a person's approval",
    KeyClass.TRANSLATED: "travels with the region's own names put in their places",
}

_TITLES: Final = {"policies/scepman.toml": "SCEPman", "policies/appservice.toml": "App Service"}

OWN_RULES: Final = """\
[[rule]]
keys = ["AppConfig:ConcurrentSCEPRequestLimit"]
class = "local"
reason = "our second region runs on smaller instances"

[[rule]]
keys = ["Portal:CallbackUrl"]
class = "translated"
template = "https://{host}*"
reason = "the portal calls the region back that asked"
"""

_HEAD: Final = """\
# Which settings travel, and why

This page is written from `shared/settings_sync/policies/` by `python -m cli.reference`; a test compares
them.

Every app setting and connection string of the production slot has a class:

{classes}

A key is a setting's name with `:` between its parts, so `AppConfig:BaseUrl` stands for `AppConfig__BaseUrl`
on a Linux site too. In a rule `*` stands for anything, and capitals do not count. Connection strings have
keys of their own, `connectionstrings/` and the name.

The first rule that fits a key decides. They are asked in this order:

1. the *fixed* rules below, which nobody can overrule;
2. your own rules, in the order of your file;
3. the other rules below, first SCEPman's, then App Service's, in the order of their files;
4. a key without a rule: {default_class}. {default_reason}

## Rules of your own

A file of the same form as the shipped ones. Every rule says why; that text is shown wherever the rule
decides.

```toml
{example}```

A wrong file gets one message with every problem in it, each with an example of what is right. A rule whose
keys all belong to a fixed rule of another class is refused, because it would never count. Fixed are the
keys that make a region itself (its managed identity, its package: copied, they stop the other region) and
the keys that make the regions one certificate authority (vault, certificate, table, tenant: unequal, they
are two services). A wide rule such as `AppConfig:*` is allowed; the fixed keys stay what they are.

**Templates.** `{{host}}` is the region's default host name, `{{site}}` its web app's name, `{{location}}`
its Azure location as in `westeurope`, `{{endpoint}}` the name of its Traffic Manager endpoint. One `*` may
stand for the rest of the value, which travels as it is. Capitals count. A value that does not fit its
template cannot travel, and is held for a person. No shipped rule is translated: SCEPman's values that name
a region are written anew in each region and belong to no other.
"""


def shipped_rules() -> tuple[Rule, ...]:
    """The rules of the files that come with the product, in their order."""
    package = files("shared.settings_sync")
    return tuple(rule for name in SHIPPED for rule in parse(package.joinpath(name).read_text("utf-8"), name))


def settings_policy_page() -> str:
    """docs/settings-policy.md."""
    classes = "\n".join(
        ("| class | meaning |", "|---|---|", *(f"| {it} | {_CLASSES[it]} |" for it in KeyClass))
    )
    head = _HEAD.format(
        classes=classes,
        default_class=EVERYTHING_ELSE.key_class,
        default_reason=EVERYTHING_ELSE.reason,
        example=OWN_RULES,
    )
    rules = shipped_rules()
    tables = (_table(name, [rule for rule in rules if rule.source == name]) for name in SHIPPED)
    return "\n".join((head, *tables))


def _table(name: str, rules: Iterable[Rule]) -> str:
    rows = ("| keys | class | why |", "|---|---|---|", *_rows(rules))
    return "\n".join((f"## {_TITLES[name]} (`{name}`)", "", *rows, ""))


def _rows(rules: Iterable[Rule]) -> Iterator[str]:
    """One row for the keys that stand in one entry of the file."""
    for (reason, key_class, fixed), entry in itertools.groupby(
        rules, lambda it: (it.reason, it.key_class, it.fixed)
    ):
        keys = "<br>".join(f"`{rule.pattern}`" for rule in entry)
        yield f"| {keys} | {key_class}{', fixed' if fixed else ''} | {reason.replace('|', '&#124;')} |"


PAGES: Final[Mapping[str, Callable[[], str]]] = {"settings-policy.md": settings_policy_page}
"""The generated pages by their file names under docs/."""


def write(docs: Path) -> None:
    """Write every page anew."""
    for name, page in PAGES.items():
        (docs / name).write_text(page(), "utf-8")


if __name__ == "__main__":
    write(Path(__file__).parent.parent / "docs")
