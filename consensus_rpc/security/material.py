"""Certificate, key and authority as files hold them, checked before anybody relies on them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

from consensus_rpc.security.files import TlsFiles

_BEGINNING = re.compile(rb"^-----BEGIN (?:X509 )?CERTIFICATE-----", re.MULTILINE)


class BadMaterial(Exception):  # noqa: N818 - says what is there
    """What the files hold is of no use; the message says of which, and never what is in it."""


@dataclass(frozen=True, slots=True)
class Material:
    """What the files held when they were read."""

    certificate: bytes | None
    key: bytes | None
    authority: bytes | None
    expires: datetime | None
    """When one's own certificate does."""


def read_material(files: TlsFiles) -> Material:
    """What the files hold.

    Raises:
        BadMaterial: a file cannot be read, holds something else, or they do not belong together.
    """
    return check_material(read_raw(files))


def read_raw(files: TlsFiles) -> Mapping[str, bytes]:
    """The bytes of each file.

    Raises:
        BadMaterial: one cannot be read.
    """
    raw = {}
    for what, path in files.paths().items():
        try:
            raw[what] = path.read_bytes()
        except OSError as error:
            raise BadMaterial(f"cannot read the {what} {path} ({type(error).__name__})") from error
    return raw


def check_material(raw: Mapping[str, bytes]) -> Material:
    """What the bytes are, if they can be relied on now.

    Raises:
        BadMaterial: they cannot.
    """
    certificate, key, authority = (raw.get(what) for what in ("certificate", "key", "authority"))
    if authority is not None:
        _certificates(authority, "authority")
    if certificate is None and key is None:
        return Material(None, None, authority, None)
    if certificate is None or key is None:
        raise BadMaterial("a certificate and its key go together")
    own = _certificates(certificate, "certificate")[0]
    if _public(own.public_key()) != _public(_private(key).public_key()):
        raise BadMaterial("the key is not the certificate's")
    now = datetime.now(UTC)
    if not own.not_valid_before_utc <= now < own.not_valid_after_utc:
        said = f"{own.not_valid_before_utc:%Y-%m-%d} to {own.not_valid_after_utc:%Y-%m-%d}"
        raise BadMaterial(f"the certificate is valid from {said} only")
    return Material(certificate, key, authority, own.not_valid_after_utc)


def _certificates(pem: bytes, what: str) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise BadMaterial(f"the {what} holds no certificate") from error
    # One that is still being written: what stands before the last would be believed alone.
    if len(_BEGINNING.findall(pem)) > len(found):
        raise BadMaterial(f"the {what} ends within a certificate, cut off")
    return found


def _private(pem: bytes) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:  # TypeError: it wants a password
        raise BadMaterial("the key holds no private key, or an encrypted one") from error


def _public(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
