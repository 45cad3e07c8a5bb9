"""What an idea says survives its expansion, within the bounds of the answer."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offline_model.expansion import expand, revise
from offline_model.proposal import Proposal
from offline_model.signals import LABELS, SIGNS, read_signals

MAX_STRING, MAX_ITEMS = 4_000, 50  # what a model's answer may hold
IDEAS = Path(__file__).parents[3] / "examples" / "ideas"

PHRASES = [
    "Store passwords in plain text.",
    "They are stored in plain text.",
    "Passwords are never stored in plain text.",
    "We collect passwords and phone numbers.",
    "It is logged with the newsletter in clear text.",
    "Success is measured as 90 % of visits.",
    "Native apps and encryption are out of scope.",
    "Out of scope: disabling authentication.",
    "Today people forget it.",
    "Today people forget passwords.",
    "They come as clear text.",
    "We roll back within a minute.",
    "There is no rollback plan.",
    "It depends on the calendar provider.",
    "Assume that patients give consent, e.g. on paper.",
    "Disable authentication for a week.",
    "The effort is two weeks.",
    "and a fragment without an end",
]
BREAKS = [" ", "\n", "\n\n", "\n- "]


def through_the_wire(proposal: Proposal) -> Proposal:
    back = Proposal.from_json(json.dumps(proposal.to_json()))
    assert back is not None
    return back


def longest(proposal: Proposal) -> int:
    strings = [proposal.title, proposal.summary, proposal.problem_statement, proposal.proposed_solution]
    strings += [proposal.raw_expanded_proposal, *proposal.assumptions, *proposal.scope_non_goals]
    return max(len(string) for string in strings if string is not None)


@settings(deadline=None)
@given(st.lists(st.sampled_from(PHRASES), min_size=1, max_size=10))
def test_the_proposal_names_and_risks_what_the_idea_does(phrases: list[str]) -> None:
    idea = " ".join(phrases)

    before, after = read_signals(idea), through_the_wire(expand(idea)).signals()

    assert after.named.keys() == before.named.keys()
    assert after.risks.keys() == before.risks.keys()


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PHRASES), st.sampled_from(BREAKS)), min_size=1, max_size=10))
def test_paragraphs_and_lists_hide_no_danger(pieces: list[tuple[str, str]]) -> None:
    idea = "".join(phrase + separator for phrase, separator in pieces)

    before, after = read_signals(idea), through_the_wire(expand(idea)).signals()

    assert after.named.keys() == before.named.keys()
    assert after.risks.keys() >= before.risks.keys()


def test_a_pronoun_leans_on_the_paragraph_before_too() -> None:
    assert (
        "plain_text_secrets"
        in expand("We collect passwords.\n\nThey are stored in plain text.").signals().risks
    )


def test_a_hostile_text_is_read_in_no_more_than_linear_time() -> None:
    began = time.process_time()
    for piece in (
        "never plain text password and ",
        ". ",
        "We log it. They do. ",
        "((",
        "word\n\n",
        "log a b c ",
    ):
        expand((piece * 10_000)[:10_000])

    assert time.process_time() - began < 5  # about 0.3; 17 where it is quadratic


@settings(deadline=None)
@given(st.text(min_size=1, max_size=300).filter(str.strip), st.integers(1, 60))
def test_every_string_and_list_stays_within_its_bound(text: str, times: int) -> None:
    proposal = expand(text * times, context=text * times)

    assert longest(proposal) <= MAX_STRING
    assert max(len(proposal.assumptions), len(proposal.scope_non_goals)) <= MAX_ITEMS
    assert proposal.problem_statement.strip()
    assert proposal.proposed_solution.strip()
    assert all(item.strip() for item in (*proposal.assumptions, *proposal.scope_non_goals))


def test_a_danger_that_lies_across_a_cut_is_still_found() -> None:
    for padding in range(3_900, 4_010, 3):
        start = "lorem " * (padding // 6) + "x" * (padding % 6)
        idea = f"{start} we store passwords in plain text {'ipsum ' * 700}"

        assert "plain_text_secrets" in through_the_wire(expand(idea)).signals().risks, padding


def test_a_full_idea_with_a_full_context_fits_and_loses_nothing() -> None:
    idea = "Log full card numbers. " + "We do something useful and long. " * 280 + "Roll it back in a day."
    context = json.dumps({"notes": ["filler " * 6_000, "parents give consent", "filler " * 600]})

    proposal = expand(idea, context)

    assert longest(proposal) <= MAX_STRING
    assert len(proposal.assumptions) <= MAX_ITEMS
    signals = through_the_wire(proposal).signals()
    assert {"consent", "rollback"} <= signals.named.keys()
    assert "secrets_in_logs" in signals.risks


def test_a_sentence_that_leans_on_the_one_before_stays_with_it() -> None:
    proposal = expand("Today people forget passwords. They are stored in plain text. We sell tea.")

    assert proposal.problem_statement == "Today people forget passwords. They are stored in plain text."


def test_a_sentence_does_not_come_to_lean_on_another_one() -> None:
    idea = (
        "We store passwords safely. Today people forget tea. They are sent in clear text to all. We sell tea."
    )

    assert read_signals(idea).risks == {}
    assert through_the_wire(expand(idea)).signals().risks == {}


def test_what_is_out_of_scope_becomes_a_non_goal() -> None:
    proposal = expand("We send reminders. Chat and payments are out of scope.")

    assert proposal.scope_non_goals == ("Chat and payments are out of scope.",)


def test_a_danger_put_out_of_scope_by_a_non_goal_is_none() -> None:
    proposal = expand("We send reminders.").to_json() | {
        "scope_non_goals": ["Storing passwords in plain text"]
    }

    back = Proposal.from_json(json.dumps(proposal))

    assert back is not None
    assert back.signals().risks == {}


def test_the_expansion_says_that_it_is_rule_based() -> None:
    proposal = expand("We send reminders.")

    assert "Rule-based" in (proposal.summary or "")
    assert "Rule-based" in (proposal.raw_expanded_proposal or "")


@pytest.mark.parametrize("sign", SIGNS, ids=lambda sign: sign.id)
def test_the_label_of_a_sign_names_no_other_sign(sign: object) -> None:
    identity = sign.id  # type: ignore[attr-defined] # a Sign, typed as object by parametrize

    assert read_signals(LABELS[identity]).named.keys() <= {identity}


def test_the_answers_own_words_name_nothing() -> None:
    proposal = expand("Xyz.")

    assert proposal.signals().named == {}


def test_notes_that_deny_a_danger_replace_the_sentence_that_states_it() -> None:
    base = expand("We build a shop. Store passwords in plain text. Today customers forget them.")

    folded = revise(base, "Passwords are hashed with Argon2id, never stored in plain text.").signals()

    assert folded.risks == {}
    assert "encryption" in folded.named


def test_every_example_idea_fits_the_intake() -> None:
    for path in IDEAS.glob("*.md"):
        text = path.read_text(encoding="utf-8").strip()
        assert 0 < len(text) <= 10_000, path.name
