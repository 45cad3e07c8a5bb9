"""The command `python -m offline_model`: serves until SIGTERM or SIGINT, then exits 0."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from offline_model.server import OfflineModel


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve; return the exit code: 0 after a signal, 1 where the address cannot be bound."""
    options = _parser().parse_args(arguments)
    host, port = options.listen
    try:
        asyncio.run(_serve(host, port, options))
    except OSError as error:
        sys.stderr.write(f"offline model: cannot listen on {host}:{port}: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m offline_model",
        description="A local server that speaks the Responses API and answers by rules, at no cost.",
    )
    parser.add_argument(
        "--listen",
        type=_address,
        default="127.0.0.1:0",
        metavar="HOST:PORT",
        help="default %(default)s; port 0: a free one",
    )
    parser.add_argument("--port-file", type=Path, metavar="FILE", help="write the port here once it listens")
    parser.add_argument(
        "--latency-seconds",
        type=_seconds,
        default=0.0,
        metavar="S",
        help="wait so long before each answer (default 0)",
    )
    parser.add_argument("--api-key", metavar="KEY", help="accept this key alone; by default any")
    return parser


def _address(text: str) -> tuple[str, int]:
    host, separator, port = text.rpartition(":")
    if not separator or not port.isdecimal() or int(port) > 65_535:
        raise argparse.ArgumentTypeError(f"expected HOST:PORT, got {text!r}")
    return host.strip("[]") or "127.0.0.1", int(port)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 3_600:
        raise argparse.ArgumentTypeError("expected 0 to 3600 seconds")
    return seconds


async def _serve(host: str, port: int, options: argparse.Namespace) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with OfflineModel.start(
        host, port, latency_seconds=options.latency_seconds, api_key=options.api_key
    ) as model:
        if options.port_file is not None:
            _write_port(options.port_file, model.port)
        sys.stdout.write(f"offline model listening on {model.base_url}\n")
        sys.stdout.flush()
        await stopped.wait()


def _write_port(path: Path, port: int) -> None:
    """Write the file in one step, so that whoever waits for it never reads half of it."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    unfinished.write_text(f"{port}\n", encoding="ascii")
    unfinished.replace(path)


if __name__ == "__main__":
    sys.exit(main())
