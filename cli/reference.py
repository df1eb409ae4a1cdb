"""Pages and parts of pages that are written from what the product reads itself: `python -m cli.reference` does it.

Tests compare, so that a page cannot fall behind. A part stands in a page that people write, between two comments
that name it. Nothing here is needed to run the product.
"""

import importlib
import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import typer.main
from typer.core import TyperGroup

from cli.deployment_pages import deployment_pages
from cli.incident_pages import card_pages, incidents_page
from cli.main import app
from handlers._edge import STATUSES
from proof.survivors import explanations, unexplained
from proof.survivors import scores as kept
from shared.drills.preflight import RULES as DRILL_RULES
from shared.drills.transitions import STATES as DRILL_STATES
from shared.settings import FIELDS, Field
from shared.settings_sync.policy import EVERYTHING_ELSE, SHIPPED, KeyClass, Rule, parse
from shared.settings_sync.transitions import MOVES, SENTENCES

ROOT: Final = Path(__file__).parents[1]

# -- docs/settings-policy.md ------------------------------------------------------------------------------------

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
keys of their own, `connectionstrings/` and the name; an app setting that is itself called so has a key with
`appsettings/` before it.

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
        (
            "| class | meaning |",
            "|---|---|",
            *(f"| {key_class} | {_CLASSES[key_class]} |" for key_class in KeyClass),
        )
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


# -- docs/settings.md -------------------------------------------------------------------------------------------

_SETTINGS: Final = """\
# Settings

This page is written from `FIELDS` in `shared/settings.py` by `python -m cli.reference`; a test compares them.

The function app and the command line read the same environment variables. In Azure they are the function app's
own app settings; on a machine they are the shell's, or the lines of the file that `--env-file` names. A wrong
configuration is one error that lists every problem with an example of what is right: `GET /api/health` answers
503 with the list, the command line ends with code 2.

A duration is a number with `ms`, `s`, `m`, `h` or `d`. A list has commas or blanks between its items.

| name | what it says | default | example |
|---|---|---|---|
{rows}

One of `COUNTERPART_PROFILES` and `COUNTERPART_SUBSCRIPTIONS` must be there.

## Others' variables

`azure-identity` reads its own variables (`AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET`,
`AZURE_AUTHORITY_HOST` and more), and App Service sets `IDENTITY_ENDPOINT` and `IDENTITY_HEADER` for a managed
identity. The Functions host has its own settings, of which `local.settings.example.json` shows the needed ones.
"""


def settings_page() -> str:
    """docs/settings.md."""
    return _SETTINGS.format(rows="\n".join(_field_row(field) for field in FIELDS))


def _field_row(it: Field) -> str:
    default = "required" if it.default is None else f"`{it.default}`" if it.default else "empty"
    example = it.example if " " in it.example else f"`{it.example}`"
    return f"| `{it.name}` | {it.help} | {default} | {example} |"


# -- docs/triggers.md -------------------------------------------------------------------------------------------

_TRIGGERS: Final = """\
# Triggers

This page is written from `function_app.py` and the handlers' own words by `python -m cli.reference`; a test
compares them.

| function | woken by | handler |
|---|---|---|
{rows}

What an error becomes stands once for all rows in `handlers/_edge.py`. A trigger that redelivers gets an error
back only when delivering again may help. An HTTP caller gets a status and a problem body (RFC 9457), see
[Operating](operating.md#http).

{handlers}"""

# The table is indexed in a process of its own: an app can be indexed only once in each.
_INDEX: Final = (
    "import function_app, json; print(json.dumps({it.get_function_name(): it.get_dict_repr()['bindings'][0] "
    "for it in function_app.app.get_functions()}, default=lambda it: it.name))"
)


def triggers_page() -> str:
    """docs/triggers.md."""
    found = trigger_table()
    open_to = {name for name, entry in trigger_table(sign_in=True).items() if entry != found[name]}
    rows = (
        f"| `{name}` | {_woken_by(binding, signed_in=name in open_to)} | `handlers/{name}.py` |"
        for name, binding in found.items()
    )
    return _TRIGGERS.format(rows="\n".join(rows), handlers="\n".join(_contract(name) for name in found))


