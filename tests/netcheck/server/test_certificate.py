"""The certificate: made once, kept, private, and known by its fingerprint."""

import hashlib
import ssl
import stat
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from netcheck.server.certificate import context, fingerprint, kept
from probes.errors import SetupError


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kept(tmp_path_factory.mktemp("certificate") / "not" / "there" / "yet")


def is_a_sentence(text: str) -> bool:
    return "\n" not in text and text.endswith(".")


def test_it_is_kept_between_runs(made: Path) -> None:
    before = made.read_bytes()
    assert kept(made.parent) == made
    assert made.read_bytes() == before


def test_each_server_has_its_own(made: Path, tmp_path: Path) -> None:
    assert fingerprint(kept(tmp_path)) != fingerprint(made)


@pytest.mark.skipif(sys.platform == "win32", reason="no such permissions there")
def test_nobody_else_can_read_the_key(made: Path) -> None:
    assert stat.S_IMODE(made.stat().st_mode) == 0o600


def test_nothing_half_written_is_left(made: Path) -> None:
    assert list(made.parent.iterdir()) == [made]


def test_it_can_be_used_and_old_tls_cannot(made: Path) -> None:
    assert context(made).minimum_version == ssl.TLSVersion.TLSv1_2


def test_the_fingerprint_is_that_of_the_certificate_alone(made: Path) -> None:
    certificate = x509.load_pem_x509_certificate(made.read_bytes())
    der = certificate.public_bytes(serialization.Encoding.DER)
    assert fingerprint(made) == hashlib.sha256(der).hexdigest()


def test_it_holds_for_years_and_for_clocks_that_are_late(made: Path) -> None:
    certificate = x509.load_pem_x509_certificate(made.read_bytes())
    now = datetime.now(UTC)
    assert certificate.not_valid_before_utc < now - timedelta(hours=23)
    assert certificate.not_valid_after_utc > now + timedelta(days=9 * 365)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\xff\x80",
        b"no certificate at all",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n",
    ],
)
def test_a_broken_file_is_told_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    made = kept(tmp_path)
    made.write_bytes(content)
    assert kept(tmp_path) == made  # never replaced: its fingerprint is in users' hands
    with pytest.raises(SetupError) as caught:
        context(made)
    assert is_a_sentence(str(caught.value))
    assert str(made) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x00\xff\x80", b"-----BEGIN CERTIFICATE-----\n"])
def test_a_file_without_a_certificate_has_no_fingerprint(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "server.pem"
    path.write_bytes(content)
    with pytest.raises(SetupError) as caught:
        fingerprint(path)
    assert is_a_sentence(str(caught.value))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no certificate or key"):
        context(tmp_path / "missing.pem")


def test_a_key_of_another_certificate_is_told(made: Path, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot be used"):
        context(made, kept(tmp_path))


def test_a_key_with_a_password_is_told_and_not_asked_for(made: Path, tmp_path: Path) -> None:
    key = serialization.load_pem_private_key(made.read_bytes(), None)
    locked = tmp_path / "key.pem"
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(SetupError, match="unencrypted"):
        context(made, locked)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SetupError, match="--data-dir") as caught:
        kept(tmp_path / "file" / "folder")
    assert is_a_sentence(str(caught.value))
