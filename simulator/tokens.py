"""Access tokens as Entra issues them: RS256 JSON Web Tokens, and who may have one.

The services verify what the sign-in service signed; both hold the same `Tokens`.
"""

import base64
import functools
import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

LIFETIME = 3599  # seconds; Entra's default is 60 to 90 minutes, managed identities get 24 hours

# What a client may ask a token for (the resource, without a trailing slash), apart from the cloud's own URLs.
KNOWN_AUDIENCES = (
    "https://management.azure.com",
    "https://management.core.windows.net",
    "https://vault.azure.net",
    "https://storage.azure.com",
    "https://eventgrid.azure.net",
    "https://graph.microsoft.com",
)


class TokenRefused(Exception):
    """A token that a service does not accept, with Resource Manager's code for the reason."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


@dataclass(frozen=True)
class Principal:
    """Somebody who can sign in: a managed identity (no secret) or a service principal."""

    name: str
    object_id: str
    app_id: str
    secret: str = ""


def principal(name: str, secret: str = "") -> Principal:
    """A principal whose ids follow from its name, so that they are the same in every run."""

    def an_id(kind: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{kind}.{name}.simulated"))

    return Principal(name=name, object_id=an_id("object"), app_id=an_id("app"), secret=secret)


def encoded(data: bytes) -> str:
    """Base64 for URLs without padding, as JSON Web Tokens use it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """The reverse of `encoded`; ValueError when it is not that."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@functools.cache
def signing_key() -> rsa.RSAPrivateKey:
    """One key for all clouds of a process: making one takes longer than starting all the rest."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Tokens:
    """Signs tokens for the principals it knows, and verifies them. `now` gives Unix seconds."""

    def __init__(self, tenant: str, principals: tuple[Principal, ...], now: Callable[[], float]) -> None:
        self.tenant = tenant
        self.principals = principals
        self.audiences = {*KNOWN_AUDIENCES}  # services with URLs of their own add them
        self._now = now
        self._key = signing_key()
        numbers = self._key.public_key().public_numbers()
        self._key_id = encoded(hashlib.sha256(str(numbers.n).encode()).digest()[:20])

    def known(self, audience: str) -> bool:
        """Return whether the directory has such a resource."""
        return audience.rstrip("/").lower() in self.audiences

    def issue(
        self, who: Principal, audience: str, issuer: str, *, lifetime: int = LIFETIME
    ) -> tuple[str, int]:
        """A signed token and its expiry in Unix seconds. The audience stands in it as it was asked for."""
        now = int(self._now())
        claims = {
            "aud": audience,
            "iss": issuer,
            "iat": now,
            "nbf": now,
            "exp": now + lifetime,
            "appid": who.app_id,
            "appidacr": "1" if who.secret else "2",
            "idtyp": "app",
            "oid": who.object_id,
            "sub": who.object_id,
            "tid": self.tenant,
            "ver": "1.0",
        }
        header = {"typ": "JWT", "alg": "RS256", "kid": self._key_id, "x5t": self._key_id}
        signed = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{encoded(signature)}", now + lifetime

    def verify(self, token: str, audiences: tuple[str, ...]) -> Principal:
        """Return whose token this is; TokenRefused when it is forged, expired, or meant for somebody else."""
        claims = self._claims(token)
        if claims["exp"] <= self._now():
            raise TokenRefused("ExpiredAuthenticationToken", "The access token expiry UTC time has passed.")
        allowed = {audience.rstrip("/").lower() for audience in audiences}
        if str(claims["aud"]).rstrip("/").lower() not in allowed:
            raise TokenRefused(
                "InvalidAuthenticationTokenAudience",
                "The access token has been obtained for wrong audience or resource "
                f"'{claims['aud']}'. It should exactly match with one of the allowed audiences "
                f"'{','.join(audiences)}'.",
            )
        found = next((one for one in self.principals if one.object_id == claims["oid"]), None)
        if found is None:
            raise TokenRefused("InvalidAuthenticationToken", "The access token is from an unknown principal.")
        return found

    def _claims(self, token: str) -> Mapping[str, Any]:
        try:
            signed, signature = token.rsplit(".", 1)
            self._key.public_key().verify(
                decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256()
            )
            claims: dict[str, Any] = json.loads(decoded(signed.split(".")[1]))
        except (ValueError, IndexError, InvalidSignature):
            raise TokenRefused("InvalidAuthenticationToken", "The access token is invalid.") from None
        return claims

    def key_set(self) -> dict[str, Any]:
        """The public key as a JSON Web Key Set."""
        numbers = self._key.public_key().public_numbers()

        def number(value: int) -> str:
            return encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))

        key = {"kty": "RSA", "use": "sig", "kid": self._key_id, "x5t": self._key_id, "alg": "RS256"}
        return {"keys": [key | {"n": number(numbers.n), "e": number(numbers.e)}]}
