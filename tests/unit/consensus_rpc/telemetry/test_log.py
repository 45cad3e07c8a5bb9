import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest
import structlog
from structlog.contextvars import bound_contextvars

from consensus_rpc.telemetry.log import LogFormat, configure_logging, escaped, get_logger

FORGED = "x\n2026-01-01T00:00:00Z info rpc_finished code=OK\r\x1b[2J\x85\u2028\x9b"


@pytest.fixture(autouse=True)
def unconfigured() -> Iterator[None]:
    """Leaves logging as it was found."""
    root = logging.getLogger()
    before = structlog.get_config(), root.handlers[:], root.level
    yield
    structlog.configure(**before[0])
    root.handlers[:] = before[1]
    root.setLevel(before[2])
    logging.captureWarnings(False)


def logging_to(log_format: LogFormat, level: str = "INFO") -> io.StringIO:
    stream = io.StringIO()
    configure_logging("probe", level=level, log_format=log_format, stream=stream)
    return stream


def test_an_event_is_one_json_object_with_service_level_and_utc_time() -> None:
    stream = logging_to("json")

    with bound_contextvars(request_id="q1", run_id="r1"):
        get_logger().info("step_finished", step="expand")

    event = json.loads(stream.getvalue())
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "step_finished",
        "level": "info",
        "service": "probe",
        "request_id": "q1",
        "run_id": "r1",
        "step": "expand",
    }


def test_auto_is_json_where_there_is_no_terminal() -> None:
    stream = logging_to("auto")

    get_logger().info("event")

    assert json.loads(stream.getvalue())["event"] == "event"


def test_events_below_the_level_are_left_out() -> None:
    stream = logging_to("json", level="WARNING")

    get_logger().info("quiet")
    logging.getLogger("alembic").info("quiet")

    assert stream.getvalue() == ""


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_no_value_can_forge_a_line(log_format: LogFormat) -> None:
    stream = logging_to(log_format)

    get_logger().info("event", user=FORGED, **{FORGED: "key"})
    logging.getLogger("library").info("%s", FORGED)

    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_traceback_cannot_pass_as_an_event(log_format: LogFormat) -> None:
    stream = logging_to(log_format)

    get_logger().error("event", exc_info=ValueError(FORGED))

    first, *rest = stream.getvalue().splitlines()
    assert "event" in first
    assert "ValueError" in stream.getvalue()
    assert all(line.startswith("    | ") for line in rest)


def test_a_long_traceback_is_cut_in_the_middle() -> None:
    stream = logging_to("json")

    get_logger().error("event", exc_info=ValueError("x" * 100_000))

    assert len(stream.getvalue()) < 20_000


def test_text_is_one_readable_line() -> None:
    stream = logging_to("text")

    get_logger().info("event", plain="a", spaced="a b", quoted='a"b', count=3, nothing="")

    _, line = stream.getvalue().rstrip().split(" ", 1)
    assert line == r'info     event plain=a spaced="a b" quoted="a\"b" count=3 nothing="" service=probe'


def test_what_the_standard_library_logs_is_routed_in() -> None:
    stream = logging_to("json")

    logging.getLogger("library.part").info("Running upgrade %s", "a1")

    event = json.loads(stream.getvalue())
    assert (event["event"], event["message"], event["logger"]) == (
        "library",
        "Running upgrade a1",
        "library.part",
    )
    assert (event["level"], event["service"]) == ("info", "probe")


def test_warnings_are_routed_in() -> None:
    stream = logging_to("json")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", stacklevel=1)

    assert json.loads(stream.getvalue())["logger"] == "py.warnings"


def test_what_cannot_be_serialised_is_written_as_text() -> None:
    stream = logging_to("json")

    get_logger().info("event", odd={1, 2}, lone="\ud800")

    assert json.loads(stream.getvalue())["odd"] == "{1, 2}"


def test_printable_text_is_left_alone() -> None:
    assert escaped("Grüße 日本 🙂") == "Grüße 日本 🙂"
