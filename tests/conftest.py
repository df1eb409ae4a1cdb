"""What holds for all tests: how long the laws are tried, that values stay secret, and which programs there are."""

import logging
import shutil
from collections.abc import Iterator

import pytest
from hypothesis import Phase, settings

from tests.browser import installed
from tests.parts import missing
from tests.rounds import WORLDS, leaks

# Bounded, so that the whole suite stays quick; no deadline, since tests never assert on timing.
settings.register_profile("counterpart", max_examples=40, deadline=None)
settings.register_profile(
    "mutants", max_examples=40, deadline=None, phases=[Phase.explicit, Phase.generate], database=None
)
settings.load_profile("counterpart")


@pytest.fixture
def no_value_anywhere(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Law 4, after any scenario: no row, log record, error or result of a round holds a setting's value."""
    WORLDS.clear()
    with caplog.at_level(logging.DEBUG):
        yield
    assert WORLDS, "there was a world to look for values in"
    assert list(leaks(WORLDS, caplog.get_records("call"))) == []
    WORLDS.clear()


@pytest.fixture(scope="session")
def scep_package() -> None:
    """The test needs Debian's package scep: an independent SCEP server and client."""
    if not (shutil.which("scepclient") and shutil.which("scepserver")):
        missing("Debian's package scep")


@pytest.fixture(scope="session")
def chromium() -> None:
    """The test needs a real browser."""
    if installed() is None:
        missing("Chromium")
