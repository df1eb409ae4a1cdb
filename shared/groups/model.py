"""Nouns of a group: profile, region, health, and settings whose values stay masked. No decisions, no effects."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NoReturn

import msgspec

from shared.ages import age, is_ahead


class Os(StrEnum):
    """The operating system of a site's workers, which decides how nested setting names are spelled."""

    WINDOWS = "windows"
    LINUX = "linux"


class MonitorStatus(StrEnum):
    """`endpointMonitorStatus` as Traffic Manager reports it (azure-mgmt-trafficmanager 2.0.0)."""

    CHECKING = "CheckingEndpoint"
    ONLINE = "Online"
    DEGRADED = "Degraded"
    DISABLED = "Disabled"
    INACTIVE = "Inactive"
    STOPPED = "Stopped"
    UNMONITORED = "Unmonitored"
    UNKNOWN = "Unknown"  # a value this version does not know


type Headers = tuple[tuple[str, Value], ...]  # what a header says may be a key to the app


class Endpoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One endpoint of a profile, as Traffic Manager told it."""

    name: str
    type: str  # azureEndpoints, externalEndpoints or nestedEndpoints
    target_id: str  # ARM id of the target, empty for external endpoints
    target: str  # DNS name of the target
    location: str
    enabled: bool
    status: MonitorStatus
    weight: int | None = None
    priority: int | None = None
    always_serve: bool = False  # answered without being probed
    headers: Headers = ()  # sent with its probes, over the profile's
    geo_mapping: tuple[str, ...] = ()  # places by Geographic routing: WORLD, GEO-EU, DE, US-CA


class Nesting(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint of another profile that leads to this one, and how many endpoints it wants available here."""

    profile: str  # the other profile's name
    endpoint: str
    least: int = 1  # minChildEndpoints
    least_ipv4: int = 0
    least_ipv6: int = 0


type StatusRanges = tuple[tuple[int, int], ...]  # from and to, both included

ONLY_200: Final[StatusRanges] = ((200, 200),)


class Monitor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Traffic Manager's probe configuration: seconds, counts, target, and expected answers."""

    protocol: str  # HTTP, HTTPS or TCP
    port: int
    path: str
    interval: int
    timeout: int
    tolerated_failures: int
    expected: StatusRanges = ONLY_200
    headers: Headers = ()  # sent with every endpoint's probes


class ProbeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One probe, by the profile's own criteria."""

    protocol: str = "HTTPS"  # HTTP, HTTPS or TCP
    port: int = 443
    path: str = "/probe"
    headers: Headers = ()
    expected: StatusRanges = ONLY_200


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One Traffic Manager profile with its endpoints: one read of Resource Manager."""

    id: str
    name: str
    enabled: bool
    routing: str
    fqdn: str
    ttl: int  # seconds
    monitor: Monitor
    endpoints: tuple[Endpoint, ...]
    tags: tuple[tuple[str, str], ...] = ()
    nested_in: tuple[Nesting, ...] = ()  # of the profiles in the same subscription


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """A web app's own facts."""

    id: str
    host: str  # the default host name
    os: Os
    running: bool
    sku: str = ""  # the tier of its plan as the site's own facts say it, when they do


