"""A run in plain lines, one per event that people care about."""

from collections.abc import Iterator

from consensus.v1 import run_event_pb2
from consensus_cli.view.progress import Line, Phase, RunView, label
from consensus_contract.steps import AGGREGATE, EXPAND
from consensus_report import text
from consensus_report.sections import stale_words
from consensus_report.suspicion import suspicion_words, suspicions_of

_EXPANDING = {
    "step_started": "expanding the idea",
    "step_skipped": "nothing is expanded: the panel reads what was given",
}


def plain_lines(event: run_event_pb2.RunEvent, progress: RunView) -> Iterator[str]:
    """What to print for an event, after `progress` has taken it; nothing for most."""
    yield from _happened(event, progress)
    if suspected := suspicion_words(suspicions_of(event)):
        yield suspected


def _happened(event: run_event_pb2.RunEvent, progress: RunView) -> Iterator[str]:
    match event.WhichOneof("payload"):
        case "run_created":
            yield f"run {text.clean(event.run_id)}"
        case "run_resumed":
            yield f"resumed (time {event.run_resumed.resume_count})"
        case "run_taken_over":
            yield "taken over by another process"
        case "step_started" | "step_skipped" as kind if getattr(event, kind).step == EXPAND:
            yield _EXPANDING[kind]
        case "step_completed" if event.step_completed.step != AGGREGATE:
            yield _ended(progress.lines[event.step_completed.step])
        case "step_failed":
            yield _ended(progress.lines[event.step_failed.step])
        case "attempt_failed":
            yield _retried(event.attempt_failed, progress.lines[event.attempt_failed.step])
        case "proposal_ready":
            yield from _proposed(progress)
        case "run_cancelled":
            yield "cancelled"


def _proposed(progress: RunView) -> Iterator[str]:
    if progress.title:
        yield f"proposal: {progress.title}"
    for review in progress.carried:
        if words := stale_words(review.stale_sections):
            yield f"{text.clean(review.persona_name)}: {words}"


def _retried(failed: run_event_pb2.AttemptFailed, line: Line) -> str:
    wait = f", again in {text.duration(line.again_seconds)}" if line.again is not None else ""
    return f"{label(failed.step)}: {line.attempt_of(failed.attempt_number)}: {line.note}{wait}"


def _ended(line: Line) -> str:
    parts = [words] if (words := line.attempt_words()) else []
    if line.seconds is not None:
        parts.append(text.duration(line.seconds))
    if line.note:
        parts.append(line.note)
    result = (
        line.phase.value if line.phase is not Phase.DONE or line.score is None else text.score(line.score)
    )
    return f"{line.label}: {result} ({', '.join(parts)})" if parts else f"{line.label}: {result}"
