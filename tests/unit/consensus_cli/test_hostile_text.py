"""Whatever stands in a message, no printer lets a terminal obey it or a reader overlook it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.protobuf.message import Message

from consensus.v1 import attempt_pb2, draft_pb2, panel_pb2, review_service_pb2, run_event_pb2, run_pb2
from consensus_cli.execution.printing import complain, say, say_blocks, say_json
from consensus_cli.report.html import html_report
from consensus_cli.report.markdown import markdown_report
from consensus_cli.view.drafts import draft_lines
from consensus_cli.view.lists import attempt_lines, info_lines, persona_lines, run_lines
from consensus_cli.view.plain import plain_lines
from consensus_cli.view.progress import RunView
from consensus_cli.view.run import run_blocks
from consensus_contract.characters import is_invisible

HOSTILE = "a\x1b]52;c;QUJD\x07\x9b31m\x9d0;t\x9c\u202eb\u2066c\u3164\u115f\u2800\U000e0101\r\nINJECTED"


def filled(message: Message) -> Any:
    """The message with hostile text in each of its texts, however deep."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None and field.message_type.full_name.startswith("google."):
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            continue
        value = getattr(message, field.name)
        if field.is_repeated:
            if field.message_type is not None:
                filled(value.add())
            elif field.type == field.TYPE_STRING:
                value.append(HOSTILE)
        elif field.message_type is not None:
            filled(value)
            value.SetInParent()
        elif field.type == field.TYPE_STRING:
            setattr(message, field.name, HOSTILE)
    return message


def events() -> Iterator[str]:
    for field in run_event_pb2.RunEvent.DESCRIPTOR.oneofs_by_name["payload"].fields:
        event = run_event_pb2.RunEvent(run_id=HOSTILE, sequence=1)
        filled(getattr(event, field.name))
        getattr(event, field.name).SetInParent()
        view = RunView()
        view.take(event)
        yield from plain_lines(event, view)


RUN: run_pb2.Run = filled(run_pb2.Run())
ATTEMPT: attempt_pb2.Attempt = filled(attempt_pb2.Attempt())
CHANGE: review_service_pb2.DiffRunsResponse = filled(review_service_pb2.DiffRunsResponse())
PRINTERS: dict[str, Callable[[], object]] = {
    "a run": lambda: say_blocks(run_blocks(RUN)),
    "runs": lambda: say(*run_lines([RUN])),
    "attempts": lambda: say(*attempt_lines([ATTEMPT])),
    "personas": lambda: say(*persona_lines([filled(panel_pb2.Persona())])),
    "a service": lambda: say(*info_lines(filled(review_service_pb2.GetServiceInfoResponse()))),
    "a draft": lambda: say(*draft_lines(filled(draft_pb2.Draft()))),
    "events": lambda: say(*events()),
    "JSON": lambda: say_json(RUN),
    "complaints": lambda: complain(HOSTILE),
    "HTML": lambda: say(html_report(RUN, [ATTEMPT], CHANGE)),
    "Markdown": lambda: say(markdown_report(RUN, [ATTEMPT], CHANGE)),
}


@pytest.mark.parametrize("show", PRINTERS.values(), ids=PRINTERS.keys())
def test_what_is_printed_holds_nothing_that_is_invisible(
    show: Callable[[], object], capsys: pytest.CaptureFixture[str]
) -> None:
    show()
    printed = "".join(capsys.readouterr())
    assert printed
    assert [ascii(char) for char in printed.replace("\n", "") if is_invisible(char)] == []


LINES = ("a run", "runs", "attempts", "personas", "a service", "a draft", "events")


@pytest.mark.parametrize("name", LINES)
def test_a_line_is_never_begun_by_what_stands_in_a_message(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    PRINTERS[name]()
    assert "\nINJECTED" not in capsys.readouterr().out


@pytest.mark.parametrize("write", [html_report, markdown_report], ids=["HTML", "Markdown"])
def test_what_is_written_to_a_file_holds_nothing_that_is_invisible(write: Callable[..., str]) -> None:
    document = write(RUN, [ATTEMPT], CHANGE).replace("\n", "")
    assert [ascii(char) for char in document if is_invisible(char)] == []
