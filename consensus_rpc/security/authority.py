"""An authority for development and tests: it makes certificates with the names that they are asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_BACKDATED = timedelta(minutes=5)  # clocks differ
_AUTHORITY_DAYS = 3650
_SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key, as PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """Signs with a key that is as safe as the folder it lies in: not for production."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        """An authority that is there; `make` makes one."""
        self._certificate = certificate
        self._key = key

    @classmethod
    def make(cls, name: str = "consensus development authority") -> Self:
        """A new one, with a key of its own."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _named(name)
        made = (
            _builder(subject, subject, key, timedelta(days=_AUTHORITY_DAYS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_SIGNS_CERTIFICATES, critical=True)
        )
        return cls(made.sign(key, hashes.SHA256()), key)

    @classmethod
    def read(cls, certificate: bytes, key: bytes) -> Self:
        """One that was written down.

        Raises:
            ValueError: these are no certificate and key of an authority of this kind.
        """
        private = serialization.load_pem_private_key(key, password=None)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise ValueError("the authority's key is of another kind")  # noqa: TRY004 - what it holds is wrong
        return cls(x509.load_pem_x509_certificate(certificate), private)

    @property
    def issued(self) -> Issued:
        """Its own certificate and key, to be written down."""
        return Issued(_pem(self._certificate), _key_pem(self._key))

    @property
    def certificate(self) -> bytes:
        """What others trust it by."""
        return _pem(self._certificate)

    def issue(
        self,
        *,
        dns: Sequence[str] = (),
        addresses: Sequence[str] = (),
        uris: Sequence[str] = (),
        common_name: str = "",
        lifetime: timedelta = timedelta(days=365),
    ) -> Issued:
        """A certificate for servers and clients; with a negative lifetime one that has expired."""
        names: list[x509.GeneralName] = [
            *(x509.DNSName(each) for each in dns),
            *(x509.IPAddress(ip_address(each)) for each in addresses),
            *(x509.UniformResourceIdentifier(each) for each in uris),
        ]
        key = ec.generate_private_key(ec.SECP256R1())
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        made = (
            _builder(_named(common_name), self._certificate.subject, key, lifetime)
            .add_extension(x509.ExtendedKeyUsage(both), critical=False)
            .add_extension(signer, critical=False)
        )
        if names:
            made = made.add_extension(x509.SubjectAlternativeName(names), critical=not common_name)
        return Issued(_pem(made.sign(self._key, hashes.SHA256())), _key_pem(key))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, lifetime: timedelta
) -> x509.CertificateBuilder:
    begin = datetime.now(UTC) + min(lifetime, timedelta()) - _BACKDATED
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(datetime.now(UTC) + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
