"""What the panel is shown where it reads more than a proposal: a document in its sections, attachments.

As in `prompts`, what all personas share comes first and is the same byte for byte.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from consensus.v1 import document_pb2, proposal_pb2, run_pb2
from consensus_decision.sections import FIELDS, field_values
from consensus_documents import Section, read_sections
from review_service.steps.prompts import (
    DATA_RULE,
    EVIDENCE_RULES,
    REVIEW_INSTRUCTIONS,
    context_text,
    fenced,
    idea_message,
    instructions_for,
    proposal_text,
    review_message,
)
from review_service.steps.quotations import Quotable

ATTACHMENTS = "attachments/"

# What a heading is under- or overlined with.
_RULE = re.compile(r"([!-/:-@\[-`{-~])\1{2,}")

_EVIDENCE = """\
- Blocks whose names begin with attachments/ are evidence that came with it. Use them to judge; they are \
not reviewed themselves. The name of a block is somebody else's too."""

_WORK = f"""\
- confidence_score: how sure you are, from your side, that it should go ahead as it is, from 0 to 1. \
0.80 and above: go ahead. 0.60 to 0.79: sound, but something should change first. Below 0.60: it should \
not go ahead. Use the whole range, and two decimals.
- strengths: what speaks for it.
- concerns: what worries you; is_blocking says whether it should stop it by itself.
- recommendations: what to do about your concerns, each concrete enough to be done.
- blocking_issues: only what must be resolved before anybody starts, and cannot be put right on the way; \
most have none. security_critical is true where leaving it as it is would put people's data, money, \
safety or access at risk, false where it would not, null where you cannot tell.
{EVIDENCE_RULES}
- estimated_effort: your estimate of the work, in a sentence.
- dependency_risks: what outside it could hold it up.
- Every string has at most 4,000 characters, a quote at most 1,000, every list at most 50 entries; no \
string is blank but a section that you cannot name. An empty list is a fine answer."""

_ANSWER = "with the JSON object that the schema describes and nothing else."

DOCUMENT_INSTRUCTIONS = f"""\
You are one of several reviewers of a document. Each looks at it from one side; your side, and how to judge \
from it, stands in the last message. The others' reviews are not shown to you: judge alone.

{DATA_RULE}

Work as follows.
- Judge what the document proposes or lays down, as it is written, not what you would have written. Do not \
repeat it.
- Each of its sections begins with a line of the sign §, the section's number and its heading. A section \
you name by its number alone, such as 2.1, or by the name of the block for what is in none.
- Headings, links, code and examples are no evidence of what is promised; a risk that the text names and \
deals with is not one that it overlooks.
- A proposal beside it was made from the document by a model, to help you read. Judge the document.
{_EVIDENCE}
{_WORK}

Answer in the language of the document, {_ANSWER}"""

PROPOSAL_WITH_EVIDENCE_INSTRUCTIONS = f"""\
You are one of several reviewers of a proposal. Each looks at it from one side; your side, and how to judge \
from it, stands in the last message. The others' reviews are not shown to you: judge alone.

{DATA_RULE}

Work as follows.
- Judge the proposal as it is written, not the one that you would have written. Name the part that you \
mean. Do not repeat the proposal.
- A section you name by the field of the proposal, such as proposed_solution, or by the name of the block \
for what is in none, such as {ATTACHMENTS}latency.csv.
{_EVIDENCE}
{_WORK}

Answer in the language of the proposal, {_ANSWER}"""

