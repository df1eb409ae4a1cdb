"""The RollbackCopies port's contract, on the fake and on Key Vault through the real SDK (the simulated vault)."""

import asyncio
import base64
import contextlib
import logging
import random
import zlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest
from azure.core.credentials import AccessToken

from shared.adapters.http import open_session
from shared.adapters.key_vault import (
    CONTENT_TYPE,
    HEADING,
    LARGEST,
    MOST,
    PART,
    KeyVaultCopies,
    _count,
    _join,
    _split,
)
from shared.errors import Busy, Denied, PermanentError, TransientError, Unavailable
from shared.groups.model import Value
from shared.settings_sync.ports import RollbackCopies
from simulator.premises import Premises
from simulator.services import dns, key_vault, sign_in
from simulator.tokens import Principal
from simulator.world import Secret, Vault, World
from tests.fakes.key_vault import FakeCopies

NAME = "counterpart-0123"
EXPIRES = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)  # noqa: TID251 -- the vault's clock is real
TEXT = '{"AppConfig:LicenseKey": "v4lue-of-a-setting", "AppConfig:Grüße": "東京"}'


def noise(length: int) -> str:
    """Text that hardly compresses."""
    return random.Random(7).randbytes(length).hex()[:length]  # noqa: S311 -- the same each time


class Minted:
    """A credential with tokens of the simulated cloud's own directory."""

    def __init__(self, cloud: Premises, who: Principal) -> None:
        self._cloud, self._who = cloud, who

    async def get_token(self, *scopes: str, **_options: Any) -> AccessToken:
        """A token for what was asked."""
        token, expires = self._cloud.tokens.issue(
            self._who, scopes[0].removesuffix("/.default"), "https://sts"
        )
        return AccessToken(token, expires)

    async def close(self) -> None:
        """Nothing is open."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


@contextlib.asynccontextmanager
async def a_cloud(directory: Path) -> AsyncIterator[Premises]:
    """One vault, names and sign-in."""
    world = World()
    world.vaults["kv-a"] = Vault("kv-a")
    premises = Premises(world, directory)
    async with sign_in.serve(premises), dns.serve(premises), key_vault.serve(premises):
        yield premises


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Premises]:
    """A cloud of the test's own."""
    async with a_cloud(tmp_path) as premises:
        yield premises


@contextlib.asynccontextmanager
async def opened(cloud: Premises, who: Principal, vault: str = "kv-a") -> AsyncIterator[KeyVaultCopies]:
    """The adapter over the session that the product opens."""
    async with open_session(str(cloud.ca_bundle), (cloud.dns_server,)) as session:
        url = f"https://{vault}.vault.azure.test:{cloud.https_port}"
        adapter = KeyVaultCopies(url, Minted(cloud, who), session)
        yield adapter
        await adapter.aclose()
        assert not session.closed


@pytest.fixture(params=["fake", "vault"])
async def copies(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RollbackCopies]:
    """No copies yet."""
    if request.param == "fake":
        yield FakeCopies()
        return
    async with a_cloud(tmp_path) as premises, opened(premises, premises.managed_identity) as adapter:
        yield adapter


@pytest.fixture
def vault(cloud: Premises) -> Vault:
    """Return what the simulated vault holds."""
    return cloud.world.vaults["kv-a"]


@pytest.mark.parametrize(
    "text", [TEXT, "{}", "x" * 400_000, noise(120_000), f"{HEADING} 3 secrets\n", "ü" * PART], ids=range(6)
)
async def test_a_copy_comes_back_as_it_was(copies: RollbackCopies, text: str) -> None:
    """Any text of any length."""
    await copies.keep(NAME, Value(text), expires=EXPIRES)
    kept = await copies.get(NAME)
    assert kept is not None
    assert kept.reveal() == text


async def test_a_missing_copy_is_none_and_forgotten_without_error(copies: RollbackCopies) -> None:
    """Before it is kept and after it is forgotten; forgetting twice is harmless."""
    assert await copies.get(NAME) is None
    await copies.forget(NAME)
    await copies.keep(NAME, Value(noise(80_000)), expires=EXPIRES)
    await copies.forget(NAME)
    await copies.forget(NAME)
    assert await copies.get(NAME) is None


