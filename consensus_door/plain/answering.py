"""How a handler of plain HTTP is answered for: its errors as problems, its messages as JSON."""

from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response

from consensus_contract.errors import ConsensusError
from consensus_door.leaving import Handler, while_there
from consensus_door.problems import problem
from consensus_door.rpc.packed import read_json, turned
from consensus_rpc.errors import InvalidField


def with_problems(handler: Handler) -> Handler:
    """The handler, whose errors of the contract are answered as problems; it ends with its caller."""

    async def answer(request: Request) -> Response:
        try:
            return await while_there(request, handler)
        except ConsensusError as error:
            return problem(error)

    return answer


async def message_of(request: Request, kind: type[Message]) -> Any:
    """The message that the body says.

    Raises:
        InvalidField: it is none, has fields that there are not, or is no `application/json`: pages elsewhere
            may send other types without asking.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise InvalidField(field="Content-Type", description="must be application/json")
    return await read_json(await request.body(), kind, ignore_unknown=False)


async def json_response(
    message: Message, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A message in protobuf's JSON; zeros stand in it too, so that a score of 0 is there."""
    text = await turned(message.ByteSize(), as_json, message)
    return Response(text + "\n", status, headers, "application/json")


def as_json(message: Message) -> str:
    """In one line."""
    return json_format.MessageToJson(message, indent=None, always_print_fields_with_no_presence=True)
