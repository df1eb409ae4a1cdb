"""Nouns of artifact_hosts: locations, packages, checks, and the rows that remember them.

No package URL is in any of them, as one may carry a signature (law 4): a location stands for it by name.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

import msgspec

from shared.absence import Absence
from shared.groups.model import Os
from shared.groups.soak import Start

HOSTS = "artifact-hosts"  # begins the keys of the rows that hold the checks of hosts, which all groups share
SETTING = "WEBSITE_RUN_FROM_PACKAGE"  # App Service reads it in any capitals


class Origin(StrEnum):
    """The way in which Counterpart knows a location."""

    CATALOGUE = "catalogue"  # a host of the vendor's, with the vendor's file names
    LISTED = "listed"  # an operator's own, named in the configuration
    UNLISTED = "unlisted"  # found in a site's settings, and nowhere else
    RETIRED = "retired"  # a host that the vendor has shut down
    BROKEN = "broken"  # none: the setting is missing, empty, or no URL, where it should be one


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """One package file at one host. `id` is readable, and part of a store key; it holds no URL."""

    id: str
    host: str  # github, vendor, or the DNS name of an operator's own host
    channel: str  # prod, beta, ..., or the name that the configuration gives to twins
    os: Os | None  # None: not known, for an unlisted one
    origin: Origin

    def __str__(self) -> str:
        return f"{self.host} ({self.channel}{f', {self.os}' if self.os else ''})"


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """A package as its zip's central directory shows it: enough to recognise it, and to compare two."""

    digest: str  # of all member names, sizes and CRC-32s
    members: int
    size: int  # of the zip, in bytes
    newest: datetime | None = None  # the youngest member's date; of no known zone
    sketch: tuple[int, ...] = ()  # the smallest hashes of member names: how many names two packages share

    @property
    def short(self) -> str:
        """The beginning of the digest, for people."""
        return self.digest[:8]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one check of a location. Never raised: a failure is a result too."""

    at: datetime
    problem: str = ""  # why a start would not get this package; empty: all is well
    status: int | None = None  # of HTTP; None when there was no answer
    package: Package | None = None  # as read now; None when unchanged or unreadable
    unchanged: bool = False  # the entity tag is still the one that was known
    etag: str = ""
    certificate_until: datetime | None = None
    bytes_read: int = 0
    millis: int = 0

    @property
    def ok(self) -> bool:
        """Return whether a start would get a package there."""
        return not self.problem


class HostState(StrEnum):
    """A location's state after several checks: one bad check makes no outage."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"  # not enough checks yet, or none lately


class Glance(msgspec.Struct, frozen=True):
    """One check in a location's history."""

    at: datetime
    problem: str
    millis: int
    bytes_read: int


class Served(msgspec.Struct, frozen=True):
    """A package, and when it was first seen at a location."""

    package: Package
    since: datetime


class Watch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The row of one location: its state, its last checks, and the packages that it has served."""

    location: Location
    state: HostState
    since: datetime
    next_at: datetime
    wanted_at: datetime  # when a region was last known to use it, or to be able to
    bad: int = 0  # checks in a row
    good: int = 0
    good_since: datetime | None = None  # the first of the good checks in a row
    glances: tuple[Glance, ...] = ()  # the newest last, bounded
    etag: str = ""
    read_at: datetime | None = None  # when the directory was last read, not only asked about
    served: tuple[Served, ...] = ()  # the present package last, bounded
    certificate_until: datetime | None = None
    site_id: str = ""  # for an unlisted location: the site whose setting has the URL

    @property
    def package(self) -> Package | None:
        """Return what lay there when it was last read."""
        return self.served[-1].package if self.served else None

    @property
    def problem(self) -> str:
        """Return what the last check found wrong."""
        return self.glances[-1].problem if self.glances else "not checked yet"


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """The package that a region is known to run."""

    version: str = ""  # as its home page tells it
    version_at: datetime | None = None
    package: Package | None = None  # what its host served when it last restarted, as far as we saw
    package_at: datetime | None = None


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """The location from which one region takes its package."""

    region: str
    location: Location | None  # None: from no URL that can be watched, and `why` says so
    why: str = ""
    home: str = ""  # the host that it was moved away from when that was down; empty while it is at home
    running: Running = Running()
    signature_until: datetime | None = None  # when the URL's shared access signature ends


class Work(StrEnum):
    """The work that is done to a region here."""

    ROTATE = "rotate"
    RESTART = "restart"


class Phase(StrEnum):
    """The phase that the work is in."""

    CLAIMED = "claimed"  # decided, by one worker; whether it happened shows only at the region
    DONE = "done"  # written or restarted; being verified
    UNDOING = "undoing"  # the old URL is being put back


class Flight(msgspec.Struct, frozen=True, kw_only=True):
    """One rotation or restart of one region, from the claim to its verification or undoing. Survives its worker."""

    id: str  # the permit's id, and part of the vault copy's name
    work: Work
    phase: Phase
    region: str
    reason: str
    claimed_at: datetime
    worker: str
    worker_until: datetime  # until then only `worker` acts on a CLAIMED or UNDOING flight
    start: Start
    site: str  # the id of the region's site, in lower case
    old: Location | None = None  # for a rotation
    new: Location | None = None
    package: Package | None = None  # what the region gets, as far as it is known
    by: str = ""  # the person who asked; empty: nobody, the host was down
    copied: bool = False  # the old URL lies in Key Vault; else the catalogue has it
    done_at: datetime | None = None
    put_back_at: datetime | None = None
    copy_missing: Absence | None = None  # the vault does not find the copy of the old URL

    @property
    def copy_name(self) -> str:
        """The Key Vault secret that holds the old URL."""
        return f"counterpart-{self.id}"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An operator's order, until it is done or cannot be."""

    work: Work
    regions: tuple[str, ...]  # those still to be done, in order
    by: str
    at: datetime
    reason: str = ""
    to: str = ""  # the host to rotate to; empty: the best
    forced: bool = False  # also to an older or a different package, or to the host of another region


