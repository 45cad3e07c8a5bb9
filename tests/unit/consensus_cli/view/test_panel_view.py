"""The panel as a run's events tell it: who was asked, who answered, who gave up."""

from consensus.v1 import run_event_pb2
from consensus_cli.view.panel_view import PanelView
from consensus_report.turnout import turnout_words
from tests.unit.consensus_client import samples

Event = run_event_pb2.RunEvent


def heard(*events: Event, expects: bool = True) -> PanelView:
    view = PanelView()
    for event in samples.numbered(*events):
        view.take(event)
    if expects:
        view.expect(samples.turnout())
    return view


def started(persona: str) -> Event:
    return Event(step_started=run_event_pb2.StepStarted(step=f"review_{persona}"))


def completed(persona: str) -> Event:
    return Event(step_completed=run_event_pb2.StepCompleted(step=f"review_{persona}"))


def failed(persona: str) -> Event:
    return Event(step_failed=run_event_pb2.StepFailed(step=f"review_{persona}", failure=FAILURE))


FAILURE = samples.failed_events()[2].step_failed.failure


def test_a_completed_run_had_its_whole_panel() -> None:
    turnout = heard(*samples.completed_events()).turnout()
    counts = (turnout.expected_count, turnout.launched_count, turnout.returned_count, turnout.failed_count)
    assert counts == (5, 5, 5, 0)
    assert turnout_words(turnout) == "5 of 5, weight 1.00"


def test_what_is_stored_of_the_panel_brings_weights_and_no_answers() -> None:
    assert turnout_words(heard(started("critic")).turnout()) == "0 of 5, weight 0.00"
    assert turnout_words(heard(started("critic"), expects=False).turnout()) == "0 of 1"


def test_who_gave_up_is_told_with_cause_and_time_until_asked_again() -> None:
    events = (started("critic"), started("optimist"), completed("optimist"), failed("critic"))
    turnout = heard(*events).turnout()
    assert turnout_words(turnout) == "1 of 5, weight 0.15; Critic failed 14:00:00 LLM_TIMEOUT"

    resumed = heard(*events, Event(run_resumed=run_event_pb2.RunResumed(resume_count=1))).turnout()
    assert (resumed.launched_count, resumed.returned_count, resumed.failed_count) == (1, 1, 0)


def test_a_carried_over_review_asks_nobody() -> None:
    turnout = heard(completed("critic")).turnout()
    assert (turnout.launched_count, turnout.returned_count) == (0, 1)
