"""The configuration: read once, field by field, from a mapping; every problem is named in one error.

`FIELDS` is the one list of settings: parsing, defaults, `docs/settings.md` and the tests all come from it.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from shared.artifact_hosts import catalogue
from shared.artifact_hosts import model as artifact_hosts
from shared.drills import model as drills
from shared.drills import schedule
from shared.drills.preflight import Declared
from shared.errors import SettingsError
from shared.groups.discover import Scope
from shared.groups.model import Value
from shared.groups.workflow import Looking
from shared.incidents import transitions as incidents
from shared.incidents.hold import HoldRules
from shared.settings_sync.fingerprint import FingerprintKey
from shared.settings_sync.policy import SHIPPED, Policy, compose, parse
from shared.settings_sync.transitions import Rules

_PROFILE = re.compile(
    r"/subscriptions/[0-9a-f-]{36}/resourcegroups/[^/]+/providers/microsoft\.network/trafficmanagerprofiles/[^/]+",
    re.IGNORECASE,
)
_SUBSCRIPTION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_REFERENCE = "@microsoft.keyvault("
_UNRESOLVED = (
    "is a Key Vault reference that App Service did not resolve: the secret must be there, and the app's identity "
    "must be allowed to read it and be named as the one for Key Vault references; for example, restart the app after "
    "the secret was laid in"
)
_KEY_LENGTH = 32  # characters
SYSTEM = "system"  # the resolver that everything else uses
LOOK_AFTER = 5  # samples of a drill, then its profile and regions are looked at anew
_MOST_RESOLVERS = 8  # a sample has a place for each
type _Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_LONGEST_PROBE = (
    60.0  # seconds; a permit takes no older evidence, so probing more rarely would stop all writes
)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration, converted. Slices own their policies; this composes them."""

    scope: Scope
    secret: FingerprintKey
    previous: FingerprintKey | None  # what `secret` replaces
    store: str
    vault_url: str
    arm_url: str
    ca_bundle: str
    dns_servers: tuple[str, ...]
    looking: Looking
    rules: Rules
    policy: Policy
    packages: catalogue.Catalogue
    packages_before: (
        catalogue.Catalogue
    )  # the same under the previous key, which a custom URL's id is made with
    package_rules: artifact_hosts.Rules
    package_networks: tuple[_Network, ...]
    incidents: incidents.Rules
    hold: HoldRules
    audit_only: bool
    instance: str  # empty: no lease
    drills: drills.Rules
    drill_calendar: schedule.Calendar
    drill_declared: Declared
    drill_resolvers: tuple[str, ...]  # addresses, and SYSTEM
    drill_observe: int  # seconds, where nobody says
    drill_target: int
    service_hosts: Mapping[str, str]  # group, lower case: the host name that devices use
    base_url: str  # empty: cards have no links
    teams_webhook: Value | None
    webhook: Value | None
    event_grid_topic: str  # empty: none
    inline_groups: int  # with more of them, the timer hands them out
    queue: Value | None  # where they are handed out: an endpoint or a connection string

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Convert the environment's COUNTERPART_* variables.

        Raises:
            SettingsError: something is missing or wrong; it lists everything, with an example each.
        """
        problems: list[str] = []
        found = {field.name: _convert(field, env, problems) for field in FIELDS}
        if found["COUNTERPART_PROFILES"] == found["COUNTERPART_SUBSCRIPTIONS"] == ():
            problems.append(
                "COUNTERPART_PROFILES or COUNTERPART_SUBSCRIPTIONS: one must say what to watch, for example "
                f"COUNTERPART_SUBSCRIPTIONS={_field('COUNTERPART_SUBSCRIPTIONS').example}"
            )
        if not problems:
            problems += _together(found)
        if problems:
            raise SettingsError(tuple(problems))
        return _compose(found)


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One environment variable: how to read it and how to explain it."""

    name: str
    help: str
    example: str
    convert: Callable[[str], Any]
    default: str | None = None  # as it would be written; None: required


def _convert(field: Field, env: Mapping[str, str], problems: list[str]) -> Any:
    text = env.get(field.name, "").strip() or field.default
    if text is None:
        problems.append(f"{field.name} is missing: {field.help}, for example {field.example}")
        return None
    if text.lower().startswith(_REFERENCE):
        problems.append(f"{field.name} {_UNRESOLVED}")
        return None
    try:
        return field.convert(text)
    except SettingsError as error:
        problems += [f"{field.name}: {problem}" for problem in error.problems]
    except ValueError as error:
        problems.append(f"{field.name}: {error}, for example {field.example}")
    return None


