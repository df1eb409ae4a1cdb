"""Keyed fingerprints, pinned: another one for a value that did not change would be first contact everywhere."""

import hashlib
import hmac

import pytest

from shared.groups.model import ConnectionString, Value
from shared.settings_sync.fingerprint import FingerprintKey, digest

KEY = FingerprintKey("a secret")


def by_hand(*fields: bytes) -> str:
    """As it is written down: each field with its length before it."""
    secret = hashlib.sha256(b"counterpart fingerprint key\0a secret").digest()
    body = b"".join(len(field).to_bytes(8, "big") + field for field in fields)
    return hmac.new(secret, body, hashlib.sha256).hexdigest()[:32]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (lambda: KEY.id, by_hand(b"id")[:8]),
        (lambda: KEY.value("A", Value("v")), by_hand(b"app", b"A", b"v")),
        (
            lambda: KEY.connection("A", ConnectionString(Value("v"), "SQLAzure")),
            by_hand(b"connection", b"A", b"SQLAzure", b"v"),
        ),
        (
            lambda: KEY.parts("A", "{host}/*", ("x", "y")),
            by_hand(b"translated", b"A", b"{host}/*", b"x", b"y"),
        ),
        (lambda: digest("a", 1, None), hashlib.sha256(b"'a'\n1\nNone").hexdigest()[:16]),
    ],
)
def test_fingerprints_stay_what_they_are(found: object, expected: str) -> None:
    """Rows remember them: kind, key and value are all in them, and keep apart what would run together."""
    assert callable(found)
    assert found() == expected


def test_a_key_does_not_show_its_secret() -> None:
    """Its id may be stored."""
    assert repr(KEY) == f"FingerprintKey(id={KEY.id})"
    assert "secret" not in repr(KEY)
