"""The routes of plain HTTP, and the document that describes them to programs."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consensus_door.plain.answering import with_problems
from consensus_door.plain.operations import Operation


def plain_routes(offered: Iterable[Operation], described: Mapping[str, Any]) -> Iterator[Route]:
    """A route for each operation, and for the OpenAPI document."""
    for each in offered:
        yield Route(each.path, with_problems(each.handler), methods=[each.method])
    raw = orjson.dumps(described)

    async def document(_request: Request) -> Response:
        return Response(raw, media_type="application/json")

    yield Route("/v1/openapi.json", document)
