"""TLS as gRPC is told to speak it: version 1.3 alone, certificates from files that may be replaced."""

import os

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # the stubs know nothing of it

from consensus_rpc.security.files import ServerTls
from consensus_rpc.security.material import BadMaterial, Material
from consensus_rpc.security.watched import CertificateObserver, WatchedFiles

# gRPC for Python has no setting for the least version. It has one for the suites of TLS 1.2, which has no
# say in those of 1.3; this one needs a shared key that nobody here has, so that 1.2 finds none to speak.
_SUITES_VARIABLE = "GRPC_SSL_CIPHER_SUITES"
_SUITE_OF_NOBODY = "ECDHE-PSK-CHACHA20-POLY1305"


def only_tls_13() -> None:
    """Lets gRPC speak nothing older in this process; before its first credentials are made.

    Raises:
        RuntimeError: this gRPC cannot be told any more.
    """
    again = getattr(cygrpc, "reset_grpc_config_vars", None)
    if again is None:
        raise RuntimeError("this grpcio does not read its settings again: TLS 1.2 could not be ruled out")
    os.environ[_SUITES_VARIABLE] = _SUITE_OF_NOBODY
    again()


def server_credentials(use: str, tls: ServerTls, observer: CertificateObserver) -> grpc.ServerCredentials:
    """Credentials that take new files for new connections; those that are open stay as they are.

    Raises:
        BadMaterial: the files cannot be used.
    """
    watched = WatchedFiles(use, tls.files, observer)
    given = watched.current()

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal given  # gRPC asks before each handshake, one thread at a time
        now = watched.current()
        if now is given:
            return None
        given = now
        return _configuration(now)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(given),
        renewed,  # type: ignore[arg-type]  # None, which the stubs do not know, is for no change
        tls.requires_certificates,
    )


def channel_credentials(material: Material) -> grpc.ChannelCredentials:
    """Credentials of one connection."""
    return grpc.ssl_channel_credentials(
        root_certificates=material.authority,
        private_key=material.key,
        certificate_chain=material.certificate,
    )


def _configuration(material: Material) -> grpc.ServerCertificateConfiguration:
    if material.key is None or material.certificate is None:
        raise BadMaterial("a listener needs a certificate and a key")
    return grpc.ssl_server_certificate_configuration(
        [(material.key, material.certificate)], root_certificates=material.authority
    )