class Region(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint with the web app that it targets. `name` is the endpoint's name."""

    name: str
    location: str
    site_id: str
    host: str
    os: Os


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The App Services behind one profile; `id` is the profile's ARM id, `name` the profile's name."""

    id: str
    name: str
    profile: Profile
    regions: tuple[Region, ...]
    read_at: datetime | None = None  # when Traffic Manager was asked, where that is known
    missing: tuple[str, ...] = ()  # regions whose endpoint this answer leaves out, which is no proof yet
    outdated: bool = False  # a later answer had other regions

    def region(self, name: str) -> Region | None:
        """The region of that name, in any case."""
        return next((region for region in self.regions if region.name.lower() == name.lower()), None)


class Fault(StrEnum):
    """The kind of a probe's failure, where it is more than a status: evidence for the classification."""

    NONE = ""
    NAME = "name"  # the host name does not resolve
    TLS = "tls"  # no TLS connection, or a certificate that is not valid for the name
    SILENT = "silent"  # nobody answered, or not in time
    REDIRECT = "redirect"
    PACKAGE = "package"  # App Service's own page: it could not get the app's package
    OTHER = "other"


class ProbeResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The result of one probe, mostly a GET of the probe path. Never raised: a failure is a result too."""

    at: datetime
    status: int | None = None  # HTTP status; None when there was no answer
    problem: str = ""  # why there was no answer
    fault: Fault = Fault.NONE
    millis: int = 0
    expected: StatusRanges = ONLY_200  # what the profile takes for good
    connected: bool = False  # of a TCP probe: the connection came about, which is all it asks

    @property
    def ok(self) -> bool:
        """Return whether the app works by the profile's own criteria (SCEPman: 200 is up, 5xx is not)."""
        return self.connected or (self.status is not None and is_expected(self.status, self.expected))


def is_expected(status: int, ranges: StatusRanges) -> bool:
    """Return whether a status lies in one of the ranges."""
    return any(least <= status <= most for least, most in ranges)


class ScepProof(msgspec.Struct, frozen=True, kw_only=True):
    """The answers of GetCACaps and GetCACert on a region's own host name."""

    at: datetime
    ca_sha256: str = ""  # of the CA certificate's DER, lower-case hexadecimal
    spki_sha256: str = ""  # of its public key
    capabilities: tuple[str, ...] = ()
    registration_authorities: tuple[str, ...] = ()  # SHA-256 each; they may differ between servers of one CA
    subject: str = ""  # of the CA certificate, RFC 4514
    not_after: datetime | None = None  # of the CA certificate
    remarks: tuple[str, ...] = ()  # what is odd and no failure, such as an answer only without `message`
    problem: str = ""  # why there is no proof

    @property
    def ok(self) -> bool:
        """Return whether the region answered with a CA certificate."""
        return bool(self.ca_sha256) and not self.problem


class NameAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of one DNS server for the profile's name, at one moment."""

    at: datetime
    names: tuple[str, ...] = ()  # the aliases that were followed, the last one first asked for an address
    addresses: tuple[str, ...] = ()
    problem: str = ""  # why there is no answer

    def leads_to(self, host: str) -> bool:
        """Return whether the answer goes by way of this host name."""
        return host.lower() in {name.lower().rstrip(".") for name in self.names}


class State(StrEnum):
    """A region's health: a refuge, surely not serving, or anything between."""

    HEALTHY = "healthy"
    DOWN = "down"
    UNKNOWN = "unknown"


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The judgement on one region with what it rests on."""

    state: State
    at: datetime  # of the youngest evidence
    since: datetime  # when the region came into this state
    reason: str
    probe: ProbeResult | None = None
    scep: ScepProof | None = None
    monitor: MonitorStatus = MonitorStatus.UNKNOWN
    monitored_at: datetime | None = None  # when Traffic Manager was asked, where that is known
    at_odds_since: datetime | None = (
        None  # since when one of our probe and Traffic Manager's fails, the same one
    )

    @property
    def as_of(self) -> datetime:
        """When the oldest was seen of what the state rests on."""
        return min(self.at, self.monitored_at or self.at)

    def age(self, now: datetime) -> timedelta:
        """Return the age of the oldest evidence of the state; older than anything when some is from the future."""
        return timedelta.max if self.is_ahead(now) else age(self.as_of, now)

    def is_ahead(self, now: datetime) -> bool:
        """Return whether any of it is dated later than now: then it is no evidence."""
        looks = [probe_result.at for probe_result in (self.probe, self.scep) if probe_result is not None]
        times = (self.at, self.since, self.monitored_at or self.at, *looks)
        return any(is_ahead(time, now) for time in times)


class Standing(StrEnum):
    """The state of a region towards devices, as incidents see it: wider than being a healthy peer."""

    SERVING = "serving"  # Traffic Manager answers with it, and it works
    FAILING = "failing"  # one witness says that it does not work: our own look, or Traffic Manager
    DOWN = "down"  # both say so, or Traffic Manager has taken it out as stopped
    OUT = "out"  # taken out of service on purpose
    UNSURE = "unsure"  # nothing to say yet


class Cause(StrEnum):
    """The cause of a region's or the service's failure. `classify.TABLE` gives the evidence and meaning of each."""

    ONE_REGION = "one-region"
    SHARED = "shared-dependency"
    ARTIFACT_HOST = "artifact-host"
    AUTHORITY = "ca-mismatch"
    TLS_OR_NAME = "tls-or-host-name"
    PROBE_PATH = "probe-path"
    STOPPED = "stopped"
    SETTINGS_CHANGE = "settings-change"
    UNKNOWN = "unknown"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The cause of a failure with its evidence: a sentence for each region's probe and proof."""

    cause: Cause
    evidence: tuple[str, ...] = ()


class Json(str):
    """The JSON of a setting that is no text, as Resource Manager gave it: `null`, `true`, `1.10`.

    It equals no text: the number 1 is another value than the text "1", and null another one than "".
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Json) and str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(str(self))


_BROKEN = re.compile("[\ud800-\udfff]")


def is_broken(text: str) -> bool:
    """Return whether half of a character (a lone surrogate) is in the text: JSON can say it, UTF-8 cannot."""
    return _BROKEN.search(text) is not None


class Value:
    """A setting's value: usable, comparable, and never shown, logged or encoded (law 4)."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text: Final = text

    def reveal(self) -> str:
        """Return the text, for what reads it and the fingerprint that hides it. Null reads as no text."""
        return "" if self._text == Json("null") else str(self._text)

    @property
    def raw(self) -> str:
        """Return the value as it was read: a text, or the `Json` of what is none."""
        return self._text

    @property
    def json(self) -> str:
        """Return the JSON that says this value, the same as was read; in ASCII, so that any text can be sent."""
        return str(self._text) if isinstance(self._text, Json) else json.dumps(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Value) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Value(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a setting's value does not leave the process")


class ConnectionString(msgspec.Struct, frozen=True):
    """A connection string: its masked value and its type as Azure spells it (SQLAzure, Custom, ...).

    Without a type it is no pair of the two, and the value is the whole entry as it was read.
    """

    value: Value
    type: str


class AppSettings(Mapping[str, Value]):
    """All app settings of one site, by their names as the site spells them. Values stay masked."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values: Final = dict(values)

    def __getitem__(self, name: str) -> Value:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"AppSettings({len(self)} values, masked)"


class RegionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one site that Counterpart keeps in step: app settings and connection strings of production."""

    app: AppSettings
    connections: Mapping[str, ConnectionString]


# What App Service says of a Key Vault reference (`ResolveStatus` of the web management specification): whether the
# app has the secret, None when that is not known yet, and the words for people.
_REFERENCE_STATUS: Final[Mapping[str, tuple[bool | None, str]]] = {
    "resolved": (True, "the app has the secret"),
    "initialized": (None, "App Service has not looked it up yet"),
    "invalidsyntax": (False, "its text is no valid reference"),
    "msinotenabled": (False, "the app has no managed identity"),
    "vaultnotfound": (False, "there is no such vault"),
    "secretnotfound": (False, "there is no such secret in the vault"),
    "secretversionnotfound": (False, "the secret has no such version"),
    "accesstokeyvaultdenied": (False, "the vault does not let the app's identity read it"),
    "otherreasons": (False, "App Service names no cause"),
    "fetchtimedout": (False, "the vault did not answer App Service in time"),
    "unauthorizedclient": (False, "the app's identity was not accepted"),
}


class ReferenceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The status of one Key Vault reference, as App Service reports it."""

    name: str
    status: str  # Resolved, Initialized, SecretNotFound, ... (facts: section 9)

    @property
    def resolved(self) -> bool | None:
        """Return whether the app got the secret rather than the literal reference. None: not known, or not yet."""
        return self._read[0]

    @property
    def words(self) -> str:
        """Return what is so, for people."""
        return self._read[1]

    @property
    def _read(self) -> tuple[bool | None, str]:
        unknown = (None, "App Service answers with a status that Counterpart does not know")
        return _REFERENCE_STATUS.get(self.status.lower(), unknown)
