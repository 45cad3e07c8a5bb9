"""Runs, calls, personas and a service's facts in lines: pure, safe on a terminal."""

from collections.abc import Iterable, Iterator

from consensus.v1 import attempt_pb2, panel_pb2, review_service_pb2, run_pb2
from consensus_cli.view.progress import label
from consensus_cli.view.run import model, state
from consensus_cli.view.tables import pairs, table
from consensus_client import effective_label
from consensus_report import text
from consensus_report.labels import label_word, reason
from consensus_report.subject import subject_words
from consensus_report.turnout import panel_words

_IDEA_CHARACTERS = 40


def run_lines(found: list[run_pb2.Run]) -> list[str]:
    rows = [
        [
            run.run_id,
            text.instant(run.create_time).removesuffix(" UTC"),
            f"{state(run)}, deleted" if run.HasField("delete_time") else state(run),
            "revision" if run.type == run_pb2.RUN_TYPE_REVISION else "",
            _label(run),
            text.score(run.decision.overall_weighted_confidence) if run.HasField("decision") else "",
            panel_words(run.turnout, run.decision).removeprefix("panel "),
            subject_words(run.specification, _IDEA_CHARACTERS),
        ]
        for run in found
    ]
    return table(
        ("run", "created (UTC)", "state", "", "decision", "score", "panel", "idea"),
        rows,
        right=frozenset({5}),
    )


def _label(run: run_pb2.Run) -> str:
    """The label that holds, marked where it is not the panel's alone."""
    if not run.HasField("decision"):
        return ""
    mark = ""
    if run.HasField("effective_override"):
        mark = ", overridden"
    elif run.HasField("decision_with_humans"):
        mark = ", with people"
    return f"{label_word(effective_label(run))}{mark}"


def attempt_lines(found: list[attempt_pb2.Attempt]) -> list[str]:
    rows = [
        [
            label(attempt.step),
            str(attempt.attempt_number),
            text.word(attempt_pb2.AttemptState, attempt.state, "ATTEMPT_STATE_"),
            reason(attempt.reason) if attempt.reason else "",
            text.duration(text.seconds(attempt.latency)) if attempt.HasField("latency") else "",
            text.number(attempt.usage.input_tokens) if attempt.usage.input_tokens else "",
            text.number(attempt.usage.output_tokens) if attempt.usage.output_tokens else "",
            text.clean(attempt.answered_model or attempt.requested_model),
            text.clean(attempt.message),
            "; ".join(_evidence(attempt)),
        ]
        for attempt in found
    ]
    header = ("step", "n", "state", "reason", "latency", "tokens in", "out", "model", "", "")
    total_in = sum(attempt.usage.input_tokens for attempt in found)
    total_out = sum(attempt.usage.output_tokens for attempt in found)
    rows.append(
        [
            "total",
            str(len(found)),
            "",
            "",
            "",
            text.number(total_in),
            text.number(total_out),
            "",
            "",
            _paid(found),
        ]
    )
    return table(header, rows, right=frozenset({1, 4, 5, 6}))


def _paid(found: Iterable[attempt_pb2.Attempt]) -> str:
    """What the attempts cost together, by currency; nothing where no route has prices."""
    sums: dict[str, int] = {}
    for attempt in found:
        if attempt.HasField("cost"):
            sums[attempt.cost.currency] = sums.get(attempt.cost.currency, 0) + attempt.cost.micros
    return ", ".join(text.money(attempt_pb2.Cost(currency=each, micros=sums[each])) for each in sorted(sums))


def _evidence(attempt: attempt_pb2.Attempt) -> Iterator[str]:
    """How it was asked where that is not as usual, what was said of a failure, put right and paid."""
    names = [
        ("route ", attempt.route),
        ("by ", attempt.protocol),
        ("without ", ", ".join(attempt.dropped_parameters)),
        ("", attempt.cause),
        ("code ", attempt.provider_code),
        ("type ", attempt.provider_type),
        ("parameter ", attempt.provider_param),
    ]
    yield from (what + text.clean(said) for what, said in names if said)
    if attempt.provider_message:
        yield f"provider: {text.clean(attempt.provider_message)}"
    if attempt.uncounted:
        yield "not counted"
    if attempt.mended:
        yield f"mended: {text.clean(', '.join(attempt.mended))}"
    if attempt.truncated_fields:
        yield f"cut: {text.clean(', '.join(attempt.truncated_fields))}"
    if attempt.HasField("cost"):
        yield text.money(attempt.cost)
    elif attempt.HasField("most_cost") and not attempt.uncounted:
        yield f"at most {text.money(attempt.most_cost)}"


def persona_lines(found: list[panel_pb2.Persona]) -> list[str]:
    rows = [
        [
            persona.persona_id,
            text.clean(persona.display_name),
            text.score(persona.weight),
            "veto" if persona.holds_veto else "",
            text.clean(persona.focus),
        ]
        for persona in found
    ]
    return table(("persona", "name", "weight", "", "looks at"), rows, right=frozenset({2}))


def info_lines(found: review_service_pb2.GetServiceInfoResponse) -> list[str]:
    route, limits, retries = found.model_route, found.limits, found.retry_policy
    expand = route.expand_temperature if route.HasField("expand_temperature") else None
    review = route.review_temperature if route.HasField("review_temperature") else None
    return pairs(
        [
            ("version", found.version),
            ("persona templates", found.persona_template_version),
            ("decision policy", found.policy_version),
            ("personas", ", ".join(text.clean(persona.display_name) for persona in found.personas)),
            ("model's address", text.clean(route.base_url) or "the provider's own"),
            ("expanded by", model(route.expand_model, expand)),
            ("reviewed by", model(route.review_model, review)),
            ("key", "present" if route.api_key_configured else "missing"),
            ("calls after the first", str(retries.max_retries)),
            (
                "idea",
                f"at most {limits.max_idea_characters:,} characters, {limits.max_idea_sentences} sentences",
            ),
            ("context", f"at most {limits.max_context_characters:,} characters"),
            ("a run may take", text.duration(text.seconds(limits.run_timeout))),
            ("runs in flight", f"at most {limits.max_runs_in_flight:,} per process"),
            ("message", f"at most {text.size(limits.max_message_bytes)}"),
        ]
    )
