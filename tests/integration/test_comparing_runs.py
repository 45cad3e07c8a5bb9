"""Two runs compared through the running pair: exact, whole over its pages."""

import pytest

from consensus.v1 import review_service_pb2
from consensus_rpc.errors import InvalidField, InvalidPageToken
from tests.support.pair import Client
from tests.support.revisions import (
    diff,
    refusal,
    revised,
    scored_run,
    script_scores,
)

NOTES = "Tokens expire after one hour."


async def test_deltas_are_exact(client: Client, idea: str, mark: str) -> None:
    parent = await scored_run(client, idea, mark)
    await script_scores(client, mark, {"architect": 0.95, "security_guardian": 0.0})

    revision = await revised(client, parent)
    found = await diff(client, parent, revision.run_id)

    assert found.relationship == review_service_pb2.RUN_RELATIONSHIP_A_PARENT_OF_B
    deltas = {each.persona_id: each.score.delta for each in found.personas}
    assert list(deltas.items()) == [
        ("architect", 0.3),
        ("critic", 0),
        ("optimist", 0),
        ("security_guardian", -0.85),
        ("user_advocate", 0),
    ]
    guardian = found.personas[3]
    assert guardian.score.HasField("after")
    assert guardian.score.after == 0
    assert (guardian.security_critical_before, guardian.security_critical_after) == (True, False)
    assert found.decision.confidence.before == 0.7625
    assert found.decision.confidence.after == 0.6675
    assert found.decision.confidence.delta == -0.095


async def test_a_comparison_is_whole_over_its_pages(client: Client, idea: str, mark: str) -> None:
    parent = await scored_run(client, idea, mark)
    revision = await revised(client, parent)

    whole = await diff(client, parent, revision.run_id, page_size=100)
    assert whole.next_page_token == ""
    lines: dict[str, list[str]] = {}
    token = ""
    while True:
        page = await diff(client, parent, revision.run_id, page_size=1, page_token=token)
        for section in page.sections:
            lines.setdefault(section.section, []).extend(section.unified_diff_lines)
        if not (token := page.next_page_token):
            break

    assert lines == {each.section: list(each.unified_diff_lines) for each in whole.sections}
    assert f"+- {NOTES}" in lines["assumptions"]


@pytest.mark.parametrize("token", ["x", "3", "3.00000000000000000000000000000000"])
async def test_forged_tokens_of_a_comparison_are_refused(
    client: Client, idea: str, mark: str, token: str
) -> None:
    parent = await scored_run(client, idea, mark)
    revision = await revised(client, parent)
    error = await refusal(diff(client, parent, revision.run_id, page_token=token))
    assert isinstance(error, InvalidPageToken)


async def test_a_run_is_not_compared_with_itself(client: Client, idea: str) -> None:
    error = await refusal(diff(client, "one", "one"))
    assert isinstance(error, InvalidField)
