"""Pages: what strangers wrote stays text, what is shown holds, and nothing comes from elsewhere."""

import re
from base64 import b64encode
from hashlib import sha256
from typing import Any

import pytest

from consensus.v1 import decision_pb2, errors_pb2, panel_pb2, run_pb2
from consensus_door.page.refreshing import LIVE, Refreshing
from consensus_door.page.rendering import Rendering
from consensus_door.page.revisions import RevisionList
from consensus_door.page.run_list import CHOICES
from consensus_door.page.view import run_row, run_view

EVIL = '"><script>alert(1)</script>\u202e{{ 7 * 7 }}'
ME: dict[str, Any] = {"token": "t0ken", "key": "k", "is_signed_in": False, "may_act": True}


@pytest.fixture(scope="module")
def rendering() -> Rendering:
    return Rendering()


def hostile_run() -> run_pb2.Run:
    run = run_pb2.Run(
        run_id="run-1",
        state=run_pb2.RUN_STATE_COMPLETED,
        specification=run_pb2.RunSpecification(idea=EVIL, user=EVIL.replace("\u202e", "")),
        persona_reviews=[
            panel_pb2.PersonaReview(
                persona_id="critic",
                persona_name=EVIL,
                confidence_score=0.5,
                concerns=[panel_pb2.Concern(text=EVIL)],
                recommendations=[EVIL],
                blocking_issues=[panel_pb2.BlockingIssue(text=EVIL)],
            )
        ],
        decision=decision_pb2.Decision(
            label=decision_pb2.DECISION_LABEL_REVISE,
            overall_weighted_confidence=0.5,
            fired_rules=[decision_pb2.FiredRule(explanation=EVIL)],
            minority_reports=[decision_pb2.MinorityReport(persona_name=EVIL, blocking_summary=EVIL)],
            decision_notes=EVIL,
        ),
        failure=run_pb2.RunFailure(message=EVIL, failed_step="expand"),
    )
    run.proposal.title = run.proposal.summary = EVIL
    persona = run.turnout.personas.add(persona_id="critic")
    persona.launch_time.FromSeconds(100)
    persona.return_time.FromMilliseconds(101_500)
    return run


def page_values() -> dict[str, Any]:
    row = run_pb2.Run(run_id="run-2", specification=run_pb2.RunSpecification(idea=EVIL))
    revisions = RevisionList((run_row(row),), is_whole=False)
    return {"run": run_view(hostile_run()), "revisions": revisions, "me": ME}


def test_what_a_run_holds_is_text_and_its_invisible_characters_are_seen(rendering: Rendering) -> None:
    page = bytes(rendering.page("run.html", page_values()).body).decode()
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert(1)") >= 10
    assert "\u202e" not in page
    assert "{{ 7 * 7 }}" in page
    assert "after 1.5 s" in page


def test_no_page_brings_scripts_of_its_own_or_anything_from_elsewhere(rendering: Rendering) -> None:
    response = rendering.page("run.html", page_values())
    page = bytes(response.body).decode()
    assert not re.search(r"<script>|\son\w+=|\sstyle=|(?:src|href|action)=\"(?:https?:)?//", page)
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'sha256-")
    assert "unsafe" not in policy


def test_a_page_has_one_style_which_is_the_only_one_that_its_policy_allows(rendering: Rendering) -> None:
    response = rendering.page("run.html", page_values())
    (style,) = re.findall(r"<style>(.*?)</style>", bytes(response.body).decode(), re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert f"; style-src 'sha256-{digest}'; " in response.headers["content-security-policy"]


def test_nothing_but_the_page_itself_is_waited_for_before_it_is_painted(rendering: Rendering) -> None:
    chosen = dict.fromkeys((*CHOICES, LIVE), "")
    values = {"runs": [], "looked_at": 0, "next": "", "chosen": chosen, "refreshing": Refreshing.of({})}
    page = bytes(rendering.page("runs.html", values | {"me": ME}).body).decode()
    assert page.count("<script defer ") == 2
    assert not re.search(r"<script (?!defer)|rel=\"stylesheet\"|@import|@font-face|url\(", page)


def test_the_label_that_holds_is_shown_and_whose_it_is(rendering: Rendering) -> None:
    run = hostile_run()
    run.effective_override.label = decision_pb2.DECISION_LABEL_APPROVE
    run.effective_override.reason = "the board has read it"
    shown = rendering.fragment("_run.html", {"run": run_view(run), "me": ME})
    holds, _, panels = shown.partition("instead of the panel&#x27;s decision: the board has read it")
    assert '<span class="verdict approve">APPROVE</span>' in holds
    assert '<span class="verdict revise">REVISE</span>' in panels


def acts(rendering: Rendering, run: run_pb2.Run, **me: Any) -> set[str]:
    shown = rendering.fragment("_run.html", {"run": run_view(run), "me": ME | me})
    return set(re.findall(r'action="/runs/run-1/(\w+)"', shown))


def test_what_can_be_done_is_offered_and_nothing_where_the_page_only_shows(rendering: Rendering) -> None:
    done = hostile_run()
    running = run_pb2.Run(run_id="run-1", state=run_pb2.RUN_STATE_RUNNING)
    failed = run_pb2.Run(run_id="run-1", state=run_pb2.RUN_STATE_FAILED)
    failed.failure.resumable = True
    assert acts(rendering, done) == {"revise", "annotate"}
    assert acts(rendering, running) == {"cancel"}
    assert acts(rendering, failed) == {"resume"}
    failed.failure.resumable = False
    assert acts(rendering, failed) == set()
    assert acts(rendering, done, may_act=False) == set()


def test_a_persona_that_gave_up_says_why(rendering: Rendering) -> None:
    run = run_pb2.Run(run_id="run-1", state=run_pb2.RUN_STATE_RUNNING)
    persona = run.turnout.personas.add(persona_id="critic", reason=errors_pb2.ERROR_REASON_LLM_TIMEOUT)
    persona.launch_time.FromSeconds(100)
    persona.fail_time.FromSeconds(103)
    shown = rendering.fragment("_run.html", {"run": run_view(run), "me": ME})
    assert "<strong>gave up</strong>: LLM_TIMEOUT after 3.0 s" in shown
