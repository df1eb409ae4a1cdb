"""Ready worlds: geo-redundant SCEPman groups with real setting names and the vendor's Traffic Manager values.

Every value that would be a secret in Azure holds the marker `S3CRET-` and something unique, so that a test
can search for it wherever it must not be.
"""

import itertools
import uuid
from dataclasses import dataclass

from simulator.alerts import AlertRule
from simulator.artifact_hosts import GITHUB, VENDOR, vendor_hosts
from simulator.receivers import receivers
from simulator.world import (
    PACKAGE,
    TENANT,
    EndpointState,
    Os,
    ProfileState,
    Secret,
    Site,
    Vault,
    World,
    new_version,
)

MARK = "S3CRET-"
MANAGED = {"counterpart": "managed"}  # the tag by which Counterpart finds its groups
COPIES_VAULT = "kv-counterpart"  # the product's own vault: copies of a peer's old values


@dataclass(frozen=True)
class Place:
    """A region a site can stand in: its short name, and as Azure displays it."""

    short: str
    location: str


WEST = Place("weu", "West Europe")
NORTH = Place("neu", "North Europe")
SWEDEN = Place("swc", "Sweden Central")


@dataclass(frozen=True)
class Naming:
    """How the parts of one group are called."""

    group: str = "scepman"  # the Traffic Manager profile
    resource_group: str = "rg-scepman"
    vault: str = "kv-scepman"
    domain: str = "scep.contoso.test"


def a_pair(second_os: Os = "windows", *, world: World | None = None) -> World:
    """Two regions: app-scepman-weu (Windows) and app-scepman-neu (Windows or Linux), in step and healthy."""
    return _with_group(world or World(), Naming(), (WEST, NORTH), ("windows", second_os))


def three_regions() -> World:
    """A third region in Sweden Central, on Linux."""
    return _with_group(World(), Naming(), (WEST, NORTH, SWEDEN), ("windows", "windows", "linux"))


def many(groups: int) -> World:
    """Return that many pairs in one subscription: scepman-0000, scepman-0001, ... All use one vault."""
    world = World()
    for number in range(groups):
        tail = f"{number:04}"
        naming = Naming(f"scepman-{tail}", f"rg-scepman-{tail}", domain=f"scep-{tail}.contoso.test")
        _with_group(world, naming, (WEST, NORTH), ("windows", "windows"))
    return world


def _with_group(world: World, naming: Naming, places: tuple[Place, ...], systems: tuple[Os, ...]) -> World:
    vault = world.vaults.get(naming.vault) or _vault(world, naming)
    if COPIES_VAULT not in world.vaults:
        world.vaults[COPIES_VAULT] = Vault(COPIES_VAULT, address="127.0.0.32")
    if not world.receivers:
        world.receivers = receivers({kind: a_secret(kind) for kind in ("teams", "webhook", "event-grid")})
    if not world.artifact_hosts:
        world.artifact_hosts = vendor_hosts(world.now())
    shared = _shared_settings(world, naming, vault)
    endpoints = []
    for number, (place, system) in enumerate(zip(places, systems, strict=True)):
        site = _site(naming, place, system, address=_next_address(world))
        own = _own_settings(site, first=number == 0)
        site.app_settings = {spelled(name, system): value for name, value in (shared | own).items()}
        site.connection_strings = {"Reporting": (_connection_string(naming), "SQLAzure")}
        world.add_site(site)
        endpoints.append(EndpointState(place.short, site.name, priority=number + 1, observed="Online"))
    _publish(world, naming, endpoints)
    return world


def _next_address(world: World) -> str:
    """127.0.0.11, 127.0.0.12, ... and from the eleventh site on 127.1.0.1 and upwards."""
    number = len(world.sites)
    return f"127.0.0.{11 + number}" if number < 10 else f"127.1.{number // 250}.{number % 250 + 1}"


def _site(naming: Naming, place: Place, system: Os, address: str) -> Site:
    return Site(
        name=f"app-{naming.group}-{place.short}",
        resource_group=naming.resource_group,
        location=place.location,
        os=system,
        address=address,
        host_names=(naming.domain,),
        tags={"workload": "scepman"},
    )


def _publish(world: World, naming: Naming, endpoints: list[EndpointState]) -> None:
    """The profile with the vendor's values: Performance, TTL 30 s, HTTPS 443 /probe, 10 s, 3 failures, 5 s."""
    world.profiles[naming.group] = ProfileState(
        name=naming.group, resource_group=naming.resource_group, endpoints=endpoints, tags=dict(MANAGED)
    )
    world.custom_domains[naming.domain] = naming.group
    world.alert_rules.append(AlertRule(f"{naming.group}-endpoint-degraded", naming.group))


def _vault(world: World, naming: Naming) -> Vault:
    """SCEPman's vault, holding the secret that one setting refers to."""
    vault = Vault(naming.vault, address="127.0.0.31")
    vault.secrets["scepman-api-token"] = [Secret(new_version(), a_secret("crl-token"), world.now())]
    world.vaults[vault.name] = vault
    return vault


_serial = itertools.count(1)


def a_secret(purpose: str) -> str:
    """A value that nobody else has, recognisable by its mark."""
    return f"{MARK}{purpose}-{next(_serial):05}-{uuid.uuid4().hex[:8]}"


