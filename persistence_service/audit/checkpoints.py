"""Taking checkpoints: signed now and then, and kept in a file that only grows."""

import asyncio
import base64
import binascii
import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consensus_contract.errors import ConsensusError
from consensus_journal import (
    Checkpoint,
    canonical_json,
    checkpoint_from_plain,
    plain_checkpoint,
    take_checkpoint,
)
from consensus_rpc.telemetry.fault_trace import fault_trace
from consensus_rpc.telemetry.log import get_logger
from persistence_service.audit import repository
from persistence_service.database import EVERY_TENANT, Database
from persistence_service.database.faults import code_of
from persistence_service.schema.scalars import microseconds

KEY_BYTES = 32

log = get_logger()
# A transaction that began before the checkpoint may commit its heads after it, with an earlier time.
_LONGEST_TRANSACTION = timedelta(seconds=60)


def signing_key(text: str) -> Ed25519PrivateKey:
    """The key that `new_signing_key` made.

    Raises:
        ValueError: when it is none.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("is not base64") from error
    if len(raw) != KEY_BYTES:
        raise ValueError(f"has {len(raw)} bytes, not {KEY_BYTES}")
    return Ed25519PrivateKey.from_private_bytes(raw)


def new_signing_key() -> str:
    """A new key: 32 random bytes in base64."""
    return base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode()


class CheckpointFile:
    """Checkpoints as JSON lines, each `{"checkpoint": …}`; of one process at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Iterator[Checkpoint]:
        """All checkpoints, in order; none when there is no file. A line that a crash cut short is left out.

        Raises:
            ValueError: when a line is no checkpoint.
        """
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield checkpoint_from_plain(json.loads(line)["checkpoint"])

    def append(self, checkpoint: Checkpoint) -> None:
        """Adds a checkpoint, durably, in the place of a line that a crash cut short."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a+b") as file:
            file.truncate(_end_of_whole_lines(file))
            file.write(canonical_json({"checkpoint": plain_checkpoint(checkpoint)}) + b"\n")
            file.flush()
            os.fsync(file.fileno())


def _end_of_whole_lines(file: BinaryIO) -> int:
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - 1))
    if file.read(1) in {b"", b"\n"}:
        return end
    file.seek(0)
    return sum(len(line) for line in file if line.endswith(b"\n"))


class Checkpointer:
    """Signs what has grown since its last checkpoint, on demand and now and then."""

    def __init__(
        self,
        database: Database,
        key: Ed25519PrivateKey,
        file: CheckpointFile,
        *,
        interval_seconds: float,
        sleep: Callable[[float], Any] = asyncio.sleep,
    ) -> None:
        """The key must not be in the database, else whoever rewrites the one can sign with the other."""
        self._database = database
        self._key = key
        self._file = file
        self._interval_seconds = interval_seconds
        self._sleep = sleep
        self._turn = asyncio.Lock()
        self._last: Checkpoint | None = None

    @property
    def public_key(self) -> bytes:
        """What its checkpoints are to be signed with."""
        return self._key.public_key().public_bytes_raw()

    async def checkpoints(self) -> list[Checkpoint]:
        """All that were taken, in order."""
        async with self._turn:
            return await asyncio.to_thread(lambda: list(self._file.read()))

    async def take(self) -> Checkpoint:
        """Takes a checkpoint now, or answers with the last one when nothing has grown since.

        Raises:
            DatabaseUnavailable: the heads cannot be read.
        """
        async with self._turn:
            last = self._last or await asyncio.to_thread(self._last_in_file)
            checkpoint = await self._database.run(
                lambda connection: self._next(connection, last),
                tenant=EVERY_TENANT,
                read_only=True,
                resource="audit checkpoint",
            )
            if checkpoint is not last:
                await asyncio.to_thread(self._file.append, checkpoint)
            self._last = checkpoint
            return checkpoint

    async def run(self) -> None:
        """Takes one whenever the interval has passed, until cancelled; a failure is logged."""
        while True:
            await self._sleep(self._interval_seconds)
            try:
                checkpoint = await self.take()
            except ConsensusError as error:
                log.warning("audit_checkpoint_failed", reason=error.reason_name)
            except (OSError, ValueError) as error:
                log.error("audit_checkpoint_failed", code=code_of(error), trace=fault_trace(error))  # noqa: TRY400 - its text may quote rows
            else:
                log.debug("audit_checkpoint", number=checkpoint.number, head_count=len(checkpoint.heads))

    def _last_in_file(self) -> Checkpoint | None:
        return next(iter(deque(self._file.read(), maxlen=1)), None)

    def _next(self, connection: Any, last: Checkpoint | None) -> Checkpoint:
        now = microseconds(self._database.now(connection))
        heads = repository.grown_heads(connection, _since(last))
        known = set(last.heads) if last else set()
        grown = [head for head in heads if head not in known]
        if last is not None and not grown:
            return last
        return take_checkpoint(last, now, grown, self._key)


def _since(last: Checkpoint | None) -> datetime | None:
    if last is None:
        return None
    return datetime.fromtimestamp(last.create_time_us / 1e6, UTC) - _LONGEST_TRANSACTION
