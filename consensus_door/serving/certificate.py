"""The certificate that the door shows: read anew when a connection is made and its files have changed."""

import ssl

from consensus_rpc.security.files import ServerTls, TlsFiles
from consensus_rpc.security.watched import WatchedFiles
from consensus_rpc.telemetry.certificates import CertificateTelemetry
from consensus_rpc.telemetry.log import get_logger

_log = get_logger()


class Certificate:
    """TLS 1.3 alone, with what the files hold now, or the last of it that could be used."""

    def __init__(self, tls: ServerTls) -> None:
        """Reads them.

        Raises:
            BadMaterial: they cannot be used.
        """
        self._files = tls.files
        self._watched = WatchedFiles("DOOR_LISTEN", tls.files, CertificateTelemetry())
        self._taken = self._watched.current()
        self.context = _context(tls.files)
        self._current = self.context
        # Called at each handshake, whether the client names a server or not.
        self.context.sni_callback = self._on_handshake

    def _on_handshake(
        self, connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        material = self._watched.current()
        if material is not self._taken:
            self._taken = material
            self._renew()
        connection.context = self._current

    def _renew(self) -> None:
        """Files that were replaced again meanwhile are looked at again at the next change."""
        try:
            self._current = _context(self._files)
        except (OSError, ssl.SSLError) as error:
            _log.error("certificate_not_taken", use="DOOR_LISTEN", reason=type(error).__name__)


def _context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1"])
    assert files.certificate is not None
    context.load_cert_chain(files.certificate, files.key)
    return context
