"""When a run was made, for whom, and which models answered: pure."""

from consensus.v1 import run_pb2
from consensus_report import text


def answering_models(run: run_pb2.Run) -> list[str]:
    """The models that wrote the reviews, as they name themselves; those asked while nobody has answered."""
    found = [
        each.provenance.answered_model or each.provenance.requested_model for each in run.persona_reviews
    ]
    return list(dict.fromkeys(map(text.clean, filter(None, found or [run.specification.review_model]))))


def about_line(run: run_pb2.Run) -> str:
    """`2026-11-20 14:03:07 UTC, run 0193…, model test-model, by ann for bob`, without what is not known."""
    models = answering_models(run)
    user = text.clean(run.specification.user)
    parts = [
        text.instant(run.create_time) if run.HasField("create_time") else "",
        f"run {run.run_id}",
        f"model{'s' if len(models) > 1 else ''} {', '.join(models)}" if models else "",
        " ".join(
            filter(
                None, (f"by {text.clean(run.caller)}" if run.caller else "", f"for {user}" if user else "")
            )
        ),
    ]
    return ", ".join(filter(None, parts))
