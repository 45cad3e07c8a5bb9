"""The keys of one process: unwrapped in memory, followed in the database and in the operator's file."""

import asyncio
import base64
import contextlib
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection

from consensus_contract.errors import DatabaseError
from consensus_rpc.telemetry.log import get_logger
from persistence_service.content import repository
from persistence_service.content.cipher import NotSealedWithThisKeyError, new_key, seal, unseal
from persistence_service.content.key_file import KeyFileError, read_key_file
from persistence_service.content.repository import StoredKey
from persistence_service.database import Database, StartRefused

_RESOURCE = "content_keys"
_FOLLOW_SECONDS = 60.0
_SEPARATOR = ":"

log = get_logger()


class Keyring:
    """Seals with the newest content key and opens with any; without a file it only notices that it should.

    Values are sealed and opened in threads of the database's; all but `open`, `follow` and `rotate` is quick.
    """

    def __init__(self, database: Database, path: Path | None) -> None:
        """Reads nothing yet; `path` is the operator's file."""
        self._database = database
        self._path = path
        self._keys: Mapping[str, bytes] = {}
        self._newest = ""
        self._lock = threading.Lock()
        database.use_sealer(self)

    @property
    def seals(self) -> bool:
        """Whether what is written from now on is sealed."""
        return bool(self._newest)

    def open_file(self) -> None:
        """Unwraps what the database has, wraps it anew where the file has a newer key, and makes the first
        content key where there is none. Blocks.

        Raises:
            StartRefused: content is sealed and its keys are not here, or the file is not as it should be.
        """
        if self._path is None:
            if self._database.unit_of_work(repository.read_keys, read_only=True, resource=_RESOURCE):
                raise StartRefused("its content is encrypted: CONTENT_KEYS_FILE must name the keys")
            return
        try:
            self._refresh(self._path, makes_new=False)
        except KeyFileError as error:
            raise StartRefused(f"CONTENT_KEYS_FILE: {error}") from None

    def rotate(self) -> Sequence[StoredKey]:
        """Reads the file again, wraps every content key with its first key, and begins a new content key;
        answers all. Blocks.

        Raises:
            KeyFileError: there is no file, or it is not as it should be; nothing was changed.
        """
        if self._path is None:
            raise KeyFileError("CONTENT_KEYS_FILE is not set")
        return self._refresh(self._path, makes_new=True)

    async def follow(self) -> None:
        """Takes up what other replicas and the operator change, until it is cancelled."""
        while self._path is not None:
            await asyncio.sleep(_FOLLOW_SECONDS)
            try:
                await asyncio.to_thread(self._refresh, self._path, makes_new=False)
            except Exception as error:  # noqa: BLE001 - the keys in memory serve on
                log.warning("content_keys_not_refreshed", cause=str(error))

    def seal(self, plain: bytes, column: str) -> str:
        """`key id:base64`, for `column` alone."""
        key_id = self._newest
        return f"{key_id}{_SEPARATOR}{base64.b64encode(seal(self._keys[key_id], plain, column)).decode()}"

    def open(self, sealed: str, column: str) -> bytes:
        """What was sealed.

        Raises:
            DatabaseError: its key is not here, or it was changed; the log says which.
        """
        key_id, _, text = sealed.partition(_SEPARATOR)
        key = self._keys.get(key_id) or self._looked_up(key_id)
        if key is not None:
            with contextlib.suppress(ValueError):  # no base64, no ASCII, or not sealed with this key
                return unseal(key, base64.b64decode(text, validate=True), column)
        log.error("content_not_opened", column=column, key_id=key_id, has_key=key is not None)
        raise DatabaseError

    def take_up(self, rows: Sequence[StoredKey]) -> None:
        """Opens what is sealed with these too, before they are committed.

        Raises:
            KeyFileError: the operator's file is not there, not as it should be, or does not open them.
        """
        if not rows:
            return
        if self._path is None:
            raise KeyFileError("CONTENT_KEYS_FILE is not set, and content is encrypted")
        self._take_up(rows, read_key_file(self._path))

    def _looked_up(self, key_id: str) -> bytes | None:
        """A key that another replica has made since; None where there is none, or the file cannot be used."""
        if self._path is None:
            return None
        with self._lock, contextlib.suppress(KeyFileError):
            if key_id not in self._keys:
                own = self._database.dedicated()  # the pool's connections may all be waiting for this
                try:
                    rows = own.unit_of_work(repository.read_keys, read_only=True, resource=_RESOURCE)
                finally:
                    own.close()
                self._take_up(rows, read_key_file(self._path))
        return self._keys.get(key_id)

    def _refresh(self, path: Path, *, makes_new: bool) -> Sequence[StoredKey]:
        with self._lock:
            operators = read_key_file(path)
            rows = self._database.unit_of_work(
                lambda connection: self._refreshed(connection, operators, makes_new=makes_new),
                resource=_RESOURCE,
            )
            self._take_up(rows, operators)
            return rows

    def _refreshed(
        self, connection: Connection, operators: Mapping[str, bytes], *, makes_new: bool
    ) -> Sequence[StoredKey]:
        """The keys, all wrapped with the operator's newest."""
        now = self._database.now(connection)
        rows = list(repository.read_keys(connection))
        # All of them, before any is changed: were one made beside keys that this file does not open, such as
        # by another key of the same id, no file would open all of them again.
        keys = [_unwrapped(row, operators) for row in rows]
        newest_operator = next(iter(operators))
        for index, row in enumerate(rows):
            if row.wrapping_key_id != newest_operator:
                wrapped = _wrapped(keys[index], row.key_id, operators[newest_operator])
                repository.rewrap_key(connection, row, wrapped, newest_operator, now)
                rows[index] = replace(row, wrapped=wrapped, wrapping_key_id=newest_operator, wrap_time=now)
        if makes_new or not rows:
            key_id = secrets.token_hex(8)
            wrapped = _wrapped(new_key(), key_id, operators[newest_operator])
            rows.append(StoredKey(key_id, wrapped, newest_operator, now, now))
            repository.add_key(connection, rows[-1])
        return rows

    def _take_up(self, rows: Sequence[StoredKey], operators: Mapping[str, bytes]) -> None:
        known = self._keys
        self._keys = {row.key_id: known.get(row.key_id) or _unwrapped(row, operators) for row in rows}
        self._newest = rows[-1].key_id


def _wrapped(key: bytes, key_id: str, operators_key: bytes) -> bytes:
    return seal(operators_key, key, f"content key {key_id}")


def _unwrapped(row: StoredKey, operators: Mapping[str, bytes]) -> bytes:
    key = operators.get(row.wrapping_key_id)
    if key is None:
        raise KeyFileError(f"has no key {row.wrapping_key_id}, which content is encrypted with")
    try:
        return unseal(key, row.wrapped, f"content key {row.key_id}")
    except NotSealedWithThisKeyError:
        raise KeyFileError(
            f"its key {row.wrapping_key_id} is another than the one of that id before"
        ) from None