SUMMARISE_INSTRUCTIONS = f"""\
You make a structured proposal from a document, for a panel of experts that reads both.

{DATA_RULE}

Work as follows.
- Keep to what the document says. Keep its measures, limits, dates, users and safeguards, word for word \
where they are exact. Do not make it better or safer than it is, and add nothing.
- problem_statement: what is wrong today, for whom, and what it costs them.
- proposed_solution: what is to be built, changed or laid down, with what each section adds to it.
- assumptions: what has to be true for this to work; one sentence each.
- scope_non_goals: what is left out on purpose; one sentence each. An empty list is a fine answer.
- title: at most ten words. summary: two or three sentences.
- raw_expanded_proposal: the whole in prose, for a person to read.
- Every string has at most 4,000 characters, every list at most 50 entries; no string is blank. Where you \
have nothing to say, title, summary and raw_expanded_proposal are null.

Answer in the language of the document, {_ANSWER}"""


@dataclass(frozen=True, slots=True)
class IdeaBeside:
    """What those personas are given besides who are to tell the idea from the proposal.

    `shown` is all that these see, `quotable` what they may quote.
    """

    message: str
    shown: tuple[document_pb2.ShownText, ...]
    quotable: Quotable


@dataclass(frozen=True, slots=True)
class ReviewMaterial:
    """What all personas of a run are given, and what their answers are checked against.

    `shown` is empty where they saw the proposal alone; `idea` is there where the proposal was made from one.
    """

    instructions: str
    message: str
    quotable: Quotable
    shown: tuple[document_pb2.ShownText, ...] = ()
    idea: IdeaBeside | None = None


def review_material(
    specification: run_pb2.RunSpecification, proposal: proposal_pb2.Proposal | None
) -> ReviewMaterial:
    """What the panel of a run is shown; `proposal` is None for a document that was not expanded.

    Raises:
        ValueError: there is neither a document nor a proposal.
    """
    if specification.HasField("document"):
        return _of_document(specification, proposal)
    if proposal is None:
        raise ValueError("what is reviewed is a document or a proposal")
    if not specification.attachments and not _shows_context(specification):
        text = proposal_text(proposal)
        quotable = _quotable(specification, proposal, text)
        return ReviewMaterial(
            instructions_for(specification, REVIEW_INSTRUCTIONS),
            review_message(text),
            quotable,
            idea=_idea_beside(specification, text, quotable),
        )
    return _of_proposal(specification, proposal)


def summarise_message(specification: run_pb2.RunSpecification) -> str:
    """The document that the expander makes a proposal from."""
    document = specification.document
    sections = read_sections(document.text, document.format)
    parts = ["Make a proposal from this document.", fenced("document", numbered(sections))]
    if _has_context(specification):
        parts += [
            "This is what the document's author adds to it.",
            fenced("context", context_text(specification.context)),
        ]
    return "\n\n".join(parts)


def numbered(sections: tuple[Section, ...]) -> str:
    """The document as it is shown: each section begins with its number and heading."""
    return "\n".join(_section_text(each) for each in sections)


def _section_text(section: Section) -> str:
    body = section.text
    head = f"§ {section.number}"
    if section.headings:
        body, head = _without_heading(body), f"{head} {section.headings[-1]}"
    body = body.strip("\r\n")
    return f"{head}\n{body}\n" if body.strip() else f"{head}\n"


def _without_heading(text: str) -> str:
    """A section's text after its heading, which is a line, perhaps underlined, perhaps between two lines."""
    lines = text.lstrip("\r\n").splitlines(keepends=True)
    begin = 2 if _RULE.fullmatch(lines[0].strip()) and len(lines) > 2 else 1
    if begin < len(lines) and _RULE.fullmatch(lines[begin].strip()):
        begin += 1
    return "".join(lines[begin:])


def _of_document(
    specification: run_pb2.RunSpecification, proposal: proposal_pb2.Proposal | None
) -> ReviewMaterial:
    document = specification.document
    sections = read_sections(document.text, document.format)
    parts = ["Review this document.", fenced("document", numbered(sections))]
    parts += _context(specification, "document")
    if specification.revision.edit_notes:
        notes = fenced("edit_notes", specification.revision.edit_notes)
        parts += ["This is what its author says about what changed since it was last reviewed.", notes]
    shown = [shown_text("document", document.text)]
    text = "" if proposal is None else proposal_text(proposal)
    if proposal is not None:
        parts += ["This is the proposal that was made from it.", fenced("proposal", text)]
        shown.append(shown_text("proposal", text))
    parts += _attachments(specification)
    return ReviewMaterial(
        instructions_for(specification, DOCUMENT_INSTRUCTIONS),
        "\n\n".join(parts),
        _quotable(specification, proposal, text, sections),
        (*shown, *_shown_attachments(specification)),
    )


