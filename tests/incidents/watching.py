"""A small world with incidents in it: minutes pass, the timer runs, cards arrive."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from handlers import app_service_changed, reconcile, traffic_manager_alert
from handlers._edge import LINGER, Answer, Asked
from shared.groups.model import MonitorStatus, ScepProof
from shared.incidents.hold import HoldRow, HoldRules
from shared.incidents.model import Incident
from shared.incidents.workflow import hold_key, list_incidents
from shared.reconcile.incidents import sending_beside
from shared.store import read
from tests.builders import host, site_id
from tests.rounds import World

METRIC = "ProbeAgentCurrentEndpointStateByProfileResourceId"


class Watched(World):
    """A group that is watched by the timer, minute by minute."""

    def with_hold(self, **rules: Any) -> "Watched":
        """The failback hold is on."""
        self.settings = msgspec.structs.replace(self.settings, hold=HoldRules(on=True, **rules))
        return self

    async def minute(self, count: int = 1) -> None:
        """So many turns of the timer, a minute apart."""
        for _ in range(count):
            self.clock.advance(60)
            await reconcile.handle("{}", ports=self.ports, settings=self.settings)

    async def incidents(self) -> tuple[Incident, ...]:
        """All there are, the newest first."""
        return await list_incidents(self.store, self.settings.incidents)

    async def incident(self) -> Incident:
        """The only one."""
        (one,) = await self.incidents()
        return one

    async def held(self) -> HoldRow | None:
        """The failback hold's row."""
        row, _ = await read(self.store, hold_key(self.profile_id), HoldRow)
        return row

    def status(self, region: str, status: MonitorStatus) -> None:
        """What Traffic Manager says of a region."""
        self.profiles.set_endpoint(region, status=status)

    def mute(self, region: str, problem: str = "no answer within 10 s") -> None:
        """The app does not answer us."""
        self.probes.results[host(region)] = problem

    def app_id(self, region: str) -> str:
        """The site's id as the fake keeps it."""
        return site_id(region).lower()

    def no_proof(self) -> ScepProof:
        """A SCEP proof that failed."""
        return ScepProof(at=self.clock.now(), problem="GetCACert answered 500")

    async def alert(self, body: Mapping[str, Any] | bytes) -> Answer:
        """Azure Monitor calls."""
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        async with sending_beside(self.ports, self.settings, linger=LINGER):
            return await traffic_manager_alert.handle(
                Asked(body=raw, person=""), ports=self.ports, settings=self.settings
            )

    async def event(self, action: str, region: str) -> None:
        """App Service tells."""
        body = {
            "id": "1",
            "subject": f"/Microsoft.Web/sites/app-{region}",
            "topic": site_id(region),
            "eventType": "Microsoft.Web.AppUpdated",
            "eventTime": self.clock.now().isoformat(),
            "data": {"appEventTypeDetail": {"action": action}},
        }
        text = msgspec.json.encode(body).decode()
        await app_service_changed.handle(text, ports=self.ports, settings=self.settings)


def an_alert(
    profile_id: str,
    at: datetime,
    *,
    endpoints: Sequence[str] = ("west",),
    condition: str = "Fired",
    alert: str = "/subscriptions/x/providers/Microsoft.AlertsManagement/alerts/1",
    **essentials: Any,
) -> dict[str, Any]:
    """A metric alert in the common schema, as Azure Monitor sends it; a field that is None is left out."""
    fields = {
        "alertId": alert,
        "alertRule": "an endpoint is degraded",
        "severity": "Sev1",
        "signalType": "Metric",
        "monitorCondition": condition,
        "monitoringService": "Platform",
        "alertTargetIDs": [profile_id.lower()],
        "firedDateTime": at.isoformat().replace("+00:00", ".0000001Z"),
        "resolvedDateTime": at.isoformat() if condition == "Resolved" else None,
        "description": "",
        "essentialsVersion": "1.0",
        "alertContextVersion": "1.0",
        **essentials,
    }
    criteria = [
        {
            "metricName": METRIC,
            "metricNamespace": "Microsoft.Network/trafficManagerProfiles",
            "operator": "LessThan",
            "threshold": "0.5",
            "timeAggregation": "Average",
            "dimensions": [{"name": "EndpointName", "value": endpoint}] if endpoint else [],
            "metricValue": 0.0,
        }
        for endpoint in endpoints or ("",)
    ]
    return {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {
            "essentials": {name: item for name, item in fields.items() if item is not None},
            "alertContext": {
                "properties": None,
                "conditionType": "SingleResourceMultipleMetricCriteria",
                "condition": {"windowSize": "PT1M", "allOf": criteria},
            },
            "customProperties": {},
        },
    }
