"""The simulated world's truth: subscriptions, sites, profiles, vaults, faults, and a journal of effects.

Plain state and the rules by which it changes by itself (an app restarts, boots, breaks). The HTTP and DNS
faces in `simulator.services` read and change it; nothing here speaks HTTP, and nothing here knows the product.
"""

import ipaddress
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal, Self

from simulator.alerts import AlertRule
from simulator.artifact_hosts import HTTPS, Address, ArtifactHost, Start, start_from
from simulator.receivers import Receiver

TENANT = "11111111-2222-3333-4444-555555555555"
SUBSCRIPTION = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"

type Os = Literal["windows", "linux"]
type Plain = str | bool | int | float | None  # a setting as Resource Manager stores it: text nearly always
type EndpointKind = Literal["azureEndpoints", "externalEndpoints", "nestedEndpoints"]
type Move = Literal["deleted", "recovered"]  # what is being done with a secret
type Tls = Literal["", "broken", "expired", "other-name"]
type Tier = Literal["Free", "Shared", "Basic", "Standard", "PremiumV2", "PremiumV3", "IsolatedV2"]

# Values that anybody may read anywhere: a leak test that looked for them would find nothing but noise.
PUBLIC_WORDS = frozenset(
    {"production", "recommended", "information", "warning", "windows", "enabled", "disabled", "appservice"}
)
SHORTEST_SECRET = 6  # characters
BELOW_STANDARD = frozenset({"Free", "Shared", "Basic"})  # plans that Traffic Manager takes for stopped
PACKAGE = "WEBSITE_RUN_FROM_PACKAGE"


@dataclass(frozen=True)
class Happening:
    """One effect in the world, in the order in which it took place."""

    at: float  # the world's clock, seconds
    what: str  # settings-put, connections-put, restart, package-fetch, endpoint-patch, secret-set, probe, ...
    where: str  # a site's, profile's or vault's name
    who: str = ""  # the principal's name, or "platform"
    detail: str = ""  # never a setting's value


class ReferenceState(StrEnum):
    """Every `ResolveStatus` of the web management specification, with the `details` that go with it."""

    details: str

    def __new__(cls, value: str, details: str) -> Self:
        """A member is its value; it cannot be without details."""
        made = str.__new__(cls, value)
        made._value_ = value
        made.details = details
        return made

    INITIALIZED = "Initialized", "Key Vault reference has not been resolved yet."
    RESOLVED = "Resolved", "Reference has been successfully resolved."
    INVALID_SYNTAX = "InvalidSyntax", "Key Vault reference has invalid syntax."
    MSI_NOT_ENABLED = "MSINotEnabled", "Site has no managed identity to resolve the Key Vault reference with."
    VAULT_NOT_FOUND = "VaultNotFound", "Key Vault was not found."
    SECRET_NOT_FOUND = "SecretNotFound", "Key Vault secret was not found."
    SECRET_VERSION_NOT_FOUND = "SecretVersionNotFound", "Key Vault secret version was not found."
    ACCESS_TO_KEY_VAULT_DENIED = (
        "AccessToKeyVaultDenied",
        "Site was denied access to Key Vault reference's vault.",
    )
    OTHER_REASONS = "OtherReasons", "Key Vault reference was not able to be resolved."
    FETCH_TIMED_OUT = "FetchTimedOut", "Key Vault did not answer in time."
    UNAUTHORIZED_CLIENT = "UnauthorizedClient", "Site's identity was not accepted by Key Vault."


@dataclass
class SiteFaults:
    """What is wrong with one site, apart from its settings. Set by tests and the demo, read by the faces."""

    down: bool = False  # connections are refused: the region is lost
    flapping: float = 0.0  # seconds for which it is lost, then for as long not, and so on
    status: int | None = None  # /probe and SCEP answer this instead
    slow: float = 0.0  # seconds added to each answer
    path_gone: bool = False  # /probe answers 404; SCEP stays as it is
    scep_status: int | None = None  # only SCEP answers this; /probe stays as it is
    other_ca: bool = False  # answers GetCACert with a CA of its own
    tls: Tls = ""  # broken: no handshake succeeds; else what is wrong with the certificate
    unresolved: bool = False  # its default host name has no address
    hidden: bool = False  # its default host name has no address for anybody but Traffic Manager
    monitor_refused: bool = False  # its access restrictions do not let Traffic Manager's probes through
    stale_reads: int = 0  # after each PUT of settings so many readings of them still find the former ones
    reference_status: ReferenceState | None = None  # how its references fare, from its next start or refresh

    def lost(self, now: float) -> bool:
        """Return whether connections are refused at this time of the world's clock."""
        return self.down or (self.flapping > 0 and now % (2 * self.flapping) < self.flapping)