def _of_proposal(specification: run_pb2.RunSpecification, proposal: proposal_pb2.Proposal) -> ReviewMaterial:
    text = proposal_text(proposal)
    quotable = _quotable(specification, proposal, text)
    parts = [review_message(text)]
    parts += _context(specification, "proposal")
    parts += _attachments(specification)
    return ReviewMaterial(
        instructions_for(specification, PROPOSAL_WITH_EVIDENCE_INSTRUCTIONS),
        "\n\n".join(parts),
        quotable,
        (shown_text("proposal", text), *_shown_attachments(specification)),
        _idea_beside(specification, text, quotable),
    )


def _idea_beside(
    specification: run_pb2.RunSpecification, proposal: str, quotable: Quotable
) -> IdeaBeside | None:
    """Nothing where somebody wrote the proposal, which is given as it is shown."""
    if not specification.idea:
        return None
    return IdeaBeside(
        idea_message(specification.idea, is_revised=specification.HasField("revision")),
        (
            shown_text("proposal", proposal),
            *_shown_attachments(specification),
            shown_text("idea", specification.idea),
        ),
        quotable.with_text("idea", specification.idea),
    )


def _has_context(specification: run_pb2.RunSpecification) -> bool:
    return specification.HasField("context") and specification.context.WhichOneof("form") is not None


def _shows_context(specification: run_pb2.RunSpecification) -> bool:
    """Whatever its author adds to an idea, the expander has folded in; nobody did that to a proposal."""
    is_given = specification.HasField("document") or specification.HasField("proposal")
    return is_given and _has_context(specification)


def _context(specification: run_pb2.RunSpecification, subject: str) -> Iterator[str]:
    if _shows_context(specification):
        yield f"This is what the {subject}'s author adds to it."
        yield fenced("context", context_text(specification.context))


def _attachments(specification: run_pb2.RunSpecification) -> Iterator[str]:
    if specification.attachments:
        yield "These came with it, as evidence."
    for each in specification.attachments:
        yield fenced(ATTACHMENTS + each.name, each.text)


def _quotable(
    specification: run_pb2.RunSpecification,
    proposal: proposal_pb2.Proposal | None,
    proposal_json: str,
    sections: tuple[Section, ...] = (),
) -> Quotable:
    """All that the personas are shown; and the blocks whole, since their headings and JSON are shown too."""
    texts = [(each.number, each.headings[-1] if each.headings else "", each.text) for each in sections]
    wholes = [("document", numbered(sections))] if sections else []
    if proposal is not None:
        texts += ((name, name.replace("_", " "), "\n".join(field_values(proposal, name))) for name in FIELDS)
        wholes.append(("proposal", proposal_json))
    if _shows_context(specification):
        texts.append(("context", "", context_text(specification.context)))
    if sections and specification.revision.edit_notes:
        texts.append(("edit_notes", "", specification.revision.edit_notes))
    texts += ((ATTACHMENTS + each.name, each.name, each.text) for each in specification.attachments)
    return Quotable.of(texts, wholes)


def _shown_attachments(specification: run_pb2.RunSpecification) -> Iterator[document_pb2.ShownText]:
    for each in specification.attachments:
        yield shown_text(ATTACHMENTS + each.name, each.text)


def shown_text(name: str, text: str) -> document_pb2.ShownText:
    """That a text was shown, whole."""
    digest = hashlib.sha256(text.encode()).digest()
    return document_pb2.ShownText(name=name, character_count=len(text), sha256=digest)
