"""Malformed requests are refused as Azure refuses them: by an error in the service's own shape, never by a 500."""

import contextlib
import copy
import io
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import aiohttp
import pytest
from yarl import URL

from simulator.arm import Operation
from simulator.pair import a_pair
from simulator.premises import Premises
from simulator.services import (
    admin,
    artifact_hosts,
    dns,
    event_grid_topic,
    key_vault,
    resource_manager,
    scepman,
    sign_in,
    webhook,
)
from simulator.services.resource_manager import OPERATIONS, VERSIONS
from simulator.world import SUBSCRIPTION
from tests.simulator.small_world import Service, running
from tests.simulator.test_key_vault import session_to
from tests.simulator.test_receivers import EVENT, message

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
        async with self._session.request(
            method, URL(url, encoded=True), data=io.BytesIO(body) if body else None, headers=headers
        ) as answer:
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
    for token in ("x", "-1", "1e9", "9" * 40, "%C2%B2"):
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
    for token in ("x", "-1", "9" * 40, "%C2%B2"):
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


class Door:
    """Where a service takes requests that need no token, and how it says no."""

    def __init__(self, cloud: Premises, session: aiohttp.ClientSession) -> None:
        self.cloud, self._session = cloud, session

    async def knock(
        self, method: str, url: str, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> tuple[int, Any]:
        """Return the status and what is said; a refusal is JSON, and nothing is a 5xx."""
        async with self._session.request(
            method, URL(url, encoded=True), headers=headers, data=io.BytesIO(body) if body else None
        ) as answer:
            text = await answer.text(errors="replace")
            assert answer.status < 500, f"{method} {url} {headers} {body[:80]!r}: {text[:200]}"
            refused = answer.status >= 400
            return answer.status, json.loads(text) if refused else text


@contextlib.asynccontextmanager
async def door(directory: Path, *services: Service) -> AsyncIterator[Door]:
    """Names, and these services."""
    async with running(a_pair(), directory, dns.serve, *services) as cloud, session_to(cloud) as session:
        yield Door(cloud, session)


async def test_sign_in_refuses_what_is_no_form(tmp_path: Path) -> None:
    """Other bytes, charsets, parts and methods are an OAuth error, and so is a form without what is needed."""
    form = "application/x-www-form-urlencoded"
    async with door(tmp_path, sign_in.serve) as at:
        url = f"{at.cloud.login_url}/{at.cloud.tenant}/oauth2/v2.0/token"
        for kind in (form, f"{form}; charset=nope", "multipart/form-data", "application/json", "x"):
            for body in (*BODIES, b"a", b"=", b"%ff=%ff", b"--x--"):
                status, said = await at.knock("POST", url, {"Content-Type": kind}, body)
                assert (status, said["error"], said["error_codes"]) == (400, "invalid_request", [900144])
        for method, path, body in (("GET", url, b""), ("POST", f"{url}/x", b""), ("POST", url, b"x" * 2**21)):
            status, said = await at.knock(method, path, {"Content-Type": form}, body)
            assert (status in {404, 405, 413}, said["error"]) == (True, "invalid_request")
        status, said = await at.knock("POST", at.cloud.identity_endpoint)
        assert (status, said["statusCode"]) == (405, 405)


async def test_whoever_is_told_refuses_what_is_no_message(tmp_path: Path) -> None:
    """A workflow, a webhook and a topic say why, for each part of a message or event of another type."""
    async with door(tmp_path, webhook.serve, event_grid_topic.serve) as at:
        receivers, port = at.cloud.world.receivers, at.cloud.https_port
        topic = f"{receivers['event-grid'].url(port)}?api-version=2018-01-01"
        key = {"aeg-sas-key": receivers["event-grid"].secret, "Content-Type": "application/cloudevents+json"}
        batch = {**key, "Content-Type": "application/cloudevents-batch+json"}
        doors: list[tuple[str, dict[str, str], Any]] = [
            (receivers["teams"].url(port), {}, json.loads(message())),
            (receivers["webhook"].url(port), {}, EVENT),
            (topic, key, EVENT),
            (topic, batch, [EVENT]),
        ]
        for url, headers, sound in doors:
            spoilt_ones = [json.dumps(item).encode() for item in spoilt(sound)]
            for body in (*BODIES, *spoilt_ones, b"x" * 2**22):
                receivers["teams"].got.clear()  # or it would be told too often
                status, said = await at.knock("POST", url, headers, body)
                assert status < 400 or said["error"], body[:80]
            assert (await at.knock("GET", url, headers))[0] == 405
            assert (await at.knock("POST", url, headers, json.dumps(sound).encode()))[0] < 300
        for kind in ("teams", "webhook"):
            spelt = receivers[kind].url(port).replace(receivers[kind].secret, "%C3%A9")
            assert (await at.knock("POST", spelt, None, b"{}"))[0] == 401
        assert (await at.knock("POST", topic, {**key, "aeg-sas-key": "\u00e9"}, b"{}"))[0] == 401


async def test_a_card_of_no_version(tmp_path: Path) -> None:
    """A number that is longer than any version is no version."""
    card = json.loads(message())["attachments"][0]["content"] | {"version": "9" * 5000}
    async with door(tmp_path, webhook.serve) as at:
        url = at.cloud.world.receivers["teams"].url(at.cloud.https_port)
        assert (await at.knock("POST", url, None, message(card)))[0] == 400


async def test_what_is_too_large_or_at_no_path_is_refused_in_the_services_own_shape(caller: Caller) -> None:
    """The web server's own refusals never show through."""
    site, large = caller.cloud.world.sites["app-scepman-weu"], b"x" * (4 * 2**20 + 1)
    status, said = await caller.arm("PUT", f"{site.id}/config/appsettings", "2025-05-01", large)
    assert (status, said["error"]["code"]) == (413, "RequestContentTooLarge")
    status, said = await caller.arm("GET", "/subscriptions/a%0D%0Ab", "2022-12-01", None)
    assert (status, said["error"]["code"]) == (404, "NotFound")
    assert (await caller.vault("PUT", "/secrets/x", large))[0] == 413
    assert (await caller.vault("GET", "/nothing%0Ahere", None))[0] == 404


async def test_a_scep_message_or_a_range_of_other_characters(tmp_path: Path) -> None:
    """Neither a SCEPman host nor an artifact host fails for it."""
    async with (
        running(a_pair(), tmp_path, dns.serve, scepman.serve, artifact_hosts.serve) as cloud,
        session_to(cloud) as session,
    ):
        site, host = cloud.world.sites["app-scepman-weu"], next(iter(cloud.world.artifact_hosts.values()))
        scep = f"https://{site.host}:{cloud.https_port}/certsrv/mscep/mscep.dll/pkiclient.exe"
        url = URL(f"{scep}?operation=PKIOperation&message=%C3%A9", encoded=True)
        async with session.get(url) as answer:
            assert answer.status == 400
        package = f"https://{host.name}:{cloud.https_port}{next(iter(host.files))}"
        for asked in (f"bytes={'9' * 5000}-", f"bytes=-{'9' * 5000}", "bytes=\u0663-", "bytes=\u00b2-"):
            async with session.get(package, headers={"Range": asked}) as answer:
                assert answer.status == 200, asked  # it is ignored


FAULTS = {
    "sites": {"app-scepman-weu": {"down": False}},
    "shared": {"key_vault": False},
    "receivers": {"teams": {"status": None}},
    "vaults": {"kv-counterpart": {"lag": 0}},
    "arm": {"delay": 0, "answers": [{"method": "GET", "path": "x", "status": 503, "times": 1}]},
    "events": {"lose": False},
    "hosts": {"raw.githubusercontent.com": {"down": False, "files": {"/x": {"status": None}}}},
}


@pytest.mark.parametrize(
    ("path", "sound"),
    [
        ("faults", FAULTS),
        ("edit", {"site": "app-scepman-weu", "set": {"A": "1"}, "unset": ["B"], "who": "x"}),
        ("site", {"site": "app-scepman-weu", "state": "Running", "tier": "Basic"}),
        ("restart", {"site": "app-scepman-weu"}),
        ("release", {"version": "3.2.1", "lag": 1}),
    ],
)
async def test_the_world_says_what_does_not_fit(tmp_path: Path, path: str, sound: Any) -> None:
    """Whoever tries the world by hand and errs is told, and never meets a 500."""
    async with door(tmp_path, admin.serve) as at:
        url = f"{at.cloud.admin_url}/_world/{path}"
        for body in (*BODIES, *(json.dumps(item).encode() for item in spoilt(sound))):
            status, said = await at.knock("POST", url, None, body)
            assert status == 200 or said["title"]
        assert (await at.knock("POST", url, None, json.dumps(sound).encode()))[0] == 200
        assert (await at.knock("GET", f"{at.cloud.admin_url}/_world/journal?since={'9' * 5000}"))[0] == 422
        assert (await at.knock("GET", f"{at.cloud.admin_url}/_world"))[0] == 200
