"""docs/permissions.md, docs/licences.md and docs/costs.md: written from the roles, the pins and the benchmarks."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from shared.settings import FIELDS, LOOK_AFTER

ROOT: Final = Path(__file__).parents[1]
ROLES: Final = ROOT / "infra" / "roles"

# -- docs/permissions.md ----------------------------------------------------------------------------------------

_PERMISSIONS: Final = """\
# Permissions

This page is written from `infra/roles/` by `python -m cli.reference`; a test compares them. The templates make these
roles in Azure from the same files, and the simulator refuses Counterpart's identity everything else: the tests and
the demo run under them. Like Azure it takes a role on single resources for none on their subscription. A test plays
one of everything and fails when a role allows what nothing needed.

In Azure each role has the environment's name behind its own: *Counterpart (prod)*. Whoever runs the
[command line](cli.md) needs the same roles as the app; for `status`, `plan` and `package status` those of the audit
role and of discovery.

{roles}
## Built-in roles, on Counterpart's own resources

| role | on | why |
|---|---|---|
| Storage Blob Data Owner | its storage account | the Functions host's leases and keys, and the package |
| Storage Queue Data Contributor | its storage account | many groups are handed out over a queue |
| Storage Table Data Contributor | its storage account | where the Functions host notes troubles of its own |
| Storage Table Data Contributor | the state's account | what it remembers |
| Monitoring Metrics Publisher | its Application Insights | telemetry by identity, without a key |
| Storage Blob Data Contributor (event topics) | the container `dead-letters` | events that could not be delivered |
| EventGrid Data Sender | a topic of yours, with `COUNTERPART_EVENT_GRID_TOPIC` | incidents; you assign it |

## What it does not have

