"""Who of a panel was asked and what came of it, in words: pure."""

from collections.abc import Iterator

from google.protobuf.timestamp_pb2 import Timestamp

from consensus.v1 import decision_pb2, run_pb2
from consensus_report import text
from consensus_report.labels import reason


def turnout_words(turnout: run_pb2.PanelTurnout) -> str:
    """`3 of 5, weight 0.65; Critic failed 14:03:09 LLM_TIMEOUT`; no weight where nobody knows the panel's."""
    words = f"{turnout.returned_count} of {turnout.expected_count}"
    if any(each.weight for each in turnout.personas):
        words += f", weight {text.score(turnout.returned_weight)}"
    if turnout.fell_onto_one_model:
        words += "; ALL ANSWERED BY ONE MODEL, after a fallback"
    return "; ".join((words, *(_failed(each) for each in turnout.personas if each.HasField("fail_time"))))


def panel_words(turnout: run_pb2.PanelTurnout, decision: decision_pb2.Decision) -> str:
    """As `turnout_words`, with the share of the panel that read this very text where not all of it did."""
    words = f"panel {turnout_words(turnout)}"
    if not decision.HasField("fresh_weight"):
        return words
    return f"{words}; fresh weight {text.score(decision.fresh_weight)}"


def persona_lines(turnout: run_pb2.PanelTurnout) -> Iterator[str]:
    """A line for each persona: when it was asked, and when it answered or why it did not."""
    for each in turnout.personas:
        yield f"{text.persona_name(each.persona_id)} ({text.score(each.weight)}): {', '.join(_course(each))}"


def _course(persona: run_pb2.PersonaTurnout) -> Iterator[str]:
    if persona.HasField("launch_time"):
        yield f"asked {text.instant(persona.launch_time)}"
    if persona.HasField("fail_time"):
        yield f"failed {text.instant(persona.fail_time)}, {reason(persona.reason)}"
    elif persona.HasField("return_time"):
        is_new = persona.HasField("launch_time")
        yield f"answered {text.instant(persona.return_time)}" if is_new else "review carried over"
        if persona.requested_model and persona.answered_model:
            yield f"asked from {persona.requested_model}, answered by {persona.answered_model}"
    else:
        yield "no answer" if persona.HasField("launch_time") else "not asked"


def _failed(persona: run_pb2.PersonaTurnout) -> str:
    at = _time_of_day(persona.fail_time)
    return f"{text.persona_name(persona.persona_id)} failed {at} {reason(persona.reason)}"


def _time_of_day(stamp: Timestamp) -> str:
    return text.moment(stamp).strftime("%H:%M:%S")
