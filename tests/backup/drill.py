"""A disaster, from the load before it to the runs that go on after it."""

import asyncio
import json
import random
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import NullPool, create_engine, func, select

from consensus_journal.verification import MAX_FINDINGS
from offline_model.script import Rule
from persistence_service.audit.checkpoints import new_signing_key
from persistence_service.database import normalise_url
from persistence_service.journal.tables import AUDIT_LOG
from tests.backup.places import PAGE, Place
from tests.faults.case import Case, running_case
from tests.faults.checker.snapshot import open_runs
from tests.faults.load import Load
from tests.faults.stack import Stack, running_stack
from tests.support.pair import until
from tests.support.postgres import showing_all
from tests.support.processes import clean_environment, run_command

_CALLERS = 6
_CALLER_PAUSE_SECONDS = 0.3
_MODEL_SECONDS = 0.3
_BEFORE_SECONDS = 6.0
_AFTER_SECONDS = 6.0
_ENDING_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one disaster came to."""

    database: str
    seconds: float
    restore_seconds: float
    """From the loss to a restored database."""
    acknowledged_runs: int
    lost_runs: int
    lost_events: int
    """Events that callers had been told and that are not there, those of lost runs included."""
    named_streams: int
    """What the checkpoints that were kept name as cut off, 100 at most."""
    resumed_runs: int
    """Under way at the moment that was restored, and ended since."""
    faults: tuple[str, ...]
    """What should not be, whatever was lost."""


async def drill(place: Place, folder: Path) -> Report:
    """Load, backup, loss, restore, verification and what goes on after it, on one database."""
    began = time.monotonic()
    await asyncio.to_thread(place.prepare)
    checkpoints, kept = folder / "checkpoints.jsonl", folder / "kept.jsonl"
    settings = {
        "AUDIT_SIGNING_KEY": new_signing_key(),
        "AUDIT_CHECKPOINT_FILE": str(checkpoints),
        "AUDIT_CHECKPOINT_SECONDS": "1",
    }
    stack = Stack(folder, place.url, review_count=1, persistence_settings=settings)
    with running_stack(stack):
        async with running_case(stack, f"Drill{uuid.uuid4().hex[:8]}", is_checked=False) as case:
            await _loaded_until_lost(case, place)
            lost_at = time.monotonic()
            await asyncio.to_thread(place.restore)
            restored_at = time.monotonic()
            checkpoints.rename(kept)
            named, faults = await asyncio.to_thread(_verified, stack, folder)
            stored = await asyncio.to_thread(_heads, place.url)
            waiting = await asyncio.to_thread(open_runs, place.url)
            await asyncio.to_thread(stack.restart, *stack.reviews)
            left = await _still_open(place, waiting)
            faults += await asyncio.to_thread(_unsound, stack)
    faults += _unnamed(stored, _kept_heads(kept), named)
    return Report(
        database=place.name,
        seconds=time.monotonic() - began,
        restore_seconds=restored_at - lost_at,
        acknowledged_runs=len(case.witness.started),
        lost_runs=sum(f"runs/{run_id}" not in stored for run_id in case.witness.started),
        lost_events=_lost_events(case, stored),
        named_streams=len(named),
        resumed_runs=len(waiting - left),
        faults=(*faults, *(f"{run_id} was under way and did not end" for run_id in sorted(left))),
    )


async def _loaded_until_lost(case: Case, place: Place) -> None:
    """Callers at work while it is backed up, until every process is killed and the database is gone."""
    await case.script(Rule(delay_seconds=_MODEL_SECONDS))
    load = Load(case, random.Random(1))
    calling = asyncio.create_task(load.callers(_CALLERS, _CALLER_PAUSE_SECONDS))
    try:
        await asyncio.sleep(_BEFORE_SECONDS)
        await asyncio.to_thread(place.backup)
        await asyncio.sleep(_AFTER_SECONDS)
        for process in (*case.stack.persistences, *case.stack.reviews):
            process.kill()
        await asyncio.to_thread(place.destroy)
    finally:
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)


def _verified(stack: Stack, folder: Path) -> tuple[set[str], list[str]]:
    """With persistence alone: the streams that kept checkpoints name as cut off, and any other finding."""
    stack.restart(*stack.persistences)
    first = (folder / "kept.jsonl").read_text(encoding="utf-8").splitlines()[0]
    done = PAGE.run(
        "verify", folder, CONSENSUS_PERSISTENCE=stack.persistences[0].address,
        PUBLIC_KEY=json.loads(first)["checkpoint"]["public_key"],
    )  # fmt: skip
    *findings, verdict = done.stdout.splitlines() or [done.stderr]
    findings = [line for line in findings if not line.endswith("more that are not named")]
    named = {line.split()[0] for line in findings if line.endswith(": cut off")}
    others = [line for line in findings if not line.endswith(": cut off")]
    wanted = "NOT whole: " if findings else "whole: "
    return named, others if verdict.startswith(wanted) else [*others, verdict]


def _unsound(stack: Stack) -> list[str]:
    """What the service finds of its own trail, with the checkpoints that it has taken since."""
    address = stack.persistences[0].address
    done = run_command("audit", "verify", environment=clean_environment(CONSENSUS_PERSISTENCE=address))
    return [] if done.returncode == 0 else [done.stdout + done.stderr]


async def _still_open(place: Place, waiting: set[str]) -> set[str]:
    """Those of the runs that have not ended after all that time."""

    async def have_ended() -> bool:
        return not waiting & await asyncio.to_thread(open_runs, place.url)

    with suppress(TimeoutError):
        await until(have_ended, _ENDING_SECONDS)
    return waiting & await asyncio.to_thread(open_runs, place.url)


def _heads(url: str) -> dict[str, int]:
    """The newest entry of each stream that is stored."""
    newest = select(AUDIT_LOG.c.stream, func.max(AUDIT_LOG.c.sequence)).group_by(AUDIT_LOG.c.stream)
    with create_engine(normalise_url(showing_all(url)), poolclass=NullPool).connect() as connection:
        return {stream: sequence for stream, sequence in connection.execute(newest)}  # noqa: C416 - rows


def _kept_heads(kept: Path) -> dict[str, int]:
    """The newest entry of each stream that a checkpoint speaks of."""
    taken = [json.loads(line)["checkpoint"] for line in kept.read_text(encoding="utf-8").splitlines()]
    return {head["stream"]: head["sequence"] for each in taken for head in each["heads"]}


def _unnamed(stored: dict[str, int], kept: dict[str, int], named: set[str]) -> list[str]:
    """Streams that end before a checkpoint and that nobody named, or the other way round."""
    missing = {stream for stream, sequence in kept.items() if sequence > stored.get(stream, 0)}
    if len(missing) > MAX_FINDINGS:
        missing &= named  # a verdict names no more, and counts the rest
    return [f"{stream}: lost and not named, or named and not lost" for stream in sorted(missing ^ named)]


def _lost_events(case: Case, stored: dict[str, int]) -> int:
    return sum(
        number > stored.get(f"runs/{run_id}", 0)
        for run_id, seen in case.witness.events.items()
        for number in seen
    )