def trigger_table(*, sign_in: bool = False) -> dict[str, dict[str, Any]]:
    """The rows of function_app.py, each with its trigger as the platform reads it, with its sign-in on or off."""
    env = {"WEBSITE_AUTH_ENABLED": str(sign_in)}
    done = subprocess.run(  # noqa: S603 -- this project's own table, by this interpreter
        [sys.executable, "-c", _INDEX],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return dict(json.loads(done.stdout))


def _woken_by(binding: Mapping[str, Any], *, signed_in: bool) -> str:
    match binding["type"]:
        case "eventGridTrigger":
            return "an Event Grid event, in Event Grid's schema or as a CloudEvent"
        case "timerTrigger":
            return f"a timer, `{binding['schedule']}` (seconds first)"
        case "httpTrigger":
            methods = "/".join(str(item) for item in binding["methods"])
            key = "open to all" if binding["authLevel"] == "ANONYMOUS" else "with a function key"
            key += "; where sign-in is on, for who is signed in" if signed_in else ""
            return f"HTTP: `{methods} /api/{binding['route']}`, {key}"
        case "queueTrigger":
            return f"a message in the storage queue `{binding['queueName']}`"
        case other:
            return f"`{other}`"


def _contract(name: str) -> str:
    return f"## {name}\n\n{(importlib.import_module(f'handlers.{name}').__doc__ or '').strip()}\n"


# -- docs/cli.md ------------------------------------------------------------------------------------------------

_CLI: Final = """\
# The command line

This page is written from the commands' own help by `python -m cli.reference`; a test compares them.

`counterpart` runs the function app's own workflows with the settings of [settings.md](settings.md). It must have
the function app's fingerprint key and store to decide anything: a plan's fingerprint is made with the key, and
what regions last agreed on lies in the store. What each state asks of a person stands in
[operating.md](operating.md).

{commands}"""

_WIDTH: Final = 100  # columns of the help texts here, whatever the terminal


def cli_page() -> str:
    """docs/cli.md."""
    texts = (f"## {title}\n\n```text\n{text}\n```\n" for title, text in _helps())
    return _CLI.format(commands="\n".join(texts))


def _helps() -> Iterator[tuple[str, str]]:
    """Every command's name and help; the program's own first."""
    group = typer.main.get_group(app)
    at = group.context_class(group, info_name="counterpart", terminal_width=_WIDTH)
    yield "counterpart", group.get_help(at)
    yield from _inner_helps(group, at)


def _inner_helps(group: TyperGroup, at: Any) -> Iterator[tuple[str, str]]:
    for name, command in group.commands.items():
        inner = group.context_class(command, info_name=name, parent=at, terminal_width=_WIDTH)
        yield inner.command_path, command.get_help(inner)
        if isinstance(command, TyperGroup):
            yield from _inner_helps(command, inner)


# -- parts of pages ---------------------------------------------------------------------------------------------


def commands_part() -> str:
    """README: the commands in a table."""
    group = typer.main.get_group(app)
    rows = (
        f"| `counterpart {name}` | {command.get_short_help_str(limit=200)} |"
        for name, command in group.commands.items()
    )
    return "\n".join(("| command | what it does |", "|---|---|", *rows))


def demo_part() -> str:
    """README: the first scene and the last line of the run that is kept in docs/demo-output.txt."""
    lines = (ROOT / "docs" / "demo-output.txt").read_text("utf-8").splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("Scene 1 "))
    scene = itertools.takewhile(str.strip, lines[begin:])
    return "\n".join(("```text", *scene, "...", lines[-1], "```"))


def states_part() -> str:
    """Operating: each state with its sentence and where it may lead."""
    rows = (
        f"| [{state}](#{state}) | {sentence} | {', '.join(sorted(MOVES[state]))} |"
        for state, sentence in SENTENCES.items()
    )
    return "\n".join(("| state | what it means | may lead to |", "|---|---|---|", *rows))


def drill_states_part() -> str:
    """Drills: each state with its sentence."""
    rows = (f"| {state} | {sentence} |" for state, sentence in DRILL_STATES.items())
    return "\n".join(("| state | what it means |", "|---|---|", *rows))


