"""The demo, whole: every scene passes, and no setting's value is in anything that the product wrote or said."""

import asyncio
import itertools
import logging
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from simulator.demo.__main__ import play_all
from simulator.demo.scenes import SCENES
from simulator.demo.telling import Teller
from simulator.demo.theatre import ROOT, Theatre, theatre
from tests.browser import Seen, browser, installed


@dataclass
class Played:
    """One run of the whole demo, and every text that came of it."""

    passed: int
    failed: list[str]
    secrets: frozenset[str]
    texts: dict[str, str]  # by where it was found
    pages: dict[str, Seen]  # every page that a card led to, and the cards themselves, in a real browser


class Lines(logging.Handler):
    """Keeps what is logged in this process."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """One run, which every test here looks at."""
    return asyncio.run(_play(tmp_path_factory.mktemp("demo")))


async def _play(directory: Path) -> Played:
    teller, own = Teller(), Lines()
    logging.getLogger().addHandler(own)
    try:
        async with theatre(teller, directory=directory) as on:
            passed = await play_all(on, SCENES)
            answers = [line async for line in _answers(on)]
            pages = await _pages(on)
            texts = dict(_texts(on, teller, answers, own.lines, directory))
            texts["pages"] = "\n".join(page.text for page in pages.values())
            return Played(passed, on.failed, on.world.secrets_in_use(), texts, pages)
    finally:
        logging.getLogger().removeHandler(own)


async def _answers(on: Theatre) -> AsyncIterator[str]:
    """Yield the app's answers over HTTP to good and bad requests."""
    word = {"group": "scepman", "decision": "approve", "fingerprint": "0"}
    for status, method, path, body in (
        (200, "GET", "/api/health", None),
        (409, "POST", "/api/decisions", word),
        (404, "POST", "/api/decisions", {**word, "group": "nobody"}),
        (422, "POST", "/api/decisions", {"what": 1}),
    ):
        answer = await on.stage.call(method, path, json=body)
        assert answer.status == status, answer.text
        yield answer.text


async def _pages(on: Theatre) -> dict[str, Seen]:
    """Return what a person sees who follows every card's links; nothing where there is no browser."""
    program = installed()
    if program is None:
        return {}
    links = {item["url"] for card in on.cards(0.0) for item in card.get("actions", ())}
    async with browser(program) as one:
        addresses = (f"{on.cloud.admin_url}/_world/cards", *sorted(links))
        return {address: await one.open(address) for address in addresses}


def _texts(
    on: Theatre, teller: Teller, answers: list[str], own: list[str], directory: Path
) -> Iterator[tuple[str, str]]:
    yield "the stage's log", "\n".join(on.stage.log_lines)
    yield "this process's log", "\n".join(own)
    yield "HTTP answers", "\n".join(answers)
    yield "command output", "\n".join(on.cli_output)
    yield "what the demo told", "\n".join(teller.lines)
    yield (
        "what was told to people and programs",
        repr([on.told(receiver, 0.0) for receiver in on.world.receivers]),
    )
    # The whole database with its journal: rows that were overwritten are in there too.
    yield (
        "the store",
        "\n".join(path.read_bytes().decode(errors="replace") for path in directory.glob("*.sqlite*")),
    )


def test_every_scene_passes(played: Played) -> None:
    """Each scene ends as it should, checked against the world's own truth."""
    assert played.passed == len(SCENES), played.failed


def test_no_value_is_anywhere(played: Played) -> None:
    """Law 4: log lines, HTTP answers, store rows and command output hold no setting's value."""
    assert len(played.secrets) > 30
    assert any("S3CRET-" in secret for secret in played.secrets)
    for place, text in played.texts.items():
        leaked = sorted(secret[:12] for secret in played.secrets if secret in text)
        assert not leaked, f"{place} holds values that begin with {leaked}"


def test_the_search_would_find_a_value(played: Played) -> None:
    """The texts are really those of the run: each holds what it must hold."""
    assert "Executed 'reconcile' (Succeeded" in played.texts["the stage's log"]
    assert "settings-sync" in played.texts["the store"]
    assert "AppConfig:OCSP" in played.texts["command output"]
    assert '"problem' in played.texts["HTTP answers"] or "urn:counterpart" in played.texts["HTTP answers"]
    assert "Scene 1" in played.texts["what the demo told"]
    assert "AdaptiveCard" in played.texts["what was told to people and programs"]


def test_the_world_that_stays() -> None:
    """`make run` prints where everything is, shows the cards to a browser, and ends when it is told to."""
    command = [sys.executable, "-m", "simulator.demo", "--stay"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout
        lines = list(itertools.takewhile(lambda line: "Ctrl-C" not in line, program.stdout))
        try:
            url = next(word for line in lines for word in line.split() if word.endswith("/_world/cards"))
            straight = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with straight.open(url, timeout=10) as page:
                assert "Teams: " in page.read().decode()
        finally:
            program.send_signal(signal.SIGTERM)
            program.communicate(timeout=30)
    assert program.returncode == 0
    printed = "".join(lines)
    assert all(f"counterpart {name} --env-file" in printed for name in ("status", "incidents list"))


@pytest.mark.usefixtures("scep_package")
def test_a_real_client_enrolled(played: Played) -> None:
    """In scene 1 Debian's scepclient got a certificate through the service name."""
    assert "ok   scepclient enrolled through scep.contoso.test" in played.texts["what the demo told"]


@pytest.mark.usefixtures("chromium")
def test_every_page_that_a_card_leads_to_reads_well_in_a_browser(played: Played) -> None:
    """On a phone and on a desk, in light and dark: nothing to complain of, loaded from nowhere else."""
    wanted = {"incidents", "decisions", "drills", "cards"}
    assert {kind for page in played.pages for kind in wanted if f"/{kind}" in page} == wanted
    for address, page in played.pages.items():
        assert page.status == 200, address
        assert page.title, address
        assert page.headline, address
        assert page.language == "en", address
        assert page.complaints == (), address
        assert page.asked == (address,), address
        assert max(page.overflow) <= 0, f"{address} is too wide by {page.overflow} pixels"
        assert page.pale == (), address
