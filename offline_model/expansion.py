"""Turns an idea into a proposal by sorting its sentences: it adds no claim and loses none. Pure."""

import re

from offline_model.language import join, paragraphs
from offline_model.proposal import MAX_ITEMS, MAX_STRING, NOTE, Proposal, cut, items
from offline_model.risks import leans_on
from offline_model.signals import CONTINUED, LABELS, Signals, read_signals

_TITLE_LENGTH = 90
_LABELS_NAMED = 6
_AT_LENGTH = "It is stated at length below."

_PROBLEM = re.compile(
    r"\b(?:problem|today(?!')|currently|because|complain\w*|los(?:e|es|ing)|miss(?:ed|es)?"
    r"|forget\w*|wast\w+|too\s+long)\b",
    re.IGNORECASE,
)
_ASSUMPTION = re.compile(
    r"\b(?:assum\w+|depend\w*|rel(?:y|ies)\s+on|provided\s+that|risks?)\b", re.IGNORECASE
)
_NON_GOAL = re.compile(r"\b(?:out\s+of\s+scope|non-?goals?|not\s+includ\w+|exclud\w+)\b", re.IGNORECASE)


def expand(idea: str, context: str | None = None) -> Proposal:
    """Sort the idea's sentences into a proposal, within 4,000 characters a string and 50 items a list."""
    whole = read_signals(idea)
    groups = _groups(idea)
    non_goals = _non_goals(groups)
    left_out = set(non_goals)
    rest = [group for group in groups if group not in left_out] or groups
    problem = [group for group in rest if _PROBLEM.search(group)][:2]
    others = [group for group in rest if group not in problem]
    assumptions = [group for group in others if _ASSUMPTION.search(group)]
    solution = [group for group in others if not _ASSUMPTION.search(group)]
    if not solution:
        solution, assumptions = assumptions or problem, []
    stated = _join(problem or solution[:1])
    if len(stated) > MAX_STRING - len(CONTINUED):
        solution = [*problem, *solution]
        stated = _AT_LENGTH
    solution_parts = cut(_join(solution))
    return Proposal(
        title=_title(groups[0], whole),
        summary=_summary(whole),
        problem_statement=stated,
        proposed_solution=solution_parts[0],
        assumptions=(
            *solution_parts[1:],
            *items(assumptions),
            *cut(f"Context: {context}" if context else ""),
        ),
        scope_non_goals=items(non_goals),
        raw_expanded_proposal=NOTE,
    )


def revise(base: Proposal, notes: str | None) -> Proposal:
    """Fold edit notes into a proposal; sentences that state a danger denied by the notes give way."""
    if not notes:
        return base
    denied = read_signals(notes).denied_risks
    said = cut(notes)
    kept = tuple(text for item in base.assumptions if (text := _without(item, denied)))
    return Proposal(
        title=_without(base.title or "", denied) or None,
        summary=NOTE,
        problem_statement=_without(base.problem_statement, denied) or said[0],
        proposed_solution=_without(base.proposed_solution, denied) or said[0],
        assumptions=(*said, *kept)[:MAX_ITEMS],
        scope_non_goals=base.scope_non_goals,
        raw_expanded_proposal=NOTE,
    )


def _groups(idea: str) -> list[str]:
    """Return the sentences in order, one that leans on its predecessor kept together with it."""
    groups: list[str] = []
    previous = ""
    for sentence in (sentence for paragraph in paragraphs(idea) for sentence in paragraph):
        if previous and leans_on(sentence, previous):
            groups[-1] = f"{groups[-1]} {sentence}"
        else:
            groups.append(sentence)
        previous = sentence
    return groups or [idea]


def _join(groups: list[str]) -> str:
    """Join groups, apart from each other where a pronoun would lean on the wrong sentence."""
    blocks: list[list[str]] = []
    last = ""
    for group in groups:
        spoken = [sentence for paragraph in paragraphs(group) for sentence in paragraph] or [group]
        if blocks and not leans_on(spoken[0], last):
            blocks[-1].append(group)
        else:
            blocks.append([group])
        last = spoken[-1]
    return "\n\n".join(join(block) for block in blocks)


def _non_goals(groups: list[str]) -> list[str]:
    """Return what is put out of scope, without anything that only it says: reviewers skip the non-goals."""
    candidates = [group for group in groups if _NON_GOAL.search(group)]
    if not candidates:
        return []
    others = (group for group in groups if not _NON_GOAL.search(group))
    elsewhere = read_signals("\n\n".join(others)).named.keys()
    return [group for group in candidates if _says_only(group, elsewhere | {"scope"})]


def _says_only(group: str, names: set[str]) -> bool:
    found = read_signals(group)
    return not found.risks and found.named.keys() <= names


def _title(first: str, whole: Signals) -> str | None:
    """Return the start of the first sentence, unless cutting it would turn what it says into its opposite."""
    title = " ".join(first.split()).rstrip(".!")
    if len(title) > _TITLE_LENGTH:
        title = title[:_TITLE_LENGTH].rsplit(" ", 1)[0].rstrip(",;:") + " …"
    alone = read_signals(title)
    faithful = alone.risks.keys() <= whole.risks.keys() and alone.named.keys() <= whole.named.keys()
    return title if faithful and title else None


def _summary(whole: Signals) -> str:
    labels = [LABELS[sign] for sign in whole.named][:_LABELS_NAMED]
    return f"{NOTE} It names: {'; '.join(labels)}." if labels else NOTE


def _without(text: str, denied: frozenset[str]) -> str:
    if not read_signals(text).risks.keys() & denied:
        return text
    kept = [
        sentence
        for paragraph in paragraphs(text)
        for sentence in paragraph
        if not read_signals(sentence).risks.keys() & denied
    ]
    return join(kept)
