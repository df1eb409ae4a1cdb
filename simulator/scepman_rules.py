"""What makes a SCEPman instance sick: one small rule per cause, over the settings it loaded at its start.

Pure. A rule answers a sentence when the instance is broken by it, else None; it belongs to a component, and
each SCEP operation says which components it needs. So a wrong storage endpoint fails `/probe` while SCEP
goes on, and a wrong vault stops both, as with the real product.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from simulator.world import TENANT, Site, World

PREFIX = "appconfig:"


class Component(StrEnum):
    """What SCEPman's home page lists as connected or not."""

    CONFIGURATION = "Configuration"
    IDENTITY = "Managed identity"
    KEY_VAULT = "Key Vault"
    STORAGE = "Storage Account"


NEEDS: Mapping[str, frozenset[Component]] = {
    "GetCACaps": frozenset({Component.CONFIGURATION}),
    "GetCACert": frozenset({Component.CONFIGURATION, Component.IDENTITY, Component.KEY_VAULT}),
    "PKIOperation": frozenset({Component.CONFIGURATION, Component.IDENTITY, Component.KEY_VAULT}),
}


@dataclass(frozen=True)
class Seen:
    """What a rule looks at: the settings as the app reads them, and the world it finds itself in."""

    settings: Mapping[str, str]  # lower-case names without the AppConfig: prefix, `:` between the parts
    host: str  # the site's default host name
    vaults: frozenset[str]  # host names
    refusing: frozenset[str]  # host names of those on which the app's identity has no role
    ca_name: str
    tenant: str = TENANT
    gone: frozenset[Component] = frozenset()  # what no region can reach


@dataclass(frozen=True)
class Problem:
    """One reason why the instance is not well. Never holds a setting's value."""

    component: Component
    reason: str


type Rule = Callable[[Seen], str | None]


def read_settings(site: Site) -> dict[str, str]:
    """The SCEPman settings that the app finds at its start, named in one way.

    .NET turns `__` into `:` on both systems. A Linux process has no variable with a colon in its name, so
    there a setting spelled the Windows way is not seen.
    """
    found: dict[str, str] = {}
    for name, value in site.loaded.items():
        if site.os == "linux" and ":" in name:
            continue
        canonical = name.replace("__", ":").lower()
        if canonical.startswith(PREFIX):
            found[canonical.removeprefix(PREFIX)] = value
    return found


def seen(world: World, site: Site) -> Seen:
    """Return what the rules look at for one site."""
    vaults = frozenset(vault.host for vault in world.vaults.values())
    refusing = frozenset(vault.host for vault in world.vaults.values() if site.name in vault.refused_sites)
    shared = {
        Component.KEY_VAULT: world.shared.key_vault,
        Component.STORAGE: world.shared.storage,
        Component.IDENTITY: world.shared.identity,
    }
    gone = frozenset(component for component, is_gone in shared.items() if is_gone)
    return Seen(read_settings(site), site.host, vaults, refusing, world.ca_name, gone=gone)


def problems(what: Seen) -> tuple[Problem, ...]:
    """Every reason why this instance is not well, in the order of the table; empty when it is."""
    found = ((component, rule(what)) for component, rule in RULES)
    return tuple(Problem(component, reason) for component, reason in found if reason)


def sound_settings(world: World, site: Site) -> dict[str, str]:
    """The settings with which an instance is well, spelled for the site's system: a start for a world."""
    vault = next(iter(world.vaults.values()), None)
    vault_host = vault.host if vault else "missing.vault.azure.test"
    values = {
        "AppConfig:KeyVaultConfig:KeyVaultURL": f"https://{vault_host}/",
        "AppConfig:KeyVaultConfig:RootCertificateConfig:CertificateName": world.ca_name,
        "AppConfig:AuthConfig:TenantId": TENANT,
        "AppConfig:AuthConfig:ManagedIdentityEnabledForWebsiteHostname": site.host,
        "AppConfig:AuthConfig:ManagedIdentityEnabledOnUnixTime": "1700000000",
        "AppConfig:AuthConfig:ManagedIdentityPermissionLevel": "2",
        "AppConfig:CertificateStorage:TableStorageEndpoint": "https://stscepman.table.core.windows.net/",
        "AppConfig:ValidityPeriodDays": "730",
    }
    return {name.replace(":", "__") if site.os == "linux" else name: value for name, value in values.items()}


def _reference_unresolved(what: Seen) -> str | None:
    """A Key Vault reference that did not resolve reaches the app as it stands."""
    names = [name for name, value in what.settings.items() if value.startswith("@Microsoft.KeyVault(")]
    return f"{', '.join(names)}: the Key Vault reference was not resolved" if names else None


WHOLE_NUMBERS = re.compile(
    r"(ValidityPeriodDays|DaysExpiresIn|KeySize|ConcurrentSCEPRequestLimit|ComplianceGracePeriodMinutes"
    r"|ValidityClockSkewMinutes|CacheTimeOutSecondsIfDevice(Exists|IsDisabled)|AuthorizedResponderValidityHours"
    r"|RenewalThresholdPercentage|ManagedIdentityEnabledOnUnixTime|ManagedIdentityPermissionLevel)$",
    re.IGNORECASE,
)


