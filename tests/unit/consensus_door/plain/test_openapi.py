"""The OpenAPI document is one, and says of each message what the contract says."""

from typing import Any

import pytest
from openapi_pydantic import OpenAPI

from consensus.v1 import review_service_pb2
from consensus_door.plain.openapi import document
from consensus_door.plain.operations import operations
from consensus_door.plain.schemas import Schemas


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    services: Any = None  # nothing is asked
    return document(operations(services), "1.2.3")


def test_it_is_a_document_of_openapi(described: dict[str, Any]) -> None:
    read = OpenAPI.model_validate(described)
    assert read.paths is not None
    assert set(read.paths) == {
        "/v1/full-review", "/v1/runs", "/v1/runs/{run_id}", "/v1/runs/{run_id}/events",
        "/v1/health", "/v1/health/db-pool", "/v1/metrics",
    }  # fmt: skip


def test_no_operation_has_the_id_of_another(described: dict[str, Any]) -> None:
    ids = [each["operationId"] for path in described["paths"].values() for each in path.values()]
    assert len(ids) == len(set(ids))


def test_messages_are_told_in_protobufs_json() -> None:
    schemas = Schemas()
    assert schemas.refer(review_service_pb2.ListRunsResponse.DESCRIPTOR) == {
        "$ref": "#/components/schemas/ListRunsResponse"
    }
    runs = schemas.components["ListRunsResponse"]["properties"]["runs"]
    assert runs == {"type": "array", "items": {"$ref": "#/components/schemas/Run"}}
    run = schemas.components["Run"]["properties"]
    assert run["createTime"] == {"type": "string", "format": "date-time"}
    assert "RUN_STATE_COMPLETED" in run["state"]["enum"]