async def test_a_name_is_used_once(copies: RollbackCopies) -> None:
    """The vault keeps what was deleted, and nothing is recovered over it; another name is taken."""
    await copies.keep(NAME, Value("one"), expires=EXPIRES)
    await copies.forget(NAME)
    with pytest.raises(Busy):
        await copies.keep(NAME, Value("two"), expires=EXPIRES)
    assert await copies.get(NAME) is None
    await copies.keep(f"{NAME}4", Value("two"), expires=EXPIRES)
    kept = await copies.get(f"{NAME}4")
    assert kept is not None
    assert kept.reveal() == "two"


@pytest.mark.parametrize("text", [TEXT, noise(80_000)], ids=["short", "long"])
async def test_a_deletion_that_is_not_finished(cloud: Premises, vault: Vault, text: str) -> None:
    """The copy is gone at once, forgetting it again is harmless, and its name is refused for the moment."""
    vault.faults.lag = 3600.0
    async with opened(cloud, cloud.managed_identity) as copies:
        await copies.keep(NAME, Value(text), expires=EXPIRES)
        await copies.forget(NAME)
        assert await copies.get(NAME) is None
        await copies.forget(NAME)
        with pytest.raises(Busy, match="deleted"):
            await copies.keep(NAME, Value(text), expires=EXPIRES)
    assert vault.secrets == {}


async def test_two_who_forget_at_once(cloud: Premises, vault: Vault) -> None:
    """Who comes second is told to come again, or finds nothing; and is not told that a row was written."""
    vault.faults.lag = 3600.0
    async with opened(cloud, cloud.managed_identity) as copies:
        await copies.keep(NAME, Value(TEXT), expires=EXPIRES)
        said = await asyncio.gather(*(copies.forget(NAME) for _ in range(5)), return_exceptions=True)
        assert {type(error) for error in said} <= {type(None), Busy}
        await copies.forget(NAME)
    assert vault.secrets == {}


async def test_a_copy_that_was_begun_is_forgotten_whole(cloud: Premises, vault: Vault) -> None:
    """The vault fails, or the process dies, after so many parts: what there is of the copy is found."""
    async with opened(cloud, cloud.managed_identity) as copies:
        await copies.keep("whole", Value(noise(120_000)), expires=EXPIRES)
        parts = len(vault.secrets)
        await copies.forget("whole")
        for begun in range(1, parts):
            with fails_after(begun, vault), pytest.raises(TransientError):
                await copies.keep(f"begun-{begun}", Value(noise(120_000)), expires=EXPIRES)
            assert len(vault.secrets) == begun
            assert await copies.get(f"begun-{begun}") is None
            await copies.forget(f"begun-{begun}")
            assert vault.secrets == {}


@contextlib.contextmanager
def fails_after(count: int, vault: Vault) -> Iterator[None]:
    """The vault takes so many secrets and refuses the next ones."""

    class Filling(dict[str, list[Secret]]):
        def setdefault(self, name: str, default: Any = None) -> Any:
            found = super().setdefault(name, default)
            vault.faults.status = 429 if len(self) >= count else None
            return found

    was, vault.secrets = vault.secrets, Filling()
    yield
    was.update(vault.secrets)
    vault.secrets, vault.faults.status = was, None


async def test_a_short_copy_lies_readable_under_an_expiry(cloud: Premises, vault: Vault) -> None:
    """A person finds it in the portal: one secret, the text itself, when it ends, no tags."""
    async with opened(cloud, cloud.managed_identity) as copies:
        await copies.keep(NAME, Value(TEXT), expires=EXPIRES)
    (secret,) = vault.secrets[NAME]
    assert (secret.value, secret.tags) == (TEXT, {})
    assert (secret.expires, secret.content_type) == (EXPIRES.timestamp(), CONTENT_TYPE)


async def test_a_long_copy_leaves_nothing_behind(cloud: Premises, vault: Vault) -> None:
    """Several secrets, all under the expiry, and all of them deleted."""
    async with opened(cloud, cloud.managed_identity) as copies:
        await copies.keep(NAME, Value(noise(120_000)), expires=EXPIRES)
        assert len(vault.secrets) > 2
        assert {versions[-1].expires for versions in vault.secrets.values()} == {EXPIRES.timestamp()}
        await copies.forget(NAME)
    assert vault.secrets == {}


