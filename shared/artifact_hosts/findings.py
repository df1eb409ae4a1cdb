"""Findings about a group's packages that Counterpart leaves to an operator. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from shared.artifact_hosts.catalogue import Catalogue
from shared.artifact_hosts.choose import KNOWN, Choice, Exhausted, Held, Rotate, Scene, places
from shared.artifact_hosts.compare import Relation, compare
from shared.artifact_hosts.model import SETTING, Finding, HostState, Origin, Packages, Rules, Use
from shared.groups.model import Os
from shared.words import moment

SIGNATURE_ENDS = timedelta(days=14)  # before which it is told


def skew(uses: Sequence[Use], systems: Mapping[str, Os]) -> str | None:
    """Return how regions differ in what they run; empty when they do not, None when it is not known.

    Versions are compared wherever home pages tell them. Packages are compared between regions of one operating
    system only, as the files for two systems need not be the same.
    """
    told = {use.region: use.running.version for use in uses if use.running.version}
    if len(set(told.values())) > 1:
        return ", ".join(f"{region} runs {version}" for region, version in sorted(told.items()))
    if len(told) == len(uses):
        return ""
    known = {use.region: use.running.package for use in uses if use.running.package}
    for system in Os:
        alike = {region: package for region, package in known.items() if systems.get(region) is system}
        if len({package.digest for package in alike.values()}) > 1:
            return ", ".join(
                f"{region} got package {package.short}" for region, package in sorted(alike.items())
            )
    one_system = len({systems.get(use.region) for use in uses}) == 1
    return "" if one_system and len(known) == len(uses) else None


def findings(
    row: Packages, scene: Scene, choices: Sequence[Choice], catalogue: Catalogue, rules: Rules
) -> tuple[Finding, ...]:
    """Everything, the gravest first."""
    found = [
        *_of_settings(scene, catalogue, rules, _seen_to(row, choices)),
        *_of_signatures(scene),
        *_of_choices(choices),
        *_of_skew(row, scene.now, rules),
        *_of_locations(scene),
        *_of_neighbours(scene, rules),
        *_of_twins(scene, catalogue, rules),
    ]
    return tuple(sorted(found, key=lambda it: it.severity))


def _of_choices(choices: Sequence[Choice]) -> Iterator[Finding]:
    for choice in choices:
        if isinstance(choice, Exhausted):
            kind, would = ("no-trusted-host", "may") if choice.unsure else ("no-package-host", "would")
            yield Finding(
                kind=kind,
                severity=2,
                region=choice.region,
                text=f"the next restart of {choice.region} {would} take it down: {choice.reason}",
                way_out="do not restart, scale out or write settings there until a host is up",
            )
        elif isinstance(choice, Held):
            yield Finding(
                kind="rotation-held",
                severity=2,
                region=choice.region,
                text=choice.reason,
                way_out=choice.way_out,
            )


def _seen_to(row: Packages, choices: Sequence[Choice]) -> frozenset[str]:
    """The regions of a host that is down about which something is done or told already."""
    moved = {row.flight.region} if row.flight else set[str]()
    return frozenset(moved | {choice.region for choice in choices if isinstance(choice, Rotate | Exhausted)})


def _of_settings(
    scene: Scene, catalogue: Catalogue, rules: Rules, seen_to: frozenset[str]
) -> Iterator[Finding]:
    """Package settings that lead to no package: what keeps a region down, or will at its next start.

    A place of the catalogue is not the setting's fault: the choices say what becomes of its region.
    """
    for use in scene.uses:
        location = use.location
        is_down = use.region in scene.down
        is_broken = location is not None and location.origin is Origin.BROKEN
        if (
            location is None
            or not (is_broken or (is_down and use.region not in seen_to and location.origin not in KNOWN))
            or scene.state(location, rules) is not HostState.DOWN
            or not scene.problem(location)  # it answers again, and is only not relied on yet
        ):
            continue
        why = (
            scene.problem(location)
            if is_broken
            else f"{SETTING} leads to {location}: {scene.problem(location)}"
        )
        rotate = f"counterpart package rotate --region {use.region} --reason TEXT"
        alone = f"set {SETTING} of {use.region} to a URL that serves the package"
        yield Finding(
            kind="package-setting",
            severity=2 if is_down else 3,
            region=use.region,
            text=f"{use.region} {'is down and cannot start' if is_down else 'would not start again'}: {why}",
            way_out=rotate if places(use, scene, catalogue) else alone,
        )


def _of_signatures(scene: Scene) -> Iterator[Finding]:
    for use in scene.uses:
        until = use.signature_until
        if until is not None and until - scene.now < SIGNATURE_ENDS:
            ended = until <= scene.now
            yield Finding(
                kind="signature-ends",
                severity=2 if ended else 3,
                region=use.region,
                text=f"the signature of {use.region}'s package URL {'ended' if ended else 'ends'} {moment(until)}",
                way_out=f"put a URL with a longer shared access signature into {SETTING} of {use.region}",
            )


def _of_skew(row: Packages, now: datetime, rules: Rules) -> Iterator[Finding]:
    if row.skew_since is None or now - row.skew_since < timedelta(seconds=rules.skew_after):
        return
    yield Finding(
        kind="version-skew",
        severity=3,
        text=f"regions differ since {row.skew_since:%Y-%m-%d %H:%M} UTC: {_said(row)}",
        way_out="counterpart package restart --ordered --reason TEXT",
    )


def _said(row: Packages) -> str:
    return ", ".join(f"{use.region}: {runs(use)}" for use in row.uses)


def runs(use: Use) -> str:
    """Return what a region runs, in words."""
    if use.running.version:
        return f"version {use.running.version}"
    if use.running.package and use.running.package_at:
        return f"package {use.running.package.short} since {use.running.package_at:%Y-%m-%d %H:%M} UTC"
    return "not known: its home page tells no version, and no restart was seen"


def _of_locations(scene: Scene) -> Iterator[Finding]:
    for use in scene.uses:
        if use.location is not None and use.location.origin is Origin.RETIRED:
            yield Finding(
                kind="retired-host",
                severity=3,
                region=use.region,
                text=f"{use.region} takes its package from a host that the vendor shut down in December 2024",
                way_out=f"counterpart package rotate --region {use.region} --force --reason TEXT",
            )


def _of_neighbours(scene: Scene, rules: Rules) -> Iterator[Finding]:
    """Regions that share a host: one outage would meet both."""
    on = Counter(use.location.host for use in scene.uses if use.location)
    for host, count in on.items():
        if count > 1 and count == len(scene.uses):
            states = {
                scene.state(use.location, rules)
                for use in scene.uses
                if use.location and use.location.host == host
            }
            yield Finding(
                kind="one-host",
                severity=3,
                text=f"all {count} regions take their packages from {host}, which is {', '.join(sorted(states))}",
                way_out="none while no second host is up with the same package; see `counterpart package status`",
            )


def _of_twins(scene: Scene, catalogue: Catalogue, rules: Rules) -> Iterator[Finding]:
    """Two hosts that are up and do not serve the same: a rotation would change the version, or be held."""
    said: set[frozenset[str]] = set()
    for use in scene.uses:
        here = scene.watches.get(use.location.id) if use.location else None
        if use.location is None or here is None:
            continue
        for twin in catalogue.twins(use.location, scene.systems[use.region]):
            there = scene.watches.get(twin.id)
            pair = frozenset({use.location.id, twin.id})
            up = scene.state(use.location, rules) is scene.state(twin, rules) is HostState.UP
            if there is None or pair in said or not up:
                continue
            said.add(pair)
            seen = compare(there.package, here.package)
            since = max(
                (watch.served[-1].since for watch in (here, there) if watch.served), default=scene.now
            )
            if seen.relation is not Relation.EQUAL and scene.now - since >= timedelta(
                seconds=rules.skew_after
            ):
                yield Finding(
                    kind="hosts-differ",
                    severity=3,
                    text=f"{twin} and {use.location} have not served the same package for long: {seen.how}",
                    way_out="ask the host's operator; a rotation between them waits for a person",
                )
