"""Files of certificates that may be replaced while they are used."""

import threading
import time
from collections.abc import Callable, Mapping

from consensus_rpc.security.files import TlsFiles
from consensus_rpc.security.material import BadMaterial, Material, check_material, read_raw
from consensus_rpc.telemetry.log import get_logger
from consensus_rpc.telemetry.metrics import certificate_expiry

_log = get_logger()

_LOOK_SECONDS = 1.0


class WatchedFiles:
    """What the files hold now, or the last that could be used: what is broken is said once, and not taken.

    Any thread may ask, gRPC's too; the files are read at most once a second, when somebody asks.
    """

    def __init__(self, use: str, files: TlsFiles, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Reads them; `use` names them in the log and the metric.

        Raises:
            BadMaterial: they cannot be used.
        """
        self._use = use
        self._files = files
        self._clock = clock
        self._lock = threading.Lock()
        self._raw = read_raw(files)
        self._refused: Mapping[str, bytes] | str | None = None
        self._material = check_material(self._raw)
        self._looked = clock()
        if self._material.expires is not None:
            certificate_expiry().labels(use).set_function(self._expiry_timestamp)

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
                _log.error("certificate_not_taken", use=self._use, reason=str(error))
            return
        self._raw, self._material, self._refused = raw, material, None
        _log.info("certificate_taken", use=self._use, expires=str(material.expires or ""))

    def _expiry_timestamp(self) -> float:
        expires = self.current().expires
        assert expires is not None
        return expires.timestamp()
