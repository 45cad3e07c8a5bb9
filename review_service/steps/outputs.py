"""The model's answers: the schema that is asked for, and a strict reading of what came.

An answer is data. Oddities whose meaning is plain are mended first; what is left is taken only if it is JSON
by the letter (no NaN, no repeated key, no text after it), holds no NUL and no lone surrogate, has exactly the
fields of the schema, and keeps every bound. What is too long is cut where no rule reads it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import jiter
from google.protobuf.message import Message
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from consensus.v1 import run_pb2
from review_service.model.model_call import OutputFormat
from review_service.model.provider_error import MAX_COMMAS
from review_service.steps.cutting import (
    MAX_LIST_ITEMS,
    MAX_STRING_CHARACTERS,
    DoesNotFitError,
    cut_to_bounds,
    cut_to_size,
)
from review_service.steps.mending import JSON_IN_STRING, ROUNDED, Notes, mended, unwrapped, within_noise

_MAX_VIOLATIONS = 20
_OTHER_FORMS = frozenset({"missing", "model_type", "list_type", "string_type", "float_type", "bool_type"})
# Keywords that providers of structured output refuse, some here, some there, or that only cost tokens. The
# prompt names the bounds, and the reading checks them.
_NOT_SENT = frozenset(
    {
        "title", "default", "minLength", "maxLength", "pattern", "format", "minimum", "maximum",
        "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems", "uniqueItems",
    }
)  # fmt: skip
NOT_ESTIMATED = "not estimated"
# What JSON that was only broken begins with; nothing at all is another fault than commentary.
_BEGINNINGS = ("{", "[", '"', "")

Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_STRING_CHARACTERS)
]
OptionalText = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_STRING_CHARACTERS)]
Texts = Annotated[list[Text], Field(max_length=MAX_LIST_ITEMS)]


class _Output(BaseModel):
    """Exactly the fields of the schema, each of exactly its type."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    # Lists and texts that no rule reads, and what stands where a required text is blank.
    may_be_cut: ClassVar[tuple[str, ...]] = ()
    blanks: ClassVar[dict[str, str]] = {}
    # Numbers with their bounds.
    numbers: ClassVar[dict[str, tuple[float, float]]] = {}


class ProposalOutput(_Output):
    """The expander's answer."""

    may_be_cut = ("title", "summary", "assumptions", "scope_non_goals", "raw_expanded_proposal")

    title: OptionalText | None
    summary: OptionalText | None
    problem_statement: Text
    proposed_solution: Text
    assumptions: Texts
    scope_non_goals: Texts
    raw_expanded_proposal: OptionalText | None


class QuoteOutput(_Output):
    """Words of what the persona was shown, and the section in which they stand."""

    section: str
    text: str


