"""A column says how long its persona is waited for, which call that is, and when it is made again."""

from datetime import timedelta
from typing import Any

import pytest

from consensus.v1 import run_event_pb2, run_pb2
from consensus_door.page.rendering import Rendering
from consensus_door.page.retries import Retry, retries_after
from consensus_door.page.view import run_view

ME: dict[str, Any] = {"token": "t0ken", "key": "k", "is_signed_in": False, "may_act": True}


def failed(**told: Any) -> run_event_pb2.RunEvent:
    event = run_event_pb2.RunEvent(
        attempt_failed=run_event_pb2.AttemptFailed(step="review_critic", attempt_number=1, **told)
    )
    event.event_time.FromSeconds(100)
    return event


def test_a_call_is_waited_for_from_its_failure_until_anything_else_happens_to_its_step() -> None:
    retries = retries_after({}, [failed(retry_delay=timedelta(seconds=1.1))])
    assert retries == {"review_critic": Retry(2, 101_100)}
    other = run_event_pb2.RunEvent(step_started=run_event_pb2.StepStarted(step="review_optimist"))
    assert retries_after(retries, [other]) == retries
    own = run_event_pb2.RunEvent(step_completed=run_event_pb2.StepCompleted(step="review_critic"))
    assert retries_after(retries, [own]) == {}
    assert retries_after(retries, [failed()]) == {}
    assert retries_after(retries, [failed(fallback_route="b")]) == {"review_critic": Retry(2, 0)}


def column(state: str, count: int, retries: dict[str, Retry]) -> str:
    run = run_pb2.Run(
        run_id="run-1",
        state=run_pb2.RUN_STATE_RUNNING,
        specification=run_pb2.RunSpecification(retry_policy=run_pb2.RetryPolicy(max_retries=3)),
        steps=[run_pb2.Step(name="review_critic", attempt_count=count)],
    )
    persona = run.turnout.personas.add(persona_id="critic")
    persona.launch_time.FromSeconds(100)
    if state == "returned":
        persona.return_time.FromSeconds(103)
    shown = Rendering().fragment("_run.html", {"run": run_view(run, retries), "me": ME})
    return shown.partition('id="of-critic">')[2].partition("</li>")[0]


def test_a_persona_that_is_waited_for_says_since_when_and_what_is_made_again() -> None:
    told = column("asked", 1, {"review_critic": Retry(2, 101_100)})
    assert 'data-since="100000">asked at 00:01:40 UTC</time>, attempt 2 of 4, ' in told
    assert '<span data-until="101100">again at 00:01:41 UTC</span>' in told
    assert "attempt" not in column("asked", 1, {})


@pytest.mark.parametrize(("state", "words"), [("asked", "attempt 5<"), ("returned", ", 5 attempts<")])
def test_calls_beyond_the_most_of_one_go_and_calls_of_a_persona_that_answered(state: str, words: str) -> None:
    assert words in column(state, 5, {"review_critic": Retry(2, 0)})