class Outcome(msgspec.Struct, frozen=True):
    """The outcome of the last order."""

    at: datetime
    well: bool  # all of it was done
    reason: str


class Refused(msgspec.Struct, frozen=True):
    """A package with which a region did not come back: not tried again unasked."""

    region: str
    location: str
    digest: str


class State(StrEnum):
    """The state of a group's packages. `transitions.SENTENCES` explains each."""

    WATCHING = "watching"
    ROTATING = "rotating"
    RESTARTING = "restarting"
    VERIFYING = "verifying"
    UNDOING = "undoing"
    HELD = "held"
    EXHAUSTED = "exhausted"


class Happening(msgspec.Struct, frozen=True):
    """One line of the history."""

    at: datetime
    state: State
    text: str


class Packages(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is remembered of a group's packages: one row, changed by compare-and-swap."""

    group: str
    state: State
    since: datetime
    reason: str
    uses: tuple[Use, ...] = ()
    looked_at: datetime | None = None  # when the package settings were last read
    flight: Flight | None = None
    left: tuple[Flight, ...] = ()  # rotations of regions that left the group since
    order: Order | None = None
    outcome: Outcome | None = None  # of the last order
    refused: tuple[Refused, ...] = ()
    skew_since: datetime | None = None  # when regions were first seen to run different packages
    findings: tuple[str, ...] = ()  # kinds and regions of the findings that were told already
    history: tuple[Happening, ...] = ()  # the newest last, bounded

    def shorter(self) -> Self | None:
        """Without the older half of the history; then without what only compares packages with unlike ones."""
        if len(self.history) > 1:
            return msgspec.structs.replace(self, history=self.history[len(self.history) // 2 :])
        bare = tuple(_bare(use) for use in self.uses)
        return None if bare == self.uses else msgspec.structs.replace(self, uses=bare)

    def use(self, region: str) -> Use | None:
        """One region's."""
        return next((use for use in self.uses if use.region == region), None)


def _bare(use: Use) -> Use:
    """Without the hashes of file names: who needs to know whether it is another product asks its host."""
    package = use.running.package
    if package is None or not package.sketch:
        return use
    running = msgspec.structs.replace(use.running, package=msgspec.structs.replace(package, sketch=()))
    return msgspec.structs.replace(use, running=running)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a person should know. Severity 1 is the gravest."""

    kind: str
    severity: int
    text: str
    way_out: str
    region: str = ""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Intervals, durations and permissions. Durations are in seconds."""

    check_every: float = 300.0
    soak: float = 180.0
    verify_deadline: float = 600.0
    claim: float = 90.0  # how long one worker has a write to itself; longer than a PUT's own deadline
    sweep: float = 900.0  # how often the package settings are read without a doorbell
    versions_every: float = 1800.0  # how often a home page is asked for its version
    back_after: float = 86_400.0  # a preferred host must have been well for so long
    skew_after: float = 86_400.0
    rotate: bool = True  # False: a person is asked each time
    audit_only: bool = False  # nothing is ever written or restarted
    preferred: Mapping[str, str] = {}  # region's name, lower case -> host

    @property
    def permit(self) -> timedelta:
        """The longest that one disturbance and its verification can take."""
        return timedelta(seconds=2 * self.claim + self.verify_deadline)
