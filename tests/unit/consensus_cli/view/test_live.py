"""The live view at the widths that terminals have: what goes first where there is little room."""

import io
from datetime import timedelta

import pytest
from rich.cells import cell_len
from rich.console import Console

from consensus_cli.view.live import LiveTable
from consensus_cli.view.progress import RunView
from tests.unit.consensus_client import samples

WIDTHS = (40, 60, 80, 120)


def drawn(width: int, view: RunView, *, after: float = 0.0, encoding: str = "utf-8") -> list[str]:
    """What a terminal of this width shows so long after the run's start."""
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=out, width=width, force_terminal=True, color_system=None, legacy_windows=False)
    with console.capture() as captured:
        console.print(LiveTable(view, lambda: samples.START + timedelta(seconds=after)))
    return captured.get().splitlines()


def followed(count: int | None = None) -> RunView:
    """A run after so many of its events."""
    view = RunView()
    for event in samples.completed_events()[:count]:
        view.take(event)
    return view


def row(lines: list[str], label: str) -> str:
    return next(line for line in lines if label[:8] in line)


@pytest.mark.parametrize("width", WIDTHS)
def test_mark_label_and_number_of_each_persona_are_whole_at_every_width(width: int) -> None:
    lines = drawn(width, followed())
    assert [line for line in lines if cell_len(line) > width] == []
    for name, _, score in samples.PERSONAS.values():
        words = row(lines, name).split()
        assert words[0] in {"✓", "!"}
        assert words[1] == name
        assert float(words[2]) == score


@pytest.mark.parametrize("width", WIDTHS)
def test_two_scores_are_drawn_as_bars_of_their_length_or_not_at_all(width: int) -> None:
    lines = drawn(width, followed())
    cells = {name: row(lines, name).count("█") for name in ("Architect", "Critic", "SecurityGuardian")}
    assert cells in (
        {"Architect": 9, "Critic": 5, "SecurityGuardian": 0},
        {"Architect": 0, "Critic": 0, "SecurityGuardian": 0},
    )


def test_the_bar_goes_first_then_the_attempts_then_the_seconds() -> None:
    view = followed()
    shown = [
        ("█" in row(lines, "Critic"), "2 attempts" in row(lines, "Critic"), " s" in row(lines, "Critic"))
        for lines in (drawn(width, view) for width in range(30, 121))
    ]
    assert shown == sorted(shown, key=sum)  # the wider, the more
    assert list(dict.fromkeys(shown)) == [
        (False, False, False),
        (False, False, True),
        (False, True, True),
        (True, True, True),
    ]


def test_who_blocks_is_marked_and_who_vetoes_says_so() -> None:
    view, run = RunView(), samples.completed_run()
    run.specification.personas.add(persona_id="security_guardian", holds_veto=True)
    for event in samples.completed_events():
        view.take(event)
    assert row(drawn(120, view), "SecurityGuardian").startswith("! ")
    assert "vetoes" not in "".join(drawn(120, view))  # who may is not told by events
    view.expect(run)
    assert "vetoes, 1 blocking" in row(drawn(120, view), "SecurityGuardian")
    assert row(drawn(120, view), "Architect").startswith("✓ ")


def test_a_veto_by_the_rules_of_the_decision_is_one() -> None:
    view, events = RunView(), samples.completed_events()
    for event in events:
        if event.HasField("decision_ready"):
            event.decision_ready.decision.fired_rules[0].data["persona_id"] = "security_guardian"
        view.take(event)
    assert "vetoes" in row(drawn(120, view), "SecurityGuardian")


def test_waiting_counts_down_and_says_which_of_how_many_calls_is_next() -> None:
    run = samples.completed_run()
    run.specification.retry_policy.max_retries = 3
    view = followed(11)  # the critic's first call has failed, 1.1 s after the start
    view.expect(run)
    waiting, working = (row(drawn(100, view, after=seconds), "Critic") for seconds in (1.6, 9.0))
    assert "attempt 2 of 4" in waiting
    assert "LLM_RATE_LIMITED, again in 0.7 s" in waiting
    assert working.endswith("LLM_RATE_LIMITED")


def test_an_attempt_after_a_resume_is_not_one_of_fewer() -> None:
    run = samples.completed_run()
    run.specification.retry_policy.max_retries = 0
    view = followed(11)
    view.expect(run)
    shown = row(drawn(100, view, after=1.6), "Critic")
    assert "attempt 2" in shown
    assert " of " not in shown


def test_the_heading_tells_time_and_tokens_so_far() -> None:
    events = samples.completed_events()
    for event in events:
        if event.HasField("persona_review_ready"):
            usage = event.persona_review_ready.persona_review.provenance.usage
            usage.input_tokens, usage.output_tokens = 1000, 20
    view = RunView()
    for event in events[:-2]:
        view.take(event)
    assert "9.9 s, 5,000 tokens in and 100 out for reviews" in drawn(80, view, after=10.0)[1]


def test_a_terminal_without_unicode_gets_ascii() -> None:
    lines = drawn(80, followed(), encoding="ascii")
    assert "".join(lines[2:]).replace("…", "").isascii()


def test_a_step_that_runs_shows_for_how_long() -> None:
    assert "2.7 s" in row(drawn(80, followed(3), after=3.0), "Expand")
