"""Malformed requests are refused as Azure refuses them: by an error in the service's own shape, never by a 500."""

import copy
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import aiohttp
import pytest

from simulator.arm import Operation
from simulator.pair import a_pair
from simulator.premises import Premises
from simulator.services import dns, key_vault, resource_manager, sign_in
from simulator.services.resource_manager import OPERATIONS, VERSIONS
from simulator.world import SUBSCRIPTION
from tests.simulator.small_world import running
from tests.simulator.test_key_vault import session_to

NAMES = {
    "subscription": SUBSCRIPTION,
    "group": "rg-scepman",
    "site": "app-scepman-weu",
    "profile": "scepman",
    "type": "azureEndpoints",
    "kind": "azureEndpoints",
    "endpoint": "weu",
    "setting": "AppConfig:LicenseKey",
    "provider": "Microsoft.Web",
}
BODIES = (
    b"\xff\xfe{}", b"{", b"[]", b"1", b'"x"', b"null", b"NaN", b'{"properties": NaN}', b'{"properties": 1}',
    b'{"properties": [1]}', b'{"properties": {"A": {"B": [1]}}}', b"[" * 50_000, b'{"a": "\\ud800"}', b"\x00",
)  # fmt: skip
WRONG: tuple[Any, ...] = (None, True, -1, 10**30, 1.5, "x", "", [], ["x"], [None], {}, {"a": 1}, [[{}]])


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Premises]:
    """Sign-in, names, Resource Manager and a vault."""
    async with running(
        a_pair(), tmp_path, sign_in.serve, dns.serve, resource_manager.serve, key_vault.serve
    ) as premises:
        yield premises


class Caller:
    """Somebody who is signed in, and sends what nobody should."""

    def __init__(self, cloud: Premises, session: aiohttp.ClientSession) -> None:
        self.cloud, self._session = cloud, session

    async def send(self, method: str, url: str, audience: str, body: bytes | None) -> tuple[int, Any]:
        """Return the status, and the answer's JSON."""
        token, _ = self.cloud.tokens.issue(self.cloud.operator, audience, "https://sts.test/")
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json; charset=utf-8"}
        async with self._session.request(method, url, data=body, headers=headers) as answer:
            text = await answer.text()
            assert answer.status < 500, f"{method} {url} {body!r}: {text[:200]}"
            if answer.status < 400:
                return answer.status, text
            said = json.loads(text)
            code = said.get("error", said).get("code") or said.get("Code")
            assert code, f"{method} {url}: an error without a code: {text[:200]}"
            return answer.status, said

    async def arm(
        self, method: str, path: str, version: str, body: bytes | None, query: str = ""
    ) -> tuple[int, Any]:
        """Ask Resource Manager."""
        url = f"{self.cloud.arm_url}{path}?api-version={version}{query}"
        return await self.send(method, url, "https://management.azure.com", body)

    async def vault(self, method: str, path: str, body: bytes | None, query: str = "") -> tuple[int, Any]:
        """Ask the vault."""
        host = next(iter(self.cloud.world.vaults.values())).host
        url = f"https://{host}:{self.cloud.https_port}{path}?api-version=7.5{query}"
        return await self.send(method, url, key_vault.resource(self.cloud), body)


@pytest.fixture
async def caller(cloud: Premises) -> AsyncIterator[Caller]:
    """The operator."""
    async with session_to(cloud) as session:
        yield Caller(cloud, session)


def spoilt(whole: Any) -> Iterator[Any]:
    """Yield the JSON with each of its parts, in turn, replaced by each value of another type."""
    for path in list(parts(whole)):
        for wrong in WRONG:
            changed = copy.deepcopy(whole)
            place = changed
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = wrong
            yield changed