async def test_half_a_copy_is_no_copy(cloud: Premises, vault: Vault) -> None:
    """A part that is gone takes the copy with it; parts of two copies are not put together."""
    async with opened(cloud, cloud.managed_identity) as copies:
        await copies.keep(NAME, Value(noise(80_000)), expires=EXPIRES)
        vault.secrets[f"{NAME}-2"].append(Secret("v", "other", 0.0))
        with pytest.raises(Unavailable, match="do not belong together"):
            await copies.get(NAME)
        del vault.secrets[f"{NAME}-2"]
        assert await copies.get(NAME) is None
        await copies.forget(NAME)
    assert vault.secrets == {}


async def test_forgetting_is_one_read_and_one_delete(cloud: Premises) -> None:
    """It does not wait for the vault: nothing is asked about deleted secrets."""
    async with opened(cloud, cloud.managed_identity) as copies:
        await copies.keep(NAME, Value(TEXT), expires=EXPIRES)
        before = len(cloud.world.journal)
        await copies.forget(NAME)
    assert [happening.what for happening in cloud.world.journal[before:]] == ["secret-get", "secret-delete"]


async def test_a_refusal_names_the_role(cloud: Premises) -> None:
    """An identity without the role is Denied."""
    async with opened(cloud, cloud.reader) as copies:
        with pytest.raises(Denied, match="Counterpart copies"):
            await copies.keep(NAME, Value(TEXT), expires=EXPIRES)


async def test_a_vault_that_is_not_there_is_unavailable(cloud: Premises) -> None:
    """A name that does not resolve, as after a typing error, or while DNS is out of order."""
    async with opened(cloud, cloud.managed_identity, vault="kv-b") as copies:
        with pytest.raises(Unavailable, match="set secret"):
            await copies.keep(NAME, Value(TEXT), expires=EXPIRES)


async def test_a_name_that_no_secret_can_have_is_refused(cloud: Premises) -> None:
    """The vault takes letters, digits and dashes."""
    async with opened(cloud, cloud.managed_identity) as copies:
        with pytest.raises(PermanentError):
            await copies.keep("a_b", Value(TEXT), expires=EXPIRES)


async def test_no_value_is_logged_or_told(cloud: Premises, caplog: pytest.LogCaptureFixture) -> None:
    """Not even at the lowest level, and not by an error."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="azure")  # which `connect` quietens for its whole process
    async with opened(cloud, cloud.managed_identity) as copies:
        await copies.keep(NAME, Value(TEXT), expires=EXPIRES)
        await copies.get(NAME)
        with pytest.raises(PermanentError) as refused:
            await copies.keep("a_b", Value(TEXT), expires=EXPIRES)
    assert "v4lue" not in caplog.text
    assert "v4lue" not in str(refused.value)
    assert caplog.records


def test_a_heading_that_promises_too_many_parts_is_none_of_ours() -> None:
    """No number that stands in the vault makes us ask for more secrets than a copy can have."""
    assert _count(f"{HEADING} 3 secrets\n") == 3
    assert _count(f"{HEADING} {'9' * 5000} secrets\n") == 1
    assert _count(f"{HEADING} 1000000 secrets\n") == 1


@pytest.mark.parametrize("length", [LARGEST, LARGEST + 1])
def test_a_copy_unpacks_to_so_much_and_no_more(length: int) -> None:
    """What is packed small may be huge; a copy of ours is not."""
    first = f"{HEADING} 1 secrets\n{base64.b85encode(zlib.compress(b'x' * length, 9)).decode()}"
    if length > LARGEST:
        with pytest.raises(Unavailable, match="do not belong together"):
            _join([first], "a")
    else:
        assert len(_join([first], "a").reveal()) == length


def test_what_could_not_be_read_back_is_not_laid_in() -> None:
    """A copy that would need more secrets than are ever read is refused before the first."""
    with pytest.raises(PermanentError, match="more than can be read back"):
        _split(Value(noise(MOST * PART * 2)))
