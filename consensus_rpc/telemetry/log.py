"""Logs: constant event names, data as keywords; JSON or one safe text line each; all through structlog."""

import json
import logging
import sys
import traceback
from collections.abc import Iterable
from typing import Any, Literal, TextIO

import structlog
from structlog.contextvars import bind_contextvars
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from consensus_rpc.telemetry.log_stream import LogStream
from consensus_rpc.telemetry.request_id import work_for

__all__ = [
    "LogFormat",
    "bind_contextvars",
    "bind_request_id",
    "configure_logging",
    "escaped",
    "get_logger",
]

LogFormat = Literal["auto", "json", "text"]

_TRACE_CHARACTERS = 16_000
_QUIET = {
    "grpc": logging.WARNING,
    "asyncio": logging.WARNING,
    "httpcore2": logging.WARNING,
    "httpx2": logging.WARNING,
}


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """A logger; its events are constant names, its data keywords: `log.info("step_finished", step=…)`."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


def bind_request_id(request_id: str) -> None:
    """Names the call that this task works for, in its logs and in the calls that it makes."""
    bind_contextvars(request_id=request_id)
    work_for(request_id)


def configure_logging(
    service: str,
    *,
    level: str = "INFO",
    log_format: LogFormat = "auto",
    stream: TextIO | None = None,
    worker: int | None = None,
) -> None:
    """Sends structlog's and the standard library's events to one stream (stderr), in one format.

    Every event gets `service`, `worker` where there are several, its level and a UTC time; what is bound in
    the context (request and run id) is added. JSON escapes whatever could break a line; the text format does
    so itself, so that no value can forge a line of its own. What cannot be written is lost and counted.
    """
    stream = stream or sys.stderr
    as_text = log_format == "text" or (log_format == "auto" and stream.isatty())
    lines = LogStream(stream)
    shared = _shared_processors(service, worker)
    render = _unfailing(_TextRenderer() if as_text else structlog.processors.JSONRenderer(_dumps))
    number = logging.getLevelNamesMapping()[level]
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(lines),  # type: ignore[arg-type]  # it writes and flushes
    )
    _route_standard_library(shared, render, number, lines)


def _shared_processors(service: str, worker: int | None) -> list[Processor]:
    def add_service(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.setdefault("service", service)
        if worker is not None:
            event.setdefault("worker", worker)
        return event

    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_service,
        structlog.processors.ExceptionRenderer(_format_exception),
    ]


def _route_standard_library(
    shared: Iterable[Processor], render: Processor, level: int, lines: LogStream
) -> None:
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_logger_name,
            *shared,
            _as_library_event,
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
    )
    handler = logging.StreamHandler(lines)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(level, least))
    logging.captureWarnings(True)


def _as_library_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A library's sentence becomes data of a constant event name."""
    event["message"] = event.pop("event")
    event["event"] = "library"
    return event


def _unfailing(render: Processor) -> Processor:
    """The same, but a value that cannot be told does not fail the work that tells of it."""

    def attempt(logger: WrappedLogger, method: str, event: EventDict) -> Any:
        name = str(event.get("event"))
        try:
            return render(logger, method, event)
        except Exception as error:  # noqa: BLE001 - a value's own text can fail in any way
            return _dumps({"event": name, "level": method, "unprintable": type(error).__name__})

    return attempt


def _dumps(event: EventDict, **_: Any) -> str:
    return json.dumps(event, default=str, separators=(",", ":"))


def _format_exception(exc_info: ExcInfo) -> str:
    text = "".join(traceback.format_exception(*exc_info))
    if len(text) <= _TRACE_CHARACTERS:
        return text
    return f"{text[: _TRACE_CHARACTERS // 2]}\n… cut …\n{text[-_TRACE_CHARACTERS // 2 :]}"


def escaped(text: str) -> str:
    """The text with everything unprintable (line breaks, terminal escapes, separators) written as escapes."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )


class _TextRenderer:
    """`time level event key=value …`, then the traceback, indented so that it cannot pass as an event."""

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> str:
        trace = event.pop("exception", None)
        time, level, name = (event.pop(key, "") for key in ("timestamp", "level", "event"))
        fields = " ".join(f"{escaped(str(key))}={_value(value)}" for key, value in event.items())
        line = f"{time} {level:<8} {escaped(str(name))} {fields}".rstrip()
        if trace:
            line += "".join(f"\n    | {escaped(row)}" for row in str(trace).splitlines())
        return line


def _value(value: object) -> str:
    text = value if isinstance(value, str) else str(value)
    plain = bool(text) and text.isprintable() and not any(char in text for char in ' "=')
    return text if plain else json.dumps(escaped(text), ensure_ascii=False)
