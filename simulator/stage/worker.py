"""Loads a function app into `azure_functions_runtime`, which runs Python apps in Azure, and invokes it.

Uses the library's native route (`native_invocation`), which takes the library's own `Datum` values, so that
neither grpc nor protobuf is needed. That module is internal: pyproject.toml pins the version. The library's
state is module-global, so a process can load one app, once.
"""

import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol, cast

from azure_functions_runtime import (  # type: ignore[import-untyped]
    functions_metadata_request,
    get_threadpool_executor,
    start_threadpool_executor,
    worker_init_request,
)
from azure_functions_runtime.bindings.datumdef import Datum  # type: ignore[import-untyped]
from azure_functions_runtime.native_invocation import (  # type: ignore[import-untyped]
    invocation_request_native,
)

SUCCESS = 1  # StatusResult in the worker's protocol; 0 is failure
OUT = 1  # BindingInfo.Direction


class Value(Protocol):
    """A `Datum`: a payload and which field of the worker protocol's TypedData it stands for."""

    value: Any
    type: str | None


@dataclass(frozen=True, slots=True)
class Function:
    """One indexed function: its bindings are what the decorators say, as in a `function.json`."""

    name: str
    id: str
    bindings: tuple[Mapping[str, Any], ...]

    @property
    def trigger(self) -> Mapping[str, Any]:
        """The one binding that starts it."""
        return next(binding for binding in self.bindings if str(binding["type"]).endswith("Trigger"))

    @property
    def kind(self) -> str:
        """The trigger's type, such as `httpTrigger`."""
        return str(self.trigger["type"])

    @property
    def outputs(self) -> tuple[str, ...]:
        """The types of its output bindings, apart from an HTTP answer."""
        return tuple(
            str(binding["type"])
            for binding in self.bindings
            if str(binding.get("direction", "")).upper() == "OUT" and binding["type"] != "http"
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an invocation ended. `error` is the exception's repr and `trace` its traceback when it failed."""

    ok: bool
    value: Value | None = None
    error: str = ""
    trace: str = ""


class AppFailed(Exception):
    """The app could not be indexed. `trace` is the traceback through the app's own code."""

    def __init__(self, message: str, trace: str = "") -> None:
        self.trace = trace
        super().__init__(message)


class _Message(SimpleNamespace):
    """Stands in for a protobuf message: keywords in, attributes out."""


class _BindingInfo(_Message):
    """`BindingInfo` with the numbers of its two enumerations (FunctionRpc.proto)."""

    undefined, string, binary, stream = 0, 1, 2, 3
    out, inout = OUT, 2


class _StatusResult(_Message):
    """`StatusResult` with the numbers of its enumeration."""

    Failure, Success = 0, SUCCESS


_PROTOS = SimpleNamespace(
    BindingInfo=_BindingInfo,
    StatusResult=_StatusResult,
    RpcException=_Message,
    RpcFunctionMetadata=_Message,
    RpcRetryOptions=_Message,
    WorkerInitResponse=_Message,
    WorkerMetadata=_Message,
    FunctionMetadataResponse=_Message,
)


def _request(**message: Any) -> SimpleNamespace:
    """A request as the worker's proxy hands it to the library."""
    return SimpleNamespace(
        request=SimpleNamespace(**message), properties={"protos": _PROTOS, "host": "127.0.0.1"}
    )


async def load(app_dir: Path) -> tuple[Function, ...]:
    """Index `app_dir/function_app.py` as the platform does at start-up.

    Returns:
        The app's functions, in the order in which the library lists them.

    Raises:
        AppFailed: there is no app, its import failed, or a function's signature does not fit its bindings
            (which fails the whole app, as in Azure).
    """
    if not (app_dir / "function_app.py").is_file():
        raise AppFailed(f"no function_app.py in {app_dir}")
    sys.path.insert(0, str(app_dir))
    # The library's own log goes to the platform, not to the user; failures come back as values.
    logging.getLogger("azure.functions").setLevel(logging.CRITICAL)
    start_threadpool_executor()
    init = SimpleNamespace(capabilities={}, function_app_directory=str(app_dir))
    _require(await worker_init_request(_request(worker_init_request=init)))
    answer = await functions_metadata_request(_request())
    _require(answer)
    return tuple(map(_function, answer.function_metadata_results or ()))


def _require(answer: Any) -> None:
    """Raise what a failed answer of the library carries."""
    if answer.result.status != SUCCESS:
        failure = answer.result.exception
        raise AppFailed(failure.message, failure.stack_trace)


def _function(metadata: Any) -> Function:
    """Return what the library says about one function; it gives each binding as a JSON text."""
    return Function(metadata.name, metadata.function_id, tuple(map(json.loads, metadata.raw_bindings)))


async def invoke(
    function: Function,
    invocation_id: str,
    value: Value,
    metadata: Mapping[str, Value] | None = None,
    trace_parent: str = "",
) -> Outcome:
    """Run one function on the current loop (or, if it is a plain function, in the library's thread pool)."""
    ok, returned, _, error, trace = await invocation_request_native(
        invocation_id, function.id, [(function.trigger["name"], value)], dict(metadata or {}), trace_parent
    )
    return Outcome(bool(ok), returned, error or "", trace or "")


def abandon_threads() -> None:
    """Let go of the thread pool without waiting for a handler that hangs in it."""
    pool = get_threadpool_executor()
    if pool is not None:
        pool.shutdown(wait=False, cancel_futures=True)


def text(value: str) -> Value:
    """TypedData.string."""
    return cast("Value", Datum(value, "string"))


def as_json(value: Any) -> Value:
    """TypedData.json: the JSON text of a value."""
    return cast("Value", Datum(json.dumps(value), "json"))


def http_request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    params: Mapping[str, str],
    query: Mapping[str, str],
    body: bytes,
) -> Value:
    """TypedData.http. The library asks for the body as raw bytes (`RawHttpBodyBytes`)."""
    return cast(
        "Value",
        Datum(
            {
                "method": text(method),
                "url": text(url),
                "headers": {name: text(value) for name, value in headers.items()},
                "params": {name: text(value) for name, value in params.items()},
                "query": {name: text(value) for name, value in query.items()},
                "body": Datum(body, "bytes"),
            },
            "http",
        ),
    )


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What an HTTP function returned."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def http_answer(value: Value | None) -> HttpAnswer:
    """Read the return value of an HTTP function; a `str` is a plain text with status 200."""
    if value is None or value.value is None:
        return HttpAnswer(204, (), b"")
    if value.type == "http":
        return _rpc_http(value.value)
    body = value.value if isinstance(value.value, bytes) else str(value.value).encode()
    return HttpAnswer(200, (("content-type", "text/plain; charset=utf-8"),), body)


def _rpc_http(http: Mapping[str, Any]) -> HttpAnswer:
    """Flatten the nested values: the protocol's status is a string, and cookies travel apart from headers."""
    headers = tuple((name, str(value.value)) for name, value in http["headers"].items())
    cookies: list[SimpleCookie] = http.get("cookies") or []
    set_cookies = tuple(("set-cookie", morsel.OutputString()) for jar in cookies for morsel in jar.values())
    return HttpAnswer(int(http["status_code"].value), headers + set_cookies, http["body"].value or b"")
