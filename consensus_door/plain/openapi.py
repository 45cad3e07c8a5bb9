"""The OpenAPI document of plain HTTP. Pure."""

import re
from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import Descriptor

from consensus_door.plain.operations import Operation
from consensus_door.plain.schemas import Schema, Schemas
from consensus_door.problems import MEDIA_TYPE

_PATH_PARAMETER = re.compile(r"\{(\w+)\}")
_PROBLEM: Schema = {
    "type": "object",
    "description": "Problem details (RFC 9457); what the error names stands beside these, such as `run_id`.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "reason": {"type": "string", "description": "As in docs/errors.md, such as RUN_NOT_FOUND."},
        "code": {"type": "string", "description": "gRPC's status code."},
        "request_id": {"type": "string"},
        "retry_after_seconds": {"type": "number"},
        "run_id": {"type": "string"},
        "failed_step": {"type": "string"},
        "partial_results": {"type": "object", "additionalProperties": True},
        "field_violations": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "description": {"type": "string"}},
            },
        },
    },
    "required": ["type", "title", "status", "detail", "reason", "code", "request_id"],
}


def document(operations: Iterable[Operation], version: str) -> dict[str, Any]:
    """The document, as OpenAPI 3.1 wants it."""
    schemas = Schemas()
    schemas.components["Problem"] = _PROBLEM
    paths: dict[str, dict[str, Any]] = {}
    for each in operations:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Consensus Engine",
            "version": version,
            "summary": "A panel of personas reviews ideas and documents, and decides.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.components.items())),
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A key or token, where one is needed.",
                }
            },
        },
    }


def _operation(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": operation.description,
        "parameters": list(_parameters(operation)),
        "responses": _responses(operation, schemas),
        "security": [{"key": []}, {}] if operation.needs_credential else [],
    }
    if operation.takes is not None:
        body = {"application/json": {"schema": schemas.refer(operation.takes)}}
        made["requestBody"] = {"required": True, "content": body}
    return made


def _parameters(operation: Operation) -> Iterable[dict[str, Any]]:
    for name in _PATH_PARAMETER.findall(operation.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    for where, named in (("query", operation.query), ("header", operation.headers)):
        for name, meaning in named.items():
            yield {"name": name, "in": where, "description": meaning, "schema": {"type": "string"}}


def _responses(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    answer = operation.answer
    if isinstance(answer, str):
        content = {answer: {"schema": {"type": "string"}}}
    else:
        schema = schemas.refer(answer) if isinstance(answer, Descriptor) else answer
        content = {"application/json": {"schema": schema}}
    told: dict[str, Any] = {"200": {"description": "It is done.", "content": content}}
    for status, meaning in operation.also.items():
        told[str(status)] = {"description": meaning}
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    told["default"] = {"description": "What kept it from being done.", "content": problem}
    return told