@dataclass
class SharedFaults:
    """What all regions stand on, and that is gone for every one of them alike."""

    key_vault: bool = False  # the vaults answer no app; the apps' own references stay unresolved
    storage: bool = False
    identity: bool = False  # Entra gives the apps no tokens


@dataclass
class Stale:
    """A section of the settings as it was before its last PUT, for so many readings more."""

    former: dict[str, Any]
    readings: int


@dataclass
class Site:
    """A web app: what Resource Manager holds, and the process with what it loaded at its last start."""

    name: str
    resource_group: str
    location: str  # as Azure displays it: "West Europe"
    os: Os
    address: str  # the loopback address that its host names resolve to
    app_settings: dict[str, Any] = field(default_factory=dict)  # each value is a `Plain`
    connection_strings: dict[str, tuple[Any, str]] = field(default_factory=dict)  # name -> (`Plain`, type)
    slot_settings: tuple[str, ...] = ()
    slot_connection_strings: tuple[str, ...] = ()
    host_names: tuple[str, ...] = ()  # custom domains
    tags: dict[str, str] = field(default_factory=dict)
    state: Literal["Running", "Stopped"] = "Running"
    tier: Tier = "PremiumV3"  # of its plan
    health_check_path: str = "/probe"
    last_modified: float = 0.0
    subscription: str = SUBSCRIPTION
    zone: str = "azurewebsites.test"
    faults: SiteFaults = field(default_factory=SiteFaults)
    stale: dict[str, Stale] = field(default_factory=dict)  # by section: appsettings, connectionstrings
    # the running process
    generation: int = 0  # starts since the world began
    boots_at: float = 0.0  # when the present process can answer
    loaded: dict[str, str] = field(default_factory=dict)  # the settings it started with
    references: dict[str, "Reference"] = field(default_factory=dict)  # as resolved at its last start
    package: Start = field(default_factory=Start)  # what it found to run at its last start
    fetched: bool = False  # it has run from a package URL

    def read_settings(self) -> dict[str, Any]:
        """The app settings, as a reader finds them."""
        return self._as_read("appsettings", self.app_settings)

    def read_connections(self) -> dict[str, tuple[Any, str]]:
        """The connection strings, as a reader finds them."""
        return self._as_read("connectionstrings", self.connection_strings)

    def _as_read(self, section: str, now: dict[str, Any]) -> dict[str, Any]:
        stale = self.stale.get(section)
        if stale is None or stale.readings <= 0:
            return now
        stale.readings -= 1
        return stale.former

    @property
    def host(self) -> str:
        """The default host name."""
        return f"{self.name}.{self.zone}"

    @property
    def id(self) -> str:
        """The ARM id."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.Web/sites/{self.name}"
        )


@dataclass(frozen=True)
class Subnet:
    """Addresses that Subnet routing gives to an endpoint: a range, or the beginning and the length of a network."""

    first: str
    last: str | None = None
    scope: int | None = None

    def range(self) -> tuple[int, int]:
        """The first and the last address as numbers. ValueError when it is neither form."""
        if self.last is not None:
            low, high = int(ipaddress.ip_address(self.first)), int(ipaddress.ip_address(self.last))
            if low > high:
                raise ValueError(f"{self.first} comes after {self.last}")
            return low, high
        length = "" if self.scope is None else f"/{self.scope}"
        network = ipaddress.ip_network(f"{self.first}{length}")
        return int(network.network_address), int(network.broadcast_address)


@dataclass
class EndpointState:
    """One endpoint of a profile; `observed` is what the prober last concluded."""

    name: str
    target_site: str = ""  # the site's name, of an Azure endpoint
    enabled: bool = True
    weight: int = 1
    priority: int = 1
    always_serve: bool = False
    headers: dict[str, str] = field(default_factory=dict)  # sent with its probes, over the profile's
    kind: EndpointKind = "azureEndpoints"
    target: str = ""  # of the other kinds: a host name or an address; of a nested profile, its DNS name
    child: str = ""  # of a nested endpoint: the other profile's ARM id, when that was given
    location: str | None = None  # None: the site's
    least_children: int = 1  # of a nested endpoint: how many endpoints are to be available there
    least_ipv4: int | None = None
    least_ipv6: int | None = None
    places: tuple[str, ...] = ()  # geoMapping
    subnets: tuple[Subnet, ...] = ()
    observed: str = "CheckingEndpoint"
    failures: int = 0  # consecutive


@dataclass
class ProfileState:
    """A Traffic Manager profile."""

    name: str
    resource_group: str
    endpoints: list[EndpointState]
    port: int = 443
    path: str = "/probe"
    protocol: str = "HTTPS"
    interval: float = 10.0
    timeout: float = 5.0
    tolerated: int = 3
    expected: tuple[tuple[int, int], ...] = ((200, 200),)  # statuses that are up, from and to
    headers: dict[str, str] = field(default_factory=dict)  # sent with its endpoints' probes
    ttl: int = 30
    routing: str = "Performance"
    enabled: bool = True
    tags: dict[str, str] = field(default_factory=dict)
    subscription: str = SUBSCRIPTION
    zone: str = "trafficmanager.test"
    relative_name: str = ""  # empty: the profile's name
    most_answers: int | None = None  # maxReturn, of MultiValue routing
    traffic_view: bool = False
    record_types: tuple[str, ...] | None = None  # allowedEndpointRecordTypes
    record_type: str | None = None

    @property
    def fqdn(self) -> str:
        """The profile's DNS name."""
        return f"{self.relative_name or self.name}.{self.zone}"

    @property
    def id(self) -> str:
        """The ARM id, with the casing that Azure answers."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.Network/trafficManagerProfiles/{self.name}"
        )


@dataclass
class Secret:
    """One version of a Key Vault secret."""

    version: str
    value: str
    created: float
    expires: float | None = None  # Unix seconds
    not_before: float | None = None  # Unix seconds
    content_type: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    enabled: bool = True
    updated: float | None = None  # Unix seconds; None: never since it was made


@dataclass(frozen=True)
class Reference:
    """A Key Vault reference among the settings, and how App Service fared with it."""

    text: str
    status: ReferenceState
    vault: str = ""
    secret: str = ""
    asked_version: str = ""  # empty: the newest
    found: Secret | None = None


@dataclass
class VaultFaults:
    """What is wrong with a vault for whoever asks its API. The apps' references are resolved all the same."""

    status: int | None = None  # answered to every request of somebody who may ask
    after_effect: bool = False  # answered after the effect took place
    lag: float = 0.0  # seconds, at speed 1, that deleting or recovering a secret takes