class _Evidenced(_Output):
    """Something with a section that it rests on, and quotes. No fault of these is one of the answer: what is
    no quote counts as one that is not in the text.
    """

    @model_validator(mode="before")
    @classmethod
    def _evidence_as_it_comes(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        given = value.get("quotes")
        entries = given if isinstance(given, list) else [] if given is None else [given]
        quotes = [_quote(each) for each in entries]
        return value | {"section": _section(value.get("section")), "quotes": quotes}


class ConcernOutput(_Evidenced):
    """Something a persona worries about."""

    text: Text
    is_blocking: bool
    section: str
    quotes: list[QuoteOutput]


class BlockingIssueOutput(_Evidenced):
    """Something that must be resolved first."""

    text: Text
    security_critical: bool | None
    section: str
    quotes: list[QuoteOutput]


class PersonaReviewOutput(_Output):
    """A persona's answer. Who answered is not the model's to say."""

    may_be_cut = ("strengths", "concerns", "recommendations", "estimated_effort", "dependency_risks")
    blanks: ClassVar[dict[str, str]] = {"estimated_effort": NOT_ESTIMATED}
    numbers: ClassVar[dict[str, tuple[float, float]]] = {"confidence_score": (0.0, 1.0)}

    confidence_score: Annotated[float, Field(ge=0, le=1)]
    strengths: Texts
    concerns: Annotated[list[ConcernOutput], Field(max_length=MAX_LIST_ITEMS)]
    recommendations: Texts
    blocking_issues: Annotated[list[BlockingIssueOutput], Field(max_length=MAX_LIST_ITEMS)]
    estimated_effort: Text
    dependency_risks: Texts


OutputT = TypeVar("OutputT", bound=_Output)

_FIELD_NAMES = frozenset(
    name
    for kind in (ProposalOutput, PersonaReviewOutput, ConcernOutput, BlockingIssueOutput, QuoteOutput)
    for name in kind.model_fields
)


@dataclass(frozen=True, slots=True)
class Reading(Generic[OutputT]):
    """An output, what of the text was mended (short words), and the fields that were cut to their bounds."""

    output: OutputT
    mended: tuple[str, ...]
    truncated_fields: tuple[str, ...]


class OutputError(ValueError):
    """An answer that cannot be used. Its text and violations name fields and rules, never content."""

    # Whether the text is JSON at all, and whether it has another form than the schema's: an enforcing server
    # lets neither pass.
    is_json = True
    is_another_form = False

    def __init__(self, message: str, violations: tuple[run_pb2.OutputViolation, ...] = ()) -> None:
        super().__init__(message)
        self.violations = violations


def read_output(kind: type[OutputT], text: str) -> Reading[OutputT]:
    """The model's text as an output.

    Raises:
        OutputError: it is not strict JSON, or breaks the schema in a way that is not mended.
    """
    notes = Notes()
    value = _parsed(unwrapped(text, notes))
    if isinstance(value, str):
        notes.add(JSON_IN_STRING)
        value = _parsed(unwrapped(value, notes))
    if "\\u0000" in text:  # the only way in which strict JSON can spell NUL
        _refuse_nul(value)
    value = mended(kind, value, kind.blanks, notes)
    _round(kind, value, notes)
    truncated = cut_to_bounds(value, kind.may_be_cut)
    try:
        return Reading(kind.model_validate(value), tuple(notes), truncated)
    except ValidationError as error:
        raise _schema_fault(error) from None  # it holds what the model wrote


def _round(kind: type[_Output], value: Any, notes: Notes) -> None:
    """Puts numbers at their bound that only rounding put beyond it."""
    for name, (least, most) in kind.numbers.items():
        number = value.get(name) if isinstance(value, dict) else None
        if isinstance(number, float) and (rounded := within_noise(number, least, most)) != number:
            notes.add(ROUNDED)
            value[name] = rounded


def fit(message: Message, fields: tuple[str, ...], most_bytes: int) -> tuple[str, ...]:
    """Cuts a message's lists until it takes no more than its share; the names of those that were cut.

    Raises:
        OutputError: it is too large without them.
    """
    try:
        return cut_to_size(message, fields, most_bytes)
    except DoesNotFitError as error:
        rest = sorted(message.ListFields(), key=lambda each: _bytes_of(message, each[0].name))
        field = rest[-1][0].name
        violation = run_pb2.OutputViolation(field=field, description=f"is too large: {error}")
        raise OutputError(f"It is too large: {error}; {field} takes most of it.", (violation,)) from None


def _bytes_of(message: Message, field: str) -> int:
    """How much smaller a message is without one of its fields."""
    without = type(message)()
    without.CopyFrom(message)
    without.ClearField(field)
    return message.ByteSize() - without.ByteSize()


def _parsed(text: str) -> Any:
    if text.count(",") > MAX_COMMAS:
        raise OutputError("It has far more values than the schema allows.")
    try:
        # A lone surrogate has no UTF-8 form, written out or escaped.
        return jiter.from_json(text.encode(), allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError as error:
        fault = OutputError(f"It is not valid JSON: {_position(text, error)}.")
        fault.is_json = text.lstrip()[:1] in _BEGINNINGS
        raise fault from None


def output_format(kind: type[_Output], name: str) -> OutputFormat:
    """The schema of an output as structured output takes it; made once per process."""
    schema = _sent(kind.model_json_schema())
    assert isinstance(schema, dict)
    return OutputFormat(name=name, schema=schema)


def _sent(node: Any, *, is_properties: bool = False) -> Any:
    """A JSON schema without docstrings and the keywords that are not sent."""
    if isinstance(node, list):
        return [_sent(item) for item in node]
    if not isinstance(node, dict):
        return node
    if is_properties:  # its keys are names of fields, not keywords
        return {key: _sent(value) for key, value in node.items()}
    dropped = _NOT_SENT | ({"description"} if "properties" in node else frozenset())
    return {
        key: _sent(value, is_properties=key in ("properties", "$defs"))
        for key, value in node.items()
        if key not in dropped
    }


def _position(text: str, error: ValueError) -> str:
    """Where and how it is broken, without any of it."""
    if isinstance(error, UnicodeEncodeError):
        return "it holds a lone surrogate"
    if not text.strip():
        return "it is empty"
    message = re.sub(r'"(?:[^"\\]|\\.)*"', "", str(error))  # a repeated key is content
    return " ".join(message.split())[:200]


def _refuse_nul(value: object) -> None:
    """Refuses a NUL in any string; databases have no place for it."""
    for path, text in _strings(value):
        if "\0" in text:
            violation = run_pb2.OutputViolation(field=path[:200], description="holds a NUL character")
            raise OutputError(f"{path or 'The answer'} holds a NUL character.", (violation,))


def _strings(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Every string in parsed JSON, names of fields included, with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _strings(item, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield path, key
            yield from _strings(item, _join(path, key))


def _quote(entry: Any) -> dict[str, str]:
    """An entry of `quotes` as an object of two texts; blank where it is none."""
    if isinstance(entry, str):
        return {"section": "", "text": entry}
    if not isinstance(entry, dict):
        return {"section": "", "text": ""}
    text = entry.get("text")
    return {"section": _section(entry.get("section")), "text": text if isinstance(text, str) else ""}


def _section(given: Any) -> str:
    """A section's name or number as a text; blank where it is neither."""
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    return given if isinstance(given, str) else str(given) if is_number else ""


def _schema_fault(error: ValidationError) -> OutputError:
    """The fields that break the schema, and the rules that they break."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    violations = tuple(
        run_pb2.OutputViolation(field=_path(detail["loc"])[:200], description=detail["msg"][:500])
        for detail in details[:_MAX_VIOLATIONS]
    )
    named = "; ".join(f"{v.field or 'the answer'}: {v.description}" for v in violations)
    more = f"; and {len(details) - len(violations)} more" if len(details) > len(violations) else ""
    fault = OutputError(f"It breaks the schema: {named}{more}."[:4_000], violations)
    fault.is_another_form = any(detail["type"] in _OTHER_FORMS for detail in details)
    return fault


def _path(location: tuple[int | str, ...]) -> str:
    """A location as `blocking_issues[0].text`."""
    path = ""
    for part in location:
        path = f"{path}[{part}]" if isinstance(part, int) else _join(path, part)
    return path


def _join(path: str, key: str) -> str:
    """A path one level deeper; a name that is not the schema's is the model's text, and not repeated."""
    name = key if key in _FIELD_NAMES else "?"
    return f"{path}.{name}" if path else name


PROPOSAL_FORMAT = output_format(ProposalOutput, "proposal")
REVIEW_FORMAT = output_format(PersonaReviewOutput, "persona_review")
