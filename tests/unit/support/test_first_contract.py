"""Recorded JSON is read with the names of today's contract, and callers' own data is left alone."""

import pytest

from consensus.v1 import review_service_pb2
from tests.support.first_contract import CHANGED, in_todays_words


def test_a_field_that_moved_is_said_as_today_wherever_its_message_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(CHANGED, ("PersonaReview", "score"), lambda value: {"confidence_score": value / 10})
    recorded = {"run": {"run_id": "r", "persona_reviews": [{"persona_id": "critic", "score": 9}]}}
    assert in_todays_words(review_service_pb2.GetRunResponse.DESCRIPTOR, recorded) == {
        "run": {"run_id": "r", "persona_reviews": [{"persona_id": "critic", "confidence_score": 0.9}]}
    }


def test_data_of_callers_has_no_fields_of_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CHANGED, ("Struct", "fields"), lambda value: {"other": value})
    recorded = {"run": {"specification": {"context": {"object": {"fields": {"idea": 1}}}}}}
    assert in_todays_words(review_service_pb2.GetRunResponse.DESCRIPTOR, recorded) == recorded


def test_a_name_that_the_contract_does_not_know_is_not_passed_over() -> None:
    with pytest.raises(KeyError):
        in_todays_words(review_service_pb2.GetRunResponse.DESCRIPTOR, {"run": {"forgotten": 1}})