@dataclass
class Vault:
    """A Key Vault: secrets by name, newest version last; deleted ones are kept apart (soft delete)."""

    name: str
    secrets: dict[str, list[Secret]] = field(default_factory=dict)
    deleted: dict[str, list[Secret]] = field(default_factory=dict)
    deleted_at: dict[str, float] = field(default_factory=dict)  # when each deleted one was deleted
    moving: dict[str, tuple[Move, float]] = field(default_factory=dict)  # name -> what with it, until when
    address: str = "127.0.0.40"  # the loopback address of its host name; vaults may share one
    refused_sites: set[str] = field(default_factory=set)  # names of sites whose identity has no role here
    zone: str = "vault.azure.test"
    faults: VaultFaults = field(default_factory=VaultFaults)

    def move(self, name: str, now: float) -> Move | None:
        """What the vault is still doing with a secret; until it has, readers find nothing of that name anywhere."""
        move, until = self.moving.get(name.lower(), (None, 0.0))
        return move if now < until else None

    @property
    def host(self) -> str:
        """The vault's DNS name."""
        return f"{self.name}.{self.zone}"


@dataclass
class ArmFaults:
    """How Resource Manager misbehaves: each rule is asked with (method, path) and may answer a status."""

    rules: list[Callable[[str, str], int | None]] = field(default_factory=list)
    retry_after: int = 1  # seconds, sent with a 429 or 503
    delay: float = 0.0  # seconds before each answer
    after_effect: bool = False  # the rule's status is answered after the effect took place
    throttle: bool = False  # the documented token buckets are enforced