No right on a resource group or a subscription but to list Traffic Manager profiles. No right to create, delete, start
or stop an app, to change a profile (only one endpoint's state), to read keys or publishing profiles by an action of
their own, to assign a role, or to write anywhere in Entra. `Microsoft.Web/sites/config/list/Action` is the widest of
what it has: Azure offers one action for all sensitive configuration of a site, publishing credentials among it, and
nothing narrower reads app settings. The role *Reader* does not have it.

## Who deploys

Needs *Owner*, or *Contributor* with *User Access Administrator*, on the subscription and on each other one with a
watched profile or site: custom roles are made and assigned. *Role Based Access Control Administrator* is not enough,
since it may assign roles but make none. Nobody who deploys is given a right to read a secret: the fingerprint key and
the webhooks are laid into the vault through Resource Manager.
"""

_ORDER: Final = ("counterpart", "audit", "discover", "copies")


def permissions_page() -> str:
    """docs/permissions.md."""
    names = sorted((path.stem for path in ROLES.glob("*.json")), key=_ORDER.index)
    return _PERMISSIONS.format(roles="\n".join(map(_role, names)))


def _role(name: str) -> str:
    it: Mapping[str, Any] = json.loads((ROLES / f"{name}.json").read_text("utf-8"))
    kinds = (("actions", "action"), ("dataActions", "data action"))
    rows = [
        f"| `{one['action']}` | {kind} | {one['why']} | `{one['code']}` |"
        for field, kind in kinds
        for one in it[field]
    ]
    head = ("| action | kind | why | code |", "|---|---|---|---|")
    intro = f"{it['description']} Assigned to {it['scope']}. From `infra/roles/{name}.json`."
    return "\n".join((f"## {it['name']}", "", intro, "", *head, *rows, ""))


# -- docs/licences.md -------------------------------------------------------------------------------------------

_LICENCES: Final = """\
# Licences of what is deployed

This page is written from the installed packages' own metadata by `python -m cli.reference`; a test compares them. It
lists what `requirements.txt` pins, which is what the deployment package holds beside Counterpart itself (MIT). Each
package's licence text lies beside its code in the package, in its `dist-info` folder.

| package | version | licence |
|---|---|---|
{rows}
"""

_CLASSIFIER: Final = "License :: OSI Approved :: "
_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


def pins() -> dict[str, str]:
    """The packages that are deployed, with their versions."""
    return dict(_PIN.findall((ROOT / "requirements.txt").read_text("utf-8")))


def licence(package: str) -> str:
    """What a package says of its licence: the expression, else the classifiers, else the first line of the text."""
    said = metadata.metadata(package)
    classifiers = [
        item.removeprefix(_CLASSIFIER) for item in said.get_all("Classifier") or () if _CLASSIFIER in item
    ]
    written = said.get("License", "").strip().partition("\n")[0]
    expression = said.get("License-Expression", "")
    return expression or ", ".join(classifiers) or written or "not said"


def licences_page() -> str:
    """docs/licences.md."""
    rows = (f"| {name} | {version} | {licence(name)} |" for name, version in pins().items())
    return _LICENCES.format(rows="\n".join(rows))


# -- docs/costs.md ----------------------------------------------------------------------------------------------

_COSTS: Final = """\
# Costs

This page is written from measured counts (`benchmarks/results.json`) and the settings' defaults by
`python -m cli.reference`; a test compares them. It counts requests. What a request costs is in Azure's price list,
which changes, so no price stands here.

## A day, when nothing happens

Groups are pairs of regions, all in one subscription.

| requests a day | 1 group | 10 groups | 100 groups | how it is counted |
|---|---|---|---|---|
{rows}

Resource Manager does not charge for requests; it limits them: 250 reads at once and 25 more each second, for each
subscription. The most that this takes of it is {share} of the reads that come back in a day.

## A change

One change of any number of settings, made in one burst, costs {change} calls of Resource Manager from the first look
to the verified peer (soak and probes at zero in the measurement), {writes} write and {restarts} restart of the peer.

## A drill

Nothing, until somebody asks for one. One of {observe} looks {samples:,.0f} times: each time one DNS query at each
configured resolver, and GetCACaps and GetCACert through the service name. In between it reads the profile and probes
every region {looks:,.0f} times, and writes the endpoint twice. Preflight and verification come on top.

## What is paid for

| what | grows with | formula |
|---|---|---|
| Flex Consumption: executions | runs | {executions} a day; beyond {inline} groups one more each a minute |
| Flex Consumption: time | memory, seconds of the runs | 2 GB times 1,440 times the seconds of a tick |
| Flex Consumption: drills | drills | 45 s of each minute that a drill lasts, at 2 GB |
| Table storage: operations | groups | the store operations above |
| Key Vault: operations | changes | {vault} for each written region |
| Event Grid: operations | events | one for each event and delivery |
| Log Analytics: data | runs | the logs of {executions} runs a day; requests are not sampled |
| Metric alert | profiles, endpoints | one time series for each endpoint |
| Log alert | deployments | one, evaluated every five minutes |
| Storage: kept data | groups | some kB for each group; incidents for a year |

A second deployment doubles runs, logs and alerts. The lease keeps what is asked of Azure and of the apps as it is.
"""

_DAY: Final = 86_400
_READS_A_SECOND: Final = 25  # what comes back to a subscription's bucket (facts of Azure)
_REGIONS: Final = 2


def _figures() -> dict[str, float]:
    found = json.loads((ROOT / "benchmarks" / "results.json").read_text("utf-8"))
    return {item["name"]: item["value"] for item in found}


def _default(name: str) -> float:
    """A setting's default duration in seconds."""
    field = next(field for field in FIELDS if field.name == name)
    return float(field.convert(field.default or ""))


def _a_day(groups: int) -> Iterator[tuple[str, float, str]]:
    """Yield what is asked for in a day with so many pairs, and how that is counted."""
    figures = _figures()
    regions = groups * _REGIONS
    ticks = _DAY / 60
    sweeps = _DAY / _default("COUNTERPART_SWEEP")
    reads = figures["converged.tick.traffic-manager-reads"]
    yield (
        "Traffic Manager reads",
        ticks * reads,
        f"{reads:g} for all groups of a subscription, each minute",
    )
    yield (
        "settings reads",
        sweeps * regions * 2,
        "app settings and connection strings of each region, at each sweep",
    )
    yield (
        "probes",
        _DAY / max(60.0, _default("COUNTERPART_PROBE_EVERY")) * regions,
        "`/probe` of each region, once a minute",
    )
    yield (
        "SCEP proofs",
        _DAY / _default("COUNTERPART_PROVE_EVERY") * regions * 2,
        "GetCACaps and GetCACert of each region, every five minutes",
    )
    yield (
        "package host checks",
        _DAY / _default("COUNTERPART_PACKAGE_CHECK_EVERY") * 2,
        "each of the vendor's two hosts, for one channel; no byte of the package while it is unchanged",
    )
    reads, writes = figures["converged.tick.store-reads"], figures["converged.tick.store-writes"]
    yield (
        "store operations",
        ticks * (reads + writes) * groups,
        f"{reads:g} reads and {writes:g} writes of each group, each minute",
    )
    yield "runs of the timer", ticks, "one a minute"


def costs_page() -> str:
    """docs/costs.md."""
    figures = _figures()
    columns = [list(_a_day(groups)) for groups in (1, 10, 100)]
    rows = (
        f"| {what} | {one:,.0f} | {ten:,.0f} | {hundred:,.0f} | {how} |"
        for (what, one, how), (_, ten, _), (_, hundred, _) in zip(*columns, strict=True)
    )
    most = sum(count for what, count, _ in columns[-1] if what in {"Traffic Manager reads", "settings reads"})
    observe, sample = _default("COUNTERPART_DRILL_OBSERVE"), _default("COUNTERPART_DRILL_SAMPLE_EVERY")
    inline = next(field.default for field in FIELDS if field.name == "COUNTERPART_INLINE_GROUPS")
    return _COSTS.format(
        rows="\n".join(rows),
        share=f"{math.ceil(1000 * most / (_READS_A_SECOND * _DAY)) / 10:g} %",
        change=f"{figures['change.burst-100.arm-calls']:g}",
        writes=f"{figures['change.burst-100.peer-writes']:g}",
        restarts=f"{figures['change.burst-100.peer-restarts']:g}",
        executions=f"{_DAY // 60:,}",
        inline=inline,
        vault=f"{figures['change.vault-operations']:g}",
        observe=f"{observe / 60:g} minutes",
        samples=observe / sample,
        looks=observe / LOOK_AFTER / sample,
    )


def deployment_pages() -> dict[str, partial[str]]:
    """The pages by their file names under docs/."""
    return {
        "permissions.md": partial(permissions_page),
        "licences.md": partial(licences_page),
        "costs.md": partial(costs_page),
    }
