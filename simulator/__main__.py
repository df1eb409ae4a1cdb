"""Runs the simulated cloud alone until Ctrl-C: `python -m simulator`."""

import argparse
import asyncio
import contextlib
import signal
from collections.abc import Callable
from pathlib import Path

from simulator.pair import a_pair, many, three_regions
from simulator.server import Cloud
from simulator.services.admin import exports
from simulator.world import SUBSCRIPTION, World

WORLDS: dict[str, Callable[[], World]] = {
    "pair": a_pair,
    "mixed-pair": lambda: a_pair("linux"),
    "three-regions": three_regions,
    "ten-groups": lambda: many(10),
}

DESCRIPTION = """\
A small Azure on loopback: Resource Manager (Microsoft.Web, Traffic Manager), sign-in (Entra and managed
identity), Key Vault, SCEPman hosts and the hosts of their packages, DNS, Traffic Manager's probes, Azure
Monitor's alerts, Event Grid's deliveries and a custom topic of it, a Teams workflow and a webhook. It serves
any Azure client that can be told its endpoints. Nothing is kept after it stops.
"""

RECIPE = """\
Look at the world, and change it, from another shell (ADMIN is printed at the start):
  curl -s ADMIN/_world                 its sites, profiles and vaults; no setting's value
  curl -s ADMIN/_world/journal         what happened, in order
  curl -s ADMIN/_world/told            what the Teams workflow, the webhook and the topic got
  curl -s ADMIN/_world/edit -d '{"site": "app-scepman-weu", "set": {"AppConfig:CRL:ValidityDays": "3"}}'
  curl -s ADMIN/_world/faults -d '{"sites": {"app-scepman-weu": {"down": true}}}'
      a region: down, flapping (s), slow (s), status, path_gone, scep_status, other_ca, unresolved,
      hidden, monitor_refused, tls (broken, expired, other-name), reference_status (FetchTimedOut and the
      other ResolveStatus of the specification: how its Key Vault references fare from its next start on),
      stale_reads (how many readings of its settings after each PUT still find the former ones);
      what all share: "shared": key_vault, storage, identity
  curl -s ADMIN/_world/site -d '{"site": "app-scepman-weu", "state": "Stopped"}'      or "tier": "Basic"
  curl -s ADMIN/_world/faults -d '{"hosts": {"raw.githubusercontent.com": {"down": true}}}'
  curl -s ADMIN/_world/restart -d '{"site": "app-scepman-weu"}'
  curl -s ADMIN/_world/release -d '{"version": "3.2.27001", "lag": null}'
  curl -s ADMIN/_world/faults -d '{"vaults": {"kv-counterpart": {"lag": 30}}}'
      a vault: status, after_effect, lag (s that deleting or recovering a secret takes)
  curl -s ADMIN/_world/faults -d '{"receivers": {"teams": {"status": 503}}}'
  curl -s ADMIN/_world/faults -d '{"arm": {"answers": [{"method": "PUT", "status": 503, "times": 2}]}}'

With the Azure CLI (a directory of its own keeps your real sign-in apart):
  eval "$(curl -s ADMIN/_world/env)"
  export AZURE_CONFIG_DIR=$(mktemp -d)
  az config set core.instance_discovery=false
  az cloud register --name Simulated --endpoint-resource-manager "$COUNTERPART_ARM_URL"
  az cloud set --name Simulated
  az login --service-principal -u "$AZURE_CLIENT_ID" -p "$AZURE_CLIENT_SECRET" --tenant "$AZURE_TENANT_ID"
  az webapp config appsettings list -g rg-scepman -n app-scepman-weu -o table
  az webapp config appsettings set -g rg-scepman -n app-scepman-weu --settings AppConfig:CRL:ValidityDays=3
  az network traffic-manager profile list -o table

With an Azure SDK: take ARM as base_url, and DefaultAzureCredential after the same eval.
"""


def main() -> None:
    """Parse, run, stop at Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m simulator",
        description=DESCRIPTION,
        epilog=RECIPE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--world", choices=WORLDS, default="pair", help="what there is (default: pair)")
    parser.add_argument(
        "--env",
        action="store_true",
        help="print `export NAME=value` lines and nothing else: for the product (COUNTERPART_*, IDENTITY_*) and "
        "for other clients (AZURE_*, REQUESTS_CA_BUNDLE, SSL_CERT_FILE)",
    )
    parser.add_argument(
        "--admin-port", type=int, default=0, help="where /_world listens (default: a free port)"
    )
    parser.add_argument(
        "--webhook",
        action="append",
        default=[],
        help="deliver Event Grid events to this URL (may be repeated)",
    )
    parser.add_argument("--directory", type=Path, help="keep the CA bundle here instead of a temporary place")
    parser.add_argument(
        "--alert-webhook",
        action="append",
        default=[],
        help="have Azure Monitor's alert rules call this URL (may be repeated)",
    )
    asked = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(asked))


async def run(asked: argparse.Namespace) -> None:
    """Start the world that was asked for, tell where it is, and wait for the end."""
    if asked.directory:
        asked.directory.mkdir(parents=True, exist_ok=True)
    cloud = Cloud(WORLDS[asked.world](), directory=asked.directory)
    cloud.admin_port = asked.admin_port
    cloud.event_webhooks.extend(asked.webhook)
    cloud.alert_webhooks.extend(asked.alert_webhook)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with cloud:
        print(exports(cloud) if asked.env else described(cloud), end="", flush=True)
        await stop.wait()


def described(cloud: Cloud) -> str:
    """Return where everything is, one line each."""
    hosts = ", ".join(f"{site.host} ({site.address})" for site in list(cloud.world.sites.values())[:6])
    lines = {
        "Resource Manager": cloud.arm_url,
        "sign-in": f"{cloud.login_url} (tenant {cloud.tenant}, client {cloud.operator.app_id})",
        "managed identity": cloud.identity_endpoint,
        "DNS": cloud.dns_server,
        "hosts": f"{hosts}, port {cloud.https_port}",
        "artifact hosts": ", ".join(
            f"{host.name} ({host.address})" for host in cloud.world.artifact_hosts.values()
        ),
        "receivers": ", ".join(
            f"{receiver.host} ({receiver.address})" for receiver in cloud.world.receivers.values()
        ),
        "cards": f"{cloud.admin_url}/_world/cards",
        "subscription": SUBSCRIPTION,
        "CA bundle": str(cloud.ca_bundle),
        "admin": f"{cloud.admin_url}/_world",
        "for a shell": f'eval "$(curl -s {cloud.admin_url}/_world/env)"',
    }
    width = max(len(name) for name in lines)
    return "".join(f"{name:<{width}}  {value}\n" for name, value in lines.items()) + "Ctrl-C stops it.\n"


if __name__ == "__main__":
    main()
