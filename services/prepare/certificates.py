"""Certificates for an installation with the simulator: an authority whose key is forgotten at once, and one certificate for each server."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID = timedelta(days=365)
RENEWED_BEFORE = timedelta(days=30)
SKEW = timedelta(hours=1)
LOOPBACK = ip_address("127.0.0.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Who gets a certificate: `folder`/server.pem and server.key, for these host names and 127.0.0.1."""

    folder: Path
    hosts: Sequence[str]


def write_certificates(authority: Path, servers: Sequence[Server], *, now: datetime) -> bool:
    """Unless those that are there are still good for a while: then False. authority: the PEM file that clients trust."""
    if all(_is_good(path, now) for path in (authority, *(server.folder / "server.pem" for server in servers))):
        return False
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _authority(key, now)
    for server in servers:
        own = ec.generate_private_key(ec.SECP256R1())
        _write(server.folder / "server.key", own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        _write(server.folder / "server.pem", _server(server, own, key, certificate, now).public_bytes(Encoding.PEM))
    _write(authority, certificate.public_bytes(Encoding.PEM), mode=0o644)  # last: it says that all are there
    return True


def _is_good(path: Path, now: datetime) -> bool:
    if not path.exists():
        return False
    return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc - now > RENEWED_BEFORE


def _write(path: Path, content: bytes, mode: int = 0o600) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=mode, exist_ok=True)
    path.write_bytes(content)


def _authority(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = _name("ordergate simulated installation")
    return (
        _builder(name, name, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _server(
    server: Server,
    own: ec.EllipticCurvePrivateKey,
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    now: datetime,
) -> x509.Certificate:
    names = [*(x509.DNSName(host) for host in server.hosts), x509.IPAddress(LOOPBACK)]
    return (
        _builder(_name(server.hosts[0]), authority.subject, own.public_key(), now)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + VALID)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
