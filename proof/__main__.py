"""`python -m proof`: play seeds, one or many; replay one that broke a law; list what the proof is made of."""

import itertools
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from typing import Annotated

import typer

from proof.crashes import ELSEWHERE, MINUTE, STORIES, Site, Told, died, skipping, written_down
from proof.observer import LAWS
from proof.play import DAY, MONTH, YEAR, Play, Report, played

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)

Days = Annotated[float, typer.Option(min=0.1)]
Cores = Annotated[int, typer.Option(min=1)]


@app.command()
def replay(
    seed: str, days: Days = MONTH / DAY, skip: Annotated[bool, typer.Option("--skip/--every-minute")] = True
) -> None:
    """Play one seed and tell how it ended."""
    report = Play(seed, seconds=days * DAY, skip=skip).run()
    _tell(report, days)
    raise typer.Exit(code=bool(report.breaches))


@app.command()
def soak(
    hours: float = 0.05,
    seeds: Annotated[int | None, typer.Option(min=1, help="so many, however long they take")] = None,
    cores: Cores = 1,
    days: Days = MONTH / DAY,
    begin: int = 0,
) -> None:
    """Play one fresh random seed after the other for so long, or so many of them, and say what was seen.

    A seed that breaks a law is told as soon as it is over.
    """
    first = begin or time.time_ns() // 1_000_000
    until = time.monotonic() + hours * 3600
    chosen = map(str, range(first, first + seeds)) if seeds else _seeds(first, until)
    total = Total()
    for report in spread(played, ((name, days) for name in chosen), cores):
        total.add(report, days)
    if not total.runs:
        raise typer.BadParameter("there was no time for a single seed", param_hint="--hours")
    print(f"seeds {first} to {first + total.runs - 1}: {total.runs} of {days:g} days")
    total.tell()
    raise typer.Exit(code=bool(total.broken))


def _seeds(first: int, until: float) -> Iterator[str]:
    number = first
    while time.monotonic() < until:
        yield str(number)
        number += 1


def spread[A, R](work: Callable[[A], R], asked: Iterable[A], cores: int) -> Iterator[R]:
    """Do the work on so many cores. What is asked is taken when a core is free for it, so that it may end by time."""
    if cores == 1:
        yield from map(work, asked)
        return
    waiting = iter(asked)
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
        begun = {pool.submit(work, item) for item in itertools.islice(waiting, cores)}
        while begun:
            ended, begun = wait(begun, return_when=FIRST_COMPLETED)
            for future in ended:
                begun |= {pool.submit(work, one) for one in itertools.islice(waiting, 1)}
                yield future.result()


@app.command()
def bite(
    seeds: int = 12,
    days: Days = MONTH / DAY,
    law: Annotated[list[int] | None, typer.Option(help="only this one; may be given several times")] = None,
) -> None:
    """Play seeds until one breaks a law, or one of these laws: what planted bugs are caught by."""
    for seed in range(1, seeds + 1):
        report = Play(str(seed), seconds=days * DAY).run()
        if not report.breaches:
            continue
        if law and report.breaches[0].law not in law:
            print(f"(seed {seed} broke law {report.breaches[0].law}, which is not asked for)")
            continue
        _tell(report, days)
        raise typer.Exit(code=1)


