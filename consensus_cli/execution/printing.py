"""What a command prints: results on standard output, the rest on standard error."""

import sys
from collections.abc import Iterable

from google.protobuf import json_format, message
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from consensus_cli.view.outcome import Block
from consensus_report import text


def say(*lines: str) -> None:
    """Prints results, with whatever a terminal would obey written out."""
    for line in lines:
        sys.stdout.write(f"{text.visible_lines(line)}\n")
    sys.stdout.flush()


def complain(*lines: str) -> None:
    """Prints what is no result, as `say` does."""
    sys.stdout.flush()
    for line in lines:
        sys.stderr.write(f"{text.visible_lines(line)}\n")


def say_json(shown: message.Message) -> None:
    """Prints a message as one line of protobuf JSON; zeros are printed too, so that a score of 0 is there."""
    say(json_format.MessageToJson(shown, indent=None, always_print_fields_with_no_presence=True))


def say_blocks(blocks: Iterable[Block]) -> None:
    """Prints blocks: wrapped, indented and coloured on a terminal, one per line elsewhere."""
    console = plain_console()
    for block in blocks:
        if console.is_terminal and block.is_command:
            console.print(Text(text.visible(block.text), style=block.style), soft_wrap=True)
        elif console.is_terminal:
            words = Text(text.visible(block.text), style=block.style)
            console.print(Padding(words, (0, 0, 0, block.indent)))
        else:
            say(" " * block.indent + text.visible(block.text))


def say_rows(rows: Iterable[Text]) -> None:
    """Prints lines that fit as they are, in colour where there is any; their text is visible already."""
    console = plain_console()
    for row in rows:
        console.print(row, no_wrap=True, overflow="ignore", crop=False)


def plain_console() -> Console:
    """Standard output, where a run's text is never taken for markup."""
    return Console(highlight=False, markup=False, emoji=False)
