"""How far a run has come, for the failure of one that nobody finishes."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from consensus_contract.steps import AGGREGATE, EXPAND, review_step
from persistence_service.database.tenants import ForKeys
from persistence_service.runs.form import event_types
from persistence_service.runs.form.keys import RunKey
from persistence_service.runs.form.materials import needs_no_proposal
from persistence_service.runs.form.tables import (
    MATERIALS,
    PAYLOADS,
    SETTINGS,
    SPECIFICATIONS,
    SPECIFIED_MATERIAL,
    SPECIFIED_SETTINGS,
)
from persistence_service.schema.visibility import visible

_REVIEWS = PAYLOADS[event_types.REVIEW]
_PROPOSALS = PAYLOADS[event_types.PROPOSAL]

_PANELS = visible(
    select(
        SPECIFICATIONS.c.tenant,
        SPECIFICATIONS.c.run_id,
        SETTINGS.c.settings,
        _PROPOSALS.c.sequence.label("proposal_sequence"),
        MATERIALS.c.about,
    )
    .select_from(SPECIFICATIONS)
    .join(SETTINGS, SPECIFIED_SETTINGS)
    .outerjoin(MATERIALS, SPECIFIED_MATERIAL)
    .outerjoin(
        _PROPOSALS,
        (_PROPOSALS.c.tenant == SPECIFICATIONS.c.tenant) & (_PROPOSALS.c.run_id == SPECIFICATIONS.c.run_id),
    )
)
PANELS = ForKeys(_PANELS.where, SPECIFICATIONS.c.tenant, SPECIFICATIONS.c.run_id)
FINISHED = ForKeys(
    visible(select(_REVIEWS.c.tenant, _REVIEWS.c.run_id, _REVIEWS.c.persona_id)).where,
    _REVIEWS.c.tenant,
    _REVIEWS.c.run_id,
)


@dataclass(frozen=True, slots=True)
class UnfinishedWork:
    """How far a run had come that is failed by a claim: for its failure's details."""

    failed_step: str
    finished_personas: tuple[str, ...]


def unfinished_work(connection: Connection, keys: Sequence[RunKey]) -> dict[RunKey, UnfinishedWork]:
    """The finished personas of each run, and the first step that is not done."""
    finished: dict[RunKey, set[str]] = {key: set() for key in keys}
    for review in FINISHED.rows(connection, keys):
        finished[(review.tenant, review.run_id)].add(review.persona_id)
    found: dict[RunKey, UnfinishedWork] = {}
    for row in PANELS.rows(connection, keys):
        key = (row.tenant, row.run_id)
        panel = [persona["persona_id"] for persona in row.settings["personas"]]
        is_expanded = row.proposal_sequence is not None or needs_no_proposal(row.about)
        found[key] = unfinished(panel, finished[key], is_expanded=is_expanded)
    return found


def unfinished(panel: Sequence[str], finished: set[str], *, is_expanded: bool) -> UnfinishedWork:
    """Pure part of `unfinished_work`; `panel` is in persona order."""
    done = tuple(persona for persona in panel if persona in finished)
    if not is_expanded:
        return UnfinishedWork(EXPAND, done)
    missing = next((persona for persona in panel if persona not in finished), None)
    return UnfinishedWork(AGGREGATE if missing is None else review_step(missing), done)
