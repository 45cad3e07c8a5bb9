"""One review is one trace through both services and each call to the model; no content unless asked for."""

import asyncio
from pathlib import Path

import pytest

from offline_model.script import Rule
from tests.support.collector import Collector, collecting
from tests.support.pair import drained, review_request, running_pair

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
CALLER = (("traceparent", f"00-{TRACE_ID}-b7ad6b7169203331-01"),)
IDEA = "Nurses hand over a shift on one page, which two wards try first."
BEGAN_BY = "consensus.v1.ReviewService/StreamReview"
EVALUATION = "gen_ai.evaluation.result"


async def traced_review(folder: Path, **review: str) -> Collector:
    """What both services have exported, once they stopped, of a review whose critic is asked twice."""
    url = f"sqlite:///{folder / 'consensus.db'}"
    with collecting() as collector:
        exports = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
        with running_pair(folder, url, review=exports | review, persistence=exports) as pair:
            async with pair.client() as client:
                await client.model.script(Rule(persona="critic", status=500, times=1))
                await drained(client.review.StreamReview(review_request(IDEA), metadata=CALLER))
        return collector


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Collector:
    return asyncio.run(traced_review(tmp_path_factory.mktemp("traced")))


def test_each_call_to_the_model_hangs_below_its_step_its_run_and_what_began_it(collector: Collector) -> None:
    above = [collector.names_above(call) for call in collector.named("chat ")]
    assert [each[1:] for each in above] == [["run", BEGAN_BY]] * 7
    steps = [each[0] for each in above]
    assert set(steps) == {span.name for span in collector.named("step ")}
    assert steps.count("step review_critic") == 2


def test_what_persistence_did_is_in_the_trace_of_the_caller(collector: Collector) -> None:
    trace = [each for each in collector.spans if each.span.trace_id.hex() == TRACE_ID]
    (record,) = [each for each in trace if each.name.endswith("PersistenceService/RecordRun")]
    assert record.service == "persistence_service"
    assert collector.names_above(record)[-1] == BEGAN_BY


def test_a_score_says_who_gave_it_in_which_revision_and_in_which_range(collector: Collector) -> None:
    results = {
        result["gen_ai.evaluation.name"]: result
        for span in collector.spans
        for result in span.events(EVALUATION)
    }
    assert len(results) == 6
    critic, decision = results["critic"], results["decision"]
    assert (critic["consensus.evaluation.score.min"], critic["consensus.evaluation.score.max"]) == (0.0, 1.0)
    assert 0 < critic["gen_ai.evaluation.score.value"] < 1
    assert critic["gen_ai.evaluation.score.label"] in {"SECURITY_CRITICAL", "BLOCKING", "NOT_BLOCKING"}
    assert len(critic["consensus.evaluator.revision"]) == 64
    assert decision["gen_ai.evaluation.score.label"] in {"APPROVE", "REVISE", "REJECT"}
    assert decision["consensus.evaluator.revision"]


def test_no_content_is_exported_unless_it_is_asked_for(collector: Collector, tmp_path: Path) -> None:
    told = "".join(str(each.span) for each in collector.spans)
    assert "gen_ai.evaluation.explanation" not in told
    assert "Nurses" not in told
    explained = asyncio.run(traced_review(tmp_path, TRACE_EXPLANATIONS="true"))
    steps = explained.named("step review_")
    assert any(
        result["gen_ai.evaluation.explanation"] for span in steps for result in span.events(EVALUATION)
    )
