"""A model that answers after a set time and costs almost nothing: fixed bytes, HTTP/1.1 by hand.

`python -m tests.benchmarks.model --port-file PATH`; `POST /latency` with seconds as its body sets the time,
`GET /calls` says how many calls came so far.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import uvloop

from tests.benchmarks.job import PROPOSAL, REVIEW

_HEADER_END = b"\r\n\r\n"
_OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_benchmark\r\ncontent-length: "


def answer_bytes(output: str) -> bytes:
    """A whole HTTP answer whose one message says `output`."""
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": output}
    body = {
        "id": "resp_0",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "benchmark",
        "output": [
            {
                "id": "msg_0",
                "type": "message",
                "status": "completed",
                "role": "assistant",
                "content": [part],
            }
        ],
        "parallel_tool_calls": True,
        "temperature": 0.2,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": {
            "input_tokens": 2_400,
            "input_tokens_details": {"cached_tokens": 2_048, "cache_write_tokens": 0},
            "output_tokens": 400,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 2_800,
        },
    }
    encoded = json.dumps(body).encode()
    return _OK + str(len(encoded)).encode() + _HEADER_END + encoded


_PROPOSAL = answer_bytes(PROPOSAL)
_REVIEW = answer_bytes(REVIEW)


def _small(body: bytes) -> bytes:
    return _OK + str(len(body)).encode() + _HEADER_END + body


class Connection(asyncio.Protocol):
    """One connection; requests come one after the other."""

    latency = 0.0
    calls = 0

    def __init__(self) -> None:
        self._got = bytearray()
        self._transport: Any = None  # uvloop's is no asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._got += data
        while (end := self._got.find(_HEADER_END)) >= 0:
            head = bytes(self._got[:end]).lower()
            mark = head.find(b"content-length:")
            length = int(head[mark + 15 :].split(b"\r\n", 1)[0]) if mark >= 0 else 0
            whole = end + len(_HEADER_END) + length
            if len(self._got) < whole:
                return
            body = bytes(self._got[end + len(_HEADER_END) : whole])
            del self._got[:whole]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"post /latency"):
            Connection.latency = float(body)
            self._send(_small(b"{}"))
            return
        if head.startswith(b"get /calls"):
            self._send(_small(str(Connection.calls).encode()))
            return
        Connection.calls += 1
        # Only the schema of a review has a score.
        answer = _REVIEW if b"confidence_score" in body else _PROPOSAL
        if Connection.latency > 0:
            asyncio.get_running_loop().call_later(Connection.latency, self._send, answer)
        else:
            self._send(answer)

    def _send(self, answer: bytes) -> None:
        if self._transport is not None:
            self._transport.write(answer)


async def serve(port_file: Path) -> None:
    """Serves until the process is stopped."""
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=4096)
    part = port_file.with_suffix(".part")
    part.write_text(f"{server.sockets[0].getsockname()[1]}\n", encoding="ascii")
    part.replace(port_file)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[sys.argv.index("--port-file") + 1])))