@app.command()
def crashes(
    share: Annotated[int, typer.Option(min=1)] = 1,
    story: Annotated[list[str] | None, typer.Option(help="only this one; may be given several times")] = None,
    cores: Cores = 1,
) -> None:
    """Die before and after every effect of every story (or of so many effects, one), and count them."""
    chosen = _chosen(story) if story else range(len(STORIES))
    seen = list[Told]()
    for told in _each_story(chosen, share, cores):
        seen.append(told)
        print(
            f"{told.effects:5} effects  {told.died:5} died at, before and after"
            f"  {len(told.failures)} differ  {told.story}",
            flush=True,
        )
        for line in told.failures:
            print(f"      {line}")
    total, deaths, failed = (
        sum(told.effects for told in seen),
        sum(told.died for told in seen),
        sum(len(told.failures) for told in seen),
    )
    print(
        f"{total:5} effects in {len(seen)} stories, {deaths} died at ({deaths / total:.0%}), {failed} differ"
    )
    took = sum(told.took for told in seen)
    whole = took * (2 * total + len(seen)) / (2 * deaths + len(seen))
    print(f"{took:.0f} s of the processor", end="")
    print("" if share == 1 else f"; every effect would take about {whole:.0f} s")
    if story:  # a few of them reach a few
        raise typer.Exit(code=bool(failed))
    sites = written_down()
    reached = set[Site]().union(*(told.reached for told in seen)) & sites
    print(
        f"{len(sites)} functions have an effect, {len(reached)} were reached; {len(ELSEWHERE)} elsewhere, by"
    )
    for site, test in ELSEWHERE.items():
        print(f"      {test}, in {site[0]} {site[1]}")
    unreached = sites - reached - ELSEWHERE.keys()
    for missing in sorted(unreached):
        print(f"NOT REACHED: {missing[0]} {missing[1]}")
    raise typer.Exit(code=bool(failed or unreached))


def _chosen(names: list[str]) -> list[int]:
    """The stories of these names, by their numbers, in their order."""
    known = [story.name for story in STORIES]
    if unknown := [name for name in names if name not in known]:
        raise typer.BadParameter(
            f"no story is called {', '.join(unknown)}; these are: {', '.join(known)}", param_hint="--story"
        )
    return sorted({known.index(name) for name in names})


def _each_story(chosen: Iterable[int], share: int, cores: int) -> Iterator[Told]:
    asked = [(number, share) for number in chosen]
    if cores == 1:
        yield from map(died, asked)
        return
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        yield from pool.imap(died, asked)


@app.command()
def minutes(
    story: Annotated[list[str] | None, typer.Option(help="these, not those of a day or more")] = None,
) -> None:
    """Play the stories of days minute by minute, and with what is quiet skipped: nothing may come otherwise."""
    long = [number for number, story in enumerate(STORIES) if story.minutes * MINUTE >= DAY]
    differ = 0
    for number in _chosen(story) if story else long:
        lines = skipping(STORIES[number])
        differ += bool(lines)
        print(
            f"{STORIES[number].minutes:5.0f} minutes  {len(lines)} lines differ  {STORIES[number].name}",
            flush=True,
        )
        for line in lines:
            print(f"      {line}")
    raise typer.Exit(code=bool(differ))


class Total:
    """What many runs showed."""

    def __init__(self) -> None:
        self.runs = self.broken = self.unseeable = self.wakes = 0
        self.simulated = self.took = 0.0
        self.faults: Counter[str] = Counter()
        self.hits: Counter[str] = Counter()
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
        self.hits.update({str(name): count for name, count in report.hits.items()})
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
        print("\nfaults, and how many of those that wait for a call met one")
        for name, count in _ranked(self.faults):
            met = f" ({self.hits[name]} met one)" if name in self.hits else ""
            print(f"  {count:7}  {name}{met}")
        print("\ncalls that failed, and how")
        for name, count in _ranked(self.met):
            print(f"  {count:7}  {name}")
        print("\nwhat the product did")
        for name, count in _ranked(self.effects):
            print(f"  {count:7}  {name}")
        print("\nhow often each law was asked")
        for law, text in LAWS.items():
            print(f"  {self.checks[law]:7}  {law} {text}")
        print(f"\nedits between our reading and our write, which Azure lets nobody see: {self.unseeable}")


def _ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    """The most first, and of as many by name: the same in whichever order the runs ended."""
    return sorted(counts.items(), key=lambda it: (-it[1], it[0]))


def _tell(report: Report, days: float) -> None:
    if not report.breaches:
        print(f"seed {report.seed}: {days:g} days, {sum(report.faults.values())} faults, no law broken")
        return
    breach = report.breaches[0]
    print(f"seed {report.seed} broke law {breach.law} ({LAWS[breach.law]}): {breach.text}")
    print("\n".join(report.story))
    print(f"again: .venv/bin/python -m proof replay {report.seed}", end="")
    print("" if days == MONTH / DAY else f" --days {days:g}", flush=True)


if __name__ == "__main__":
    app()