def parts(whole: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where each part of a JSON is, except for the whole."""
    if path:
        yield path
    inner = whole.items() if isinstance(whole, dict) else enumerate(whole) if isinstance(whole, list) else ()
    for step, value in inner:
        yield from parts(value, (*path, step))


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda it: f"{it.method} {it.path.rpartition('/')[2]}")
async def test_no_operation_of_resource_manager_fails_for_its_body(
    caller: Caller, operation: Operation
) -> None:
    """Bytes that are no UTF-8, no JSON, no object, or nested too deep."""
    path = re.sub(r"\{(\w+)\}", lambda name: NAMES[name[1]], operation.path)
    for body in BODIES:
        await caller.arm(operation.method, path, VERSIONS[operation.type][-1], body)
    for token in ("x", "-1", "1e9", "9" * 40, "²"):
        await caller.arm(operation.method, path, VERSIONS[operation.type][-1], None, f"&$skiptoken={token}")


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("tail", ["", "/azureEndpoints/weu"])
async def test_a_profile_with_a_part_of_another_type_is_taken_or_refused(
    caller: Caller, method: str, tail: str
) -> None:
    """Each part of a profile or endpoint, in turn, is null, a number, a text, a list or an object."""
    kind = "Microsoft.Network/trafficManagerProfiles"
    path = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-scepman/providers/{kind}/scepman{tail}"
    version = VERSIONS[kind][-1]
    _, text = await caller.arm("GET", path, version, None)
    for changed in spoilt(json.loads(text)):
        await caller.arm(method, path, version, json.dumps(changed).encode())


@pytest.mark.parametrize("section", ["appsettings", "connectionstrings", "slotConfigNames"])
async def test_settings_with_a_part_of_another_type_are_taken_or_refused(
    caller: Caller, section: str
) -> None:
    """So are an app's settings, connection strings and the names that stay with a slot."""
    path = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-scepman/providers/Microsoft.Web/sites/app-scepman-weu"
    sound = {
        "appsettings": {"A": "1"},
        "connectionstrings": {"Db": {"value": "1", "type": "Custom"}},
        "slotConfigNames": {"appSettingNames": ["A"], "connectionStringNames": []},
    }[section]
    for changed in spoilt({"properties": sound}):
        body = json.dumps(changed).encode()
        await caller.arm("PUT", f"{path}/config/{section}", "2025-05-01", body)


async def test_a_secret_with_a_bad_part_is_refused_before_it_is_stored(caller: Caller) -> None:
    """A value, attribute, tag or content type of another type leaves no version behind, and lists still work."""
    vault = next(iter(caller.cloud.world.vaults.values()))
    sound = {
        "value": "1",
        "attributes": {"exp": 2_000_000_000, "nbf": 1, "enabled": True},
        "tags": {"a": "b"},
    }
    whole = {**sound, "contentType": "text/plain"}
    status, _ = await caller.vault("PUT", "/secrets/sound", json.dumps(whole).encode())
    assert status == 200
    for changed in spoilt(whole):
        status, _ = await caller.vault("PUT", "/secrets/spoilt", json.dumps(changed).encode())
        assert (status == 200) == bool(vault.secrets.pop("spoilt", None))
        await caller.vault("PATCH", "/secrets/sound/", json.dumps(changed).encode())
    for body in BODIES:
        for method, path in (
            ("PUT", "/secrets/x"),
            ("PATCH", "/secrets/sound/"),
            ("DELETE", "/secrets/none"),
        ):
            await caller.vault(method, path, body)
    for token in ("x", "-1", "9" * 40, "²"):
        status, _ = await caller.vault("GET", "/secrets", None, f"&$skiptoken={token}")
        assert status == 400
    assert (await caller.vault("GET", "/secrets", None))[0] == 200


@pytest.mark.parametrize("section", ["appsettings", "connectionstrings"])
async def test_names_that_differ_in_case_are_refused(caller: Caller, section: str) -> None:
    """The app would see one of them: 409; a value that is too long, or a blank name, is a 400."""
    site = caller.cloud.world.sites["app-scepman-weu"]
    before = dict(site.app_settings)
    path = f"{site.id}/config/{section}"

    def given(value: str) -> Any:
        return value if section == "appsettings" else {"value": value, "type": "Custom"}

    for names, value, status in (
        (("Db", "DB"), "1", 409),
        (("Db",), "x" * 10_001, 400),
        (("Db",), "x" * 10_000, 200),
        ((" ",), "1", 400 if section == "appsettings" else 200),
    ):
        body = json.dumps({"properties": {name: given(value) for name in names}}).encode()
        if status == 200:
            before = {} if section == "connectionstrings" else {"Db": value}
        assert (await caller.arm("PUT", path, "2025-05-01", body))[0] == status
    assert section == "connectionstrings" or site.app_settings == before


async def test_what_the_azure_cli_shows_of_an_app(caller: Caller) -> None:
    """`az webapp show` reads the site, its configuration and the publishing profiles; `slot list` reads the slots."""
    site = caller.cloud.world.sites["app-scepman-weu"]
    for method, tail in (("GET", ""), ("GET", "/config/web"), ("GET", "/slots")):
        assert (await caller.arm(method, f"{site.id}{tail}", "2025-05-01", None))[0] == 200
    body = json.dumps({"format": "WebDeploy"}).encode()
    _, text = await caller.arm("POST", f"{site.id}/publishxml", "2025-05-01", body)
    urls = {element.get("publishMethod"): element.get("publishUrl") for element in ET.fromstring(text)}  # noqa: S314 -- ours
    assert urls["FTP"] == f"ftps://ftp.{site.host}/site/wwwroot"