@dataclass
class EventFaults:
    """How Event Grid misbehaves."""

    lose: bool = False
    duplicates: int = 0
    shuffle: bool = False
    delay: float = 0.05  # seconds


@dataclass(frozen=True)
class EventSubscription:
    """Where Event Grid delivers, and in which of its two schemas."""

    url: str
    schema: Literal["EventGridSchema", "CloudEventSchemaV1_0"] = "EventGridSchema"
    site_key: Literal["name", "siteName"] = "siteName"  # the specification says one, the examples the other


@dataclass
class World:
    """Everything that is the case."""

    sites: dict[str, Site] = field(default_factory=dict)
    profiles: dict[str, ProfileState] = field(default_factory=dict)
    vaults: dict[str, Vault] = field(default_factory=dict)
    artifact_hosts: dict[str, ArtifactHost] = field(default_factory=dict)  # by DNS name
    custom_domains: dict[str, str] = field(default_factory=dict)  # custom host name -> profile name (CNAME)
    boot_seconds: float = 0.3
    speed: float = 1.0  # how many times faster Azure's own waits pass: probe intervals, TTLs, event retries
    ca_name: str = "SCEPman-Root-CA-V1"  # the CA certificate's name in the vault: a setting's value
    ca_common_name: str = "Contoso Device Root CA"  # in the certificate itself, for everybody to read
    ca_certificate: bytes = b""  # DER; set when the SCEPman hosts start
    places: dict[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # network -> where on earth it is, the narrowest first: ("US-CA", "US", "GEO-NA")
    user_metrics_keys: dict[str, str] = field(default_factory=dict)  # Traffic Manager's, by subscription
    shared: SharedFaults = field(default_factory=SharedFaults)
    receivers: dict[str, Receiver] = field(
        default_factory=dict
    )  # by what they are: teams, webhook, event-grid
    alert_rules: list[AlertRule] = field(default_factory=list)
    arm: ArmFaults = field(default_factory=ArmFaults)
    events: EventFaults = field(default_factory=EventFaults)
    journal: list[Happening] = field(default_factory=list)
    on_change: list[Callable[[Site, str], None]] = field(
        default_factory=list
    )  # (site, ChangedAppSettings|...)
    clock: Callable[[], float] = time.time
    subscriptions: dict[str, str] = field(default_factory=lambda: {SUBSCRIPTION: "Simulated subscription"})
    resource_groups: dict[str, str] = field(default_factory=dict)  # name -> location ("westeurope")

    def __post_init__(self) -> None:
        """Nothing is known yet of values that came and went."""
        self._past_values: set[str] = set()

    def add_site(self, site: Site) -> Site:
        """A site that has been running for long: its process has its settings, nothing is journalled."""
        self.sites[site.name] = site
        self.resource_groups.setdefault(site.resource_group, site.location.replace(" ", "").lower())
        site.generation += 1
        site.boots_at = site.last_modified = self.now()
        self._load(site)
        return site

    def now(self) -> float:
        """The world's clock: Unix seconds."""
        return self.clock()

    def now_utc(self) -> datetime:
        """The world's clock as a time."""
        return datetime.fromtimestamp(self.now(), UTC)

    def note(self, what: str, where: str, who: str = "platform", detail: str = "") -> None:
        """Write one happening into the journal."""
        self.journal.append(Happening(self.now(), what, where, who, detail))

    def count(self, what: str, where: str, *, since: int = 0) -> int:
        """Return how many happenings of a kind a place has seen since a journal position."""
        return sum(
            1 for happening in self.journal[since:] if happening.what == what and happening.where == where
        )

    def start(self, site: Site, who: str = "platform") -> None:
        """A process starts: it loads the settings as they are now, fetches its package, and boots."""
        site.generation += 1
        self._load(site)
        site.boots_at = self.now() + site.package.seconds + self.boot_seconds
        self.note("restart", site.name, who)
        if site.package.host:
            self.note("package-fetch", site.name, detail=site.package.outcome)

    def _load(self, site: Site) -> None:
        self.refresh_references(site)
        found = {name: one.found.value for name, one in site.references.items() if one.found}
        site.loaded = {**{name: in_environment(item) for name, item in site.app_settings.items()}, **found}
        self._past_values.update(site.loaded.values())
        site.package = self._package(site)

    def _package(self, site: Site) -> Start:
        """Return what the site runs from now on: what lies at its package URL, or the files that were deployed to it.

        To a site that has run from a URL no files were ever deployed.
        """
        url = site.loaded.get(PACKAGE, "")
        if not url.lower().startswith(("https:", "http:")):
            return Start("", "", "download", "no files were deployed here") if site.fetched else Start()
        site.fetched = True
        return start_from(self.artifact_hosts, url, site.os, self.now())

    def refresh_references(self, site: Site) -> None:
        """Ask the vaults again for every Key Vault reference of a site. The process keeps what it loaded."""
        looked_up = {
            name: self.look_up(in_environment(value), site) for name, value in site.app_settings.items()
        }
        site.references = {name: one for name, one in looked_up.items() if one}

    def restart_site(self, site: Site, who: str) -> None:
        """Somebody restarts the app; a stopped one stays stopped."""
        if site.state == "Running":
            self.start(site, who)
            self._tell(site, "Restarted")

    def platform_restart(self, site: Site) -> None:
        """The platform moves the app to another machine, as it does about every two weeks. No event tells it."""
        if site.state == "Running":
            self.start(site)

    def stop_site(self, site: Site, who: str) -> None:
        """Somebody stops the app."""
        site.state = "Stopped"
        self.note("stop", site.name, who)
        self._tell(site, "Stopped")

    def start_site(self, site: Site, who: str) -> None:
        """Somebody starts a stopped app. No event is documented for it."""
        if site.state == "Stopped":
            site.state = "Running"
            self.start(site, who)

    def _tell(self, site: Site, action: str) -> None:
        for tell in self.on_change:
            tell(site, action)

    def put_app_settings(self, site: Site, values: Mapping[str, Plain], who: str) -> None:
        """Replace all app settings; the platform restarts the app and raises ChangedAppSettings."""
        for kept in (site.app_settings, values):
            self._past_values.update(in_environment(entry) for entry in kept.values())
        site.stale["appsettings"] = Stale(site.app_settings, site.faults.stale_reads)
        site.app_settings = dict(values)
        self._settings_changed(site, "settings-put", who)
        self._tell(site, "ChangedAppSettings")

    def put_connection_strings(self, site: Site, values: Mapping[str, tuple[Plain, str]], who: str) -> None:
        """Replace all connection strings; the app restarts, and no event is documented for it."""
        for kept in (site.connection_strings, values):
            self._past_values.update(in_environment(value) for value, _ in kept.values())
        site.stale["connectionstrings"] = Stale(site.connection_strings, site.faults.stale_reads)
        site.connection_strings = dict(values)
        self._settings_changed(site, "connections-put", who)

    def _settings_changed(self, site: Site, what: str, who: str) -> None:
        site.last_modified = self.now()
        self.note(what, site.name, who)
        if site.state == "Running":
            self.start(site)

    def edit(self, site: Site, changes: dict[str, str | None], who: str = "a person") -> None:
        """What somebody does in the portal: read all, change some (None deletes), save all."""
        values = {**site.app_settings, **{k: v for k, v in changes.items() if v is not None}}
        for name, value in changes.items():
            if value is None:
                values.pop(name, None)
        self.put_app_settings(site, values, who)

    def resolved(self, value: str) -> str:
        """Return what the app gets for a setting: the secret behind a Key Vault reference, or the literal text."""
        found = self.look_up(value)
        return found.found.value if found and found.found else value

    def reference(self, value: str) -> tuple[str, Secret | None] | None:
        """(secret name, the version it stands for or None) when the value is a reference that can be read."""
        found = self.look_up(value)
        return (
            None
            if found is None or found.status is ReferenceState.INVALID_SYNTAX
            else (found.secret, found.found)
        )

    def look_up(self, value: str, site: Site | None = None) -> Reference | None:
        """Return what App Service makes of a setting that looks like a Key Vault reference; None for any other."""
        if not value.startswith("@Microsoft.KeyVault("):
            return None
        named = _vault_and_secret(value)
        if named is None:
            return Reference(value, ReferenceState.INVALID_SYNTAX)
        vault_name, secret, version = named
        status, found = self._fetch(vault_name, secret, version, site)
        return Reference(value, status, vault_name, secret, version, found)

    def _fetch(
        self, vault_name: str, secret: str, version: str, site: Site | None
    ) -> tuple[ReferenceState, Secret | None]:
        forced = site.faults.reference_status if site else None
        if forced and forced is not ReferenceState.RESOLVED:
            return forced, None
        vault = next(
            (vault for vault in self.vaults.values() if vault.name.lower() == vault_name.lower()), None
        )
        if vault is None:
            return ReferenceState.VAULT_NOT_FOUND, None
        if site and self.shared.key_vault:
            return ReferenceState.FETCH_TIMED_OUT, None
        if site and site.name in vault.refused_sites:
            return ReferenceState.ACCESS_TO_KEY_VAULT_DENIED, None
        versions = next((v for name, v in vault.secrets.items() if name.lower() == secret.lower()), [])
        if not versions:
            return ReferenceState.SECRET_NOT_FOUND, None
        wanted = [one for one in versions if version in ("", one.version)]
        return (
            (ReferenceState.RESOLVED, wanted[-1])
            if wanted
            else (ReferenceState.SECRET_VERSION_NOT_FOUND, None)
        )

    def monitor_status(self, profile: ProfileState, endpoint: EndpointState) -> str:
        """The endpoint's `endpointMonitorStatus`: what was configured wins over what was observed."""
        if not endpoint.enabled:
            return "Disabled"
        if not profile.enabled:
            return "Inactive"
        if endpoint.kind == "nestedEndpoints":
            return self._nested_status(endpoint)
        if endpoint.kind == "externalEndpoints":
            return "Unmonitored" if endpoint.always_serve else endpoint.observed
        site = self.sites.get(endpoint.target_site)
        if site is None or site.state == "Stopped" or site.tier in BELOW_STANDARD:
            return "Stopped"
        return "Unmonitored" if endpoint.always_serve else endpoint.observed

    def _nested_status(self, endpoint: EndpointState) -> str:
        """Return what the other profile's endpoints make of it; a profile elsewhere is not known yet."""
        child = self.child_of(endpoint)
        if child is None:
            return "CheckingEndpoint"
        if self.profile_status(child) in {"Disabled", "Inactive"}:
            return "Stopped"
        online, checked = [], []
        for item in child.endpoints:
            status = self.monitor_status(child, item)
            online += [item] if status in {"Online", "Unmonitored"} else []
            checked += [item] if status in {"Online", "Unmonitored", "CheckingEndpoint"} else []
        if _are_enough(online, endpoint):
            return "Online"
        return "CheckingEndpoint" if _are_enough(checked, endpoint) else "Degraded"

    def child_of(self, endpoint: EndpointState) -> ProfileState | None:
        """The profile that a nested endpoint leads to."""
        wanted = {endpoint.child.lower(), endpoint.target.lower()} - {""}
        if endpoint.kind != "nestedEndpoints":
            return None
        return next(
            (
                profile
                for profile in self.profiles.values()
                if {profile.id.lower(), profile.fqdn.lower()} & wanted
            ),
            None,
        )

    def site_of(self, endpoint: EndpointState) -> Site | None:
        """The site that an endpoint's probes come to, and its devices."""
        if endpoint.kind == "azureEndpoints":
            return self.sites.get(endpoint.target_site)
        wanted = endpoint.target.lower()
        return next(
            (site for site in self.sites.values() if wanted in {site.host, site.address, *site.host_names}),
            None,
        )

    def target_of(self, endpoint: EndpointState) -> str | None:
        """The host name or address that an endpoint leads to."""
        if endpoint.kind == "azureEndpoints":
            site = self.sites.get(endpoint.target_site)
            return site.host if site else None
        child = self.child_of(endpoint)
        return child.fqdn if child else endpoint.target or None

    def profile_status(self, profile: ProfileState) -> str:
        """The profile's `profileMonitorStatus`, which follows from its endpoints."""
        seen = {self.monitor_status(profile, endpoint) for endpoint in profile.endpoints}
        if not profile.enabled:
            return "Disabled"
        if seen <= {"Disabled", "Stopped", "Inactive"}:
            return "Inactive"
        if "Degraded" in seen:
            return "Degraded"
        return "Online" if seen & {"Online", "Unmonitored"} else "CheckingEndpoints"

    def secrets_in_use(self) -> frozenset[str]:
        """Every value that settings, connection strings and vault secrets hold or ever held, as far as known.

        Values shorter than 6 characters, plain numbers and truth values, and what is public by its nature
        (host names, the tenant's and subscriptions' ids) are left out: finding them proves nothing.
        """
        values = self._past_values | {receiver.secret for receiver in self.receivers.values()}
        for site in self.sites.values():
            values.update(
                in_environment(app_setting)
                for app_setting in (*site.app_settings.values(), *site.loaded.values())
            )
            values.update(in_environment(value) for value, _ in site.connection_strings.values())
        for vault in self.vaults.values():
            for versions in (*vault.secrets.values(), *vault.deleted.values()):
                values.update(one.value for one in versions)
        public = self._public()
        return frozenset(
            value
            for value in values
            if _worth_hiding(value) and value.lower() not in public and not self._is_public_package(value)
        )

    def _is_public_package(self, value: str) -> bool:
        """Whether a value is the address of a file that anybody may fetch. One with a query has a signature."""
        address = Address.of(value)
        host = self.artifact_hosts.get(address.host)
        return bool(host and address.scheme == "https" and not address.query and address.path in host.files)

    def _public(self) -> set[str]:
        hosts = {site.host for site in self.sites.values()} | set(self.custom_domains)
        names = hosts | {profile.fqdn for profile in self.profiles.values()}
        names |= {f"https://{name}" for name in names} | {vault.host for vault in self.vaults.values()}
        names |= {*PUBLIC_WORDS, TENANT, *self.subscriptions, *self.sites, *self.profiles, *self.vaults}
        return {name.lower() for name in names}

    def use_port(self, port: int) -> None:
        """What is at port 443 moves to one that needs no privilege: Traffic Manager's probes and package URLs."""
        for profile in self.profiles.values():
            profile.port = port if profile.port == HTTPS else profile.port
        moved = {host.url(path): host for host in self.artifact_hosts.values() for path in host.files}
        for host in self.artifact_hosts.values():
            host.port = port
        for site in self.sites.values():
            for settings in (site.app_settings, site.loaded):
                if there := moved.get(settings.get(PACKAGE, "")):
                    settings[PACKAGE] = there.url(Address.of(settings[PACKAGE]).path)

    def site_by_host(self, host: str) -> Site | None:
        """The site that answers to a default host name."""
        return next((site for site in self.sites.values() if site.host == host.lower()), None)


def _are_enough(available: list[EndpointState], wanted: EndpointState) -> bool:
    """Return whether a nested endpoint has as many available endpoints as it wants, of each kind of address."""
    versions = [ip_version(endpoint.target) for endpoint in available]
    return (
        len(available) >= wanted.least_children
        and versions.count(4) >= (wanted.least_ipv4 or 0)
        and versions.count(6) >= (wanted.least_ipv6 or 0)
    )


def ip_version(target: str) -> int | None:
    """4 or 6 of an address, None of a name."""
    try:
        return ipaddress.ip_address(target).version
    except ValueError:
        return None


def new_version() -> str:
    """A secret version as Key Vault makes them: 32 hexadecimal digits."""
    return uuid.uuid4().hex


def in_environment(value: Plain) -> str:
    """What an app finds in its environment: text. Null is no text, and .NET writes truth values with a capital."""
    return "" if value is None else str(value)


def _worth_hiding(value: str) -> bool:
    return len(value) >= SHORTEST_SECRET and not value.replace(".", "").replace("-", "").isdigit()


def _vault_and_secret(value: str) -> tuple[str, str, str] | None:
    """(vault, secret, version or "") of a reference in either spelling; None when it is neither."""
    inner = value.removeprefix("@Microsoft.KeyVault(").removesuffix(")")
    fields = dict(part.strip().split("=", 1) for part in inner.split(";") if "=" in part)
    if not value.endswith(")"):
        return None
    if uri := fields.get("SecretUri"):
        host, _, path = uri.removeprefix("https://").partition("/")
        kind, _, rest = path.rstrip("/").partition("/")
        secret, _, version = rest.partition("/")
        return (host.split(".")[0], secret, version) if kind == "secrets" and secret else None
    vault, secret = fields.get("VaultName", ""), fields.get("SecretName", "")
    return (vault, secret, fields.get("SecretVersion", "")) if vault and secret else None
