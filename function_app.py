"""The trigger table: which function runs when, and nothing else."""

import functools
import os

import azure.functions as func

# "from handlers import x" would be shadowed by the row of that name.
import handlers.app_service_changed
import handlers.decision
import handlers.decision_page
import handlers.drill
import handlers.drill_abort
import handlers.drill_report
import handlers.drill_status
import handlers.drills
import handlers.health
import handlers.incident
import handlers.reconcile
import handlers.reconcile_group
import handlers.traffic_manager_alert
from handlers._edge import answer, settle
from shared.bootstrap import connect
from shared.ports import Ports
from shared.settings import Settings

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)

# Whether App Service's own sign-in stands before the app: only then does it say who a caller is, and let nobody
# else say it. What only reads is then open to who is signed in; what changes something keeps its key.
SIGN_IN = os.environ.get("WEBSITE_AUTH_ENABLED", "").lower() == "true"
READING = func.AuthLevel.ANONYMOUS if SIGN_IN else func.AuthLevel.FUNCTION


@functools.cache
def world() -> tuple[Ports, Settings]:
    """The outside world, made once per process; called in async rows only, so a loop runs."""
    settings = Settings.from_env(os.environ)
    return connect(settings), settings


@app.event_grid_trigger(arg_name="event")
async def app_service_changed(event: str) -> None:
    """App Service changed a site."""
    await settle(handlers.app_service_changed.handle, event, world)


@app.timer_trigger(arg_name="timer", schedule="0 * * * * *", use_monitor=False)
async def reconcile(timer: str) -> None:
    """Every minute, for every group."""
    await settle(handlers.reconcile.handle, timer, world, timer=True)


@app.queue_trigger(arg_name="message", queue_name="counterpart-groups", connection="AzureWebJobsStorage")
async def reconcile_group(message: func.QueueMessage) -> None:
    """The timer handed out a group's round."""
    await settle(handlers.reconcile_group.handle, message.get_body().decode(errors="replace"), world)


@app.route(route="decisions", methods=["POST"])
async def decision(req: func.HttpRequest) -> func.HttpResponse:
    """A person decides."""
    return await answer(handlers.decision.handle, req, world, sign_in=SIGN_IN)


@app.route(route="alerts/traffic-manager", methods=["POST"])
async def traffic_manager_alert(req: func.HttpRequest) -> func.HttpResponse:
    """Azure Monitor says that an endpoint was lost or found."""
    return await answer(handlers.traffic_manager_alert.handle, req, world)


@app.route(route="incidents/{id}", methods=["GET"], auth_level=READING)
async def incident(req: func.HttpRequest) -> func.HttpResponse:
    """Somebody opens an incident."""
    return await answer(handlers.incident.handle, req, world, sign_in=SIGN_IN, reading=True)


@app.route(route="decisions/{id}", methods=["GET"], auth_level=READING)
async def decision_page(req: func.HttpRequest) -> func.HttpResponse:
    """Somebody opens a decision that waits."""
    return await answer(handlers.decision_page.handle, req, world, sign_in=SIGN_IN, reading=True)


@app.route(route="drills", methods=["POST"])
async def drill(req: func.HttpRequest) -> func.HttpResponse:
    """Somebody asks for a drill."""
    return await answer(handlers.drill.handle, req, world, sign_in=SIGN_IN)


@app.route(route="drills", methods=["GET"], auth_level=READING)
async def drills(req: func.HttpRequest) -> func.HttpResponse:
    """Somebody asks which drills there are."""
    return await answer(handlers.drills.handle, req, world, sign_in=SIGN_IN, reading=True)


@app.route(route="drills/{id}", methods=["GET"], auth_level=READING)
async def drill_status(req: func.HttpRequest) -> func.HttpResponse:
    """Somebody asks how a drill goes."""
    return await answer(handlers.drill_status.handle, req, world, sign_in=SIGN_IN, reading=True)


@app.route(route="drills/{id}/abort", methods=["POST"])
async def drill_abort(req: func.HttpRequest) -> func.HttpResponse:
    """Somebody aborts a drill."""
    return await answer(handlers.drill_abort.handle, req, world, sign_in=SIGN_IN)


@app.route(route="drills/{id}/report", methods=["GET"], auth_level=READING)
async def drill_report(req: func.HttpRequest) -> func.HttpResponse:
    """Somebody asks what came of a drill."""
    return await answer(handlers.drill_report.handle, req, world, sign_in=SIGN_IN, reading=True)


@app.route(route="health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def health(req: func.HttpRequest) -> func.HttpResponse:
    """Alive, configured, and able to reach the store."""
    return await answer(handlers.health.handle, req, world)
