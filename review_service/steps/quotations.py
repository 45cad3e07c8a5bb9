"""Quotations in the model's reviews: taken as they come, kept only where the text really says so. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from consensus.v1 import document_pb2, panel_pb2
from consensus_documents import words_of
from review_service.steps.outputs import (
    BlockingIssueOutput,
    ConcernOutput,
    PersonaReviewOutput,
    output_format,
)

MAX_QUOTES = 10
MAX_QUOTE_CHARACTERS = 1_000
QUOTATIONS_CUT = "quotations"
"""What `truncated_fields` says of quotations that had no room."""

# Fewer letters and digits than these say nothing about a place: they are in every text.
_LEAST_LETTERS = 3
_AROUND = " \t\n\"'“”„‟«»‹›‘’…`"  # noqa: RUF001 - these forms are meant
_DOTS = "..."
_NUMBER = re.compile(r"(?:§|section|abschnitt)?\s*(\d{1,5}(?:\.\d{1,5})*)\.?(?:\s|:|$)", re.IGNORECASE)


class QuoteOutput(BaseModel):
    """Words of the text, and the section in which they stand."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    section: str
    text: str


Quotes = Annotated[list[QuoteOutput], Field()]


class _Quoting(BaseModel):
    """Something with quotes. What is no quote counts as one that is not in the text."""

    @model_validator(mode="before")
    @classmethod
    def _quotes_as_they_come(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        given = value.get("quotes")
        entries = given if isinstance(given, list) else [] if given is None else [given]
        return value | {"quotes": [_quote(each) for each in entries]}


class DocumentConcernOutput(_Quoting, ConcernOutput):
    """A concern, with the places that it is about."""

    quotes: Quotes


class DocumentIssueOutput(_Quoting, BlockingIssueOutput):
    """A blocking issue, with the places that it is about."""

    quotes: Quotes


class DocumentReviewOutput(PersonaReviewOutput):
    """A persona's answer about a text that it quotes."""

    concerns: Annotated[list[DocumentConcernOutput], Field(max_length=50)]  # type: ignore[assignment]  # frozen
    blocking_issues: Annotated[list[DocumentIssueOutput], Field(max_length=50)]  # type: ignore[assignment]  # frozen


DOCUMENT_REVIEW_FORMAT = output_format(DocumentReviewOutput, "document_review")


@dataclass(frozen=True, slots=True)
class QuotableText:
    """One text that may be quoted, runs of white space as one space."""

    section: str
    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Quotable:
    """All that may be quoted, by the names under which it was shown, in order."""

    texts: Mapping[str, QuotableText]

    @classmethod
    def of(cls, texts: Iterable[tuple[str, str, str]]) -> "Quotable":
        """From section, heading and text of each."""
        return cls(
            {
                section: QuotableText(section, words_of(heading), words_of(text))
                for section, heading, text in texts
            }
        )

    def found(self, quote: QuoteOutput) -> document_pb2.Quotation | None:
        """The quotation under the section that really has it; None where no section does."""
        for words in _readings(quote.text):
            if sum(map(str.isalnum, words)) < _LEAST_LETTERS:
                continue
            section = self._section_with(words, quote.section)
            if section is not None:
                return document_pb2.Quotation(section=section, text=_cut(words))
        return None

    def _section_with(self, words: str, named: str) -> str | None:
        """The section with these words: the one that is named where it has them, else the first."""
        preferred = self._named(named)
        if preferred is not None and words in preferred.text:
            return preferred.section
        return next((each.section for each in self.texts.values() if words in each.text), None)

    def _named(self, named: str) -> QuotableText | None:
        """The text that the model means, by its number or its heading."""
        named = words_of(named)
        if named in self.texts:
            return self.texts[named]
        number = _NUMBER.match(named)
        if number is not None and number[1] in self.texts:
            return self.texts[number[1]]
        heading = named.lstrip("§# ").lower()
        return next((each for each in self.texts.values() if each.heading.lower() == heading), None)


class QuotationCheck:
    """Checks the quotations of one review, and counts what was left out."""

    __slots__ = ("_quotable", "dropped_count")

    def __init__(self, quotable: Quotable) -> None:
        self._quotable = quotable
        self.dropped_count = 0

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


def fit_quotations(review: panel_pb2.PersonaReview, most_bytes: int) -> tuple[str, ...]:
    """Leaves quotations out, those of concerns first and the last first, until the review fits or has none;
    what of it was cut.
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
    return (QUOTATIONS_CUT,) if cut else ()


def _quote(entry: Any) -> dict[str, str]:
    """An entry of `quotes` as an object of two texts; blank where it is none."""
    if isinstance(entry, str):
        return {"section": "", "text": entry}
    if not isinstance(entry, dict):
        return {"section": "", "text": ""}
    section, text = entry.get("section"), entry.get("text")
    is_number = isinstance(section, int | float) and not isinstance(section, bool)
    return {
        "section": section if isinstance(section, str) else str(section) if is_number else "",
        "text": text if isinstance(text, str) else "",
    }


def _readings(text: str) -> list[str]:
    """The quote's words, and those without the marks that models put around a quote."""
    words = words_of(text)
    bare = words.strip(_AROUND).removeprefix(_DOTS).removesuffix(_DOTS).strip(_AROUND)
    return [words] if bare == words else [words, bare]


def _cut(words: str) -> str:
    """The beginning of the words, where they are too many, without half a word."""
    if len(words) <= MAX_QUOTE_CHARACTERS:
        return words
    beginning = words[:MAX_QUOTE_CHARACTERS]
    whole, space, _ = beginning.rpartition(" ")
    return whole if space and len(whole) > MAX_QUOTE_CHARACTERS // 2 else beginning
