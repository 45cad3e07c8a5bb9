"""Two runs compared: relationship, sections, personas, decisions, pages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.v1 import decision_pb2, document_pb2, panel_pb2, proposal_pb2, review_service_pb2, run_pb2
from consensus_decision.decision import decide
from consensus_rpc.errors import InvalidPageToken
from review_service.comparing.pages import diff_page
from review_service.comparing.proposal_diff import proposal_diff
from review_service.comparing.run_diff import ADDED, MODIFIED, REMOVED, UNCHANGED, diff_runs
from tests.support.engine import proposal, review, reviews, specification

ALL = {"architect": 0.65, "critic": 0.7, "optimist": 0.9, "security_guardian": 0.85, "user_advocate": 0.8}


def run(
    run_id: str, found: list[panel_pb2.PersonaReview], *, parent: str = "", **fields: object
) -> run_pb2.Run:
    """A completed run with these reviews."""
    spec = specification(min_personas=1, required_personas=())
    return run_pb2.Run(
        run_id=run_id,
        parent_run_id=parent,
        specification=spec,
        proposal=proposal(),
        persona_reviews=found,
        decision=decide(spec, found, {}) if found else None,
        **fields,  # type: ignore[arg-type]  # checked at the call
    )


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (("1", ""), ("2", "1"), review_service_pb2.RUN_RELATIONSHIP_A_PARENT_OF_B),
        (("2", "1"), ("1", ""), review_service_pb2.RUN_RELATIONSHIP_B_PARENT_OF_A),
        (("2", "1"), ("3", "1"), review_service_pb2.RUN_RELATIONSHIP_UNRELATED),
        (("1", ""), ("3", ""), review_service_pb2.RUN_RELATIONSHIP_UNRELATED),
    ],
    ids=["parent", "child", "siblings", "strangers"],
)
def test_relationships(a: tuple[str, str], b: tuple[str, str], expected: int) -> None:
    found = diff_runs(run(a[0], reviews(**ALL), parent=a[1]), run(b[0], reviews(**ALL), parent=b[1]))
    assert found.relationship == expected


def test_sections_stand_in_the_contracts_order_and_say_what_became_of_them() -> None:
    after = run("2", [])
    after.proposal.MergeFrom(proposal_pb2.Proposal(summary="New.", scope_non_goals=["Sharing"]))
    after.proposal.proposed_solution = "Another."
    after.proposal.ClearField("title")

    found = diff_runs(run("1", []), after)

    assert [(each.section, each.change) for each in found.sections] == [
        ("title", REMOVED),
        ("summary", ADDED),
        ("problem_statement", UNCHANGED),
        ("proposed_solution", MODIFIED),
        ("assumptions", UNCHANGED),
        ("scope_non_goals", ADDED),
        ("raw_expanded_proposal", UNCHANGED),
    ]


def test_an_entry_of_several_lines_is_not_two_entries() -> None:
    one, two = run("1", []), run("2", [])
    one.proposal.assumptions[:] = ["a\nb"]
    two.proposal.assumptions[:] = ["a", "b"]
    section = diff_runs(one, two).sections[4]
    assert section.change == MODIFIED
    assert list(section.unified_diff_lines[3:]) == [" - a", "-  b", "+- b"]


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_deltas_are_exact_for_every_score(before: int, after: int) -> None:
    found = diff_runs(
        run("1", reviews(critic=before / 10_000)), run("2", reviews(critic=after / 10_000))
    ).personas[0]
    score = found.score
    assert (score.before, score.after) == (before / 10_000, after / 10_000)
    assert score.delta == (after - before) / 10_000


def test_a_score_of_nothing_is_not_absent() -> None:
    (found,) = diff_runs(run("1", reviews(critic=0.0)), run("2", reviews(critic=0.0))).personas
    assert found.score.HasField("before")
    assert found.score.HasField("delta")
    assert found.score.delta == 0


def test_personas_stand_in_their_order_with_those_added_and_removed() -> None:
    found = diff_runs(
        run("1", reviews(user_advocate=0.8, critic=0.7)), run("2", reviews(critic=0.7, architect=0.9))
    ).personas
    assert [(each.persona_id, each.change) for each in found] == [
        ("architect", ADDED),
        ("critic", UNCHANGED),
        ("user_advocate", REMOVED),
    ]
    assert not found[0].score.HasField("before")
    assert not found[0].HasField("blocking_before")
    assert not found[2].HasField("security_critical_after")


def test_flags_and_issues_before_and_after() -> None:
    before = review("critic", 0.7, blocking=[("No rollback", None), ("Leaks", True)])
    after = review("critic", 0.7, blocking=[("No rollback", None), ("Slow", None)])
    (found,) = diff_runs(run("1", [before]), run("2", [after])).personas
    assert (found.blocking_before, found.blocking_after) == (True, True)
    assert (found.security_critical_before, found.security_critical_after) == (True, False)
    assert list(found.added_blocking_issues) == ["Slow"]
    assert list(found.removed_blocking_issues) == ["Leaks"]


def test_a_review_that_was_carried_over_is_unchanged() -> None:
    carried = review("critic", 0.7)
    carried.reused_from_run_id = "1"
    (found,) = diff_runs(run("1", [review("critic", 0.7)]), run("2", [carried])).personas
    assert found.change == UNCHANGED
    assert found.reused_from_run_id == "1"


def test_what_became_of_the_decision() -> None:
    found = diff_runs(
        run("1", reviews(**ALL)), run("2", reviews(**{**ALL, "architect": 0.95}), parent="1")
    ).decision
    assert found.change == MODIFIED
    assert found.label_before == decision_pb2.DECISION_LABEL_REVISE
    assert found.label_after == decision_pb2.DECISION_LABEL_APPROVE
    assert found.confidence.delta == 0.075


def test_runs_without_a_decision_are_compared_all_the_same() -> None:
    found = diff_runs(run("1", []), run("2", reviews(critic=0.7))).decision
    assert found.change == ADDED
    assert not found.confidence.HasField("delta")
    assert diff_runs(run("1", []), run("2", [])).decision.change == UNCHANGED


def long_diff() -> review_service_pb2.DiffRunsResponse:
    after = run("2", [])
    after.proposal.proposed_solution = "\n".join(str(number) for number in range(70))
    after.proposal.summary = "New."
    return diff_runs(run("1", []), after)


@pytest.mark.parametrize("size", [0, 1, 7, 100])
def test_the_pages_together_are_the_whole(size: int) -> None:
    whole = long_diff()
    lines: dict[str, list[str]] = {}
    token = ""
    while True:
        page = diff_page(whole, ("default", "1", "2"), size, token)
        assert sum(len(each.unified_diff_lines) for each in page.sections) <= (size or 30)
        for section in page.sections:
            lines.setdefault(section.section, []).extend(section.unified_diff_lines)
        if not (token := page.next_page_token):
            break
    assert lines == {each.section: list(each.unified_diff_lines) for each in whole.sections}


@pytest.mark.parametrize("token", ["", "1", "30.", "-1.aa", "30." + "0" * 32, "x" * 2000])
def test_tokens_that_are_none_are_refused(token: str) -> None:
    with pytest.raises(InvalidPageToken):
        diff_page(long_diff(), ("default", "1", "2"), 30, token or "\0")


@pytest.mark.parametrize("binding", [("other", "1", "2"), ("default", "2", "1"), ("default", "12", "")])
def test_tokens_of_others_are_refused(binding: tuple[str, ...]) -> None:
    token = diff_page(long_diff(), ("default", "1", "2"), 30, "").next_page_token
    with pytest.raises(InvalidPageToken):
        diff_page(long_diff(), binding, 30, token)


def test_a_token_from_before_a_proposal_was_recorded_is_refused() -> None:
    token = diff_page(long_diff(), ("default", "1", "2"), 30, "").next_page_token
    later = run("2", [])
    later.proposal.summary = "Something else."
    with pytest.raises(InvalidPageToken):
        diff_page(diff_runs(run("1", []), later), ("default", "1", "2"), 30, token)


def test_the_stored_diff_has_changed_fields_only_in_order() -> None:
    after = proposal()
    after.summary = "New."
    after.assumptions.append("More.")
    found = proposal_diff(proposal(), after).changes
    assert [(each.field, list(each.before), list(each.after)) for each in found] == [
        ("summary", [], ["New."]),
        ("assumptions", ["Readers have accounts."], ["Readers have accounts.", "More."]),
    ]


def over(text: str) -> run_pb2.Run:
    markdown = document_pb2.DOCUMENT_FORMAT_MARKDOWN
    document = document_pb2.Document(text=text, format=markdown)
    return run_pb2.Run(specification=run_pb2.RunSpecification(document=document))


def test_documents_are_compared_by_their_headings_in_the_order_of_the_later() -> None:
    before = over("# A\n\nOne.\n\n## Gone\n\nTwo.\n\n# B\n\nThree.\n")
    after = over("# New\n\nZero.\n\n# B\n\nThree.\n\n# A\n\nOne and a half.\n\n")

    found = diff_runs(before, after).sections

    assert [(each.section, each.change) for each in found] == [
        ("New", ADDED),
        ("B", MODIFIED),
        ("A", MODIFIED),
        ("A > Gone", REMOVED),
    ]
    assert list(found[2].unified_diff_lines) == [
        "--- a/A",
        "+++ b/A",
        "@@ -1,4 +1,4 @@",
        " # A",
        " ",
        "-One.",
        "+One and a half.",
        " ",
    ]


def test_a_document_that_is_compared_with_itself_is_unchanged() -> None:
    assert {each.change for each in diff_runs(over("# A\n\n# B\n"), over("# A\n\n# B\n")).sections} == {
        UNCHANGED
    }
