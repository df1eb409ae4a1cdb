"""The simulated Key Vault, used through the real SDK's asynchronous client."""

import contextlib
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from azure.core.credentials import AccessToken
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import HttpRequest
from azure.identity.aio import ManagedIdentityCredential
from azure.keyvault.secrets.aio import SecretClient

from simulator.device import StubResolver
from simulator.premises import Premises
from simulator.services import dns, key_vault, sign_in
from simulator.tokens import Principal
from simulator.world import Vault
from tests.simulator.small_world import contoso, running


class SimulatedNames(AbstractResolver):
    """Finds host names at the simulated DNS server only."""

    def __init__(self, cloud: Premises) -> None:
        self._stub = StubResolver("127.0.0.1", cloud.dns_port)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The one address of a host."""
        address = await self._stub.resolve(host)
        return [ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is open."""


class Minted:
    """A credential whose tokens the cloud's own directory makes, for whom and for what a test says."""

    def __init__(self, cloud: Premises, who: Principal, *, audience: str = "", lifetime: int = 3600) -> None:
        self._cloud, self._who, self._audience, self._lifetime = cloud, who, audience, lifetime
        self.asked: list[tuple[str, str | None]] = []

    async def get_token(self, *scopes: str, tenant_id: str | None = None, **_options: Any) -> AccessToken:
        """A token for the scope, or for the wrong audience on purpose."""
        self.asked.append((scopes[0], tenant_id))
        audience = self._audience or scopes[0].removesuffix("/.default")
        token, expires = self._cloud.tokens.issue(self._who, audience, "https://sts", lifetime=self._lifetime)
        return AccessToken(token, max(expires, int(self._cloud.world.now()) + 3600))

    async def close(self) -> None:
        """Nothing is open."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


@contextlib.asynccontextmanager
async def session_to(cloud: Premises) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP session that trusts the cloud's CA and resolves its names."""
    connector = aiohttp.TCPConnector(
        resolver=SimulatedNames(cloud), ssl=cloud.authority.client_context(), force_close=True
    )
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


@contextlib.asynccontextmanager
async def secrets(
    cloud: Premises, credential: AsyncTokenCredential, vault: str = "kv-contoso"
) -> AsyncIterator[SecretClient]:
    """The real client for one vault, its resource check in force."""
    async with session_to(cloud) as session:
        client = SecretClient(
            f"https://{vault}.vault.azure.test:{cloud.https_port}/",
            credential,
            transport=AioHttpTransport(session=session, session_owner=False),
            retry_total=0,
        )
        async with client:
            yield client


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Premises]:
    """Vaults, names and sign-in."""
    world = contoso()
    world.vaults["kv-counterpart"] = Vault("kv-counterpart")
    async with running(world, tmp_path, sign_in.serve, dns.serve, key_vault.serve) as premises:
        yield premises