def spelled(name: str, system: Os) -> str:
    """A setting's name as a site of that system spells it."""
    return name.replace(":", "__") if system == "linux" else name


def _connection_string(naming: Naming) -> str:
    return (
        f"Server=tcp:sql-{naming.group}.database.windows.net,1433;Database=reporting;"
        f"User ID=scepman;Password={MARK}sql-{naming.group};Encrypt=True"
    )


def _own_settings(site: Site, *, first: bool) -> dict[str, str]:
    """Return what every region has for itself: identity, package host, telemetry, platform."""
    package = "Artifacts-Linux.zip" if site.os == "linux" else "Artifacts.zip"
    return {
        "AppConfig:AuthConfig:ManagedIdentityEnabledForWebsiteHostname": site.host,
        "AppConfig:AuthConfig:ManagedIdentityEnabledOnUnixTime": "1760000000" if first else "1765000000",
        "AppConfig:AuthConfig:ManagedIdentityPermissionLevel": "2",
        PACKAGE: f"{GITHUB if first else VENDOR}{package}",
        "WEBSITE_HEALTHCHECK_MAXPINGFAILURES": "10",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": f"InstrumentationKey={a_secret('insights')}",
        "ApplicationInsightsAgent_EXTENSION_VERSION": "~3" if site.os == "linux" else "~2",
        "XDT_MicrosoftApplicationInsights_Mode": "recommended",
    }


def _shared_settings(world: World, naming: Naming, vault: Vault) -> dict[str, str]:
    """Return what all regions have alike, in Windows spelling (section 1.6 of the vendor's settings)."""
    return {
        "AppConfig:KeyVaultConfig:KeyVaultURL": f"https://{vault.host}/",
        "AppConfig:KeyVaultConfig:RootCertificateConfig:CertificateName": world.ca_name,
        "AppConfig:KeyVaultConfig:RootCertificateConfig:KeyType": "RSA-HSM",
        "AppConfig:KeyVaultConfig:RootCertificateConfig:KeySize": "4096",
        "AppConfig:KeyVaultConfig:RootCertificateConfig:DaysExpiresIn": "3650",
        "AppConfig:KeyVaultConfig:RootCertificateConfig:Subject": "CN=Contoso Device Root CA, O=Contoso",
        "AppConfig:CertificateStorage:TableStorageEndpoint": "https://stscepman.table.core.windows.net/",
        "AppConfig:AuthConfig:TenantId": TENANT,
        "AppConfig:AuthConfig:TenantName": "contoso.onmicrosoft.com",
        "AppConfig:AuthConfig:ApplicationId": "0f6ac3f4-1d2b-4c0e-9c55-2b1f7a7f9d10",
        "AppConfig:BaseUrl": f"https://{naming.domain}",
        "AppConfig:LicenseKey": a_secret("license"),
        "AppConfig:CertMaster:URL": "https://app-scepman-cm.azurewebsites.test",
        "AppConfig:UseRequestedKeyUsages": "true",
        "AppConfig:ValidityPeriodDays": "730",
        "AppConfig:ValidityClockSkewMinutes": "1440",
        "AppConfig:EnableCertificateStorage": "true",
        "AppConfig:AddMicrosoftAADExtensions": "true",
        "AppConfig:AnonymousHomePageAccess": "true",
        "AppConfig:ConcurrentSCEPRequestLimit": "50",
        "AppConfig:RemoteDebug": "false",
        "AppConfig:IntuneValidation:ValidityPeriodDays": "365",
        "AppConfig:IntuneValidation:DeviceDirectory": "AADAndIntune",
        "AppConfig:IntuneValidation:ComplianceCheck": "Never",
        "AppConfig:IntuneValidation:RevokeCertificatesOnWipe": "true",
        "AppConfig:IntuneValidation:WaitForSuccessNotificationResponse": "false",
        "AppConfig:DCValidation:Enabled": "true",
        "AppConfig:DCValidation:RequestPassword": a_secret("dc-password"),
        "AppConfig:StaticValidation:Enabled": "true",
        "AppConfig:StaticValidation:RequestPassword": a_secret("static-password"),
        "AppConfig:JamfValidation:Enabled": "true",
        "AppConfig:JamfValidation:URL": "https://contoso.jamfcloud.test",
        "AppConfig:JamfValidation:APIUsername": "svc-scepman-jamf",
        "AppConfig:JamfValidation:APIPassword": a_secret("jamf-api"),
        "AppConfig:JamfValidation:RequestPassword": a_secret("jamf-request"),
        "AppConfig:CRL:RequestToken": f"@Microsoft.KeyVault(VaultName={vault.name};SecretName=scepman-api-token)",
        "AppConfig:CRL:ValidityDays": "7",
        "AppConfig:OCSP:UseAuthorizedResponder": "true",
        "AppConfig:LoggingConfig:WorkspaceId": "6a1f6a55-8d56-4d7a-8a3e-70c2ab5f1c77",
        "AppConfig:LoggingConfig:SharedKey": a_secret("log-key"),
        "AppConfig:LoggingConfig:LogLevel": "Info",
    }
