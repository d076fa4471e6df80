"""The server's certificate: self-made on first use, kept between runs, known by its fingerprint."""

from __future__ import annotations

import hashlib
import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from probes.errors import SetupError

_YEARS = 10  # clients pin the fingerprint, so renewing would cost every user a new link
_NAME = "netcheck-server.pem"


def kept(folder: Path) -> Path:
    """The self-made certificate with its key in one PEM file below ``folder``, made if
    there is none.  Raises SetupError."""
    path = folder / _NAME
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            _write_private(path, _self_made())
    except OSError as error:
        raise SetupError(
            f"The certificate cannot be kept in {folder}: {error.strerror}; "
            "choose another folder with --data-dir."
        ) from None
    return path


def context(certificate: Path, key: Path | None = None) -> ssl.SSLContext:
    """The server's TLS settings.  Raises SetupError if the files are no certificate and key."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # An empty password instead of OpenSSL asking for one on the terminal.
        made.load_cert_chain(certificate, key, password="")
    except FileNotFoundError:
        raise SetupError(f"There is no certificate or key at {certificate}.") from None
    except (OSError, ssl.SSLError):
        raise SetupError(
            f"{certificate} cannot be used as a certificate with its key; "
            "give a PEM certificate with --certificate and its key, unencrypted, with --key."
        ) from None
    return made


def fingerprint(certificate: Path) -> str:
    """SHA-256 of the first certificate in the file (DER), in hex.  Raises SetupError."""
    try:
        text = certificate.read_text(encoding="ascii")
        start = text.index("-----BEGIN CERTIFICATE-----")
        end = text.index("-----END CERTIFICATE-----") + len("-----END CERTIFICATE-----")
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(text[start:end])).hexdigest()
    except (OSError, ValueError):
        raise SetupError(f"{certificate} holds no readable certificate.") from None


def _self_made() -> bytes:
    # Loaded here: only the very first start of a server needs it.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "netcheck echo server")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # clients' clocks are not ours
        .not_valid_after(now + timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + made.public_bytes(serialization.Encoding.PEM)


def _write_private(path: Path, data: bytes) -> None:
    """Readable by the owner alone from its first byte, and never half there."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
