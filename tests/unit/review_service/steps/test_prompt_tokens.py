"""About how many tokens a prompt has, and prompts that were cut."""

import pytest

from consensus.v1 import panel_pb2
from review_service.model.model_call import CallReport, ModelAnswer
from review_service.steps.prompt_tokens import prompt_tokens, was_cut
from review_service.steps.room import prompt_cut, room_for

ENGLISH = "The service keeps every review for thirty days, and deletes it when the account is closed. "
GERMAN = (
    "Der Dienst bewahrt jede Prüfung dreißig Tage auf und löscht sie, sobald das Konto geschlossen wird. "
)
JAPANESE = "このサービスは各レビューを三十日間保存し、アカウントが閉じられると削除します。"
CODE = '{"confidence_score": 0.85, "strengths": ["small", "tested"], "blocking_issues": []}\n'


@pytest.mark.parametrize(
    "text", [ENGLISH, GERMAN, JAPANESE, CODE], ids=["english", "german", "japanese", "json"]
)
def test_the_likely_count_lies_between_bounds_that_grow_with_the_text(text: str) -> None:
    one, many = prompt_tokens([text]), prompt_tokens([text * 50])
    assert 0 < one.least <= one.likely <= one.most
    assert 40 * one.least <= many.least <= many.likely <= many.most
    assert many.most <= len(text) * 50 * 2 + 1


def test_a_prompt_that_was_read_whole_is_not_taken_for_cut() -> None:
    assert not was_cut([ENGLISH * 100], 1_700)
    assert not was_cut([ENGLISH * 100], 0)  # nobody said
    assert not was_cut([ENGLISH], 5)  # too short to tell


def test_a_prompt_of_which_a_part_was_read_is_found() -> None:
    texts = (ENGLISH * 400,)
    usage = panel_pb2.TokenUsage(input_tokens=2_048)
    failure = prompt_cut(texts, ModelAnswer(CallReport(usage=usage), "{}"))
    assert failure is not None
    assert failure.cause == "prompt_cut"
    assert "2048 tokens" in failure.message


def test_a_prompt_beyond_the_window_is_refused_before_anything_is_sent() -> None:
    refused = room_for(8_000, None, 2_048, (ENGLISH * 400,)).too_long("near")
    assert refused is not None
    assert refused.is_local
    assert "context_window" in refused.message
    assert room_for(8_000, None, 128_000, (ENGLISH * 400,)).too_long("near") is None


def test_the_cap_is_no_more_than_the_route_takes_and_the_prompt_leaves() -> None:
    assert room_for(8_000, 4_096, None, ("x",)).max_output_tokens == 4_096
    assert room_for(8_000, None, 4_000, (ENGLISH * 20,)).max_output_tokens < 4_000
