"""The simulated Entra and managed identity, asked by the real azure-identity, and by hand where it must refuse."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity import CredentialUnavailableError
from azure.identity.aio import ClientSecretCredential, DefaultAzureCredential, ManagedIdentityCredential

from simulator.pair import a_pair
from simulator.premises import Premises
from simulator.server import Cloud
from simulator.services import sign_in
from simulator.tokens import TokenRefused

ARM = "https://management.azure.com"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Premises]:
    """Only the sign-in service."""
    premises = Premises(a_pair(), tmp_path)
    async with sign_in.serve(premises):
        yield premises


@pytest.fixture
async def session(cloud: Premises) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that trusts the cloud's CA."""
    connector = aiohttp.TCPConnector(ssl=cloud.authority.client_context())
    async with aiohttp.ClientSession(connector=connector) as opened:
        yield opened


@pytest.fixture
def transport(session: aiohttp.ClientSession) -> AioHttpTransport:
    """The client, lent to an SDK."""
    return AioHttpTransport(session=session, session_owner=False)


@pytest.fixture
def in_app_service(cloud: Premises, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment that App Service gives an app with a managed identity."""
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    for name, value in cloud.env().items():
        monkeypatch.setenv(name, value)
    return monkeypatch


async def posted(session: aiohttp.ClientSession, url: str, **form: str) -> tuple[int, Any]:
    """A token request and its answer."""
    async with session.post(url, data=form) as answer:
        return answer.status, await answer.json()


async def test_managed_identity(
    cloud: Premises, transport: AioHttpTransport, in_app_service: pytest.MonkeyPatch
) -> None:
    """An app in App Service gets a token of its identity, for the audience it asked for."""
    async with ManagedIdentityCredential(transport=transport) as credential:
        token = await credential.get_token(f"{ARM}/.default")
    assert cloud.tokens.verify(token.token, (ARM,)) == cloud.managed_identity
    assert token.expires_on > cloud.world.now() + 3600


async def test_default_credential_finds_the_managed_identity(
    cloud: Premises, transport: AioHttpTransport, in_app_service: pytest.MonkeyPatch
) -> None:
    """DefaultAzureCredential takes the managed identity where nobody is signed in by environment."""
    async with DefaultAzureCredential(transport=transport) as credential:
        token = await credential.get_token(f"{ARM}/.default")
    assert cloud.tokens.verify(token.token, (ARM,)).name == "counterpart"


async def test_default_credential_finds_the_operator(
    cloud: Premises, transport: AioHttpTransport, in_app_service: pytest.MonkeyPatch
) -> None:
    """With the operator's variables set, DefaultAzureCredential signs in as the operator."""
    for name, value in cloud.operator_env().items():
        in_app_service.setenv(name, value)
    async with DefaultAzureCredential(transport=transport) as credential:
        token = await credential.get_token(f"{ARM}/.default")
    assert cloud.tokens.verify(token.token, (ARM,)).name == "operator"


async def test_managed_identity_of_someone_else(
    transport: AioHttpTransport, in_app_service: pytest.MonkeyPatch
) -> None:
    """A wrong identity header gets no token."""
    in_app_service.setenv("IDENTITY_HEADER", "guessed")
    async with ManagedIdentityCredential(transport=transport) as credential:
        with pytest.raises((ClientAuthenticationError, CredentialUnavailableError)):
            await credential.get_token(f"{ARM}/.default")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"api-version": "2019-08-01", "resource": ARM}, 200),
        ({"api-version": "2018-02-01", "resource": ARM}, 400),
        ({"api-version": "2019-08-01", "resource": ARM, "client_id": "somebody"}, 400),
        ({"api-version": "2019-08-01", "resource": "https://unknown.example"}, 500),
    ],
)
async def test_managed_identity_protocol(
    cloud: Premises, session: aiohttp.ClientSession, query: dict[str, str], status: int
) -> None:
    """The endpoint refuses versions, identities and resources that it does not know, in its own shape."""
    headers = {"X-IDENTITY-HEADER": cloud.identity_header}
    async with session.get(cloud.identity_endpoint, params=query, headers=headers) as answer:
        body = await answer.json()
    assert answer.status == status
    assert ("access_token" in body) == (status == 200)
    assert body.get("statusCode", 200) == status


async def test_service_principal(cloud: Premises, transport: AioHttpTransport) -> None:
    """An operator signs in with a client secret."""
    async with ClientSecretCredential(
        cloud.tenant,
        cloud.operator.app_id,
        cloud.operator.secret,
        authority=cloud.login_url,
        disable_instance_discovery=True,
        transport=transport,
    ) as credential:
        token = await credential.get_token("https://management.core.windows.net//.default")
    assert cloud.tokens.verify(token.token, ("https://management.core.windows.net/",)) == cloud.operator


