"""Reviews depend on what the proposal says, each persona in its own way."""

from decimal import Decimal
from pathlib import Path

import pytest

from offline_model.expansion import expand
from offline_model.language import paragraphs
from offline_model.reviews import PERSONAS, review
from offline_model.signals import read_signals

IDEAS = Path(__file__).parents[3] / "examples" / "ideas"
WEIGHTS = {
    "architect": Decimal("0.25"),
    "critic": Decimal("0.25"),
    "optimist": Decimal("0.15"),
    "security_guardian": Decimal("0.20"),
    "user_advocate": Decimal("0.15"),
}


def overall(idea: str) -> Decimal:
    signals = expand(idea).signals()
    scores = {persona: Decimal(str(review(persona, signals)["confidence_score"])) for persona in WEIGHTS}
    return sum((WEIGHTS[persona] * score for persona, score in scores.items()), Decimal(0))


def vetoed(idea: str) -> bool:
    return bool(review("security_guardian", expand(idea).signals())["blocking_issues"])


def example(name: str) -> str:
    return (IDEAS / name).read_text(encoding="utf-8").strip()


def test_a_careful_idea_is_approved() -> None:
    idea = example("appointment-reminders.md")

    assert overall(idea) >= Decimal("0.80")
    assert not vetoed(idea)


def test_plain_text_passwords_are_vetoed_and_rejected_or_sent_back() -> None:
    for idea in (
        "Store customers' passwords in plain text so that support can read them back",
        example("readable-passwords.md"),
    ):
        assert overall(idea) < Decimal("0.80")
        assert vetoed(idea)


def test_one_hard_coded_key_in_an_approvable_idea_leaves_the_veto_to_decide() -> None:
    idea = example("key-in-the-app.md")

    assert overall(idea) >= Decimal("0.80")
    assert vetoed(idea)


@pytest.mark.parametrize(
    "idea", ["Add dark mode to the settings page", "Let users export their data as CSV", "Use Kubernetes."]
)
def test_a_bare_one_liner_is_not_approved(idea: str) -> None:
    assert overall(idea) < Decimal("0.80")


def test_every_example_has_at_most_ten_sentences() -> None:
    for path in IDEAS.glob("*.md"):
        assert sum(map(len, paragraphs(path.read_text(encoding="utf-8")))) <= 10, path.name


@pytest.mark.parametrize(
    ("sentence", "gains"),
    [
        ("We roll back within a minute.", {"architect", "critic"}),
        ("It meets WCAG 2.2 AA.", {"user_advocate"}),
        ("Sign in with passkeys.", {"security_guardian"}),
        ("A pilot comes first.", {"optimist"}),
        ("The risks are few.", {"critic", "security_guardian"}),
    ],
)
def test_each_persona_weighs_other_signs(sentence: str, gains: set[str]) -> None:
    bare, said = read_signals("Sell tea."), read_signals(f"Sell tea. {sentence}")

    assert {
        p for p in PERSONAS if review(p, said)["confidence_score"] > review(p, bare)["confidence_score"]
    } == gains


@pytest.mark.parametrize(
    "idea",
    [
        example("readable-passwords.md"),
        example("key-in-the-app.md"),
        "Readers’ passwords are stored\n in plain text — so that support can read them “back”.",  # noqa: RUF001 - as below
        "We log ｆｕｌｌ card\u00a0numbers. Nothing else.",  # noqa: RUF001 - these forms are meant
    ],
)
def test_dangers_are_quoted_from_the_proposal_in_its_own_words(idea: str) -> None:
    proposal = expand(idea)
    answer = review("security_guardian", proposal.signals(), proposal)
    fields = proposal.to_json()

    assert answer["blocking_issues"]
    for issue in answer["blocking_issues"]:
        (quote,) = issue["quotes"]
        said = fields[quote["section"]]
        assert quote["section"] == issue["section"]
        assert quote["text"] in " ".join((said if isinstance(said, str) else "\n".join(said)).split())


def test_what_a_proposal_leaves_out_has_a_place_and_no_quote() -> None:
    proposal = expand("Sell tea.")

    concerns = review("critic", proposal.signals(), proposal)["concerns"]

    assert {(each["section"], len(each["quotes"])) for each in concerns} == {("proposed_solution", 0)}


def test_what_is_missing_becomes_a_concern_and_a_recommendation() -> None:
    missing = review("critic", read_signals("Sell tea."))
    named = review("critic", read_signals("Sell tea. We roll back within a minute."))

    assert "There is no way back if it fails" in [concern["text"] for concern in missing["concerns"]]
    assert "There is no way back if it fails" not in [concern["text"] for concern in named["concerns"]]
    assert any("a way back" in strength for strength in named["strengths"])


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("There is no rollback plan.", "rollback"),
        ("It goes live without any tests.", "testing"),
        ("Monitoring is out of scope.", "monitoring"),
        ("We do not have a budget.", "effort"),
    ],
)
def test_what_a_text_says_is_missing_does_not_count_as_named(text: str, sign: str) -> None:
    assert sign not in read_signals(text).named


def test_sharing_nothing_without_consent_counts_as_consent() -> None:
    assert "consent" in read_signals("No data is shared without consent.").named


def test_a_danger_that_the_idea_states_counts_where_the_proposal_is_silent_on_it_not_where_it_denies_it() -> (
    None
):
    idea = "Store passwords in plain text."
    silent, denying = (read_signals(text) for text in ("A login page.", "No passwords in plain text."))

    assert "plain_text_secrets" in silent.with_dangers_of(idea).risks
    assert "plain_text_secrets" not in denying.with_dangers_of(idea).risks


@pytest.mark.parametrize("persona", PERSONAS)
def test_the_review_says_that_it_is_rule_based(persona: str) -> None:
    answer = review(persona, read_signals("Sell tea."))

    assert any("Rule-based" in recommendation for recommendation in answer["recommendations"])


@pytest.mark.parametrize("persona", PERSONAS)
def test_scores_stay_between_zero_and_one_whatever_is_said(persona: str) -> None:
    everything = "\n\n".join(path.read_text(encoding="utf-8") for path in IDEAS.glob("*.md"))
    terrible = (
        "Store passwords in plain text. Disable authentication. Sell location data. Run user-supplied code."
    )

    for text in (everything, terrible, "x"):
        assert 0 <= review(persona, read_signals(text))["confidence_score"] <= 1
