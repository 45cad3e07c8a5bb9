"""What the texts that a run is about are suspected of, found once, when the run is accepted. Pure."""

from collections.abc import Iterator

from google.protobuf import struct_pb2

from consensus.v1 import run_pb2, suspicion_pb2
from consensus_decision.sections import proposal_words
from consensus_decision.suspicion import PROPOSAL, distinct
from review_service.screening.screen import suspicions

_PARENT_PROPOSAL = "parent_proposal"


def screen(specification: run_pb2.RunSpecification, parent: run_pb2.Run | None = None) -> None:
    """Puts what is found into the specification; of a revision also what its parent's proposal is suspected
    of, since it is made from that.
    """
    inherited = [] if parent is None else _inherited(parent)
    specification.suspicions.extend(distinct([*suspicions(_texts(specification)), *inherited]))


def strings_of(value: struct_pb2.Struct) -> Iterator[str]:
    """Every string in an object, names of fields included."""
    for name, item in value.fields.items():
        yield name
        yield from _strings_of_value(item)


def _strings_of_value(value: struct_pb2.Value) -> Iterator[str]:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        yield value.string_value
    elif kind == "struct_value":
        yield from strings_of(value.struct_value)
    elif kind == "list_value":
        for item in value.list_value.values:
            yield from _strings_of_value(item)


def _inherited(parent: run_pb2.Run) -> list[suspicion_pb2.Suspicion]:
    return [
        suspicion_pb2.Suspicion(text=_PARENT_PROPOSAL, kind=each.kind)
        for each in parent.suspicions
        if each.text in (PROPOSAL, _PARENT_PROPOSAL)
    ]


def _texts(specification: run_pb2.RunSpecification) -> Iterator[tuple[str, str]]:
    """All that somebody wrote and the model may be shown, by name."""
    yield "idea", specification.idea
    yield "context", specification.context.text
    yield "context", "\n".join(strings_of(specification.context.object))
    yield "document", specification.document.text
    yield PROPOSAL, proposal_words(specification.proposal)
    for each in specification.attachments:
        yield "attachments", each.name
        yield "attachments", each.text
    revision = specification.revision
    yield _PARENT_PROPOSAL, proposal_words(revision.parent_proposal)
    yield "edited_proposal", proposal_words(revision.edited_proposal)
    yield "edit_notes", revision.edit_notes
