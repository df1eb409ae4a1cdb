"""What the documents say is so: pages are current, links lead somewhere, and what they name exists."""

import ast
import itertools
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import typer.main
from typer.core import TyperGroup

from cli.main import Exit, app
from cli.reference import PAGES, PARTS, ROOT, filled, trigger_table
from cli.samples import cards
from shared.settings import FIELDS
from shared.settings_sync.ask import Ask
from shared.settings_sync.model import State
from shared.settings_sync.plan import BRAKE_FROM, BRAKE_SHARE, LIFTED
from shared.settings_sync.policy import parse
from simulator.demo.scenes import SCENES
from simulator.pair import MARK, a_pair
from simulator.premises import LOOPBACK, host_addresses

DOCS = sorted((*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "infra").glob("*.md")))
README, OPERATING = ROOT / "README.md", ROOT / "docs" / "operating.md"
DEMO = ROOT / "docs" / "demo-output.txt"

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_NAMED_FILE = re.compile(r"`((?:shared|handlers|cli|simulator|tests|docs|infra)/[\w./-]*|\w+\.(?:py|json))`")


def named(path: Path) -> str:
    """Return how a test is called that is about one document."""
    return str(path.relative_to(ROOT))


every_document = pytest.mark.parametrize("page", DOCS, ids=named)


def text_of(page: Path) -> str:
    """The whole document."""
    return page.read_text("utf-8")


def snippets(page: Path, language: str) -> list[str]:
    """The contents of the page's code blocks in one language."""
    return [body for kind, body in _FENCE.findall(text_of(page)) if kind == language]


def commands(page: Path) -> Iterator[str]:
    """Every line of a shell block and every inline code of the page, without comments."""
    for block in snippets(page, "sh"):
        yield from (line.partition("#")[0].strip() for line in block.splitlines())
    yield from re.findall(r"`([^`\n]+)`", _FENCE.sub("", text_of(page)))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as Git forges make them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", text_of(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# -- written from the code --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_generated_pages_are_current(name: str) -> None:
    """A page that is written from the code says what the code says."""
    assert text_of(ROOT / "docs" / name) == PAGES[name](), f"run: python -m cli.reference (docs/{name})"


@pytest.mark.parametrize("name", PARTS)
def test_generated_parts_are_current(name: str) -> None:
    """So does a part of a page that people write."""
    text = text_of(ROOT / name)
    assert text == filled(text, PARTS[name]), f"run: python -m cli.reference ({name})"


def test_a_part_without_its_place_is_an_error() -> None:
    """A part whose comments somebody removed is missed, not left out."""
    with pytest.raises(ValueError, match="begin states"):
        filled("no such place", {"states": str})


@pytest.mark.parametrize("name", list(cards()))
def test_a_card_leads_to_its_runbook(name: str) -> None:
    """Whatever asks something of a person names a runbook that is there; an end and a digest ask nothing."""
    named_there = re.findall(r"docs/runbooks/[\w-]+\.md", repr(cards()[name]))
    assert all((ROOT / item).is_file() for item in named_there)
    assert bool(named_there) == (name not in {"resolved", "digest"})


# -- links and names --------------------------------------------------------------------------------------------


