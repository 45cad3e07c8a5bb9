"""Files of certificates that may be replaced while they are used."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from consensus_rpc.security.files import TlsFiles
from consensus_rpc.security.material import BadMaterial, Material, check_material, read_raw

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0


class CertificateObserver(Protocol):
    """Who is told what becomes of watched files; `use` says where they are used."""

    def taken(self, use: str, expires: datetime | None) -> None:
        """New files are used from now on."""

    def refused(self, use: str, reason: str) -> None:
        """New files are of no use, and the former are kept."""

    def expires(self, use: str, timestamp: Callable[[], float]) -> None:
        """The certificate in use expires; `timestamp`, in seconds since 1970, says when whenever asked."""


class CertificateLogger:
    """Says what went wrong to the standard library's log, where a library is to say it."""

    def taken(self, use: str, expires: datetime | None) -> None:
        """Says it to those who want to know much."""
        _log.info("certificate_taken: %s, expires %s", use, expires or "never")

    def refused(self, use: str, reason: str) -> None:
        """Says why."""
        _log.error("certificate_not_taken: %s, %s", use, reason)

    def expires(self, use: str, timestamp: Callable[[], float]) -> None:
        """Keeps no count."""


class WatchedFiles:
    """What the files hold now, or the last that could be used: what is broken is said once, and not taken.

    Any thread may ask, gRPC's too; the files are read at most once a second, when somebody asks.
    """

    def __init__(
        self,
        use: str,
        files: TlsFiles,
        observer: CertificateObserver,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Reads them; `use` names them to the observer.

        Raises:
            BadMaterial: they cannot be used.
        """
        self._use = use
        self._files = files
        self._observer = observer
        self._clock = clock
        self._lock = threading.Lock()
        self._raw = read_raw(files)
        self._refused: Mapping[str, bytes] | str | None = None
        self._material = check_material(self._raw)
        self._looked = clock()
        if self._material.expires is not None:
            observer.expires(use, self._expiry_timestamp)

    def current(self) -> Material:
        """What holds now; the same object for as long as nothing has changed."""
        with self._lock:
            now = self._clock()
            if now - self._looked >= _LOOK_SECONDS:
                self._looked = now
                self._look()
            return self._material

    def _look(self) -> None:
        raw: Mapping[str, bytes] | None = None
        try:
            raw = read_raw(self._files)
            if raw == self._raw:
                self._refused = None
                return
            material = check_material(raw)
        except BadMaterial as error:
            refused = raw if raw is not None else str(error)
            if refused != self._refused:
                self._refused = refused
                self._observer.refused(self._use, str(error))
            return
        self._raw, self._material, self._refused = raw, material, None
        self._observer.taken(self._use, material.expires)

    def _expiry_timestamp(self) -> float:
        expires = self.current().expires
        assert expires is not None
        return expires.timestamp()
