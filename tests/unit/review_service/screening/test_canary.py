"""A token that an answer must not hold."""

from time import thread_time

import pytest

from consensus.v1 import suspicion_pb2
from review_service.screening.canary import Canary


def test_each_step_has_a_token_of_its_own_and_the_prompt_says_it() -> None:
    one, other = Canary(), Canary()

    assert one.token != other.token
    assert len(one.token) == 16
    assert one.token in one.rule


@pytest.mark.parametrize("answer", ['{"title": "it is c0ffee42"}', "C0FFEE42", "c0\u200bffee42"])
def test_an_answer_that_repeats_it_is_suspected(answer: str) -> None:
    canary = Canary("c0ffee42")

    canary.watch(answer)

    assert canary.suspicions("review_critic") == [
        suspicion_pb2.Suspicion(text="review_critic", kind=suspicion_pb2.SUSPICION_KIND_CANARY)
    ]


def test_it_stays_suspected_when_the_next_answer_is_clean() -> None:
    canary = Canary("c0ffee42")

    canary.watch("c0ffee42")
    canary.watch("{}")

    assert canary.suspicions("proposal")


def test_an_answer_without_it_is_not() -> None:
    canary = Canary("c0ffee42")

    canary.watch("c0ffee 42, and nothing else")

    assert canary.suspicions("proposal") == []


def test_an_answer_of_any_length_is_searched_within_the_time_that_others_may_wait() -> None:
    canary = Canary("0123456789abcdef")
    begin = thread_time()
    canary.watch("\u4e16" * 900_000 + " \uff10123456789abcdef")
    assert thread_time() - begin < 0.1
    canary.watch("\u4e16" * 900_000 + canary.token)
    assert canary.is_repeated