async def test_wrong_secret(cloud: Premises, transport: AioHttpTransport) -> None:
    """A wrong client secret is AADSTS7000215, with the number in the description and in the codes."""
    async with ClientSecretCredential(
        cloud.tenant, cloud.operator.app_id, "wrong", authority=cloud.login_url, transport=transport
    ) as credential:
        with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
            await credential.get_token(f"{ARM}/.default")


@pytest.mark.parametrize(
    ("tenant", "changed", "status", "number"),
    [
        ("", {"client_secret": "wrong"}, 401, 7000215),
        ("", {"client_secret": ""}, 401, 7000218),
        ("", {"client_id": "00000000-0000-0000-0000-000000000009"}, 400, 700016),
        ("", {"grant_type": "password"}, 400, 70003),
        ("", {"scope": "https://unknown.example/.default"}, 400, 500011),
        ("", {"scope": f"{ARM}/user_impersonation"}, 400, 1002012),
        ("99999999-0000-0000-0000-000000000000", {}, 400, 90002),
    ],
)
async def test_refusals(
    cloud: Premises,
    session: aiohttp.ClientSession,
    tenant: str,
    changed: dict[str, str],
    status: int,
    number: int,
) -> None:
    """Every refusal has Entra's status, its number, and no secret."""
    form = {
        "grant_type": "client_credentials",
        "client_id": cloud.operator.app_id,
        "client_secret": cloud.operator.secret,
        "scope": f"{ARM}/.default",
    }
    url = f"{cloud.login_url}/{tenant or cloud.tenant}/oauth2/v2.0/token"
    got, body = await posted(session, url, **form | changed)
    assert (got, body["error_codes"]) == (status, [number])
    assert f"AADSTS{number}" in body["error_description"]
    assert cloud.operator.secret not in str(body)


async def test_v1_tokens(cloud: Premises, session: aiohttp.ClientSession) -> None:
    """The old token endpoint takes a resource instead of a scope."""
    status, body = await posted(
        session,
        f"{cloud.login_url}/{cloud.tenant}/oauth2/token",
        grant_type="client_credentials",
        client_id=cloud.operator.app_id,
        client_secret=cloud.operator.secret,
        resource="https://management.core.windows.net/",
    )
    assert status == 200
    assert body["resource"] == "https://management.core.windows.net/"


async def test_discovery(cloud: Premises, session: aiohttp.ClientSession) -> None:
    """Discovery leads to the token endpoint and to the key that signs the tokens."""
    base = f"{cloud.login_url}/{cloud.tenant}"
    async with session.get(f"{base}/v2.0/.well-known/openid-configuration") as answer:
        found = await answer.json()
    assert found["token_endpoint"] == f"{base}/oauth2/v2.0/token"
    assert found["issuer"] == f"{base}/v2.0"
    async with session.get(found["jwks_uri"]) as answer:
        keys = await answer.json()
    assert keys == cloud.tokens.key_set()
    async with session.get(f"{cloud.login_url}/common/discovery/instance") as answer:
        instance = await answer.json()
    assert instance["metadata"][0]["aliases"] == [cloud.login_url.removeprefix("https://")]


async def test_tokens_are_checked(tmp_path: Path) -> None:
    """A token that was changed, has expired or is for another audience is refused, each with its code."""
    world = a_pair()
    now = world.now()
    world.clock = lambda: now
    cloud = Premises(world, tmp_path)
    token, expires = cloud.tokens.issue(cloud.operator, ARM, "https://sts.test/")
    header, claims, signature = token.split(".")
    for bad, code in (
        (f"{header}.{claims[:-2]}AA.{signature}", "InvalidAuthenticationToken"),
        ("nonsense", "InvalidAuthenticationToken"),
        ("", "InvalidAuthenticationToken"),
    ):
        with pytest.raises(TokenRefused) as refused:
            cloud.tokens.verify(bad, (ARM,))
        assert refused.value.code == code
    with pytest.raises(TokenRefused, match="wrong audience"):
        cloud.tokens.verify(token, ("https://vault.azure.net",))
    now = expires
    with pytest.raises(TokenRefused) as late:
        cloud.tokens.verify(token, (ARM,))
    assert late.value.code == "ExpiredAuthenticationToken"


async def test_the_whole_cloud_starts_and_stops() -> None:
    """Every service has its URL while the cloud runs, and its files are gone afterwards."""
    async with Cloud(a_pair()) as cloud:
        urls = (cloud.arm_url, cloud.login_url, cloud.identity_endpoint, cloud.admin_url)
        assert [url.split("://")[0] for url in urls] == ["https", "https", "http", "http"]
        assert cloud.ca_bundle.exists()
        assert all(cloud.env().values())
    assert not cloud.directory.exists()
