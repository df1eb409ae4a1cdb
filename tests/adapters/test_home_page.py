"""The version on a home page, wherever the page has it."""

import pytest

from shared.adapters.home_page import LARGEST, parse_version


@pytest.mark.parametrize(
    ("page", "version"),
    [
        (b"<p>Version: 3.1.26152</p>", "3.1.26152"),
        (b"<td>Version</td>\n <td> <b>3.1.26152.500</b></td>", "3.1.26152.500"),
        (b"<span>version&nbsp;v2.12</span>", "2.12"),
        (b"<p>VERSION 3.0.1657</p><p>Version: 1.0</p>", "3.0.1657"),
        (b"<p>conversion: 3.1.26152</p>", ""),
        (b"<p>Version: unknown, 3.1</p>", ""),
        (b"<p>Version: 3</p>", ""),
        (b"\xff\xfe", ""),
        (b"", ""),
        (b"version" + b"<" * LARGEST, ""),
        (b"version" + b" " * LARGEST + b"3.1", ""),
    ],
)
def test_parse_version(page: bytes, version: str) -> None:
    """The word and a number with dots after it; tags and blanks may stand between, and nothing takes long."""
    assert parse_version(page) == version
