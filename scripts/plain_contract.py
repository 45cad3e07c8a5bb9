"""The contract without its rules: the same messages and comments, and no import of `buf/validate`.

For generators that would make code of the rules too, and for clients that do not check them.
"""

import re
from collections.abc import Iterator

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import Message

RULES = "buf/validate/validate.proto"
_IMPORT = re.compile(rf'^import "{RULES}";\n', re.MULTILINE)
_RULE = re.compile(r"\s*\(buf\.validate\.")
_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|\s+|\w+|.', re.DOTALL)
_PAIRS = {"[": "]", "{": "}", "(": ")"}


def without_rules(text: str) -> str:
    """The text of a .proto file without rules; `difference` proves that nothing else is gone."""
    parts = iter(_TOKEN.findall(_IMPORT.sub("", text)))
    kept: list[str] = []
    for part in parts:
        if part == "[":
            options = [option for option in _options(parts) if not _RULE.match(option)]
            if options:
                kept.append(f"[{','.join(options)}]")
            else:
                _drop_space(kept)
        elif part == "option":
            statement = "".join(_until(parts, ";"))
            if _RULE.match(statement):
                _drop_space(kept)
            else:
                kept.append(f"option{statement};")
        else:
            kept.append(part)
    return "".join(kept)


def _drop_space(kept: list[str]) -> None:
    if kept and kept[-1].isspace():
        kept.pop()


def _options(parts: Iterator[str]) -> list[str]:
    """The options of a field, whose `[` was taken; takes the `]` too."""
    options = [""]
    for part in _until(parts, "]"):
        if part == ",":
            options.append("")
        else:
            options[-1] += part
    return options


def _until(parts: Iterator[str], end: str) -> Iterator[str]:
    """Parts before the next `end`; what stands in brackets comes as one."""
    for part in parts:
        if part == end:
            return
        closing = _PAIRS.get(part)
        yield part if closing is None else f"{part}{''.join(_until(parts, closing))}{closing}"
    raise ValueError(f"no {end} before the end of the file")


def difference(original: FileDescriptorProto, plain: FileDescriptorProto) -> str | None:
    """Where the plain file is not the original one without its rules; None when it is.

    Both are compiled with their source information. The rules' own module is not loaded here, so that
    in the original they are fields that nobody knows.
    """
    comments = _comments(original), _comments(plain)
    if comments[0] != comments[1]:
        lost = [each for each in comments[0] if each not in comments[1]] or comments[1]
        return f"a comment is not kept: {lost[0]!r}"
    stripped, same = FileDescriptorProto(), FileDescriptorProto()
    stripped.CopyFrom(original)
    same.CopyFrom(plain)
    for file in (stripped, same):
        file.ClearField("source_code_info")
    stripped.DiscardUnknownFields()
    _clear_empty_options(stripped)
    if RULES in stripped.dependency:
        stripped.dependency.remove(RULES)
    return None if stripped == same else "the descriptors differ in more than rules"


def _comments(file: FileDescriptorProto) -> list[str]:
    """All comments of the file in their order."""
    places = file.source_code_info.location
    texts = [
        "".join([*place.leading_detached_comments, place.leading_comments, place.trailing_comments])
        for place in places
    ]
    return [text for text in texts if text]


def _clear_empty_options(message: Message) -> None:
    for field, value in message.ListFields():
        if field.type != FieldDescriptor.TYPE_MESSAGE:
            continue
        if field.name == "options" and not value.ByteSize():
            message.ClearField(field.name)
            continue
        for each in [value] if isinstance(value, Message) else value:
            _clear_empty_options(each)
