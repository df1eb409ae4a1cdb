"""The HTTP face of a function app: its HTTP triggers, the Event Grid webhook and the administration paths.

Answers as the Functions host does. It does not imitate: output bindings, other triggers, `functionTimeout`,
retries by policy, App Service authentication.
"""

import asyncio
import hmac
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from simulator.stage import queues, routes, timers, worker
from simulator.stage.configuration import HostConfig
from simulator.stage.invocations import Invocations
from simulator.stage.timers import Timer
from simulator.stage.worker import Function, Outcome

log = logging.getLogger("host")

BODY_LIMIT = 100 * 1024 * 1024  # bytes, the platform's own for HTTP requests
TRIGGERS = frozenset({"httpTrigger", "timerTrigger", "eventGridTrigger", "queueTrigger"})
# Ours to set: they describe the connection, not the answer.
HOP_BY_HOP = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})


class Host:
    """One app and what listens for it. A function with a fault of its own is in `errors`; the others run."""

    def __init__(
        self,
        functions: Sequence[Function],
        *,
        config: HostConfig,
        settings: Mapping[str, str],
        key: str,
        invocations: Invocations,
        timer_every: float | None = None,
    ) -> None:
        self.functions = {function.name.lower(): function for function in functions}
        self.invocations = invocations
        self.errors: dict[str, list[str]] = {}
        self.timers: dict[str, Timer] = {}
        self.pollers: list[queues.Poller] = []
        self._routes: list[routes.Route] = []
        self._config, self._settings, self._key, self._timer_every = config, settings, key, timer_every
        for function in functions:
            try:
                self._prepare(function)
            except ValueError as wrong:
                self.errors[function.name] = [str(wrong)]
                log.error("The '%s' function is in error: %s", function.name, wrong)  # noqa: TRY400 -- one line

    def _prepare(self, function: Function) -> None:
        """Set up what one function listens to; ValueError says why it cannot run."""
        if function.kind not in TRIGGERS:
            raise ValueError(f"the stage has no {function.kind}")
        if function.outputs:
            raise ValueError(f"the stage has no output bindings, such as {function.outputs[0]}")
        match function.kind:
            case "httpTrigger":
                self._routes.append(self._route(function))
            case "timerTrigger":
                due = timers.plan(function, self._settings, self._timer_every)
                self.timers[function.name] = Timer(function, due, self.invocations)
            case "queueTrigger":
                self._prepare_queue(function)
            case _:  # Event Grid: the webhook finds it by name
                pass

    def _route(self, function: Function) -> routes.Route:
        template = function.trigger.get("route") or function.name
        prefix = self._config.route_prefix
        return routes.route(
            function.name,
            f"{prefix}/{template}" if prefix else str(template),
            map(str, function.trigger.get("methods") or ()),
        )

    def _prepare_queue(self, function: Function) -> None:
        queue = queues.queue_name(function, self._settings)
        connection = queues.connection(function, self._settings)
        if connection is None:
            log.info(
                "'%s': no connection string is configured, so queue %s is not looked at", function.name, queue
            )
            return
        self.pollers.append(
            queues.Poller(
                function,
                connection=connection,
                queue=queue,
                config=self._config,
                invocations=self.invocations,
            )
        )

    def application(self) -> web.Application:
        """The paths of the host. Its own come first; all else is a route of the app, or nothing."""
        application = web.Application(client_max_size=BODY_LIMIT)
        application.router.add_route("*", "/{path:.*}", self._answer)
        return application

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        """Choose by path; the host's own paths are not sensitive to case."""
        match tuple(segment.lower() for segment in request.path.strip("/").split("/")):
            case ("runtime", "webhooks", "eventgrid"):
                return await self._event_grid(request)
            case ("admin", *rest):
                return await self._admin(request, tuple(rest))
            case _:
                pass
        found = routes.find(self._routes, request.method, request.rel_url.raw_path)
        if found is None:
            return web.Response(status=404)
        function = self.functions[found[0].function.lower()]
        return await self._http(request, function, found[1])

    def _admitted(self, request: web.Request) -> bool:
        """Return whether the request carries the key, in the header or in the query."""
        given = request.headers.get("x-functions-key") or request.query.get("code") or ""
        return hmac.compare_digest(given.encode(), self._key.encode())

    # HTTP triggers

    async def _http(
        self, request: web.Request, function: Function, params: Mapping[str, str]
    ) -> web.Response:
        level = str(function.trigger.get("authLevel", "FUNCTION")).upper()
        if level != "ANONYMOUS" and not self._admitted(request):
            return web.Response(status=401)
        value = worker.http_request(
            request.method,
            str(request.url),
            headers={name.lower(): ",".join(request.headers.getall(name)) for name in request.headers},
            params=params,
            query={name: ",".join(request.query.getall(name)) for name in request.query},
            body=await request.read(),
        )
        outcome = await self.invocations.run(
            function, value, trace_parent=request.headers.get("traceparent", "")
        )
        return _http_response(outcome)

    # Event Grid

    async def _event_grid(self, request: web.Request) -> web.Response:
        """The webhook of Event Grid triggers, both schemas; any failure is 500, so all is delivered again."""
        if not self._admitted(request):
            return web.Response(status=401)
        name = request.query.get("functionName", "")
        function = self.functions.get(name.lower())
        if function is None or function.kind != "eventGridTrigger" or function.name in self.errors:
            return web.Response(status=404, text=f"cannot find function: '{name}'")
        if request.method == "OPTIONS":
            return _cloud_events_handshake(request)
        if request.method != "POST":
            return web.Response(status=405)
        return await self._events(request, function)

    async def _events(self, request: web.Request, function: Function) -> web.Response:
        try:
            events = _events(await request.read())
        except ValueError as wrong:
            return web.Response(status=400, text=str(wrong))
        match request.headers.get("aeg-event-type", "").lower():
            case "notification":
                outcomes = await asyncio.gather(*(self._event(function, event) for event in events))
                return web.Response(status=202 if all(outcome.ok for outcome in outcomes) else 500)
            case "subscriptionvalidation":
                return _validation(events)
            case "unsubscribe":
                return web.Response(status=202)
            case unknown:
                return web.Response(status=400, text=f"aeg-event-type {unknown!r} is not understood")

    async def _event(self, function: Function, event: dict[str, Any]) -> Outcome:
        return await self.invocations.run(function, worker.as_json(event))

    # Administration

    async def _admin(self, request: web.Request, path: tuple[str, ...]) -> web.Response:
        if not self._admitted(request):
            return web.Response(status=401)
        match request.method, path:
            case "GET", ("host", "status"):
                return web.json_response(
                    {"id": "stage", "state": "Running", "version": "4", "errors": self._error_list()}
                )
            case "GET", ("functions",):
                return web.json_response([self._described(each) for each in self.functions.values()])
            case "GET", ("functions", name) if name in self.functions:
                return web.json_response(self._described(self.functions[name]))
            case "POST", ("functions", name) if name in self.functions:
                return await self._by_hand(request, self.functions[name])
        return web.Response(status=404)

    def _error_list(self) -> list[str]:
        return [f"The '{name}' function is in error: {'; '.join(what)}" for name, what in self.errors.items()]

    def _described(self, function: Function) -> dict[str, Any]:
        return {
            "name": function.name,
            "trigger": function.kind,
            "config": {"bindings": list(function.bindings)},
            "errors": self.errors.get(function.name, []),
        }

    async def _by_hand(self, request: web.Request, function: Function) -> web.Response:
        """Invoke a function that has no HTTP trigger: 202 at once, as the real host answers.

        With `?wait=true`, which is ours and not Azure's, 202 after it succeeded and 500 after it failed.
        """
        if function.kind == "httpTrigger" or function.name in self.errors:
            why = self.errors.get(function.name, ["it has an HTTP trigger: call its route"])
            return web.Response(status=400, text="; ".join(why))
        try:
            given = json.loads(await request.read())["input"]
            work = self._work(function, given)
        except (ValueError, KeyError, TypeError):
            return web.Response(status=400, text='expected {"input": ...}')
        task = self.invocations.start(work)
        if request.query.get("wait", "").lower() != "true":
            return web.Response(status=202)
        outcome = await asyncio.shield(task)
        return web.Response(status=202) if outcome.ok else web.Response(status=500, text=outcome.error)

    def _work(self, function: Function, given: Any) -> Any:
        """The invocation that an administrator's input asks for; a timer ignores its input."""
        match function.kind:
            case "timerTrigger":
                return self.timers[function.name].fire()
            case "eventGridTrigger":
                return self._event(
                    function, _event_of(json.loads(given) if isinstance(given, str) else given)
                )
            case _:
                text = given if isinstance(given, str) else json.dumps(given)
                return queues.run_by_hand(self.invocations, function, text)


