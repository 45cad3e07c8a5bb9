"""What a run is suspected of, between the wire and JSON data: pairs of a text's name and a kind. Pure."""

from collections.abc import Iterable, Sequence

from consensus.v1 import suspicion_pb2
from persistence_service.journal.entries import Columns
from persistence_service.runs.form import names
from persistence_service.schema.scalars import storable

KEY = "suspicions"


def suspicion_columns(suspicions: Iterable[suspicion_pb2.Suspicion], field: str) -> Columns:
    """Under its key; nothing where nothing is suspected, so that the digests of what was before stand.

    Raises:
        InvalidField: for the character NUL.
    """
    pairs = [[storable(each.text, f"{field}.{KEY}"), names.suspicion_text(each.kind)] for each in suspicions]
    return {KEY: pairs} if pairs else {}


def suspicion_messages(pairs: Iterable[Sequence[str]] | None) -> list[suspicion_pb2.Suspicion]:
    """From the pairs; None: there are none."""
    return [
        suspicion_pb2.Suspicion(text=text, kind=names.suspicion_number(kind)) for text, kind in pairs or ()
    ]
