"""Skipping what is provably quiet changes nothing: the same seed ends alike, to the byte, with the same effects."""

import json
from typing import Any

import pytest

from proof.play import DAY, Play, Report


def told(report: Report) -> list[str]:
    """What is so in the end and what was done on the way, every time included."""
    end: dict[str, Any] = report.end
    rows = {key: json.loads(body) for key, body in end["rows"].items()}
    return [
        *(repr(it) for it in report.effects),
        *(f"{kind}: {end[kind]}" for kind in ("settings", "endpoints", "vault")),
        *(f"{key}: {json.dumps(row, indent=1, sort_keys=True)}" for key, row in sorted(rows.items())),
    ]


@pytest.mark.parametrize("seed", ["4", "7"])
def test_what_is_skipped_would_have_changed_nothing(seed: str) -> None:
    """With and without, minute by minute: the same effects at the same times, and the same rows."""
    skipped, played = (Play(seed, seconds=1.5 * DAY, skip=it).run() for it in (True, False))
    assert skipped.breaches == played.breaches == []
    assert skipped.skipped > 0.8 * DAY
    assert played.skipped == 0
    assert told(skipped) == told(played)
