"""Every error of the contract as plain HTTP tells it."""

import json
from http import HTTPStatus

import grpc
import pytest

from consensus_contract.errors import CLASS_BY_REASON, ConsensusError, reason_name
from consensus_door.problems import problem, status_of
from consensus_rpc.errors import Overloaded, ServerUnreachable, Unauthenticated

ALL = {reason_name(reason): kind for reason, kind in CLASS_BY_REASON.items()}
CALLERS_DOING = {
    grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.OUT_OF_RANGE,
}  # fmt: skip


@pytest.mark.parametrize(("name", "kind"), ALL.items(), ids=ALL)
def test_a_provider_that_fails_is_5xx_and_what_callers_did_4xx(name: str, kind: type[ConsensusError]) -> None:
    status = status_of(kind.rebuilt("said", status_code=kind.code))
    assert status in {*HTTPStatus, 499}
    if name.startswith("LLM_") or name in {"QUORUM_NOT_MET", "ATTEMPTS_EXHAUSTED"}:
        assert status in {502, 504}
    elif kind.code in CALLERS_DOING:
        assert 400 <= status < 500


def test_when_to_come_again_and_with_what() -> None:
    busy = problem(Overloaded(subject="calls", limit=3, retry_after_seconds=2.4))
    assert (busy.status_code, busy.headers["retry-after"]) == (429, "2")
    assert problem(Unauthenticated()).headers["www-authenticate"] == "Bearer"


def test_where_the_services_are_is_nobodys_business() -> None:
    error = ServerUnreachable.rebuilt(
        "failed to connect to ipv4:10.0.0.7:50051", status_code=grpc.StatusCode.UNAVAILABLE
    )
    answer = problem(error)
    assert (answer.status_code, json.loads(bytes(answer.body))["detail"]) == (503, "unavailable")
    assert b"10.0.0.7" not in bytes(answer.body)