@every_document
def test_links_lead_somewhere(page: Path) -> None:
    """Every link between documents names a file that exists, and a heading in it."""
    broken = []
    for link in _LINK.findall(_FENCE.sub("", text_of(page))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_document_is_reached_from_the_readme() -> None:
    """Nothing is written that nobody finds."""
    seen: set[Path] = set()
    waiting = [README]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md" or not page.is_file():
            continue
        seen.add(page)
        links = (link.partition("#")[0] for link in _LINK.findall(text_of(page)) if ":" not in link)
        waiting += [(page.parent / link).resolve() for link in links if link]
    assert [named(page) for page in DOCS if page not in seen] == []


@every_document
def test_named_files_exist(page: Path) -> None:
    """A file of this project that a document names is there."""
    names = set(_NAMED_FILE.findall(text_of(page)))
    assert [name for name in sorted(names) if not (ROOT / name).exists() and not _in_slices(name)] == []


def _in_slices(name: str) -> bool:
    """`model.py` alone stands for the file of that name in every slice."""
    return "/" not in name and any((ROOT / "shared").glob(f"*/{name}"))


@every_document
def test_settings_exist(page: Path) -> None:
    """A COUNTERPART_ variable that a document names is one that the product reads."""
    known = {field.name for field in FIELDS}
    assert set(re.findall(r"\bCOUNTERPART_[A-Z_]+\b", text_of(page))) <= known


def test_the_example_of_local_settings_is_right() -> None:
    """What is copied from there is read by the product or by the Functions host."""
    values = json.loads(text_of(ROOT / "local.settings.example.json"))["Values"]
    ours = {name for name in values if name.startswith("COUNTERPART_")}
    assert ours <= {field.name for field in FIELDS}
    assert {field.name for field in FIELDS if field.default is None} <= ours


@every_document
def test_make_targets_exist(page: Path) -> None:
    """A target that a document names is in the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", text_of(ROOT / "Makefile"), re.MULTILINE)) | {".venv/.ready"}
    asked = {it for line in commands(page) if (it := re.match(r"make(?: ([\w./]+))?(?: |$)", line))}
    assert {match[1] for match in asked if match[1]} <= targets


@every_document
def test_commands_exist(page: Path) -> None:
    """A command of `counterpart` that a document shows exists, with the options that it shows."""
    group = typer.main.get_group(app)
    for line in commands(page):
        shown = re.match(r"(?:\S*/)?counterpart ([a-z]+)(.*)", line)
        if shown is None:
            continue
        assert shown[1] in group.commands, line
        command, rest = group.commands[shown[1]], shown[2]
        if isinstance(command, TyperGroup) and (inner := re.match(r" ([a-z-]+)(.*)", rest)):
            assert inner[1] in command.commands, line
            command, rest = command.commands[inner[1]], inner[2]
        options = {option for param in command.params for option in param.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options, line


@every_document
def test_modules_that_are_run_exist(page: Path) -> None:
    """`python -m x` names a module of this project."""
    for line in commands(page):
        for module in re.findall(r"python -m ([\w.]+)", line):
            at = ROOT / module.replace(".", "/")
            assert at.with_suffix(".py").is_file() or (at / "__main__.py").is_file(), line


@every_document
def test_snippets_are_whole(page: Path) -> None:
    """Python parses, JSON decodes, and a policy of rules is one that is taken."""
    for snippet in snippets(page, "python"):
        ast.parse(f"async def snippet():\n{re.sub('^', '    ', snippet, flags=re.MULTILINE)}")
    for snippet in snippets(page, "json"):
        json.loads(snippet)
    for snippet in snippets(page, "toml"):
        assert parse(snippet, named(page))


def test_quoted_code_is_the_code() -> None:
    """Lines of Python in a decision stand in the product word for word."""
    product = "\n".join(text_of(file) for file in (ROOT / "shared").rglob("*.py"))
    pages = (ROOT / "docs" / "decisions").glob("*.md")
    lines = [
        line.strip()
        for page in pages
        for snippet in snippets(page, "python")
        for line in snippet.splitlines()
    ]
    assert lines, "a page quotes the rule of the soak"
    assert [line for line in lines if line not in product] == []


# -- what operating.md says -------------------------------------------------------------------------------------


def rows_under(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading of operating.md, its head left out."""
    _, _, rest = text_of(OPERATING).partition(f"# {heading}\n")
    table = re.search(r"(?:^\|.*\n)+", rest, re.MULTILINE)
    assert table is not None, heading
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[0].splitlines()[2:]]


def test_every_state_tells_a_person_what_to_do() -> None:
    """Each state has a section of its own."""
    assert {str(state) for state in State} <= anchors(OPERATING)


def test_every_rule_that_holds_a_plan_has_a_way_out() -> None:
    """The table of what holds a plan lists the rules that there are, and which of them an approval lifts."""
    rules = set(re.findall(r'rule="([a-z-]+)"', text_of(ROOT / "shared/settings_sync/plan.py")))
    rows = {row[0].strip("`"): row for row in rows_under("held")}
    assert set(rows) == rules
    lifted = {name for name, row in rows.items() if "counterpart apply" in row[2] or row[2] == "the same"}
    assert lifted == LIFTED
    assert f"{BRAKE_SHARE:.0%}".replace("%", " %") in rows["brake"][1]
    assert BRAKE_FROM == 10


