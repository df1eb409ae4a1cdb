"""What every service of the simulated cloud stands on: the world, certificates, tokens, ports and URLs.

`simulator.server.Cloud` is these premises with the services running. A service takes them as its one
argument.
"""

import contextlib
import random
import secrets
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from simulator.artifact_hosts import GITHUB_HOST, VENDOR_HOST
from simulator.certificates import Authority
from simulator.roles import EVENT_GRID_DATA_SENDER, READER, Role, allows, role
from simulator.tokens import Principal, Tokens, principal
from simulator.world import SUBSCRIPTION, TENANT, EventSubscription, World

LOOPBACK = "127.0.0.1"
LOOPBACK_NETWORK = "127.0.0.0/8"
PORTS = range(20000, 32000)  # below the range that connections take their own ports from


@dataclass(frozen=True)
class Request:
    """One request that Resource Manager answered, for whoever counts them."""

    at: float  # the world's clock, seconds
    who: str  # the principal's name, empty when nobody was signed in
    method: str
    path: str
    status: int


class Premises:
    """The world with its certificate authority, its directory of principals, its ports and URLs.

    URLs are filled in as the services start; a service reads them when it answers, not when it starts.
    """

    def __init__(self, world: World, directory: Path) -> None:
        self.world = world
        self.directory = directory
        self.tenant = TENANT
        self.authority = Authority(directory)
        self.ca_bundle = self.authority.bundle_path
        self.managed_identity = principal("counterpart")
        self.operator = principal("operator", secret=f"S3CRET-{secrets.token_hex(16)}")
        self.reader = principal("reader", secret=f"S3CRET-{secrets.token_hex(16)}")
        self.tokens = Tokens(self.tenant, (self.managed_identity, self.operator, self.reader), world.now)
        self.identity_header = secrets.token_hex(16)
        self.fingerprint_key = secrets.token_hex(24)
        self.https_port = free_port(*host_addresses(world))
        self.dns_port = free_port(LOOPBACK)
        self.arm_url = ""
        self.login_url = ""
        self.identity_endpoint = ""
        self.admin_url = ""
        self.admin_port = 0  # where the admin face listens; 0 takes a free port
        self.requests: list[Request] = []  # what Resource Manager was asked
        # Webhooks of Event Grid; a bare URL gets the Event Grid schema.
        self.event_webhooks: list[str | EventSubscription] = []
        self.alert_webhooks: list[str] = []  # of the action group that every alert rule has
        # By the principal's name: what it may do (who is not here may do everything), and what it needed.
        own = role("counterpart", "copies") | EVENT_GRID_DATA_SENDER
        self.roles: dict[str, Role] = {"counterpart": own, "reader": READER}
        self.used: dict[str, set[str]] = {}
        # The same for what is about no single resource: roles that are assigned on the whole subscription.
        self.wide_roles: dict[str, Role] = {"counterpart": role("discover"), "reader": READER}
        self.used_widely: dict[str, set[str]] = {}

    @property
    def principals(self) -> tuple[Principal, ...]:
        """Everybody who can sign in."""
        return self.tokens.principals

    def may(self, who: Principal, action: str, *, of_one: bool = True) -> bool:
        """Return whether a principal's roles allow an action; what was asked for is on record.

        What is about no single resource, such as listing all of a subscription, needs a role on the subscription.
        """
        (self.used if of_one else self.used_widely).setdefault(who.name, set()).add(action)
        if who.name not in self.roles:
            return True
        wide = self.wide_roles.get(who.name, frozenset())
        return allows(wide | self.roles[who.name] if of_one else wide, action)

    @property
    def used_actions(self) -> set[str]:
        """Return what the product's own identity needed so far."""
        return self.used.get(self.managed_identity.name, set())

    @property
    def dns_server(self) -> str:
        """The simulated DNS server, as address:port."""
        return f"{LOOPBACK}:{self.dns_port}"

    def env(self) -> dict[str, str]:
        """The product's environment in this cloud: its own settings and its managed identity."""
        return {
            "AZURE_AUTHORITY_HOST": self.login_url,
            "IDENTITY_ENDPOINT": self.identity_endpoint,
            "IDENTITY_HEADER": self.identity_header,
            "COUNTERPART_SUBSCRIPTIONS": ",".join(self.world.subscriptions),
            "COUNTERPART_FINGERPRINT_KEY": self.fingerprint_key,
            "COUNTERPART_VAULT_URL": f"https://kv-counterpart.vault.azure.test:{self.https_port}/",
            "COUNTERPART_STORE": f"sqlite:{self.directory / 'counterpart.sqlite'}",
            "COUNTERPART_ARM_URL": self.arm_url,
            "COUNTERPART_CA_BUNDLE": str(self.ca_bundle),
            "COUNTERPART_DNS_SERVERS": self.dns_server,
            **self._packages(),
            **self._receivers(),
        }

    def _receivers(self) -> dict[str, str]:
        """Return whom to tell, as far as the world has anybody."""
        names = {
            "teams": "COUNTERPART_TEAMS_WEBHOOK",
            "webhook": "COUNTERPART_WEBHOOK",
            "event-grid": "COUNTERPART_EVENT_GRID_TOPIC",
        }
        return {names[kind]: receiver.url(self.https_port) for kind, receiver in self.world.receivers.items()}

    def _packages(self) -> dict[str, str]:
        """Return where the vendor's files begin: at the real names, and at a port that needs no privilege."""
        begins = {GITHUB_HOST: ("github", "/scepman/install/"), VENDOR_HOST: ("vendor", "/")}
        hosts = self.world.artifact_hosts
        known = [f"{name}={hosts[dns].url(path)}" for dns, (name, path) in begins.items() if dns in hosts]
        return {
            "COUNTERPART_PACKAGE_HOSTS": " ".join(known),
            "COUNTERPART_PACKAGE_NETWORKS": LOOPBACK_NETWORK,
        }

    def operator_env(self) -> dict[str, str]:
        """The environment of a person at a shell: a service principal, and trust in the cloud's CA."""
        return {
            "AZURE_TENANT_ID": self.tenant,
            "AZURE_CLIENT_ID": self.operator.app_id,
            "AZURE_CLIENT_SECRET": self.operator.secret,
            "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
            "REQUESTS_CA_BUNDLE": str(self.ca_bundle),
            "SSL_CERT_FILE": str(self.ca_bundle),
            "NO_PROXY": "127.0.0.1,localhost",
        }


