"""`python -m proof`: play seeds, one or many; replay one that broke a law; list what the proof is made of."""

import dataclasses
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from typing import Annotated

import typer

from proof.crashes import ELSEWHERE, STORIES, Effects, Site, deaths, written_down
from proof.observer import LAWS
from proof.play import DAY, MONTH, YEAR, Play, Report

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)


@app.command()
def replay(
    seed: str, days: float = MONTH / DAY, skip: Annotated[bool, typer.Option("--skip/--every-minute")] = True
) -> None:
    """Play one seed and tell how it ended."""
    report = Play(seed, seconds=days * DAY, skip=skip).run()
    _tell(report, days)
    raise typer.Exit(code=bool(report.breaches))


@app.command()
def soak(hours: float = 0.05, cores: int = 1, days: float = MONTH / DAY, begin: int = 0) -> None:
    """Play one random seed after the other for so long, and say what was seen."""
    first = begin or time.time_ns() // 1_000_000
    until = time.monotonic() + hours * 3600
    total = Total()
    if cores == 1:
        for seed in _seeds(first, until):
            total.add(_played((seed, days)), days)
    else:
        with multiprocessing.get_context("spawn").Pool(cores) as pool:
            for report in pool.imap_unordered(_played, ((it, days) for it in _seeds(first, until))):
                total.add(report, days)
    total.tell()
    raise typer.Exit(code=bool(total.broken))


def _seeds(first: int, until: float) -> Iterator[str]:
    number = first
    while time.monotonic() < until:
        yield str(number)
        number += 1


def _played(asked: tuple[str, float]) -> Report:
    seed, days = asked
    return Play(seed, seconds=days * DAY).run()


@app.command()
def bite(seeds: int = 12, days: float = MONTH / DAY) -> None:
    """Play seeds until one breaks a law: what planted bugs are caught by."""
    for seed in range(1, seeds + 1):
        report = Play(str(seed), seconds=days * DAY).run()
        if report.breaches:
            _tell(report, days)
            raise typer.Exit(code=1)


@app.command()
def crashes(share: int = 1, cores: int = 1) -> None:
    """Die before and after every effect of every story (or of so many effects, one), and count them."""
    total, died, failed, took = 0, 0, 0, 0.0
    reached = set(ELSEWHERE)
    for it in _each_story(share, cores):
        reached |= it.reached
        total, died, failed, took = (
            total + it.effects,
            died + it.died,
            failed + len(it.failures),
            took + it.took,
        )
        print(
            f"{it.effects:5} effects  {it.died:5} died at, before and after  {len(it.failures)} differ  {it.story}",
            flush=True,
        )
        for line in it.failures:
            print(f"      {line}")
    print(
        f"{total:5} effects in {len(STORIES)} stories, {died} died at ({died / total:.0%}), {failed} differ"
    )
    whole = took * (2 * total + len(STORIES)) / (2 * died + len(STORIES))
    print(f"{took:.0f} s of the processor", end="")
    print("" if share == 1 else f"; every effect would take about {whole:.0f} s")
    sites = written_down()
    print(f"{len(sites & reached)} of {len(sites)} functions that have an effect were reached; elsewhere:")
    for site, why in ELSEWHERE.items():
        print(f"      {site[0]} {site[1]}: {why}")
    raise typer.Exit(code=bool(failed or sites - reached))


@dataclasses.dataclass(frozen=True)
class Told:
    """What dying in one story showed."""

    story: str
    effects: int
    died: int  # at so many of them, before and after
    reached: set[Site]
    failures: list[str]
    took: float  # seconds of the processor


def _each_story(share: int, cores: int) -> Iterator[Told]:
    asked = [(number, share) for number in range(len(STORIES))]
    if cores == 1:
        yield from map(_died, asked)
        return
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        yield from pool.imap(_died, asked)


def _died(asked: tuple[int, int]) -> Told:
    number, share = asked
    began = time.process_time()
    calm, *failures = deaths(STORIES[number], share=share)
    assert isinstance(calm, Effects)  # noqa: S101 -- the first one is the story without a death
    count = len(calm.names)
    return Told(
        story=STORIES[number].name,
        effects=count,
        died=count // share,
        reached=calm.reached,
        failures=[str(it) for it in failures],
        took=time.process_time() - began,
    )


class Total:
    """What many runs showed."""

    def __init__(self) -> None:
        self.runs = self.broken = self.unseeable = self.wakes = 0
        self.simulated = self.took = 0.0
        self.faults: Counter[str] = Counter()
        self.met: Counter[str] = Counter()
        self.checks: Counter[int] = Counter()
        self.effects: Counter[str] = Counter()

    def add(self, report: Report, days: float) -> None:
        """One more."""
        self.runs += 1
        self.broken += bool(report.breaches)
        self.unseeable += report.unseeable
        self.wakes += report.wakes
        self.simulated += report.simulated
        self.took += report.took
        self.faults.update({str(name): count for name, count in report.faults.items()})
        self.met += report.met
        self.checks += report.checks
        self.effects.update(what for _, what, _, _ in report.effects)
        if report.breaches:
            _tell(report, days)

    def tell(self) -> None:
        """As it is printed."""
        years = self.simulated / YEAR
        print(f"{years:.2f} group-years in {self.runs} runs, {self.took:.0f} s of one core", end="")
        print(f": {self.took / max(years, 1e-9):.0f} s a year")
        print(
            f"{self.wakes} wake-ups played, {sum(self.faults.values())} faults, runs that broke a law: {self.broken}"
        )
        print("\nfaults")
        for name, count in self.faults.most_common():
            print(f"  {count:7}  {name}")
        print("\ncalls that failed, and how")
        for name, count in self.met.most_common():
            print(f"  {count:7}  {name}")
        print("\nwhat the product did")
        for name, count in self.effects.most_common():
            print(f"  {count:7}  {name}")
        print("\nhow often each law was asked")
        for law, text in LAWS.items():
            print(f"  {self.checks[law]:7}  {law} {text}")
        print(f"\nedits between our reading and our write, which Azure lets nobody see: {self.unseeable}")


def _tell(report: Report, days: float) -> None:
    if not report.breaches:
        print(f"seed {report.seed}: {days:g} days, {sum(report.faults.values())} faults, no law broken")
        return
    breach = report.breaches[0]
    print(f"seed {report.seed} broke law {breach.law} ({LAWS[breach.law]}): {breach.text}")
    print("\n".join(report.story))
    print(f"again: .venv/bin/python -m proof replay {report.seed}", end="")
    print("" if days == MONTH / DAY else f" --days {days:g}")


if __name__ == "__main__":
    app()
