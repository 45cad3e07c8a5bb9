"""An answer of very many parts is refused before it takes the event loop's time."""

import gc
import json
import time
from collections.abc import Callable, Iterator

import pytest

from review_service.model.envelope import read_envelope
from review_service.model.model_call import CallFailure, CallReport, ModelAnswer
from review_service.steps.outputs import OutputError, PersonaReviewOutput, read_output
from tests.support.outputs import REVIEW

SIZE = 4_194_304
REPORT = CallReport(http_status=200)
MOST_SECONDS = 0.1
"""Of this thread's own time, whatever else the machine does; more on one that is slower than most."""


def slowness() -> float:
    """How many times longer than usual this machine takes, by work of the same kind; at least 1."""
    began = time.thread_time()
    json.loads("[" + ",".join('{"content":0}' for _ in range(20_000)) + "]")
    return max(1.0, (time.thread_time() - began) / 0.01)


@pytest.fixture(autouse=True)
def no_collection() -> Iterator[None]:
    """Keeps out of the time what a collection takes over all that the tests have loaded."""
    gc.disable()
    yield
    gc.enable()


def repeated(part: bytes, times: int) -> bytes:
    return b'{"output":[' + part * times + b"0]}"


def in_text(part: str) -> bytes:
    text = '{"concerns":[' + part * ((SIZE - 200) // len(part)) + "{}]}"
    return json.dumps({"output": [{"type": "message", "content": text}]}).encode()


@pytest.mark.parametrize(
    "make",
    [
        lambda: repeated(b"[],", SIZE // 3),
        lambda: repeated(b"{},", SIZE // 3),
        lambda: repeated(b"{},", 49_000),
        lambda: repeated(b"[],", SIZE // 3)[:-2],
        lambda: repeated(b"[],", 49_000)[:-2],
        lambda: repeated(b'{"content":0},', 49_000),
        lambda: b"{" + b",".join(b'"%d":0' % number for number in range(49_000)) + b"}",
        lambda: b" " * SIZE,
        lambda: in_text("[],"),
        lambda: in_text("{},"),
        lambda: in_text("{" + " " * 40 + "},"),
        lambda: in_text("<think>"),
        lambda: json.dumps({"error": {"message": "\u202e" * (SIZE // 6)}}).encode(),
    ],
)
def test_no_shape_takes_longer_than_a_turn_of_the_loop_may(make: Callable[[], bytes]) -> None:
    body = make()

    assert min(longest_turn(body) for _ in range(3)) < MOST_SECONDS * slowness()


def longest_turn(body: bytes) -> float:
    """Seconds of CPU; a busy machine charges some for what others do, so that one measurement says little."""
    began = time.thread_time()
    outcome = read_envelope(body, REPORT)
    read = time.thread_time()
    if isinstance(outcome, ModelAnswer):
        with pytest.raises(OutputError):
            read_output(PersonaReviewOutput, outcome.text)
    return max(read - began, time.thread_time() - read)


def test_an_answer_that_is_full_of_commas_is_read() -> None:
    text = json.dumps(REVIEW | {"strengths": [",x" * 900] * 50})
    outcome = read_envelope(json.dumps({"output": [{"type": "message", "content": text}]}).encode(), REPORT)

    assert isinstance(outcome, ModelAnswer)
    assert len(read_output(PersonaReviewOutput, outcome.text).output.strengths) == 50


def test_too_many_parts_are_an_outage() -> None:
    assert isinstance(read_envelope(repeated(b"0,", 50_001), REPORT), CallFailure)