def host_addresses(world: World) -> tuple[str, ...]:
    """Every loopback address at which a site, a vault, an artifact host or a receiver listens."""
    sites = {site.address for site in world.sites.values()}
    vaults = {vault.address for vault in world.vaults.values() if vault.address}
    hosts = {host.address for host in world.artifact_hosts.values()}
    told = {receiver.address for receiver in world.receivers.values()}
    return tuple(sorted(sites | vaults | hosts | told | {LOOPBACK}))


def free_port(*addresses: str) -> int:
    """A port that is free for TCP and UDP at all the addresses. OSError when there is none."""
    for port in random.sample(PORTS, 200):
        if all(_is_free(address, port) for address in addresses):
            return port
    raise OSError("no port is free at every address the simulated cloud needs")


def _is_free(address: str, port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as asked:
            try:
                asked.bind((address, port))
            except OSError:
                return False
    return True


@contextlib.asynccontextmanager
async def listening(
    app: web.Application, *, tls: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[str]:
    """Serve an application on 127.0.0.1 until the context ends; yields its URL without a trailing slash."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, port, ssl_context=tls).start()
        bound = runner.addresses[0][1]
        yield f"{'https' if tls else 'http'}://{LOOPBACK}:{bound}"
    finally:
        await runner.cleanup()
