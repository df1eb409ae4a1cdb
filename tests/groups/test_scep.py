"""GetCACaps and GetCACert answers, as real servers and broken ones give them."""

import contextlib
import hashlib
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, pkcs7
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from shared.groups.scep import UnreadableAnswer, parse_ca_certificates, parse_capabilities

BORN = datetime(2026, 1, 1, tzinfo=UTC)

type Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def a_certificate(name: str, *, by: Pair | None = None, ca: bool | None = True) -> Pair:
    """A certificate of its own key, self-issued unless `by` is given; `ca=None`: no basicConstraints."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by[0].subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BORN)
        .not_valid_after(BORN + timedelta(days=3650))
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    return builder.sign(by[1] if by else key, hashes.SHA256()), key


@cache
def root() -> Pair:
    """A self-issued CA."""
    return a_certificate("Root")


def der(pair: Pair) -> bytes:
    """The certificate's DER."""
    return pair[0].public_bytes(Encoding.DER)


def cms(*pairs: Pair) -> bytes:
    """A certs-only CMS message in DER."""
    return pkcs7.serialize_certificates([pair[0] for pair in pairs], Encoding.DER)


def sha256(data: bytes) -> str:
    """Lower-case hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def test_one_der_certificate() -> None:
    """A lone DER certificate is the CA; both fingerprints are those of its DER and of its public key."""
    answer = parse_ca_certificates(der(root()))
    spki = root()[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert (answer.ca_sha256, answer.spki_sha256) == (sha256(der(root())), sha256(spki))
    assert answer.subject == "CN=Root"
    assert answer.not_after == BORN + timedelta(days=3650)
    assert answer.registration_authorities == ()


def test_a_ca_without_basic_constraints() -> None:
    """An old self-issued certificate without basicConstraints still counts as a CA."""
    old = a_certificate("Old", ca=None)
    assert parse_ca_certificates(der(old)).ca_sha256 == sha256(der(old))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_registration_authorities_are_told_apart(order: tuple[int, ...]) -> None:
    """Of a CA and two RA certificates in any order the CA is chosen, and the RAs are listed apart."""
    signing = a_certificate("RA sign", by=root(), ca=False)
    encryption = a_certificate("RA encrypt", by=root(), ca=False)
    answer = parse_ca_certificates(cms(*[(root(), signing, encryption)[at] for at in order]))
    assert answer.ca_sha256 == sha256(der(root()))
    assert set(answer.registration_authorities) == {sha256(der(signing)), sha256(der(encryption))}


def test_the_issuing_ca_of_a_chain_is_chosen() -> None:
    """Of a chain the subordinate CA counts, with and without an RA: a shared root proves nothing."""
    subordinate = a_certificate("Sub", by=root())
    ra = a_certificate("RA", by=subordinate, ca=False)
    for body in (cms(root(), subordinate), cms(subordinate, root()), cms(ra, root(), subordinate)):
        assert parse_ca_certificates(body).ca_sha256 == sha256(der(subordinate))


def test_a_renewed_ca_of_the_same_name() -> None:
    """Between two CA certificates of one name, the signature on the RA certificate decides."""
    old, new = a_certificate("CA"), a_certificate("CA")
    ra = a_certificate("RA", by=new, ca=False)
    assert parse_ca_certificates(cms(old, new, ra)).ca_sha256 == sha256(der(new))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "nothing"),
        (b"  \r\n", "GetCACert answered nothing"),
        (b" " * 64 + b"<html>", "answered nothing"),
        (b" " * 63 + b"<html>", "page of text, not a certificate; check the SCEP path"),
        (b"-----BEGIN CERTIFICATE-----", "answered PEM text; SCEP clients need DER"),
        (root()[0].public_bytes(Encoding.PEM), "PEM"),
        (b"<html>Your web app is starting</html>", "page"),
        (b'{"error": "no"}', "page"),
        (b"\x89PNG", "neither"),
        (b"\x30\x03\x02\x01\x01", "neither"),
        (der(root())[:-7], "neither"),
        (der(a_certificate("Device", by=root(), ca=False)), "no CA certificate"),
        (der(root()).replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x7f", 1), "cannot be read"),
        (cms(root(), a_certificate("Other")), "answered 2 certificates and does not tell which CA issues"),
        (
            cms(root(), a_certificate("Other"), a_certificate("RA", by=a_certificate("Else"), ca=False)),
            "answered 3 certificates and does not tell",
        ),
        (cms(*[root()] * 17), "at most 16"),
    ],
)
def test_refused_with_a_reason(body: bytes, why: str) -> None:
    """What is no CA answer is refused in words that say what came instead."""
    with pytest.raises(UnreadableAnswer, match=why):
        parse_ca_certificates(body)


def test_as_many_certificates_as_are_read() -> None:
    """A CA with fifteen registration authorities; one more is too many."""
    some = [a_certificate(f"RA {number}", by=root(), ca=False) for number in range(16)]
    assert len(parse_ca_certificates(cms(root(), *some[:15])).registration_authorities) == 15
    with pytest.raises(UnreadableAnswer, match="answered 17 certificates; at most 16 are read"):
        parse_ca_certificates(cms(root(), *some))


@given(st.binary(max_size=600))
def test_arbitrary_bytes_give_the_named_error_only(body: bytes) -> None:
    """Whatever arrives, there is an answer or UnreadableAnswer."""
    _read(body)


@given(st.data())
def test_damaged_answers_give_the_named_error_only(data: st.DataObject) -> None:
    """A real answer with a few bytes changed or its end cut off gives an answer or UnreadableAnswer."""
    body = bytearray(data.draw(st.sampled_from([der(root()), cms(root())])))
    for at, byte in data.draw(
        st.lists(st.tuples(st.integers(0, len(body) - 1), st.integers(0, 255)), max_size=6)
    ):
        body[at] = byte
    _read(bytes(body[: data.draw(st.integers(1, len(body)))]))


def _read(body: bytes) -> None:
    with contextlib.suppress(UnreadableAnswer):
        answer = parse_ca_certificates(body)
        assert len(answer.ca_sha256) == len(answer.spki_sha256) == 64


def test_capabilities_are_comparable() -> None:
    """Known words in one order, whatever their order, case and line ends; unknown words are ignored."""
    assert parse_capabilities(b"SHA-256\r\nPOSTPKIOperation\nx-new\n aes \n") == (
        "AES",
        "POSTPKIOperation",
        "SHA-256",
    )
    assert parse_capabilities(b"") == ()


@given(st.binary(max_size=200))
def test_arbitrary_capabilities(body: bytes) -> None:
    """Any bytes give a tuple of known words, and reading it again changes nothing."""
    found = parse_capabilities(body)
    assert parse_capabilities("\n".join(found).encode()) == found
