"""Keyed fingerprints: a value is recognised without being kept (law 4). Pure."""

import hashlib
import hmac

from shared.groups.model import ConnectionString, Json, Value

_SEPARATOR = b"\x00"
_BYTES = 16  # 128 bits: no two of a group's few hundred values meet by chance


class FingerprintKey:
    """The secret that fingerprints are made with. Its `id` may be stored; it may not."""

    __slots__ = ("_key", "id")

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(b"counterpart fingerprint key" + _SEPARATOR + secret.encode()).digest()
        self.id = self._digest(b"id")[:8]

    def value(self, key: str, value: Value) -> str:
        """The fingerprint of an app setting's value under its canonical key."""
        return self._digest(b"app", _bytes(key), *_fields(value))

    def connection(self, key: str, string: ConnectionString) -> str:
        """The fingerprint of a connection string, type and value."""
        return self._digest(b"connection", _bytes(key), _bytes(string.type), *_fields(string.value))

    def parts(self, key: str, template: str, free: tuple[str, ...]) -> str:
        """The fingerprint of a translated value: the same in every region that says the same."""
        return self._digest(b"translated", _bytes(key), _bytes(template), *(_bytes(part) for part in free))

    def _digest(self, *fields: bytes) -> str:
        # Lengths in front keep ("ab", "c") apart from ("a", "bc").
        body = b"".join(len(field).to_bytes(8) + field for field in fields)
        return hmac.digest(self._key, body, "sha256")[:_BYTES].hex()

    def __repr__(self) -> str:
        return f"FingerprintKey(id={self.id})"


def _bytes(text: str) -> bytes:
    """Any text has bytes: JSON can say half of a character (a lone surrogate), and so Resource Manager may."""
    return text.encode(errors="surrogatepass")


def _fields(value: Value) -> tuple[bytes, ...]:
    """A value that is no text has a field more, so that it is another value than the text that looks like it."""
    return (*([b"json"] if isinstance(value.raw, Json) else []), _bytes(str(value.raw)))


def digest(*fields: object) -> str:
    """A short plain digest of things that are no secrets: key names, region names, fingerprints."""
    body = "\n".join(repr(field) for field in fields).encode()
    return hashlib.sha256(body).hexdigest()[:16]
