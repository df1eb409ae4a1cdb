"""A fixed amount of fuzzing in every run; `make fuzz MINUTES=...` does the same for as long as one likes."""

import logging
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.mutations import CHANGES, LARGEST, mutated
from tests.fuzz.parsers import NO_TARGET, ROOT, TARGET_OF, places
from tests.fuzz.targets import TARGETS, Target

QUICK = 120  # examples of a parser alone
SLOW = (
    20  # examples of what goes through a handler and a whole world of fakes, or parses the shipped policy too
)
SLOWEST = 60.0  # seconds of the processor: no measure of speed, but what would take years does not pass
MEMORY = 64 * 1024 * 1024  # bytes, for an input of 64 KiB

changes = st.lists(
    st.tuples(st.sampled_from(sorted(CHANGES)), st.integers(0, 1 << 16), st.integers(0, 1 << 16)), max_size=6
)
each_target = pytest.mark.parametrize("target", TARGETS, ids=[target.name for target in TARGETS])


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Ignore the log lines of a handler about bad input."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@each_target
def test_real_inputs_are_read(target: Target) -> None:
    """Each seed is taken without an error: what is changed below is the real thing."""
    for seed in target.seeds:
        target.run(seed)


def test_every_parser_is_known() -> None:
    """What decodes text or bytes is tried by a target, or says why it need not be."""
    assert {str(place) for place in places()} == {*TARGET_OF, *NO_TARGET}
    assert not set(TARGET_OF) & set(NO_TARGET)


@each_target
def test_a_target_reaches_its_parsers(target: Target) -> None:
    """Its seeds and its corpus run the very functions that it is named for."""
    wanted = {place for place, name in TARGET_OF.items() if name == target.name}
    reached = set[str]()

    def noting(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and (path := Path(code.co_filename)).is_relative_to(ROOT):
            name = code.co_qualname.replace("<locals>.", "")
            reached.add(f"{path.relative_to(ROOT).as_posix()} {name}")

    before = sys.getprofile()
    sys.setprofile(noting)
    try:
        for seed in (*target.seeds, *target.corpus):
            target.attempt(seed)
    finally:
        sys.setprofile(before)
    assert wanted <= reached


@each_target
def test_the_corpus(target: Target) -> None:
    """What once did harm, or reaches far, does none."""
    for chunk in target.corpus:
        target.attempt(chunk)


@each_target
def test_changed_inputs(target: Target) -> None:
    """A real input, changed in its bytes or its structure, gives an answer or a named error."""
    many = SLOW if target.seldom else QUICK

    @settings(max_examples=many, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(target.seeds), changes)
    def attempt(seed: bytes, made: list[tuple[str, int, int]]) -> None:
        target.attempt(mutated(seed, made, target.seeds))

    attempt()


@each_target
def test_any_bytes(target: Target) -> None:
    """So does what was never real."""
    many = SLOW if target.seldom else QUICK

    @settings(max_examples=many, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=400))
    def attempt(data: bytes) -> None:
        target.attempt(data)

    attempt()


@each_target
def test_large_inputs_take_bounded_time_and_memory(target: Target) -> None:
    """64 KiB of the worst: nesting, repetition, each seed over and over. It ends, and does not hold much."""
    for seed in (
        b"[",
        b'{"a":',
        b"*a",
        b"a",
        b"a = [",
        b"<",
        b"\xff",
        b"\x30\x80",
        b"version ",
        b"[a]\n",
        *target.seeds,
    ):
        data = (seed * (LARGEST // max(1, len(seed)) + 1))[:LARGEST]
        tracemalloc.start()
        began = time.process_time()
        target.attempt(data)
        took = time.process_time() - began
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < MEMORY, f"{peak} bytes for {seed[:20]!r}"
        assert took < SLOWEST, f"{took} s of the processor for {seed[:20]!r} over and over"