def test_the_exit_codes_are_all_there() -> None:
    """Each code of the command line is explained once."""
    assert [int(row[0]) for row in rows_under("Exit codes")] == sorted(int(code) for code in Exit)


def test_the_decisions_are_all_there() -> None:
    """The API's words for a decision are the product's."""
    row = next(row for row in rows_under("POST /api/decisions") if row[0] == "`decision`")
    assert set(re.findall(r"`([a-z]+)`", row[1])) == {str(ask) for ask in Ask}


def test_every_http_function_is_described() -> None:
    """Each route has its heading, with its method."""
    bindings = (entry for entry in trigger_table().values() if entry["type"] == "httpTrigger")
    routes = {f"{method} /api/{binding['route']}" for binding in bindings for method in binding["methods"]}
    assert routes == set(re.findall(r"^### ([A-Z]+ /api/\S+)$", text_of(OPERATING), re.MULTILINE))


# -- the house, the picture and the run ---------------------------------------------------------------------------


def test_the_house_is_described_in_its_order() -> None:
    """The table of where things are has every floor of shared/, from the highest to the lowest."""
    contracts = tomllib.loads(text_of(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract.get("containers") == ["shared"])
    table = text_of(ROOT / "docs" / "architecture.md").partition("## Where things are")[2]
    floors = [
        [
            table.index(f"`shared/{name}{'/' if (ROOT / 'shared' / name).is_dir() else '.py'}`")
            for name in names
        ]
        for names in (re.findall(r"\w+", layer) for layer in layers)
    ]
    assert all(max(upper) < min(lower) for upper, lower in itertools.pairwise(floors))


def test_macos_is_told_every_address_of_the_demo() -> None:
    """The recipe for loopback aliases names the addresses at which the demo's world listens."""
    page = ROOT / "docs" / "decisions" / "0007-simulated-addresses.md"
    named_here = re.search(r"for last in ([\d ]+);", text_of(page))
    assert named_here is not None
    addresses = {f"127.0.0.{last}" for last in named_here[1].split()}
    assert addresses == set(host_addresses(a_pair())) - {LOOPBACK}


def test_the_picture_shows_what_there_is() -> None:
    """Every row of the trigger table is in the picture, and every module that the picture names exists."""
    picture = ET.parse(ROOT / "docs" / "architecture.svg")  # noqa: S314 -- our own file
    texts = [element.text or "" for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    code = {
        element.text or ""
        for element in picture.iter("{http://www.w3.org/2000/svg}text")
        if element.get("class") == "m"
    }
    assert set(trigger_table()) <= code
    for name in ("shared/reconcile", "shared/adapters", "simulator"):
        assert any(name in text for text in texts)
        assert (ROOT / name).is_dir()
    for name in ("groups", "settings_sync", "disruption"):
        assert any(name in text for text in texts)
        assert (ROOT / "shared" / name).is_dir()
    for command in typer.main.get_group(app).commands:
        assert any(command in text for text in texts)


def test_the_kept_run_is_of_these_scenes() -> None:
    """docs/demo-output.txt is a run in which today's scenes passed; make it anew with python -m simulator.demo."""
    lines = text_of(DEMO).splitlines()
    assert lines[-1] == f"demo: {len(SCENES)} of {len(SCENES)} scenes passed"
    titles = [line for line in lines if line.startswith("Scene ")]
    assert titles == [
        f"Scene {number} of {len(SCENES)}: {scene.name}" for number, scene in enumerate(SCENES, start=1)
    ]
    assert all(f"  {scene.about}" in lines for scene in SCENES)
    assert not [line for line in lines if "FAIL" in line or MARK in line]


def test_the_first_screen_has_the_two_commands() -> None:
    """A reader sees how to watch it and how to prove it before anything else."""
    first = "\n".join(text_of(README).splitlines()[:24])
    assert {"make demo", "make test"} <= set(re.findall(r"make \w+", first))