def _number_is_none(what: Seen) -> str | None:
    """.NET's configuration binder refuses a number that is none, and the app does not start."""
    bad = [
        name
        for name, value in what.settings.items()
        if WHOLE_NUMBERS.search(name) and not re.fullmatch(r"\s*\d+\s*", value)
    ]
    return f"{', '.join(bad)}: not a whole number" if bad else None


SWITCHES = re.compile(
    r":(Enabled|EnableCertificateStorage|AllowRenewals|ComplianceCheck|UseAuthorizedResponder)$|^AnonymousHomePageAccess$",
    re.IGNORECASE,
)


def _switch_is_neither(what: Seen) -> str | None:
    """The same for a switch that is neither true nor false. ComplianceCheck has words of its own."""
    bad = [
        name
        for name, value in what.settings.items()
        if SWITCHES.search(name)
        and not name.endswith(":compliancecheck")
        and value.strip().lower() not in {"true", "false"}
    ]
    return f"{', '.join(bad)}: neither true nor false" if bad else None


def _base_url_is_none(what: Seen) -> str | None:
    """It is written into every certificate; an address that is none cannot be."""
    value = what.settings.get("baseurl")
    if value is None or _is_web_address(value):
        return None
    return "baseurl: not an absolute http or https address"


def _tenant_is_another(what: Seen) -> str | None:
    """Tokens come from the tenant; another one, or none, gives no token. Split tenancy names its own."""
    if "authconfig:hometenantid" in what.settings:
        return None
    if what.settings.get("authconfig:tenantid", "").lower() == what.tenant:
        return None
    return "authconfig:tenantid: not this tenant"


def _identity_is_for_another_host(what: Seen) -> str | None:
    """The managed identity is used only where this names the app's own host (the copied-clone fault)."""
    if "authconfig:applicationkey" in what.settings or "authconfig:homeapplicationid" in what.settings:
        return None
    if what.settings.get("authconfig:managedidentityenabledforwebsitehostname", "").lower() == what.host:
        return None
    return "authconfig:managedidentityenabledforwebsitehostname: not this app's own host name"


def _no_token(what: Seen) -> str | None:
    """Without Entra no app signs in anywhere."""
    return "Entra gives no token" if Component.IDENTITY in what.gone else None


def _vault_is_silent(what: Seen) -> str | None:
    """A vault that nobody reaches."""
    return "the vault does not answer" if Component.KEY_VAULT in what.gone else None


def _storage_is_silent(what: Seen) -> str | None:
    """A storage account that nobody reaches."""
    return "the storage account does not answer" if Component.STORAGE in what.gone else None


def _vault_refuses(what: Seen) -> str | None:
    """The app's identity needs its roles on the vault."""
    host = urlsplit(what.settings.get("keyvaultconfig:keyvaulturl", "")).hostname
    return "the managed identity has no role on the vault" if host in what.refusing else None


def _vault_is_not_there(what: Seen) -> str | None:
    """The vault's address must name a vault that exists."""
    host = urlsplit(what.settings.get("keyvaultconfig:keyvaulturl", "")).hostname
    return None if host in what.vaults else "keyvaultconfig:keyvaulturl: no such vault"


def _certificate_is_not_there(what: Seen) -> str | None:
    """The CA certificate's name in the vault."""
    name = what.settings.get("keyvaultconfig:rootcertificateconfig:certificatename", "")
    if name == what.ca_name:
        return None
    return "keyvaultconfig:rootcertificateconfig:certificatename: no such certificate in the vault"


def _table_endpoint_is_none(what: Seen) -> str | None:
    """Storage is optional; an endpoint that is given must be that of a table service."""
    value = what.settings.get("certificatestorage:tablestorageendpoint")
    if value is None:
        return None
    parts = urlsplit(value)
    right = parts.scheme == "https" and ".table." in (parts.hostname or "") and parts.path in {"", "/"}
    return None if right else "certificatestorage:tablestorageendpoint: not a table service's address"


def _is_web_address(value: str) -> bool:
    parts = urlsplit(value)
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


RULES: tuple[tuple[Component, Rule], ...] = (
    (Component.CONFIGURATION, _reference_unresolved),
    (Component.CONFIGURATION, _number_is_none),
    (Component.CONFIGURATION, _switch_is_neither),
    (Component.CONFIGURATION, _base_url_is_none),
    (Component.IDENTITY, _tenant_is_another),
    (Component.IDENTITY, _identity_is_for_another_host),
    (Component.IDENTITY, _no_token),
    (Component.KEY_VAULT, _vault_is_not_there),
    (Component.KEY_VAULT, _vault_is_silent),
    (Component.KEY_VAULT, _vault_refuses),
    (Component.KEY_VAULT, _certificate_is_not_there),
    (Component.STORAGE, _table_endpoint_is_none),
    (Component.STORAGE, _storage_is_silent),
)
