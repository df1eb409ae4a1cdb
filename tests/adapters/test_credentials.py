"""open_credential with the real azure-identity against the simulator's sign-in."""

import asyncio
import base64
import json
from typing import cast

import pytest
from azure.core.credentials import AccessToken
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import ClientAuthenticationError
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.app_service import AppService
from shared.adapters.credentials import SignedIn, open_credential
from shared.adapters.http import open_session
from shared.adapters.traffic_manager import TrafficManagerProfiles
from shared.errors import Denied, Unavailable
from simulator.pair import a_pair
from simulator.server import Cloud
from simulator.world import SUBSCRIPTION

IDENTITY = (
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
)


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that says nothing about who we are."""
    for name in (*IDENTITY, "AZURE_AUTHORITY_HOST", "AZURE_TOKEN_CREDENTIALS", "AZURE_FEDERATED_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


async def test_the_managed_identity(nobody: pytest.MonkeyPatch) -> None:
    """With App Service's variables the managed identity signs in, over the lent session, and may write."""
    async with Cloud(world := a_pair()) as cloud:
        for name in ("AZURE_AUTHORITY_HOST", "IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
            nobody.setenv(name, cloud.env()[name])
        async with open_session(str(cloud.ca_bundle), ()) as session:
            credential = open_credential(session, arm_url=cloud.arm_url)
            adapter = TrafficManagerProfiles(
                credential, session, base_url=cloud.arm_url, audience=cloud.arm_url
            )
            (found,) = await adapter.list_profiles(SUBSCRIPTION)
            assert found.name in world.profiles
            await adapter.aclose()
            await credential.close()
            assert not session.closed


async def test_an_operator(nobody: pytest.MonkeyPatch) -> None:
    """With a service principal's variables it signs in at the configured authority."""
    async with Cloud(world := a_pair()) as cloud:
        for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"):
            nobody.setenv(name, cloud.operator_env()[name])
        async with open_session(str(cloud.ca_bundle), ()) as session:
            credential = open_credential(session, arm_url=cloud.arm_url, authority=cloud.login_url)
            adapter = AppService(credential, session, base_url=cloud.arm_url)
            (site, _) = world.sites.values()
            assert (await adapter.get_site(site.id)).host == site.host
            await adapter.aclose()
            await credential.close()


async def test_a_wrong_secret(nobody: pytest.MonkeyPatch) -> None:
    """A sign-in that is refused becomes one of our errors, without the secret."""
    async with Cloud(a_pair()) as cloud:
        nobody.setenv("AZURE_TENANT_ID", cloud.tenant)
        nobody.setenv("AZURE_CLIENT_ID", cloud.operator.app_id)
        nobody.setenv("AZURE_CLIENT_SECRET", "S3CRET-wrong")
        nobody.setenv("AZURE_AUTHORITY_HOST", cloud.login_url)
        nobody.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
        async with open_session(str(cloud.ca_bundle), ()) as session:
            credential = open_credential(session, arm_url=cloud.arm_url)
            with pytest.raises(ClientAuthenticationError):
                await credential.get_token("https://management.azure.com/.default")
            adapter = TrafficManagerProfiles(credential, session, base_url=cloud.arm_url)
            with pytest.raises((Denied, Unavailable)) as caught:
                await adapter.list_profiles(SUBSCRIPTION)
            assert "S3CRET" not in str(caught.value)
            await adapter.aclose()
            await credential.close()


class _Tokens:
    """A credential whose token says this."""

    def __init__(self, token: str) -> None:
        self.token = token

    async def get_token(self, *scopes: str) -> AccessToken:
        assert scopes == ("https://arm.test/.default",)
        return AccessToken(self.token, 0)


def a_token(**claims: object) -> str:
    return f"head.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.signature"


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"upn": "ada@contoso.test", "appid": "1"}, "ada@contoso.test"),
        ({"preferred_username": "ada@contoso.test", "oid": "2"}, "ada@contoso.test"),
        ({"appid": "1", "oid": "2"}, "app 1"),
        ({"oid": "2"}, "2"),
    ],
)
async def test_who_is_signed_in_stands_in_the_token(claims: dict[str, object], name: str) -> None:
    """A person by the name that Entra gives, an application by its id."""
    signed_in = SignedIn(
        cast("AsyncTokenCredential", _Tokens(a_token(**claims))), audience="https://arm.test/"
    )
    assert await signed_in.name() == name


@given(
    st.text(max_size=60)
    | st.binary(max_size=60).map(lambda it: f"a.{base64.urlsafe_b64encode(it).decode()}.c")
)
def test_a_token_that_names_nobody_is_said(token: str) -> None:
    """Whatever it holds: --by names who decides then."""
    signed_in = SignedIn(cast("AsyncTokenCredential", _Tokens(token)), audience="https://arm.test")
    with pytest.raises(Unavailable, match="--by"):
        asyncio.run(signed_in.name())
