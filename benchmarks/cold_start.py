"""The start of a new instance, from the deployment package: indexing the app, then the first call of each trigger.

Each measurement is a process of its own in which only the package, the platform's worker library and the standard
library are found; the simulated cloud answers. Against the least app: azure-functions, azure-identity, the same
libraries beside it, and one HTTP function that asks for a token. The worker library is there before the clock starts,
as on the platform. Compared are processor times, of which a busy machine changes little; waiting for answers is left
out on both sides.
"""

import asyncio
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.arm_calls import environment
from benchmarks.measure import Figure
from infra.alone import alone, platform, unpack
from infra.package import LIBRARIES, ROOT, build
from shared.bootstrap import opened
from shared.fleet import LIFETIME, Errand, written
from shared.groups.workflow import discover
from shared.reconcile import workflow as reconcile
from shared.settings import Settings
from simulator.pair import a_pair
from simulator.server import Cloud

TURNS = 4  # of which the fastest counts
BUDGET = 1.5
LEAST_APP = """
import azure.functions as func
from azure.identity.aio import DefaultAzureCredential

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)

@app.route(route="least", methods=["GET"])
async def least(req: func.HttpRequest) -> func.HttpResponse:
    async with DefaultAzureCredential() as credential:
        await credential.get_token("https://management.azure.com/.default")
    return func.HttpResponse("ok")
"""
# Index, then call one function; the clock starts when the platform's own part is there.
FIRST = """
import asyncio, json, sys, time
from pathlib import Path
from simulator.stage import worker

async def main() -> None:
    app, name, given = sys.argv[1:]
    began = time.process_time()
    functions = {it.name: it for it in await worker.load(Path(app))}
    indexed = time.process_time()
    function = functions[name]
    match function.kind:
        case "timerTrigger":
            value = worker.as_json({"IsPastDue": False})
        case "eventGridTrigger":
            value = worker.as_json(json.loads(given))
        case "queueTrigger":
            value = worker.text(given)
        case _:
            method = function.trigger["methods"][0]
            value = worker.http_request(
                method, "http://localhost/", headers={"accept": "text/html"}, params={"id": "nobody-1"},
                query={}, body=given.encode(),
            )
    metadata = {name: worker.as_json(it) for name, it in {
        "Id": "1", "DequeueCount": 1, "ExpirationTime": "2030-01-01T00:00:00Z", "PopReceipt": "1",
        "InsertionTime": "2026-01-01T00:00:00Z", "NextVisibleTime": "2026-01-01T00:00:00Z",
    }.items()} if function.kind == "queueTrigger" else {}
    outcome = await worker.invoke(function, "1", value, metadata)
    called = time.process_time()
    print(json.dumps({
        "index": indexed - began, "first": called - indexed, "ok": outcome.ok, "error": outcome.error,
    }), file=sys.__stdout__)

asyncio.run(main())
"""
LISTING = """
import asyncio, json, sys
from pathlib import Path
from simulator.stage import worker
print(json.dumps([it.name for it in asyncio.run(worker.load(Path(sys.argv[1])))]), file=sys.__stdout__)
"""


@dataclass(frozen=True)
class _Place:
    """An unpacked app and what stands beside it."""

    app: Path
    beside: tuple[Path, ...]


async def cold_start() -> list[Figure]:
    """Ratios to the least app, and of an app without bytecode to one with it."""
    with tempfile.TemporaryDirectory(prefix="cold-start-") as folder:
        root = Path(folder)
        (root / "first").mkdir()
        (root / "first" / "first.py").write_text(FIRST, "utf-8")
        (root / "platform").mkdir()
        beside = (platform(root / "platform"), root / "first")
        ours = _Place(unpack(build(ROOT, root / "dist"), root / "ours"), beside)
        bare = _Place(unpack(build(ROOT, root / "bare-dist", bytecode=False), root / "bare"), beside)
        least = _Place(_least(root / "least", ours.app), beside)
        return await _measured(ours, bare, least)


def _least(into: Path, ours: Path) -> Path:
    into.mkdir()
    (into / "function_app.py").write_text(LEAST_APP, "utf-8")
    (into / LIBRARIES.parts[0]).symlink_to(ours / LIBRARIES.parts[0], target_is_directory=True)
    return into


