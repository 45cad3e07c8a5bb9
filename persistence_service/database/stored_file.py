"""Whether SQLite's file is still the one that was opened: what is removed goes on working until its end."""

from pathlib import Path

from consensus_contract.errors import DatabaseUnavailable
from consensus_rpc.telemetry.log import get_logger

log = get_logger()


class StoredFile:
    """The file of a database that is open; its connections keep it alive when its name is gone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log_path = path.with_name(f"{path.name}-wal")
        self._opened: tuple[int, int] | None = None
        self._is_gone = False

    def opened(self) -> None:
        """Takes note of which file it is."""
        found = self._path.stat()
        self._opened = (found.st_dev, found.st_ino)

    def check(self) -> None:
        """Nothing while the next start would find what is written now; needs an open connection.

        Raises:
            DatabaseUnavailable: it would not.
        """
        cause = self._fault()
        if cause and not self._is_gone:
            log.error("database_file_gone", cause=cause)
        self._is_gone = bool(cause)
        if cause:
            raise DatabaseUnavailable

    def _fault(self) -> str:
        try:
            found = self._path.stat()
            self._log_path.stat()
        except OSError as error:
            return f"{Path(error.filename).name} is not there any more"
        if self._opened is not None and self._opened != (found.st_dev, found.st_ino):
            return f"{self._path.name} is another file now"
        return ""
