"""What a run is suspected of, as it is followed and as it stands."""

import io
from datetime import UTC, datetime

from rich.console import Console

from consensus.v1 import panel_pb2, run_event_pb2, run_pb2, suspicion_pb2
from consensus_cli.view.live import LiveTable
from consensus_cli.view.plain import plain_lines
from consensus_cli.view.progress import RunView
from consensus_cli.view.run import run_blocks
from tests.unit.consensus_client import samples

OF_IDEA = suspicion_pb2.Suspicion(text="idea", kind=suspicion_pb2.SUSPICION_KIND_OVERRIDE)
OF_PROPOSAL = suspicion_pb2.Suspicion(text="proposal", kind=suspicion_pb2.SUSPICION_KIND_FENCE)
OF_REVIEW = suspicion_pb2.Suspicion(text="review_critic", kind=suspicion_pb2.SUSPICION_KIND_CANARY)
Event = run_event_pb2.RunEvent
EVENTS = samples.numbered(
    Event(run_created=run_event_pb2.RunCreated(suspicions=[OF_IDEA])),
    Event(proposal_ready=run_event_pb2.ProposalReady(suspicions=[OF_PROPOSAL])),
    Event(
        persona_review_ready=run_event_pb2.PersonaReviewReady(
            persona_review=panel_pb2.PersonaReview(persona_id="critic", suspicions=[OF_REVIEW])
        )
    ),
    Event(run_taken_over=run_event_pb2.RunTakenOver()),
)


def followed() -> tuple[RunView, list[str]]:
    view, lines = RunView(), list[str]()
    for event in EVENTS:
        view.take(event)
        lines += plain_lines(event, view)
    return view, lines


def test_each_suspicion_is_told_in_plain_lines_where_it_arose() -> None:
    assert [line for line in followed()[1] if "SUSPECTED" in line] == [
        "SUSPECTED INJECTION: override in idea",
        "SUSPECTED INJECTION: fence in proposal",
        "SUSPECTED INJECTION: canary in review_critic",
    ]


def test_the_table_shows_all_of_them_for_as_long_as_the_run_is_followed() -> None:
    console = Console(file=io.StringIO(), width=120)

    console.print(LiveTable(followed()[0], lambda: datetime.now(UTC)))

    shown = console.file.getvalue()  # type: ignore[attr-defined]  # it is the one above
    assert "SUSPECTED INJECTION: override in idea, fence in proposal, canary in review_critic" in shown


def test_a_run_that_is_read_says_it_among_its_facts() -> None:
    run = run_pb2.Run(run_id="r-1", suspicions=[OF_IDEA])

    shown = [block.text for block in run_blocks(run)]

    assert any("SUSPECTED INJECTION: override in idea" in line for line in shown)
    assert not any("SUSPECTED" in block.text for block in run_blocks(run_pb2.Run(run_id="r-2")))