def drill_rules_part() -> str:
    """Drills: each preflight rule with its sentence."""
    rows = (f"| `{name}` | {sentence} |" for name, (_, sentence) in DRILL_RULES.items())
    return "\n".join(("| rule | it passes when |", "|---|---|", *rows))


def statuses_part() -> str:
    """Operating: the status that each error becomes."""
    rows = (f"| {status} | `{error.__name__}` | {title} |" for error, status, title in STATUSES)
    return "\n".join(("| status | error | title |", "|---|---|---|", *rows))


def benchmarks_part() -> str:
    """Proof: the figures of the last kept run of `make bench`."""
    figures = json.loads((ROOT / "benchmarks" / "results.json").read_text("utf-8"))
    rows = (
        f"| `{figure['name']}` | {figure['value']:g} | {figure['unit']} | {_budget(figure['budget'])} |"
        for figure in figures
    )
    return "\n".join(("| figure | value | unit | at most |", "|---|---|---|---|", *rows))


def mutants_part() -> str:
    """Proof: what became of the mutants of each module, as `python -m proof.mutation` wrote it down."""
    explained = explanations()
    scores = [
        {**entry, "survivors": len(entry["survived"]), "unexplained": len(unexplained(entry, explained))}
        for entry in kept()
    ]
    rows = [_mutants_row(f"`{score['module']}`", [score]) for score in scores if score["mutants"]]
    return "\n".join(
        (
            f"| {' | '.join(_MUTANT_COLUMNS)} |",
            f"|{'---|' * len(_MUTANT_COLUMNS)}",
            *rows,
            _mutants_row("all", scores),
        )
    )


def _mutants_row(name: str, scores: Sequence[Mapping[str, Any]]) -> str:
    total = {mutant: sum(score[mutant] for score in scores) for mutant in _MUTANTS}
    noticed = total["mutants"] - total["survivors"]
    shares = (
        noticed / total["mutants"],
        noticed / (total["mutants"] - total["wording"]),
        (noticed - total["by_types"]) / (total["mutants"] - total["by_types"]),
    )
    numbers = (*total.values(), *(f"{share:.1%}" for share in shares))
    return f"| {name} | {' | '.join(map(str, numbers))} |"


_MUTANT_COLUMNS: Final = (
    *("module", "mutants run", "by types", "by tests", "endless", "survived", "of these wording"),
    *("neither wording nor explained", "not run", "noticed", "without wording", "tests alone"),
)
_MUTANTS: Final = (
    *("mutants", "by_types", "by_tests", "endless", "survivors", "wording", "unexplained", "not_run"),
)


def _budget(most: float | None) -> str:
    return "" if most is None else f"{most:g}"


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "settings-policy.md": settings_policy_page,
    "settings.md": settings_page,
    "triggers.md": triggers_page,
    "cli.md": cli_page,
    "incidents.md": incidents_page,
    **card_pages(),
    **deployment_pages(),
}
"""The generated pages by their file names under docs/."""

PARTS: Final[Mapping[str, Mapping[str, Callable[[], str]]]] = {
    "README.md": {"demo": demo_part, "commands": commands_part},
    "docs/drills.md": {"states": drill_states_part, "rules": drill_rules_part},
    "docs/operating.md": {"states": states_part, "statuses": statuses_part},
    "docs/proof.md": {"benchmarks": benchmarks_part, "mutants": mutants_part},
}
"""The generated parts of pages that people write: by path under the project, then by the part's name."""


def filled(text: str, parts: Mapping[str, Callable[[], str]]) -> str:
    """The page with its parts written anew. ValueError when a part's comments are not there, once each."""
    for name, part in parts.items():
        begin, end = f"<!-- begin {name}: python -m cli.reference -->", f"<!-- end {name} -->"
        if (text.count(begin), text.count(end)) != (1, 1):
            raise ValueError(f"the page needs {begin} and {end}, once each")
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n{part()}\n{end}{after}"
    return text


def write(root: Path) -> None:
    """Write every page and part anew."""
    for name, page in PAGES.items():
        file = root / "docs" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page(), "utf-8")
    for name, parts in PARTS.items():
        (root / name).write_text(filled((root / name).read_text("utf-8"), parts), "utf-8")


if __name__ == "__main__":
    write(ROOT)