async def test_a_managed_identity_keeps_a_secret_under_an_expiry(
    cloud: Premises, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set, get, list, versions, delete: the whole way from sign-in to the world, with an expiry and tags."""
    monkeypatch.setenv("IDENTITY_ENDPOINT", cloud.identity_endpoint)
    monkeypatch.setenv("IDENTITY_HEADER", cloud.identity_header)
    cloud.roles["counterpart"] |= {
        "Microsoft.KeyVault/vaults/secrets/readMetadata/action"
    }  # lists nothing by itself
    expires = cloud.world.now_utc().replace(microsecond=0) + timedelta(hours=1)
    async with ManagedIdentityCredential() as credential, secrets(cloud, credential) as client:
        made = await client.set_secret(
            "rollback-1",
            "S3CRET-old",
            expires_on=expires,
            tags={"plan": "a"},
            content_type="application/json",
        )
        again = await client.set_secret("rollback-1", "S3CRET-new")
        got = await client.get_secret("rollback-1")
        first = await client.get_secret("rollback-1", made.properties.version)
        names = [secret.name async for secret in client.list_properties_of_secrets()]
        versions = [
            version.version async for version in client.list_properties_of_secret_versions("rollback-1")
        ]
        deleted = await client.delete_secret("rollback-1")
        with pytest.raises(ResourceNotFoundError, match="SecretNotFound"):
            await client.get_secret("rollback-1")
    assert (got.value, first.value) == ("S3CRET-new", "S3CRET-old")
    assert (first.properties.expires_on, first.properties.tags) == (expires, {"plan": "a"})
    assert first.properties.content_type == "application/json"
    assert got.properties.expires_on is None
    assert names == ["rollback-1"]
    assert versions == [made.properties.version, again.properties.version]
    assert deleted.scheduled_purge_date == deleted.deleted_date + timedelta(days=90)  # type: ignore[operator]
    vault = cloud.world.vaults["kv-contoso"]
    assert vault.secrets == {}
    assert [secret.value for secret in vault.deleted["rollback-1"]] == ["S3CRET-old", "S3CRET-new"]
    told = [
        (happening.what, happening.who, happening.detail)
        for happening in cloud.world.journal
        if happening.what == "secret-set"
    ]
    assert told == [("secret-set", "counterpart", "rollback-1")] * 2


@pytest.mark.parametrize("after_effect", [False, True])
async def test_a_vault_that_fails(cloud: Premises, *, after_effect: bool) -> None:
    """It answers an error to whoever may ask, before or after it has done what was asked; then it is well again."""
    faults = cloud.world.vaults["kv-contoso"].faults
    faults.status, faults.after_effect = 503, after_effect
    async with secrets(cloud, Minted(cloud, cloud.operator)) as client:
        with pytest.raises(HttpResponseError) as error:
            await client.set_secret("copy", "one")
        assert error.value.status_code == 503
        faults.status = None
        names = [secret.name async for secret in client.list_properties_of_secrets()]
    assert names == (["copy"] if after_effect else [])


async def test_a_deleted_secret_is_kept_until_it_is_purged(cloud: Premises) -> None:
    """Soft delete: the name is taken, recovery brings it back, purging ends it."""
    async with secrets(cloud, Minted(cloud, cloud.operator)) as client:
        await client.set_secret("copy", "one")
        await client.delete_secret("copy")
        with pytest.raises(ResourceExistsError, match="deleted but recoverable"):
            await client.set_secret("copy", "two")
        assert [secret.name async for secret in client.list_deleted_secrets()] == ["copy"]
        await client.recover_deleted_secret("copy")
        assert (await client.get_secret("COPY")).value == "one"
        await client.delete_secret("copy")
        await client.purge_deleted_secret("copy")
        with pytest.raises(ResourceNotFoundError):
            await client.get_deleted_secret("copy")
        assert (await client.set_secret("copy", "three")).value == "three"


async def test_deleting_and_recovering_take_a_while(cloud: Premises) -> None:
    """Meanwhile it is found nowhere, and whoever would change it is told to come again."""
    now = cloud.world.now()
    cloud.world.clock = lambda: now
    cloud.world.vaults["kv-contoso"].faults.lag = 5.0
    async with secrets(cloud, Minted(cloud, cloud.operator)) as client:

        async def refused(said: str) -> None:
            with pytest.raises(ResourceExistsError, match=said):
                await client.set_secret("COPY", "two")
            with pytest.raises(ResourceNotFoundError, match="SecretNotFound"):
                await client.get_secret("copy")
            with pytest.raises(ResourceNotFoundError):
                await client.get_deleted_secret("copy")
            assert [secret.name async for secret in client.list_properties_of_secrets()] == []
            assert [secret.name async for secret in client.list_deleted_secrets()] == []

        await client.set_secret("copy", "one")
        await client.send_request(HttpRequest("DELETE", "/secrets/copy"))
        await refused("currently being deleted")
        with pytest.raises(ResourceExistsError) as purged:
            await client.purge_deleted_secret("copy")
        assert purged.value.response is not None
        assert "ObjectIsBeingDeleted" in purged.value.response.text()
        now += 5.0
        assert (await client.get_deleted_secret("copy")).name == "copy"
        await client.send_request(HttpRequest("POST", "/deletedsecrets/copy/recover"))
        await refused("currently being recovered")
        now += 5.0
        assert (await client.get_secret("copy")).value == "one"
        assert (await client.set_secret("copy", "two")).value == "two"


async def test_a_disabled_secret_is_not_read_and_an_expired_one_is(cloud: Premises) -> None:
    """Expiry is information; `enabled` is a lock."""
    past = cloud.world.now_utc() - timedelta(days=1)
    async with secrets(cloud, Minted(cloud, cloud.operator)) as client:
        await client.set_secret("old", "v", expires_on=past)
        assert (await client.get_secret("old")).value == "v"
        await client.update_secret_properties("old", enabled=False)
        with pytest.raises(HttpResponseError, match="disabled") as refused:
            await client.get_secret("old")
    assert refused.value.status_code == 403


async def test_vaults_are_apart_and_lists_come_in_pages(cloud: Premises) -> None:
    """Two vaults may share an address; more names than a page holds are followed by link."""
    credential = Minted(cloud, cloud.operator)
    async with secrets(cloud, credential) as one, secrets(cloud, credential, "kv-counterpart") as other:
        for number in range(30):
            await one.set_secret(f"s{number:02}", "v")
        assert len([secret async for secret in one.list_properties_of_secrets()]) == 30
        assert [secret async for secret in other.list_properties_of_secrets()] == []


async def test_the_challenge_names_the_resource_and_the_tenant(cloud: Premises) -> None:
    """The client learns from the 401 what to ask a token for, and its own check accepts it."""
    credential = Minted(cloud, cloud.operator)
    async with secrets(cloud, credential, "kv-counterpart") as client:
        await client.set_secret("a", "b")
    assert credential.asked == [(f"https://vault.azure.test:{cloud.https_port}/.default", cloud.tenant)]


async def test_tokens_are_checked(cloud: Premises) -> None:
    """A token for another audience, one that is over, and a role without data access are refused."""
    wrong = Minted(cloud, cloud.operator, audience="https://management.azure.com")
    over = Minted(cloud, cloud.operator, lifetime=-10)
    for credential in (wrong, over):
        async with secrets(cloud, credential) as client:
            with pytest.raises(ClientAuthenticationError, match="Unauthorized"):
                await client.get_secret("a")
    async with secrets(cloud, Minted(cloud, cloud.reader)) as client:
        with pytest.raises(HttpResponseError, match="not authorized") as refused:
            await client.get_secret("a")
    assert refused.value.status_code == 403


BAD_REQUESTS: tuple[tuple[str, str, bytes | None, int, str], ...] = (
    ("GET", "/secrets/a", None, 400, "BadParameter"),
    ("GET", "/secrets/a?api-version=1.0", None, 400, "BadParameter"),
    ("GET", "/secrets/a_b?api-version=7.5", None, 400, "BadParameter"),
    ("GET", "/secrets?api-version=7.5&maxresults=99", None, 400, "BadParameter"),
    ("PUT", "/secrets/a?api-version=7.5", b"[]", 400, "BadParameter"),
    ("PUT", "/secrets/a?api-version=7.5", b"{", 400, "BadParameter"),
    ("PUT", "/secrets/a?api-version=7.5", b'{"value": null}', 400, "BadParameter"),
    ("PUT", "/secrets/a?api-version=7.5", b'{"value": "a", "attributes": 1}', 400, "BadParameter"),
    ("PUT", "/secrets/a?api-version=7.5", b'{"value": "%s"}' % (b"x" * 26000), 400, "BadParameter"),
    ("GET", "/keys?api-version=7.5", None, 400, "BadParameter"),
    ("DELETE", "/secrets/a?api-version=7.5", None, 404, "SecretNotFound"),
)


async def test_bad_requests_get_key_vaults_error_body(cloud: Premises) -> None:
    """Wrong versions, names, sizes, bodies and paths: the documented status and error shape."""
    token = (await Minted(cloud, cloud.operator).get_token("https://vault.azure.net")).token
    base = f"https://kv-contoso.vault.azure.test:{cloud.https_port}"
    async with session_to(cloud) as session:
        for method, path, body, status, code in BAD_REQUESTS:
            headers = {"Authorization": f"Bearer {token}"}
            async with session.request(method, base + path, data=body, headers=headers) as answer:
                assert (answer.status, (await answer.json())["error"]["code"]) == (status, code), path
    assert cloud.world.vaults["kv-contoso"].secrets == {}
