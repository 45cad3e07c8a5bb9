"""An answer takes so many bytes and no more, as it comes and decoded, whatever its size."""

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from consensus_contract.errors import reason_name
from review_service.model.body import BoundedBody, UndecodableBodyError
from review_service.model.model_call import CallFailure, ModelAnswer
from tests.support.engine import model_call
from tests.support.raw_provider import answering, envelope, http, pouring

MIB = 1_048_576
ANSWER = json.dumps(envelope("{}", model="gpt")).encode()


def bomb(mebibytes: int) -> bytes:
    """So many zeros, a thousandth as long."""
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([*(packer.compress(bytes(MIB)) for _ in range(mebibytes)), packer.flush()])


@contextmanager
def peak() -> Iterator[list[int]]:
    """The most bytes that were allocated at once inside, beyond what was before."""
    found: list[int] = []
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    try:
        yield found
    finally:
        found.append(tracemalloc.get_traced_memory()[1] - before)
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("status", "reason", "most"),
    [("200 OK", "LLM_INVALID_OUTPUT", 24 * MIB), ("500 No", "LLM_UNAVAILABLE", 4 * MIB)],
)
async def test_a_small_answer_that_swells_takes_the_cap_and_no_more(
    status: str, reason: str, most: int
) -> None:
    raw = http(bomb(150), "Content-Encoding: gzip", status=status)
    async with answering(raw) as model:
        await model.call(model_call(), 30)  # what is imported and opened once
        with peak() as allocated:
            failure = await model.call(model_call(), 30)

    assert isinstance(failure, CallFailure)
    assert reason_name(failure.reason) == reason
    assert failure.report.http_status == int(status[:3])
    assert allocated[0] < most


@pytest.mark.parametrize("status", ["200 OK", "500 No"])
async def test_a_long_answer_is_not_taken_to_its_end(status: str) -> None:
    async with pouring(status, b" " * 65_536, 128 * MIB) as (model, sent):
        failure = await model.call(model_call(), 30)

    assert isinstance(failure, CallFailure)
    assert sum(sent) < 32 * MIB  # the cap, and what the two sockets hold


async def test_the_cap_is_a_setting_and_what_is_within_it_is_read() -> None:
    body = ANSWER + b" " * (65_536 - len(ANSWER))
    async with answering(http(body), max_answer_bytes=65_536) as model:
        assert isinstance(await model.call(model_call(), 5), ModelAnswer)
    async with answering(http(body + b" "), max_answer_bytes=65_536) as model:
        failure = await model.call(model_call(), 5)

    assert isinstance(failure, CallFailure)
    assert failure.cause == "too_long"
    assert "65536 bytes" in failure.message


@pytest.mark.parametrize(
    ("coding", "encode"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda body: zlib.compress(body, wbits=-15)),
        ("identity", bytes),
        (" GZIP ", gzip.compress),
    ],
    ids=["gzip", "x-gzip", "zlib", "bare deflate", "identity", "spelt oddly"],
)
async def test_what_was_asked_for_is_decoded(coding: str, encode: Callable[[bytes], bytes]) -> None:
    async with answering(http(encode(ANSWER), f"Content-Encoding: {coding}")) as model:
        answer = await model.call(model_call(), 5)

    assert isinstance(answer, ModelAnswer)
    assert answer.text == "{}"


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", ANSWER),
        ("gzip", gzip.compress(ANSWER)[:-12]),
        ("gzip, gzip", gzip.compress(gzip.compress(ANSWER))),
        ("br", b"\x8b"),
        ("zstd", b"\x28\xb5\x2f\xfd"),
    ],
    ids=["not at all", "cut off", "twice", "brotli", "zstd"],
)
async def test_what_is_not_encoded_as_it_should_be_is_an_outage(coding: str, body: bytes) -> None:
    async with answering(http(body, f"Content-Encoding: {coding}")) as model:
        failure = await model.call(model_call(), 5)

    assert isinstance(failure, CallFailure)
    assert (reason_name(failure.reason), failure.cause) == ("LLM_UNAVAILABLE", "undecodable")


async def test_an_error_counts_by_its_status_where_its_body_is_broken() -> None:
    async with answering(http(b"no gzip", "Content-Encoding: gzip", status="401 No")) as model:
        failure = await model.call(model_call(), 5)

    assert isinstance(failure, CallFailure)
    assert reason_name(failure.reason) == "LLM_AUTHENTICATION"


def test_a_body_in_pieces_of_a_byte_is_the_same() -> None:
    body = BoundedBody("gzip", 1_000)

    assert all(body.take(bytes([each])) for each in gzip.compress(ANSWER))
    assert body.whole() == ANSWER


@pytest.mark.parametrize("cap", [65_535, 65_536, 65_537, 131_072, 131_073])
def test_a_body_that_just_fits_is_whole_and_one_byte_more_is_cut(cap: int) -> None:
    for size, is_cut in ((cap, False), (cap + 1, True)):
        body = BoundedBody("gzip", cap)
        body.take(gzip.compress(bytes(size)))
        assert (body.is_cut, len(body.whole())) == (is_cut, cap)


def test_a_stream_that_decodes_to_nothing_ends_too() -> None:
    empty_block = b"\0\0\0\xff\xff"  # RFC 1951, section 3.2.4
    body = BoundedBody("deflate", 65_536)
    body.take(zlib.compress(b"")[:2])

    assert not all(body.take(empty_block) for _ in range(65_536))


def test_nothing_at_all_is_no_encoded_body_cut_off() -> None:
    assert BoundedBody("gzip", 10).whole() == b""
    with pytest.raises(UndecodableBodyError):
        BoundedBody("compress", 10)
