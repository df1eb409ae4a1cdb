"""The configuration: read once, field by field, from a mapping; every problem is named in one error.

`FIELDS` is the one list of settings: parsing, defaults, `docs/settings.md` and the tests all come from it.
"""

import re
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from shared.errors import SettingsError
from shared.groups.discover import Scope
from shared.groups.workflow import Looking
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
_KEY_LENGTH = 32  # characters
_LONGEST_PROBE = (
    60.0  # seconds; a permit takes no older evidence, so probing more rarely would stop all writes
)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration, converted. Slices own their policies; this composes them."""

    scope: Scope
    secret: FingerprintKey
    store: str
    vault_url: str
    arm_url: str
    ca_bundle: str
    dns_servers: tuple[str, ...]
    looking: Looking
    rules: Rules
    policy: Policy

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Convert the environment's COUNTERPART_* variables.

        Raises:
            SettingsError: something is missing or wrong; it lists everything, with an example each.
        """
        problems: list[str] = []
        found = {field.name: _convert(field, env, problems) for field in FIELDS}
        if not found["COUNTERPART_PROFILES"] and not found["COUNTERPART_SUBSCRIPTIONS"]:
            problems.append(
                "COUNTERPART_PROFILES or COUNTERPART_SUBSCRIPTIONS: one must say what to watch, for example "
                f"COUNTERPART_SUBSCRIPTIONS={_field('COUNTERPART_SUBSCRIPTIONS').example}"
            )
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
    try:
        return field.convert(text)
    except SettingsError as error:
        problems += [f"{field.name}: {problem}" for problem in error.problems]
    except ValueError as error:
        problems.append(f"{field.name}: {error}, for example {field.example}")
    return None


def _field(name: str) -> Field:
    return next(it for it in FIELDS if it.name == name)


def _compose(found: Mapping[str, Any]) -> Settings:
    return Settings(
        scope=Scope(profiles=found["COUNTERPART_PROFILES"], subscriptions=found["COUNTERPART_SUBSCRIPTIONS"]),
        secret=found["COUNTERPART_FINGERPRINT_KEY"],
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
        ),
        policy=found["COUNTERPART_POLICY"],
    )


# -- converters: text -> value, or ValueError with a sentence that the example completes -------------------------


def _list(pattern: re.Pattern[str], what: str) -> Callable[[str], tuple[str, ...]]:
    def convert(text: str) -> tuple[str, ...]:
        items = tuple(it for it in re.split(r"[,\s]+", text) if it)
        wrong = [it for it in items if not pattern.fullmatch(it)]
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


def _key(text: str) -> FingerprintKey:
    if len(text) < _KEY_LENGTH or text.startswith("@Microsoft.KeyVault("):
        unresolved = "is a Key Vault reference that App Service did not resolve"
        short = f"is shorter than {_KEY_LENGTH} characters"
        raise ValueError(unresolved if text.startswith("@") else short)
    return FingerprintKey(text)


def _https(text: str) -> str:
    if not re.fullmatch(r"https://[^\s/?#]+/?", text):
        raise ValueError(f"{text!r} is no https address without a path")
    return text.rstrip("/")


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


def _policy(text: str) -> Policy:
    shipped = [
        rule
        for name in SHIPPED
        for rule in parse(resources.files("shared.settings_sync").joinpath(name).read_text("utf-8"), name)
    ]
    if not text:
        return compose(shipped=shipped)
    return compose(shipped=shipped, user=parse(Path(_file(text)).read_text("utf-8"), text))


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
)