def _together(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is right by itself and wrong beside another setting."""
    least = found["COUNTERPART_SOAK"] + 2 * found["COUNTERPART_PROBE_EVERY"]
    if found["COUNTERPART_VERIFY_DEADLINE"] < least:
        yield (
            f"COUNTERPART_VERIFY_DEADLINE: {found['COUNTERPART_VERIFY_DEADLINE']:g} s is too short for the soak and "
            f"two probes, so that every write would be undone; at least {least:g} s, for example {least:g}s"
        )

    previous = found["COUNTERPART_FINGERPRINT_KEY_PREVIOUS"]
    if previous is not None and previous.id == found["COUNTERPART_FINGERPRINT_KEY"].id:
        yield (
            "COUNTERPART_FINGERPRINT_KEY_PREVIOUS: this is the key itself; leave it empty unless the key is being "
            "replaced, for example COUNTERPART_FINGERPRINT_KEY_PREVIOUS="
        )


def _field(name: str) -> Field:
    return next(field for field in FIELDS if field.name == name)


def _compose(found: Mapping[str, Any]) -> Settings:
    return Settings(
        scope=Scope(profiles=found["COUNTERPART_PROFILES"], subscriptions=found["COUNTERPART_SUBSCRIPTIONS"]),
        secret=found["COUNTERPART_FINGERPRINT_KEY"],
        previous=found["COUNTERPART_FINGERPRINT_KEY_PREVIOUS"],
        store=found["COUNTERPART_STORE"],
        vault_url=found["COUNTERPART_VAULT_URL"],
        arm_url=found["COUNTERPART_ARM_URL"],
        ca_bundle=found["COUNTERPART_CA_BUNDLE"],
        dns_servers=found["COUNTERPART_DNS_SERVERS"],
        looking=Looking(
            probe_every=found["COUNTERPART_PROBE_EVERY"],
            prove_every=found["COUNTERPART_PROVE_EVERY"],
            scep_path=found["COUNTERPART_SCEP_PATH"],
        ),
        rules=Rules(
            soak=found["COUNTERPART_SOAK"],
            soak_deadline=found["COUNTERPART_SOAK_DEADLINE"],
            verify_deadline=found["COUNTERPART_VERIFY_DEADLINE"],
            sweep=found["COUNTERPART_SWEEP"],
            revert_bad_changes=found["COUNTERPART_ON_BAD_CHANGE"],
            audit_only=found["COUNTERPART_AUDIT_ONLY"],
        ),
        policy=found["COUNTERPART_POLICY"],
        packages=_catalogue(found, found["COUNTERPART_FINGERPRINT_KEY"]),
        packages_before=_catalogue(
            found, found["COUNTERPART_FINGERPRINT_KEY_PREVIOUS"] or found["COUNTERPART_FINGERPRINT_KEY"]
        ),
        package_rules=artifact_hosts.Rules(
            check_every=found["COUNTERPART_PACKAGE_CHECK_EVERY"],
            soak=found["COUNTERPART_SOAK"],
            verify_deadline=found["COUNTERPART_VERIFY_DEADLINE"],
            sweep=found["COUNTERPART_SWEEP"],
            rotate=found["COUNTERPART_PACKAGE_ROTATE"],
            preferred=found["COUNTERPART_PACKAGE_PREFERRED"],
            audit_only=found["COUNTERPART_AUDIT_ONLY"],
        ),
        package_networks=found["COUNTERPART_PACKAGE_NETWORKS"],
        incidents=incidents.Rules(
            flap=found["COUNTERPART_FLAP_WINDOW"],
            confirm=found["COUNTERPART_CONFIRM_AFTER"],
            patience=found["COUNTERPART_CONFIRM_AFTER"] + 30.0,
            retention=found["COUNTERPART_INCIDENT_RETENTION"],
        ),
        hold=HoldRules(
            on=found["COUNTERPART_FAILBACK_HOLD"],
            soak=found["COUNTERPART_FAILBACK_SOAK"],
            step=min(120.0, found["COUNTERPART_FAILBACK_SOAK"]),
            probe_every=found["COUNTERPART_PROBE_EVERY"],
            audit_only=found["COUNTERPART_AUDIT_ONLY"],
        ),
        audit_only=found["COUNTERPART_AUDIT_ONLY"],
        instance=found["COUNTERPART_INSTANCE"],
        drills=drills.Rules(
            sample_every=found["COUNTERPART_DRILL_SAMPLE_EVERY"],
            look_every=LOOK_AFTER * found["COUNTERPART_DRILL_SAMPLE_EVERY"],
            lease=found["COUNTERPART_DRILL_GIVE_UP_AFTER"],
            retention=found["COUNTERPART_INCIDENT_RETENTION"],
        ),
        drill_calendar=schedule.Calendar(
            schedules=found["COUNTERPART_DRILL_SCHEDULE"],
            allowed=found["COUNTERPART_DRILL_WINDOWS"],
            blocked=found["COUNTERPART_DRILL_BLOCKED_WINDOWS"],
            blocked_dates=found["COUNTERPART_DRILL_BLOCKED_DATES"],
            every=found["COUNTERPART_DRILL_EVERY"],
        ),
        drill_declared=Declared(
            load=found["COUNTERPART_DRILL_LOAD"], capacity=found["COUNTERPART_DRILL_CAPACITY"]
        ),
        drill_resolvers=found["COUNTERPART_DRILL_RESOLVERS"],
        drill_observe=round(found["COUNTERPART_DRILL_OBSERVE"]),
        drill_target=round(found["COUNTERPART_DRILL_TARGET"]),
        service_hosts=found["COUNTERPART_SERVICE_HOSTS"],
        base_url=found["COUNTERPART_BASE_URL"],
        teams_webhook=found["COUNTERPART_TEAMS_WEBHOOK"],
        webhook=found["COUNTERPART_WEBHOOK"],
        event_grid_topic=found["COUNTERPART_EVENT_GRID_TOPIC"],
        inline_groups=found["COUNTERPART_INLINE_GROUPS"],
        queue=found["AzureWebJobsStorage"]
        or found["AzureWebJobsStorage__queueServiceUri"]
        or found["AzureWebJobsStorage__accountName"],
    )


# -- converters: text -> value, or ValueError with a sentence that the example completes -------------------------


def _list(pattern: re.Pattern[str], what: str) -> Callable[[str], tuple[str, ...]]:
    def convert(text: str) -> tuple[str, ...]:
        items = tuple(part for part in re.split(r"[,\s]+", text) if part)
        wrong = [item for item in items if not pattern.fullmatch(item)]
        if wrong:
            raise ValueError(f"{', '.join(wrong)} is no {what}")
        return items

    return convert


def _duration(least: float = 0.0, most: float = 86_400.0) -> Callable[[str], float]:
    def convert(text: str) -> float:
        match = _DURATION.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no duration: a number with ms, s, m, h or d")
        seconds = float(match[1]) * _UNITS[match[2]]
        if not least <= seconds <= most:
            raise ValueError(f"{text} is not between {least:g} s and {most:g} s")
        return seconds

    return convert


def _catalogue(found: Mapping[str, Any], key: FingerprintKey) -> catalogue.Catalogue:
    return catalogue.Catalogue(
        hosts=found["COUNTERPART_PACKAGE_HOSTS"],
        twins=found["COUNTERPART_PACKAGE_TWINS"],
        secret=lambda url: key.value(artifact_hosts.SETTING, url),
    )


def _previous_key(text: str) -> FingerprintKey | None:
    return _key(text) if text else None


def _key(text: str) -> FingerprintKey:
    if len(text) < _KEY_LENGTH:
        raise ValueError(f"is shorter than {_KEY_LENGTH} characters")
    return FingerprintKey(text)


def _https(text: str) -> str:
    if not re.fullmatch(r"https://[^\s/?#]+/?", text):
        raise ValueError(f"{text!r} is no https address without a path")
    return text.rstrip("/")


def _base_url(text: str) -> str:
    """An https address; or http on this machine, for a function app that somebody tries out."""
    if re.fullmatch(r"http://(localhost|127\.0\.0\.1)(:\d+)?/?", text):
        return text.rstrip("/")
    return _https(text) if text else ""


def _webhook(text: str) -> Value | None:
    """An address that is a secret: it is not repeated in the message when it is wrong."""
    if not text:
        return None
    if not re.fullmatch(r"https://[^\s/?#@]+(/[^\s#]*)?", text):
        raise ValueError("is no https address")
    return Value(text)


def _connection(text: str) -> Value | None:
    """The function app's own storage account; a secret when it is a connection string."""
    return Value(text) if text else None


def _queue_endpoint(text: str) -> Value | None:
    return Value(_https(text)) if text else None


def _account(text: str) -> Value | None:
    if not text:
        return None
    if not re.fullmatch(r"[a-z0-9]{3,24}", text):
        raise ValueError(f"{text!r} is no name of a storage account")
    return Value(f"https://{text}.queue.core.windows.net")


def _count(most: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        if not text.isdecimal() or int(text) > most:
            raise ValueError(f"{text!r} is no number from 0 to {most}")
        return int(text)

    return convert


def _topic(text: str) -> str:
    if not text:
        return ""
    match = re.fullmatch(r"(https://[^\s/?#@]+)(/api/events)?/?", text)
    if match is None:
        raise ValueError(f"{text!r} is no topic endpoint")
    return f"{match[1]}/api/events"


def _store(text: str) -> str:
    if text.startswith("sqlite:") and len(text) > len("sqlite:"):
        return text
    if text.startswith("https://") or "AccountName=" in text or text == "UseDevelopmentStorage=true":
        return text
    raise ValueError("is neither sqlite:PATH, nor a table endpoint, nor a storage connection string")


def _servers(text: str) -> tuple[str, ...]:
    return _list(
        re.compile(r"(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-fA-F:]+\])(:\d{1,5})?"), "IP address with optional port"
    )(text)


def _resolvers(text: str) -> tuple[str, ...]:
    items = [part for part in re.split(r"[,\s]+", text) if part]
    found = tuple(dict.fromkeys(item if item == SYSTEM else _servers(item)[0] for item in items))
    if not 1 <= len(found) <= _MOST_RESOLVERS:
        raise ValueError(f"{len(found)} resolvers; one at least, {_MOST_RESOLVERS} at most")
    return found


def _named[T](convert: Callable[[str], T]) -> Callable[[str], tuple[tuple[str, T], ...]]:
    """`name=value` and so on, each name once."""

    def read(text: str) -> tuple[tuple[str, T], ...]:
        found: dict[str, T] = {}
        for item in (part for part in re.split(r"[,\s]+", text) if part):
            name, equals, value = item.partition("=")
            if not equals or not name or name.lower() in found:
                raise ValueError(f"{item!r} is no name=value, or its name stands there twice")
            found[name.lower()] = convert(value)
        return tuple(found.items())

    return read


def _amount(text: str) -> float:
    if not re.fullmatch(r"\d{1,9}(\.\d{1,3})?", text) or float(text) <= 0:
        raise ValueError(f"{text!r} is no number above zero")
    return float(text)


def _host(text: str) -> str:
    if not re.fullmatch(
        r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+",
        text,
    ):
        raise ValueError(f"{text!r} is no host name")
    return text.lower()


def _hosts(text: str) -> Mapping[str, str]:
    return dict(_named(_host)(text))


def _file(text: str) -> str:
    if text and not Path(text).is_file():
        raise ValueError(f"there is no file {text}")
    return text


def _choice(yes: str, no: str) -> Callable[[str], bool]:
    def convert(text: str) -> bool:
        if text not in {yes, no}:
            raise ValueError(f"{text!r} is neither {yes} nor {no}")
        return text == yes

    return convert


def _instance(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{0,64}", text):
        raise ValueError(f"{text!r} is no name of letters, digits, - and _")
    return text


def _policy(text: str) -> Policy:
    shipped = [
        rule
        for name in SHIPPED
        for rule in parse(resources.files("shared.settings_sync").joinpath(name).read_text("utf-8"), name)
    ]
    if not text:
        return compose(shipped=shipped)
    return compose(shipped=shipped, user=parse(Path(_file(text)).read_text("utf-8"), text))


def _networks(text: str) -> tuple[_Network, ...]:
    return tuple(ipaddress.ip_network(part) for part in re.split(r"[,\s]+", text) if part)


def _path(text: str) -> str:
    if text == "none":
        return ""
    if not text.startswith("/"):
        raise ValueError(f"{text!r} is no absolute path")
    return text


FIELDS: tuple[Field, ...] = (
    Field(
        name="COUNTERPART_PROFILES",
        help="the Traffic Manager profiles to watch, as ARM ids; empty: every one tagged counterpart=managed",
        example="/subscriptions/<id>/resourceGroups/rg-scepman/providers/Microsoft.Network/trafficManagerProfiles/scepman",
        convert=_list(_PROFILE, "ARM id of a Traffic Manager profile"),
        default="",
    ),
    Field(
        name="COUNTERPART_SUBSCRIPTIONS",
        help="the subscriptions in which to look for tagged profiles",
        example="aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        convert=_list(_SUBSCRIPTION, "subscription id"),
        default="",
    ),
    Field(
        name="COUNTERPART_FINGERPRINT_KEY",
        help="the secret under which settings' values are fingerprinted; in Azure a Key Vault reference",
        example="the output of: openssl rand -base64 48",
        convert=_key,
    ),
    Field(
        name="COUNTERPART_FINGERPRINT_KEY_PREVIOUS",
        help="the secret that COUNTERPART_FINGERPRINT_KEY replaces, until every group has gone over to the new one",
        example="the value that COUNTERPART_FINGERPRINT_KEY had before",
        convert=_previous_key,
        default="",
    ),
    Field(
        name="COUNTERPART_VAULT_URL",
        help="the Key Vault that holds a peer's old values while its write is verified",
        example="https://kv-counterpart.vault.azure.net/",
        convert=_https,
    ),
    Field(
        name="COUNTERPART_STORE",
        help="where Counterpart remembers: a table endpoint, a storage connection string, or sqlite:PATH",
        example="https://stcounterpart.table.core.windows.net",
        convert=_store,
    ),
    Field(
        name="COUNTERPART_SOAK",
        help="how long a changed region must stay healthy before its change may travel",
        example="180s",
        convert=_duration(),
        default="180s",
    ),
    Field(
        name="COUNTERPART_SOAK_DEADLINE",
        help="how long after its change a region may be unhealthy before the change is contained",
        example="15m",
        convert=_duration(),
        default="15m",
    ),
    Field(
        name="COUNTERPART_VERIFY_DEADLINE",
        help="how long a written region has to prove itself before its old values are put back",
        example="10m",
        convert=_duration(),
        default="10m",
    ),
    Field(
        name="COUNTERPART_SWEEP",
        help="how often a converged group's settings are read although no event came",
        example="15m",
        convert=_duration(),
        default="15m",
    ),
    Field(
        name="COUNTERPART_ON_BAD_CHANGE",
        help="what becomes of a contained change: held for a person, or reverted at its source",
        example="revert",
        convert=_choice("revert", "hold"),
        default="hold",
    ),
    Field(
        name="COUNTERPART_POLICY",
        help="a TOML file with rules of your own for single keys, over the shipped ones",
        example="/home/site/wwwroot/policy.toml",
        convert=_policy,
        default="",
    ),
    Field(
        name="COUNTERPART_PROBE_EVERY",
        help="how often a region is probed; permits take no evidence older than a minute",
        example="60s",
        convert=_duration(most=_LONGEST_PROBE),
        default="60s",
    ),
    Field(
        name="COUNTERPART_PROVE_EVERY",
        help="how often the regions prove by SCEP that they share one CA, apart from before every write",
        example="5m",
        convert=_duration(),
        default="5m",
    ),
    Field(
        name="COUNTERPART_SCEP_PATH",
        help="the path of the SCEP endpoint; none when the apps are no SCEP servers",
        example="/certsrv/mscep/mscep.dll",
        convert=_path,
        default="/certsrv/mscep/mscep.dll",
    ),
    Field(
        name="COUNTERPART_PACKAGE_CHECK_EVERY",
        help="how often each place from which a region takes its package, or could, is looked at",
        example="5m",
        convert=_duration(),
        default="5m",
    ),
    Field(
        name="COUNTERPART_PACKAGE_ROTATE",
        help="whether a region whose package host is down is moved to another one, or a person is asked",
        example="ask",
        convert=_choice("auto", "ask"),
        default="auto",
    ),
    Field(
        name="COUNTERPART_PACKAGE_PREFERRED",
        help="region=host for regions that are to go back to their host after it has been well for 24 hours",
        example="westeurope=github,northeurope=vendor",
        convert=catalogue.parse_preferred,
        default="",
    ),
    Field(
        name="COUNTERPART_PACKAGE_TWINS",
        help=(
            "your own package URLs under which the same package lies: a name, windows or linux, and the URLs; "
            "a semicolon, and the next ones. A Key Vault reference if a URL has a signature"
        ),
        example="ours windows https://stone.blob.core.windows.net/zip/a.zip https://sttwo.blob.core.windows.net/zip/a.zip",
        convert=catalogue.parse_twins,
        default="",
    ),
    Field(
        name="COUNTERPART_PACKAGE_HOSTS",
        help="where the vendor's files begin at each host, when that is a mirror",
        example="github=https://mirror.contoso.com/scepman/install/",
        convert=catalogue.parse_hosts,
        default="",
    ),
    Field(
        name="COUNTERPART_PACKAGE_NETWORKS",
        help="networks in which a package host may be although its address is not public",
        example="10.20.0.0/16",
        convert=_networks,
        default="",
    ),
    Field(
        name="COUNTERPART_TEAMS_WEBHOOK",
        help=(
            "the address of a Teams workflow that posts cards (When a Teams webhook request is received). It is a "
            "secret: a Key Vault reference"
        ),
        example="https://<environment>.environment.api.powerplatform.com/...&sig=...",
        convert=_webhook,
        default="",
    ),
    Field(
        name="COUNTERPART_WEBHOOK",
        help="an address that takes incidents as JSON. It is a secret: a Key Vault reference",
        example="https://hooks.contoso.com/counterpart?key=...",
        convert=_webhook,
        default="",
    ),
    Field(
        name="COUNTERPART_EVENT_GRID_TOPIC",
        help="a custom topic with the CloudEvents schema, to which incidents are published",
        example="https://evgt-counterpart.westeurope-1.eventgrid.azure.net/api/events",
        convert=_topic,
        default="",
    ),
    Field(
        name="COUNTERPART_BASE_URL",
        help="where people reach the function app: cards link to its pages; empty: they have no links",
        example="https://func-counterpart.azurewebsites.net",
        convert=_base_url,
        default="",
    ),
    Field(
        name="COUNTERPART_FLAP_WINDOW",
        help="what fails again within this time is the same incident, and only after it one is told as resolved",
        example="10m",
        convert=_duration(),
        default="10m",
    ),
    Field(
        name="COUNTERPART_CONFIRM_AFTER",
        help="how long a single witness must say that a region fails before it is believed",
        example="90s",
        convert=_duration(),
        default="90s",
    ),
    Field(
        name="COUNTERPART_INCIDENT_RETENTION",
        help="how long incidents that are over are kept",
        example="365d",
        convert=_duration(least=86_400.0, most=10 * 366 * 86_400.0),
        default="365d",
    ),
    Field(
        name="COUNTERPART_FAILBACK_HOLD",
        help="whether a region that failed is kept out of DNS until it has proved itself, or Traffic Manager decides",
        example="on",
        convert=_choice("on", "off"),
        default="off",
    ),
    Field(
        name="COUNTERPART_FAILBACK_SOAK",
        help="how long a held region's own probe and SCEP proof must be good before it comes back",
        example="15m",
        convert=_duration(),
        default="15m",
    ),
    Field(
        name="COUNTERPART_AUDIT_ONLY",
        help="whether Counterpart only looks and tells; then it has no way to write, whatever its role allows",
        example="on",
        convert=_choice("on", "off"),
        default="off",
    ),
    Field(
        name="COUNTERPART_INSTANCE",
        help=(
            "the name of this deployment, for two over one store: only one at a time runs the timer's rounds; empty: "
            "there is one"
        ),
        example="prod-second",
        convert=_instance,
        default="",
    ),
    Field(
        name="COUNTERPART_SERVICE_HOSTS",
        help=(
            "group=host: the host name under which devices know a group's service (the custom domain on all its "
            "apps); without one its profile's DNS name"
        ),
        example="scepman=scep.contoso.com",
        convert=_hosts,
        default="",
    ),
    Field(
        name="COUNTERPART_DRILL_RESOLVERS",
        help="the DNS resolvers at which drills measure: addresses, and system for the one that is used otherwise",
        example="system,10.0.0.4,9.9.9.9",
        convert=_resolvers,
        default=SYSTEM,
    ),
    Field(
        name="COUNTERPART_DRILL_SAMPLE_EVERY",
        help="how often a drill looks at DNS and SCEP",
        example="2s",
        convert=_duration(least=0.1, most=10.0),
        default="2s",
    ),
    Field(
        name="COUNTERPART_DRILL_GIVE_UP_AFTER",
        help=(
            "after how long without a sign of life of the process that runs it a drill is given up, and its region "
            "given back; longer than a look at DNS, SCEP and the profile takes"
        ),
        example="30s",
        convert=_duration(least=2.0, most=45.0),
        default="25s",
    ),
    Field(
        name="COUNTERPART_DRILL_OBSERVE",
        help="how long a drilled region stays out of DNS, where nobody says otherwise",
        example="5m",
        convert=_duration(least=drills.SHORTEST, most=drills.LONGEST),
        default="5m",
    ),
    Field(
        name="COUNTERPART_DRILL_TARGET",
        help="how soon devices must be led to the other regions, where nobody says otherwise",
        example="2m",
        convert=_duration(least=drills.SHORTEST, most=drills.LONGEST),
        default="2m",
    ),
    Field(
        name="COUNTERPART_DRILL_LOAD",
        help="group=number: the SCEP requests a minute that a group has at its busiest",
        example="scepman=1500",
        convert=_named(_amount),
        default="",
    ),
    Field(
        name="COUNTERPART_DRILL_CAPACITY",
        help="region=number, or group/region=number: the compute units (ACU) of a region, all its instances together",
        example="weu=195,neu=195",
        convert=_named(_amount),
        default="",
    ),
    Field(
        name="COUNTERPART_DRILL_SCHEDULE",
        help=(
            "practice runs: group=cron in five fields, UTC; a semicolon, and the next one; * is every group that has "
            "none of its own. Empty: there are none"
        ),
        example="scepman=30 20 * * MON",
        convert=schedule.schedules,
        default="",
    ),
    Field(
        name="COUNTERPART_DRILL_EVERY",
        help="the least time between two practice runs of a group",
        example="7d",
        convert=_duration(least=3600.0, most=366 * 86_400.0),
        default="7d",
    ),
    Field(
        name="COUNTERPART_DRILL_WINDOWS",
        help="when drills are allowed, UTC; empty: always",
        example="MON-20:30-21:30,WED-20:30-21:30",
        convert=schedule.windows,
        default="",
    ),
    Field(
        name="COUNTERPART_DRILL_BLOCKED_WINDOWS",
        help="when no drill may be, UTC",
        example="FRI-12:00-23:59",
        convert=schedule.windows,
        default="",
    ),
    Field(
        name="COUNTERPART_DRILL_BLOCKED_DATES",
        help="days on which no drill may be",
        example="2026-12-24,2026-12-27..2027-01-02",
        convert=schedule.dates,
        default="",
    ),
    Field(
        name="COUNTERPART_ARM_URL",
        help="Azure Resource Manager, for clouds other than the public one",
        example="https://management.usgovcloudapi.net",
        convert=_https,
        default="https://management.azure.com",
    ),
    Field(
        name="COUNTERPART_CA_BUNDLE",
        help="a PEM file of certificate authorities to trust beside the system's",
        example="/home/site/wwwroot/ca.pem",
        convert=_file,
        default="",
    ),
    Field(
        name="COUNTERPART_DNS_SERVERS",
        help="DNS servers to ask instead of the system's",
        example="10.0.0.4,10.0.0.5:5353",
        convert=_servers,
        default="",
    ),
    Field(
        name="COUNTERPART_INLINE_GROUPS",
        help=(
            "with more groups than this the timer hands them out, one queue message for each, so that the platform "
            "adds instances; 0: always"
        ),
        example="50",
        convert=_count(10_000),
        default="50",
    ),
    Field(
        name="AzureWebJobsStorage",
        help="the function app's own storage account, which the platform needs too: its queue hands out many groups",
        example="UseDevelopmentStorage=true",
        convert=_connection,
        default="",
    ),
    Field(
        name="AzureWebJobsStorage__queueServiceUri",
        help="the same account's queue endpoint, when the function app reaches its storage by identity",
        example="https://stfunc.queue.core.windows.net",
        convert=_queue_endpoint,
        default="",
    ),
    Field(
        name="AzureWebJobsStorage__accountName",
        help="the same account's name, which is enough in the public cloud",
        example="stfunc",
        convert=_account,
        default="",
    ),
)
