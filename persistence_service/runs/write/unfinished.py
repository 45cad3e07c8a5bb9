"""How far a run has come, for the failure of one that nobody finishes."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select, tuple_

from persistence_service.runs.form import entries as events
from persistence_service.runs.form import statements
from persistence_service.runs.write.fold import Progress
from persistence_service.runs.write.operations import RunKey
from persistence_service.schema.visibility import visible

_SETTINGS, _SPECIFICATIONS = statements.SETTINGS, statements.SPECIFICATIONS
_REVIEWS = statements.PAYLOADS[events.REVIEW]
_PROPOSALS = statements.PAYLOADS[events.PROPOSAL]

_PANELS = visible(
    select(
        _SPECIFICATIONS.c.tenant,
        _SPECIFICATIONS.c.run_id,
        _SETTINGS.c.settings,
        _PROPOSALS.c.sequence.label("proposal_sequence"),
    )
    .select_from(_SPECIFICATIONS)
    .join(_SETTINGS, statements.SPECIFIED_SETTINGS)
    .outerjoin(
        _PROPOSALS,
        (_PROPOSALS.c.tenant == _SPECIFICATIONS.c.tenant) & (_PROPOSALS.c.run_id == _SPECIFICATIONS.c.run_id),
    )
)
PANELS = _PANELS.where(
    tuple_(_SPECIFICATIONS.c.tenant, _SPECIFICATIONS.c.run_id).in_(bindparam("keys", expanding=True))
)
FINISHED = visible(select(_REVIEWS.c.tenant, _REVIEWS.c.run_id, _REVIEWS.c.persona_id)).where(
    tuple_(_REVIEWS.c.tenant, _REVIEWS.c.run_id).in_(bindparam("keys", expanding=True))
)


def progress_of(connection: Connection, keys: Sequence[RunKey]) -> dict[RunKey, Progress]:
    """The finished personas of each run, and the first step that is not done."""
    finished: dict[RunKey, set[str]] = {key: set() for key in keys}
    for review in connection.execute(FINISHED, {"keys": keys}):
        finished[(review.tenant, review.run_id)].add(review.persona_id)
    found: dict[RunKey, Progress] = {}
    for row in connection.execute(PANELS, {"keys": keys}):
        key = (row.tenant, row.run_id)
        panel = [persona["persona_id"] for persona in row.settings["personas"]]
        found[key] = progress(panel, finished[key], is_expanded=row.proposal_sequence is not None)
    return found


def progress(panel: Sequence[str], finished: set[str], *, is_expanded: bool) -> Progress:
    """Pure part of `progress_of`; `panel` is in persona order."""
    done = tuple(persona for persona in panel if persona in finished)
    if not is_expanded:
        return Progress("expand", done)
    missing = next((persona for persona in panel if persona not in finished), None)
    return Progress("aggregate_decision" if missing is None else f"review_{missing}", done)
