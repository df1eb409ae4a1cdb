"""Each test derives anew: what another one had derived could hide that this one's decision is another now."""

import pytest

from shared.incidents import transitions


@pytest.fixture(autouse=True)
def _nothing_is_derived_yet() -> None:
    for kept in (transitions._DERIVED, transitions._NUMBERED):
        kept.clear()
