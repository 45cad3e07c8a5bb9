"""How a text is written, as far as that can be told."""

import re
from pathlib import PurePosixPath
from typing import TypeAlias

from consensus.v1 import document_pb2
from consensus_documents.lines import read_lines
from consensus_documents.markdown import markdown_headings
from consensus_documents.restructured_text import restructured_text_headings

Format: TypeAlias = "document_pb2.DocumentFormat.ValueType"

_BY_SUFFIX: dict[str, Format] = {
    ".md": document_pb2.DOCUMENT_FORMAT_MARKDOWN,
    ".markdown": document_pb2.DOCUMENT_FORMAT_MARKDOWN,
    ".mdx": document_pb2.DOCUMENT_FORMAT_MARKDOWN,
    ".rst": document_pb2.DOCUMENT_FORMAT_RESTRUCTURED_TEXT,
}
_DIRECTIVE = re.compile(r"^\.\. [A-Za-z_|\[]|^:[A-Za-z-]+: ", re.MULTILINE)


def detect_format(text: str, name: str) -> Format:
    """The format by the name's ending, else by the headings that the text has in each."""
    by_name = _BY_SUFFIX.get(PurePosixPath(name.lower()).suffix)
    if by_name is not None:
        return by_name
    lines = read_lines(text)
    if _DIRECTIVE.search(text) and any(restructured_text_headings(lines)):
        return document_pb2.DOCUMENT_FORMAT_RESTRUCTURED_TEXT
    if any(markdown_headings(lines)):
        return document_pb2.DOCUMENT_FORMAT_MARKDOWN
    if any(restructured_text_headings(lines)):
        return document_pb2.DOCUMENT_FORMAT_RESTRUCTURED_TEXT
    return document_pb2.DOCUMENT_FORMAT_PLAIN_TEXT
