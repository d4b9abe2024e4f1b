"""The certificates that labels are signed with.

By default they come from an authority of our own, whose key is derived from FIELD_KEYS: every host signs alike and
nothing is stored. Other people's readers then say "valid, unknown issuer"; the log says so at the first file.
With LABEL_CERTIFICATES and LABEL_KEY, chain and key of a listed authority, they say who we are, and no code changes.
The first of FIELD_KEYS signs, and what any of them has signed is recognised as ours.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ORGANISATION = "Selfie Hero"
SIGNER_DAYS = 397
_BEGINS, _ENDS = datetime(2026, 1, 1, tzinfo=UTC), datetime(2046, 1, 1, tzinfo=UTC)
_ORDER_OF_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Signer:
    """A certificate chain and its private key, both as PEM, and when the certificate lapses."""

    chain: bytes
    key: bytes
    lapses_at: datetime


def own_signer(field_keys: tuple[str, ...], *, now: datetime) -> Signer:
    """Return a signer of our own authority, good for a little more than a year from now."""
    root_key, key = _derived(field_keys[0], b"authority"), _derived(field_keys[0], b"signer")
    root, lapses_at = _root(root_key), now + timedelta(days=SIGNER_DAYS)
    certificate = (
        _builder(f"{ORGANISATION} films", root.subject, key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(lapses_at)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(is_authority=False), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    return Signer(certificate.public_bytes(_PEM) + root.public_bytes(_PEM), _private(key), lapses_at)


def given_signer(certificates: Path, key: Path) -> Signer:
    """Return the signer in two PEM files, a chain and an ES256 key. OSError or ValueError when they cannot be used."""
    chain = certificates.read_bytes()
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise ValueError("LABEL_KEY must be an EC key of the curve P-256")
    return Signer(chain, _private(loaded), x509.load_pem_x509_certificates(chain)[0].not_valid_after_utc)


def organisations(certificates: Path | None = None) -> list[str]:
    """Return the names of those whose labels are ours: a listed authority stands for many others as well."""
    names = [ORGANISATION]
    if certificates is not None:
        subject = x509.load_pem_x509_certificates(certificates.read_bytes())[0].subject
        names += [str(part.value) for part in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    return names


def anchors(field_keys: tuple[str, ...], certificates: Path | None = None) -> str:
    """Return the authorities, as PEM, that vouch for us: of each of FIELD_KEYS, and the one of the given chain."""
    roots = b"".join(_root(_derived(text, b"authority")).public_bytes(_PEM) for text in field_keys)
    if certificates is not None:
        roots += x509.load_pem_x509_certificates(certificates.read_bytes())[-1].public_bytes(_PEM)
    return roots.decode()


def _derived(text: str, what: bytes) -> ec.EllipticCurvePrivateKey:
    secret = base64.urlsafe_b64decode(text)
    wide = HKDF(hashes.SHA256(), length=48, salt=None, info=b"selfiehero labels 1 " + what).derive(secret)
    return ec.derive_private_key(int.from_bytes(wide, "big") % (_ORDER_OF_P256 - 1) + 1, ec.SECP256R1())


def _root(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    public = key.public_key()
    serial = hashes.Hash(hashes.SHA256())
    serial.update(public.public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    name = f"{ORGANISATION} authority"
    return (
        _builder(name, _name(name), public)
        .serial_number(int.from_bytes(serial.finalize()[:16], "big") >> 1 | 1)
        .not_valid_before(_BEGINS)
        .not_valid_after(_ENDS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(is_authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _builder(name: str, issuer: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(_name(name)).issuer_name(issuer).public_key(public)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)


def _name(name: str) -> x509.Name:
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION)
    return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
