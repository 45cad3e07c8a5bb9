"""Quotations in the model's reviews: taken as they come, kept only where the text really says so. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from consensus.v1 import document_pb2, panel_pb2
from consensus_documents import folded, words_of
from review_service.steps.outputs import BlockingIssueOutput, ConcernOutput, QuoteOutput

MAX_QUOTES = 10
MAX_QUOTE_CHARACTERS = 1_000
QUOTATIONS_CUT = "quotations"
"""What `truncated_fields` says of quotations that had no room."""

# Fewer letters and digits than these say nothing about a place: they may be in any text.
_LEAST_LETTERS = 3
_AROUND = " \t\n\"'“”„‟«»‹›‘’…`"  # noqa: RUF001 - these forms are meant
_DOTS = "..."
_LEFT_OUT = re.compile(r"\s?(?:\[(?:\.{3}|…)\]|\((?:\.{3}|…)\)|\.{3,}|…)\s?")
_NUMBER = re.compile(r"(?:§|section|abschnitt)?\s*(\d{1,5}(?:\.\d{1,5})*)\.?(?:\s|:|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class QuotableText:
    """One text that may be quoted, folded as quotes are."""

    section: str
    heading: str
    text: str

    def has(self, parts: Sequence[str]) -> bool:
        """Whether these words stand in it, one after the other."""
        at = 0
        for part in parts:
            found = self.text.find(part, at)
            if found < 0:
                return False
            at = found + len(part)
        return True


@dataclass(frozen=True, slots=True)
class Quotable:
    """All that may be quoted, by the names under which it was shown, in order.

    `wholes` are the blocks as they were shown, for words that stand in no section alone.
    """

    texts: Mapping[str, QuotableText]
    wholes: Sequence[QuotableText] = field(default=())

    @classmethod
    def of(cls, texts: Iterable[tuple[str, str, str]], wholes: Iterable[tuple[str, str]] = ()) -> "Quotable":
        """From section, heading and text of each; and from name and text of the blocks."""
        return cls(
            {
                section: QuotableText(section, folded(heading).lower(), folded(text))
                for section, heading, text in texts
            },
            tuple(QuotableText(name, "", folded(text)) for name, text in wholes),
        )

    def with_text(self, name: str, text: str) -> "Quotable":
        """The same, and one text more."""
        return Quotable({**self.texts, name: QuotableText(name, "", folded(text))}, self.wholes)

    def found(self, quote: QuoteOutput) -> document_pb2.Quotation | None:
        """The quotation under the section that really has it; None where no section does."""
        for parts in _readings(quote.text):
            if not all(map(says_something, parts)):
                continue
            section = self._section_with([folded(each) for each in parts], quote.section)
            if section is not None:
                return document_pb2.Quotation(section=section, text=_cut(max(parts, key=len)))
        return None

    def named(self, named: str) -> str:
        """The section that the model means, by its number or its heading; empty where there is none."""
        named = folded(named)
        if named in self.texts:
            return named
        number = _NUMBER.match(named)
        if number is not None and number[1] in self.texts:
            return number[1]
        heading = named.lstrip("§# ").lower()
        found = (each.section for each in self.texts.values() if heading and each.heading == heading)
        return next(found, "")

    def _section_with(self, parts: Sequence[str], named: str) -> str | None:
        """The section with these words: the one that is named where it has them, else the first."""
        preferred = self.named(named)
        if preferred and self.texts[preferred].has(parts):
            return preferred
        every = (*self.texts.values(), *self.wholes)
        return next((each.section for each in every if each.has(parts)), None)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a concern or a blocking issue rests on, as its message says it."""

    section: str
    quotations: Sequence[document_pb2.Quotation]
    unsupported: bool


class QuotationCheck:
    """Checks the quotations of one review, and counts what was left out."""

    __slots__ = ("_quotable", "dropped_count")

    def __init__(self, quotable: Quotable) -> None:
        self._quotable = quotable
        self.dropped_count = 0

    def evidence(self, entry: ConcernOutput | BlockingIssueOutput) -> Evidence:
        """What of an entry's evidence is really there. Unsupported is only what was quoted for, in words that
        say something, and of which nothing is found: whoever quotes nothing is taken at their word.
        """
        kept = self.kept(entry.quotes)
        named = self._quotable.named(entry.section)
        places = [each.section for each in kept]
        section = named if named in places or not places else places[0]
        was_quoted = any(says_something(each.text) for each in entry.quotes)
        return Evidence(section, kept, unsupported=was_quoted and not kept)

    def kept(self, quotes: Sequence[QuoteOutput]) -> list[document_pb2.Quotation]:
        """Those that are really there, each once."""
        kept: list[document_pb2.Quotation] = []
        # What lies beyond is not even looked for: an answer of a hostile model has room for many.
        for quote in quotes[: 2 * MAX_QUOTES]:
            found = self._quotable.found(quote)
            if found is not None and found not in kept and len(kept) < MAX_QUOTES:
                kept.append(found)
            elif found is None:
                self.dropped_count += 1
        self.dropped_count += len(quotes[2 * MAX_QUOTES :])
        return kept


def says_something(words: str) -> bool:
    """Whether there are enough letters and digits for words to be found, or missed, in a text."""
    return sum(map(str.isalnum, words)) >= _LEAST_LETTERS


def fit_quotations(review: panel_pb2.PersonaReview, most_bytes: int) -> tuple[str, ...]:
    """Leaves quotations out, and the names of sections, those of concerns first and the last first, until the
    review fits or has none; what of it was cut.
    """
    over = review.ByteSize() - most_bytes
    cut = False
    entries: list[panel_pb2.Concern | panel_pb2.BlockingIssue] = [
        *reversed(review.concerns),
        *reversed(review.blocking_issues),
    ]
    for entry in entries:
        while over > 0 and entry.quotations:
            over -= entry.quotations.pop().ByteSize() + 2
            cut = True
        if over > 0 and entry.section:
            over -= len(entry.section.encode())
            entry.ClearField("section")
    return (QUOTATIONS_CUT,) if cut else ()


def _readings(text: str) -> list[list[str]]:
    """The quote's words; those without the marks that models put around a quote; and those on either side of
    what a model left out.
    """
    words = words_of(text)
    bare = words.strip(_AROUND).removeprefix(_DOTS).removesuffix(_DOTS).strip(_AROUND)
    readings = [[words], [bare], _LEFT_OUT.split(bare)]
    return [each for at, each in enumerate(readings) if each not in readings[:at]]


def _cut(words: str) -> str:
    """The beginning of the words, where they are too many, without half a word."""
    if len(words) <= MAX_QUOTE_CHARACTERS:
        return words
    beginning = words[:MAX_QUOTE_CHARACTERS]
    whole, space, _ = beginning.rpartition(" ")
    return whole if space and len(whole) > MAX_QUOTE_CHARACTERS // 2 else beginning