async def _measured(ours: _Place, bare: _Place, least: _Place) -> list[Figure]:
    async with Cloud(a_pair()) as cloud:
        given = await _known(cloud)
        floor = await _fastest(least, "least", cloud)
        found = {
            name: await _fastest(ours, name, cloud, given.get(name, "{}"))
            for name in await _names(ours, cloud)
        }
        without = await _fastest(bare, "reconcile", cloud)
    index = min(start.index for start in found.values()) / floor.index
    slower = without.index / found["reconcile"].index, without.whole / found["reconcile"].whole
    return [
        Figure("cold-start.index.ratio-to-least-app", round(index, 2), "ratio", BUDGET),
        *(
            Figure(
                f"cold-start.{name.replace('_', '-')}.ratio-to-least-app",
                round(start.whole / floor.whole, 2),
                "ratio",
                BUDGET if name == "health" else None,
            )
            for name, start in found.items()
        ),
        Figure("cold-start.without-bytecode.index", round(slower[0], 2), "times as long"),
        Figure("cold-start.without-bytecode.first-tick", round(slower[1], 2), "times as long"),
    ]


@dataclass(frozen=True)
class _Start:
    """Processor seconds of one start."""

    index: float
    first: float

    @property
    def whole(self) -> float:
        """Until the first call is answered."""
        return self.index + self.first


async def _known(cloud: Cloud) -> dict[str, str]:
    """Let the store know the group, as it does when an instance starts. Returns what each trigger is given."""
    env = cloud.env()
    with environment(env):
        settings = Settings.from_env(env)
        async with opened(settings) as ports:
            for _ in range(2):
                await reconcile.run_all(ports, settings)
            (profile,) = await discover(settings.scope, ports.profiles)
            now = ports.clock.now()
    site = next(iter(cloud.world.sites.values())).id
    # Young enough until the last turn is over.
    errand = written(Errand(profile=profile, read_at=now + LIFETIME / 2)) or ""
    event = {
        "id": "1", "source": site, "subject": site, "type": "Microsoft.Web.AppUpdated", "specversion": "1.0",
        "time": f"{now:%Y-%m-%dT%H:%M:%SZ}", "data": {"appEventTypeDetail": {"action": "ChangedAppSettings"}},
    }  # fmt: skip
    return {
        "app_service_changed": json.dumps(event),
        "traffic_manager_alert": json.dumps(_alert(profile.id, f"{now:%Y-%m-%dT%H:%M:%SZ}")),
        "decision": json.dumps({"group": profile.name, "decision": "approve", "fingerprint": "0"}),
        "reconcile_group": errand,
        "drill": json.dumps({"group": profile.name, "region": "weu", "dry_run": True}),
    }


def _alert(profile: str, now: str) -> dict[str, Any]:
    """The common alert schema, for an endpoint that was lost."""
    essentials = {
        "alertId": "/subscriptions/x/providers/Microsoft.AlertsManagement/alerts/1",
        "alertRule": "counterpart-endpoint-lost", "severity": "Sev1", "signalType": "Metric",
        "monitorCondition": "Fired", "monitoringService": "Platform", "alertTargetIDs": [profile.lower()],
        "firedDateTime": now, "essentialsVersion": "1.0", "alertContextVersion": "1.0",
    }  # fmt: skip
    condition = {"allOf": [{"dimensions": [{"name": "EndpointName", "value": "weu"}]}]}
    context = {"conditionType": "SingleResourceMultipleMetricCriteria", "condition": condition}
    return {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {"essentials": essentials, "alertContext": context},
    }


async def _names(ours: _Place, cloud: Cloud) -> list[str]:
    """The functions of the app, as the worker library lists them."""
    (ours.beside[-1] / "listing.py").write_text(LISTING, "utf-8")
    command = alone(ours.app, *ours.beside, module="listing")
    return list(json.loads(await _run((*command, str(ours.app)), cloud.env())))


async def _fastest(place: _Place, name: str, cloud: Cloud, given: str = "{}") -> _Start:
    """The fastest of several starts, each by a new process over a copy of the store."""
    command = (*alone(place.app, *place.beside, module="first"), str(place.app), name, given)
    known = Path(cloud.env()["COUNTERPART_STORE"].removeprefix("sqlite:"))
    turns = []
    for turn in range(TURNS):
        store = cloud.directory / f"{place.app.name}-{name}-{turn}.sqlite"
        shutil.copyfile(known, store)
        found = json.loads(await _run(command, cloud.env() | {"COUNTERPART_STORE": f"sqlite:{store}"}))
        if not found["ok"]:
            raise RuntimeError(f"{name} failed at its first call: {found['error']}")
        turns.append(_Start(found["index"], found["first"]))
    return min(turns, key=lambda it: it.whole)


async def _run(command: tuple[str, ...], env: Mapping[str, str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    if process.returncode:
        raise RuntimeError(err.decode())
    return out.decode().splitlines()[-1]
