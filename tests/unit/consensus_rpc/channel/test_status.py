from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from consensus_contract import errors as nouns
from consensus_contract.errors import CLASS_BY_REASON, ConsensusError, FieldViolation
from consensus_rpc import errors
from consensus_rpc.channel.status import DETAILS_KEY, error_from_rpc
from consensus_rpc.server.wire_status import to_status, to_wire
from tests.unit.consensus_rpc.samples import SAMPLES


def on_the_client(code: grpc.StatusCode, text: str = "", *trailers: tuple[str, Any]) -> ConsensusError:
    return error_from_rpc(grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailers), text))


def test_the_samples_are_of_every_class() -> None:
    assert {type(each) for each in SAMPLES} == set(CLASS_BY_REASON.values())


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_the_wire_whole(error: ConsensusError) -> None:
    wire = to_wire(error, "q1")

    again = on_the_client(wire.code, wire.message, *wire.trailers)

    assert type(again) is type(error)
    assert (again.status_code, again.message, again.reason_name) == (
        error.code,
        error.message,
        error.reason_name,
    )
    assert again.metadata == error.metadata | {"request_id": "q1"}
    assert again.retry_after_seconds == error.retry_after_seconds
    assert (again.field_violations, again.quota) == (error.field_violations, error.quota)


def test_an_unknown_reason_of_a_newer_server_keeps_what_it_says() -> None:
    status = to_status(nouns.RunNotFound(run_id="r1"), "q1")
    info = error_details_pb2.ErrorInfo(reason="RUN_ON_MARS", domain="consensus.v1", metadata={"run_id": "r1"})
    status.details[0].Pack(info)

    error = on_the_client(
        grpc.StatusCode.NOT_FOUND, status.message, (DETAILS_KEY, status.SerializeToString())
    )

    assert type(error) is errors.UnclassifiedError
    assert (error.status_code, error.reason_name, error.run_id) == (
        grpc.StatusCode.NOT_FOUND,
        "RUN_ON_MARS",
        "r1",
    )


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses", errors.ServerUnreachable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", errors.CallDeadlineExceeded),
        (grpc.StatusCode.CANCELLED, "Locally cancelled by application!", errors.CallCancelled),
        (grpc.StatusCode.CANCELLED, "Channel closed!", errors.CallCancelled),
        (grpc.StatusCode.CANCELLED, "CANCELLED", errors.CallCut),
        (grpc.StatusCode.CANCELLED, "Received RST_STREAM with error code 8", errors.CallCut),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "Concurrent RPC limit exceeded!", errors.CallCut),
        (grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2", errors.CallCut),
        (grpc.StatusCode.UNKNOWN, "", errors.CallCut),
        (grpc.StatusCode.UNAUTHENTICATED, "", errors.UnclassifiedError),
        (grpc.StatusCode.PERMISSION_DENIED, "", errors.UnclassifiedError),
        (grpc.StatusCode.UNIMPLEMENTED, "Method not found!", errors.UnclassifiedError),
    ],
)
def test_a_status_without_details_has_a_class_too(
    code: grpc.StatusCode, text: str, kind: type[ConsensusError]
) -> None:
    error = on_the_client(code, text)

    assert type(error) is kind
    assert (error.status_code, error.message) == (code, text or code.name)
    assert error.reason_name == ("CALL_DEADLINE_EXCEEDED" if kind is errors.CallDeadlineExceeded else "")


def test_a_message_too_large_names_the_limit() -> None:
    text = "CLIENT: Received message larger than max (5000000 vs. 4194304)"

    error = on_the_client(grpc.StatusCode.RESOURCE_EXHAUSTED, text)

    assert type(error) is errors.MessageTooLarge
    assert error.metadata["limit_bytes"] == "4194304"


@pytest.mark.parametrize(
    "raw",
    [b"\xff\xff", status_pb2.Status(code=5, message="m").SerializeToString()],
    ids=["undecodable", "without ErrorInfo"],
)
def test_details_of_another_kind_do_not_hide_the_status(raw: bytes) -> None:
    error = on_the_client(grpc.StatusCode.UNAVAILABLE, "m", (DETAILS_KEY, raw))

    assert type(error) is errors.ServerUnreachable


def test_details_of_another_domain_are_not_taken_for_ours() -> None:
    status = status_pb2.Status(code=14, message="elsewhere")
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="RUN_NOT_FOUND", domain="example.com"))

    error = on_the_client(grpc.StatusCode.UNAVAILABLE, "elsewhere", (DETAILS_KEY, status.SerializeToString()))

    assert type(error) is errors.ServerUnreachable


def test_a_plain_rpc_error_is_a_call_that_was_cut() -> None:
    assert type(error_from_rpc(grpc.RpcError())) is errors.CallCut


def test_an_overloaded_server_pushes_back() -> None:
    error = errors.Overloaded(subject="runs in flight", limit=3, retry_after_seconds=0.25)

    assert ("grpc-retry-pushback-ms", "250") in to_wire(error, "q1").trailers


texts = st.text(alphabet=st.characters(), max_size=600)  # lone surrogates too: what comes in may hold them
violations = st.lists(st.builds(FieldViolation, texts, texts, texts), max_size=60)
metadata = st.dictionaries(st.text("abc_.", min_size=1, max_size=80), texts, max_size=40)


@given(message=texts, violations=violations, metadata=metadata)
def test_details_stay_under_four_kibibytes_whatever_an_error_holds(
    message: str, violations: list[FieldViolation], metadata: dict[str, str]
) -> None:
    error = errors.InvalidField.rebuilt(message, metadata=metadata, field_violations=violations)

    status = to_status(error, "q" * 64)

    assert status.ByteSize() < 4096


def test_violations_that_do_not_fit_are_counted() -> None:
    error = errors.InvalidField(violations=[FieldViolation(f"items[{n}]", "d" * 200) for n in range(100)])

    status = to_status(error, "q1")

    bad = error_details_pb2.BadRequest()
    assert status.details[-1].Unpack(bad)
    assert 0 < len(bad.field_violations) < 100
    assert status.ByteSize() < 4096
    assert f"({100 - len(bad.field_violations)} field violations left out)" in status.message