def _http_response(outcome: Outcome) -> web.Response:
    """Return what a function returned. A failure is an empty 500; its reason is in the log only, as in Azure."""
    if not outcome.ok:
        return web.Response(status=500)
    answer = worker.http_answer(outcome.value)
    response = web.Response(status=answer.status, body=answer.body)
    response.headers.popall("content-type", None)
    for name, value in answer.headers:
        if name.lower() not in HOP_BY_HOP:
            response.headers.add(name, value)
    return response


def _events(body: bytes) -> list[dict[str, Any]]:
    """The events of a delivery: an array, or one CloudEvent by itself. ValueError when it is neither."""
    whole = json.loads(body)
    return [_event_of(event) for event in (whole if isinstance(whole, list) else [whole])]


def _event_of(event: Any) -> dict[str, Any]:
    if not isinstance(event, dict):
        raise ValueError("an event is a JSON object")  # noqa: TRY004 -- bad input, not a bad call
    return event


def _validation(events: list[dict[str, Any]]) -> web.Response:
    """Event Grid's handshake: give the code back."""
    data = events[0].get("data") if events else None
    code = data.get("validationCode") if isinstance(data, dict) else None
    if code is None:
        return web.Response(status=400, text="the event has no data.validationCode")
    return web.json_response({"validationResponse": code})


def _cloud_events_handshake(request: web.Request) -> web.Response:
    """CloudEvents' handshake: allow the origin that asks."""
    origin = request.headers.get("WebHook-Request-Origin")
    if origin is None:
        return web.Response(status=400, text="WebHook-Request-Origin is missing")
    return web.Response(headers={"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"})
