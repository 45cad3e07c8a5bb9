"""Runs in portions that fit into messages. Pure.

What was recorded since sizes are bounded fits whole; what was recorded before is read in part and said so.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import attempt_pb2, panel_pb2, run_pb2
from consensus_contract.sizes import RUN_ANSWER_BYTES
from persistence_service.paging.sizes import MAX_PAGE_BYTES

PART_BYTES = MAX_PAGE_BYTES

# In the order in which they are left out: what can be told from the rest, then what is the largest.
_OMITTABLE = (
    ("proposal_diff",),
    ("decision_with_humans", "minority_reports"),
    ("human_reviews",),
    ("persona_reviews",),
    ("decision", "minority_reports"),
    ("proposal",),
    ("specification", "revision"),
)


def answerable(run: run_pb2.Run, room: int = RUN_ANSWER_BYTES) -> run_pb2.Run:
    """The run, in place: without its large parts, which it names, if it were larger than an answer may be."""
    for path in _OMITTABLE:
        if run.ByteSize() <= room:
            break
        _omit(run, path)
    return run


def _omit(run: run_pb2.Run, path: Sequence[str]) -> None:
    owner: Any = getattr(run, path[0]) if len(path) > 1 else run
    if any(field.name == path[-1] for field, _ in owner.ListFields()):
        owner.ClearField(path[-1])
        run.omitted_fields.append(".".join(path))


def attached_portions(
    whole: run_pb2.Run, attempts: Sequence[attempt_pb2.Attempt]
) -> tuple[run_pb2.Run, list[attempt_pb2.Attempt], list[persistence_service_pb2.AttachedPart]]:
    """What an attached worker is told: the run and its attempts, and what of them follows in parts."""
    if whole.ByteSize() + sum(attempt.ByteSize() for attempt in attempts) <= RUN_ANSWER_BYTES:
        return whole, list(attempts), []
    reviews = list(whole.persona_reviews)
    proposal = whole.proposal if whole.HasField("proposal") else None
    first = run_pb2.Run()
    first.CopyFrom(whole)
    answerable(first, PART_BYTES)
    parts = [persistence_service_pb2.AttachedPart(attempts=some) for some in _in_parts(attempts)]
    if "persona_reviews" in first.omitted_fields:
        parts += [persistence_service_pb2.AttachedPart(persona_reviews=some) for some in _in_parts(reviews)]
    if "proposal" in first.omitted_fields:
        parts.append(persistence_service_pb2.AttachedPart(proposal=proposal))
    return first, [], parts


M = TypeVar("M", panel_pb2.PersonaReview, attempt_pb2.Attempt)


def _in_parts(messages: Iterable[M]) -> Iterator[list[M]]:
    part: list[M] = []
    part_bytes = 0
    for message in messages:
        part_bytes += message.ByteSize()
        if part and part_bytes > PART_BYTES:
            yield part
            part, part_bytes = [], message.ByteSize()
        part.append(message)
    if part:
        yield part
