"""A document as its reviewers are shown it: numbered sections, and the prose in them. Pure.

Links, code, tables, headings and markup are no evidence of anything, and are left out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from offline_model.language import normalise

_HEAD = re.compile(r"^§ (\d+(?:\.\d+)*)(?: (.*))?$", re.MULTILINE)
_FENCE = re.compile(r"^[ ]{0,3}(```+|~~~+)")
_CODE_DIRECTIVE = re.compile(r"^\s*\.\. |^::\s*$")
_METADATA = re.compile(r"^\s*(?::[\w -]+:|[-*]?\s*\*{0,2}[\w -]{2,20}\*{0,2}\s*[:：](?!\S*//))\s*\S{0,60}")
_ITEM = re.compile(r"^\s*(?:[-*+•]|\d+[.)]|[a-z][.)])\s+")
_RULER = re.compile(r"^[\s|+:=*#~^`'\"_.-]*$")
_COLUMNS = re.compile(r"\S {2,}\S")
_LINK = re.compile(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])|`([^`<]+)\s*<[^>]+>`_+")
_ADDRESS = re.compile(r"<?\b(?:https?|ftp|mailto):\S+|\bwww\.\S+")
_END = re.compile(r"(?<=[.!?؟])[\"'”’»)\]]*\s+(?=[^\W\d_a-z]|[\"“‘«(\[])|(?<=[。！？])(?![」』）])")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:e\.g|i\.e|etc|vs|cf|z\.\s?B|d\.\s?h|u\.\s?a|ca|Nr|No|Dr|bzw|vgl|\d{1,2})\.$",
    re.IGNORECASE,
)
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
_ABBREVIATION_REACH = 12
_MAX_SENTENCE = 600
# Markup is looked for within these: some of it takes the square of what it is looked for in.
_MAX_RAW, _MAX_HEADING = 1_000, 200
_LEAST_WORDS, _LEAST_WIDE = 5, 12


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of prose: as it is read, and as it stands (None where markup would part its words)."""

    text: str
    verbatim: str | None
    section: "DocumentSection"


@dataclass(frozen=True, slots=True)
class DocumentSection:
    """A section by its number and heading; `path` are the headings of those around it, then its own."""

    number: str
    heading: str
    name: str
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DocumentText:
    """All sections of a document and all its prose, in order."""

    sections: tuple[DocumentSection, ...]
    sentences: tuple[Sentence, ...]

    @classmethod
    def read(cls, numbered: str) -> "DocumentText":
        """Reads what reviewers are shown: sections, each after a line of §, its number and its heading."""
        heads = list(_HEAD.finditer(numbered))
        sections: list[DocumentSection] = []
        paths: dict[str, tuple[str, ...]] = {}
        sentences: list[Sentence] = []
        for head, following in zip(heads, [*heads[1:], None], strict=True):
            heading = _plain((head[2] or "")[:_MAX_HEADING]).strip("# ")
            name = f"§ {head[1]} {heading}".strip()
            paths[head[1]] = (*paths.get(head[1].rpartition(".")[0], ()), heading)
            section = DocumentSection(head[1], heading, name, paths[head[1]])
            sections.append(section)
            body = numbered[head.end() : following.start() if following else len(numbered)]
            sentences.extend(_sentences(section, body))
        return cls(tuple(sections), tuple(sentences))


def _sentences(section: DocumentSection, body: str) -> Iterator[Sentence]:
    for paragraph in _paragraphs(body):
        start = 0
        for end in _ends(paragraph):
            raw = paragraph[start:end].strip()
            start = end
            text = " ".join(_plain(raw[:_MAX_RAW]).split())
            if _is_prose(text):
                is_verbatim = text == raw and len(raw) <= _MAX_SENTENCE
                yield Sentence(text[:_MAX_SENTENCE], raw if is_verbatim else None, section)


def _ends(paragraph: str) -> Iterator[int]:
    """Where its sentences end; an abbreviation ends none."""
    for mark in _END.finditer(paragraph):
        before = paragraph[max(0, mark.start() - _ABBREVIATION_REACH) : mark.start()]
        if not _ABBREVIATION.search(before):
            yield mark.end()
    yield len(paragraph)


def _paragraphs(body: str) -> Iterator[str]:
    """Runs of prose, each line's white space as one space; no code, no table, no ruler, no metadata."""
    block: list[str] = []
    for line in _prose_lines(body):
        if block and (not line or _ITEM.match(line)):
            yield _joined(block)
            block = []
        if line:
            block.append(_ITEM.sub("", line).strip())
    if block:
        yield _joined(block)


def _joined(lines: list[str]) -> str:
    """Lines as one: scripts without spaces are joined as they would be written."""
    whole = lines[0]
    for line in lines[1:]:
        is_wide = bool(_WIDE.match(whole[-1:]) or whole[-1:] in "。、") and bool(_WIDE.match(line[:1]))
        whole += line if is_wide else f" {line}"
    return " ".join(whole.split())


def _prose_lines(body: str) -> Iterator[str]:
    """The lines that may be prose; an empty one where a paragraph ends."""
    fence = ""
    is_code, was_blank = False, True
    for line in body.split("\n"):
        mark = _FENCE.match(line)
        if mark and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
            yield ""
            continue
        is_indented = line.startswith(("    ", "\t")) or (is_code and line.startswith("  "))
        if line.strip():
            is_code = is_indented and (is_code or was_blank) and not _ITEM.match(line)
            is_code = is_code or _CODE_DIRECTIVE.match(line) is not None
        was_blank = not line.strip()
        is_other = "|" in line or _RULER.match(line) or _COLUMNS.search(line.strip()) or _METADATA.match(line)
        yield "" if fence or is_code or is_other else line.rstrip()


def _plain(text: str) -> str:
    """The text without markup: what links say, not where they lead."""
    text = _ADDRESS.sub("", _LINK.sub(lambda link: link[1] or link[2] or "", text))
    return re.sub(r"(\*\*|__|``?)(?=\S)(.+?)(?<=\S)\1", r"\2", text)


def _is_prose(text: str) -> bool:
    if _WIDE.search(text):
        return len(_WIDE.findall(text)) >= _LEAST_WIDE and text[-1] in "。！？!?）」"
    words = re.findall(r"[^\W\d_]{2,}", text)
    return len(words) >= _LEAST_WORDS and text.rstrip("\"'”’»)]")[-1:] in ".!?؟:;"


def language_of(sentences: tuple[Sentence, ...]) -> str:
    """The tag of the language that most of the prose is in, of those that the rules know."""
    sample = " ".join(each.text for each in sentences[:200])
    letters = max(1, sum(map(str.isalpha, sample)))
    if len(re.findall("[\u3040-\u30ff]", sample)) > letters / 20:
        return "ja"
    if len(re.findall("[\u0600-\u06ff]", sample)) > letters / 4:
        return "ar"
    words = normalise(sample).lower().split()
    german = sum(
        word in {"der", "die", "das", "und", "ist", "nicht", "ein", "werden", "mit"} for word in words
    )
    english = sum(word in {"the", "and", "is", "of", "to", "a", "that", "with", "not"} for word in words)
    return "de" if german > english else "en"
