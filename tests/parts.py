"""Parts that make some tests run against real programs. Without one, its tests skip and say so, or fail in CI."""

import os
from typing import NoReturn

import pytest


def missing(part: str) -> NoReturn:
    """Skip, saying why; fail where every part is required (the continuous integration)."""
    if os.environ.get("COUNTERPART_REQUIRE_PARTS") == "1":  # noqa: TID251 -- a test's own machine
        pytest.fail(f"{part} is required here and missing")
    pytest.skip(f"{part} is not installed")
