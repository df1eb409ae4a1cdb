"""Reads what a SCEP server answers to GetCACaps and GetCACert (RFC 8894, 3.5 and 4.2). Pure.

Called by the probes; the fingerprints found here prove that two regions share one certificate authority.
"""

import hashlib
import warnings
from collections.abc import Sequence
from datetime import datetime

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, pkcs7

from shared.errors import PermanentError

CAPABILITIES = (
    "AES",
    "DES3",
    "GetNextCACert",
    "POSTPKIOperation",
    "Renewal",
    "SCEPStandard",
    "SHA-1",
    "SHA-256",
    "SHA-512",
)
MAX_CERTIFICATES = 16  # a chain and its registration authorities are a handful

# What the parser raises on bytes that are not as they should be, at loading or when a field is first read.
_PARSER_ERRORS = (
    ValueError,
    TypeError,
    InvalidSignature,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


class UnreadableAnswer(PermanentError):
    """The bytes are no GetCACert answer, or one that does not say which CA it means; the message says why."""


class CaAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of GetCACert: the issuing CA, and the registration authorities that speak for it."""

    ca_sha256: str  # of the DER certificate, lower-case hexadecimal
    spki_sha256: str  # of its DER SubjectPublicKeyInfo
    subject: str  # RFC 4514
    not_after: datetime
    registration_authorities: tuple[str, ...] = ()  # SHA-256 each, sorted; they differ per NDES server


def parse_capabilities(body: bytes) -> tuple[str, ...]:
    """The known capabilities that the body names, one per line, in the order of `CAPABILITIES`.

    Unknown words are left out, as the RFC asks, so that two answers with the same meaning compare equal.
    """
    words = {line.strip().lower() for line in body.decode("ascii", errors="replace").splitlines()}
    return tuple(name for name in CAPABILITIES if name.lower() in words)


def parse_ca_certificates(body: bytes) -> CaAnswer:
    """The CA in a GetCACert body: one DER certificate, or a certs-only CMS with a chain or RA certificates.

    Raises:
        UnreadableAnswer: anything else.
    """
    _refuse_other_formats(body)
    with warnings.catch_warnings():
        # The parser warns of old encodings (BER, negative serial numbers). Whether they are welcome is the
        # server operator's business; here they only have to be read.
        warnings.simplefilter("ignore")
        try:
            return _answer(_certificates(body))
        except _PARSER_ERRORS as why:
            raise UnreadableAnswer("GetCACert answered a certificate that cannot be read") from why


def _refuse_other_formats(body: bytes) -> None:
    start = body[:64].lstrip()
    if not start:
        raise UnreadableAnswer("GetCACert answered nothing")
    if start.startswith(b"-----BEGIN"):
        raise UnreadableAnswer("GetCACert answered PEM text; SCEP clients need DER")
    if start.startswith((b"<", b"{")):
        raise UnreadableAnswer("GetCACert answered a page of text, not a certificate; check the SCEP path")
    if body[0] != 0x30:  # noqa: PLR2004 -- DER: SEQUENCE
        raise UnreadableAnswer("GetCACert answered neither a DER certificate nor a CMS message")


def _certificates(body: bytes) -> Sequence[x509.Certificate]:
    try:
        return [x509.load_der_x509_certificate(body)]
    except ValueError:
        pass  # not a lone certificate; a CMS message begins with the same byte
    try:
        found = pkcs7.load_der_pkcs7_certificates(body)
    except _PARSER_ERRORS as why:
        raise UnreadableAnswer(
            "GetCACert answered neither a DER certificate nor a certs-only CMS message"
        ) from why
    if len(found) > MAX_CERTIFICATES:
        raise UnreadableAnswer(
            f"GetCACert answered {len(found)} certificates; at most {MAX_CERTIFICATES} are read"
        )
    return found


def _answer(certificates: Sequence[x509.Certificate]) -> CaAnswer:
    authorities = [certificate for certificate in certificates if _is_ca(certificate)]
    others = [certificate for certificate in certificates if not _is_ca(certificate)]
    ca = _issuing(authorities, others)
    return CaAnswer(
        ca_sha256=_sha256(ca.public_bytes(Encoding.DER)),
        spki_sha256=_sha256(ca.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
        subject=ca.subject.rfc4514_string(),
        not_after=ca.not_valid_after_utc,
        registration_authorities=tuple(sorted(_sha256(other.public_bytes(Encoding.DER)) for other in others)),
    )


def _is_ca(certificate: x509.Certificate) -> bool:
    """By basicConstraints; a certificate without it (X.509 version 1 roots) is a CA if self-issued."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return certificate.issuer == certificate.subject


def _issuing(authorities: Sequence[x509.Certificate], others: Sequence[x509.Certificate]) -> x509.Certificate:
    """The CA that issues to devices.

    With RA certificates it is the one that issued them all. Otherwise it is the end of the chain: the one CA
    that issued no other CA of the answer. A root above it is not enough to tell two subordinate CAs apart.
    """
    if not authorities:
        raise UnreadableAnswer("GetCACert answered no CA certificate (basicConstraints CA is not set)")
    if others:
        candidates = {ca for ca in authorities if all(_issued(ca, other) for other in others)}
    else:
        candidates = {
            ca
            for ca in authorities
            if not any(_issued(ca, authority) for authority in authorities if authority != ca)
        }
    if len(candidates) != 1:
        count = len(authorities) + len(others)
        raise UnreadableAnswer(f"GetCACert answered {count} certificates and does not tell which CA issues")
    return candidates.pop()


def _issued(ca: x509.Certificate, certificate: x509.Certificate) -> bool:
    """By name and by signature: after a renewal, two CA certificates may bear one name."""
    try:
        certificate.verify_directly_issued_by(ca)
    except _PARSER_ERRORS:
        return False
    return True


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
