"""Panels as data: weights, revisions, lint, folders."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.v1 import panel_pb2, panel_service_pb2, run_pb2
from consensus_panels import (
    PanelFilesError,
    PanelRefusedError,
    default_panel,
    lint,
    normalised,
    panel_of_content,
    read_folder,
    stored_content,
    write_folder,
)
from consensus_panels.weights import normalised_weights

SIDE = "Look at {} alone: say what is missing there, and what it would take to put that right."
EXAMPLES = sorted(Path("examples/panels").glob("*/panel.toml"))


def persona(persona_id: str, weight: float = 1, **fields: object) -> panel_pb2.Persona:
    said: dict[str, object] = {
        "display_name": persona_id.title(),
        "instructions": f"You are {persona_id}. "
        + SIDE.format(persona_id)
        + f" Nobody but {persona_id} does.",
    }
    return panel_pb2.Persona(persona_id=persona_id, weight=weight, **(said | fields))  # type: ignore[arg-type]


def panel(*personas: panel_pb2.Persona, **fields: object) -> panel_service_pb2.Panel:
    return panel_service_pb2.Panel(
        personas=personas
        or [persona("cost", holds_veto=True), persona("law", model="big"), persona("users")],
        **fields,  # type: ignore[arg-type]
    )


def codes(sent: panel_service_pb2.Panel) -> set[str]:
    return {finding.code for finding in lint(sent)}


@given(st.lists(st.floats(min_value=0.01, max_value=1e6), min_size=1, max_size=20))
def test_weights_are_shares_that_sum_to_1(weights: list[float]) -> None:
    try:
        shares = normalised_weights(weights)
    except ValueError:
        assert min(weights) / sum(weights) < 0.0002
        return
    assert sum(shares) == 10_000
    assert all(
        abs(share - 10_000 * w / sum(weights)) <= 1.001 for share, w in zip(shares, weights, strict=True)
    )


def test_seven_equal_weights_are_shared_by_largest_remainders() -> None:
    assert normalised_weights([0.1429] * 7) == [1429, 1429, 1429, 1429, 1428, 1428, 1428]


def test_the_revision_names_the_content_and_nothing_else() -> None:
    one, same = panel(panel_id="a"), panel(panel_id="b")
    assert normalised(one).revision == normalised(same).revision
    doubled = panel(*(persona(p.persona_id, 2, holds_veto=p.holds_veto, model=p.model) for p in one.personas))
    assert normalised(doubled).revision == normalised(one).revision
    assert normalised(panel(title="x")).revision != normalised(one).revision


def test_who_is_shown_the_idea_is_content_and_who_is_not_leaves_the_revision_as_it_was() -> None:
    shown = panel(persona("a", holds_veto=True), persona("b", shows_idea=True))
    hidden = panel(persona("a", holds_veto=True), persona("b"))
    assert normalised(shown).revision != normalised(hidden).revision
    assert panel_of_content(stored_content(normalised(shown))).personas[1].shows_idea
    assert "shows_idea" not in str(stored_content(normalised(hidden)))


def test_content_is_read_back() -> None:
    sent = panel(
        persona("cost", temperature=0.35, optional=True, model="r:m", focus="money"),
        persona("law", holds_veto=True),
        quorum=run_pb2.Quorum(min_personas=1, required_personas=["law"]),
        language="de",
        title="Two",
    )
    sent.personas[0].time_limit.seconds = 30
    whole = normalised(sent)
    read = panel_of_content(stored_content(whole))
    read.revision = whole.revision
    assert read == whole


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (panel_service_pb2.Panel(), "persona_count"),
        (panel(*(persona(f"p{n}") for n in range(21))), "persona_count"),
        (panel(persona("a"), persona("a")), "repeated_id"),
        (panel(persona("a", instructions=" ")), "no_instructions"),
        (panel(persona("a", instructions="x" * 8_001)), "long_instructions"),
        (panel(persona("a", 0)), "weight"),
        (panel(persona("a", float("nan"))), "weight"),
        (panel(persona("a", 1e6), persona("b", 1e-6)), "weight"),
        (panel(persona("a"), persona("b", holds_veto=True, optional=True)), "optional_veto_holder"),
        (panel(persona("a", optional=True)), "all_optional"),
        (panel(quorum=run_pb2.Quorum(min_personas=4)), "quorum"),
        (panel(quorum=run_pb2.Quorum(required_personas=["nobody"])), "quorum"),
        (panel(persona("a", temperature=0.123)), "temperature"),
    ],
)
def test_what_can_be_no_panel_is_refused(sent: panel_service_pb2.Panel, code: str) -> None:
    assert code in codes(sent)
    with pytest.raises(PanelRefusedError):
        normalised(sent)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (panel(persona("a"), persona("b")), "no_veto_holder"),
        (panel(persona("a"), persona("b")), "one_model"),
        (panel(persona("a", instructions="Be strict.")), "short_instructions"),
        (panel(persona("a", display_name="X"), persona("b", display_name="x")), "repeated_name"),
        (
            panel(persona("a", instructions=SIDE * 4), persona("b", instructions=SIDE * 4)),
            "alike_instructions",
        ),
        (
            panel(persona("a", instructions=SIDE + " Answer as JSON with a field verdict.")),
            "asks_for_other_output",
        ),
        (panel(persona("a", instructions=SIDE + " Give a score from 1 to 10.")), "asks_for_other_output"),
        (panel(persona("a", 3), persona("b", 1)), "weights_normalised"),
    ],
)
def test_what_is_odd_is_said_and_taken(sent: panel_service_pb2.Panel, code: str) -> None:
    assert code in codes(sent)
    assert normalised(sent).revision


def test_the_built_in_panel_is_what_it_was() -> None:
    built_in = default_panel()
    assert [(p.persona_id, p.weight, p.prompt_digest[:8]) for p in built_in.personas] == [
        ("architect", 0.25, "f9dffaa3"),
        ("critic", 0.25, "6acb5446"),
        ("optimist", 0.15, "a4a7915a"),
        ("security_guardian", 0.2, "a086e85d"),
        ("user_advocate", 0.15, "ad55acc3"),
    ]
    assert codes(built_in) == {"one_model"}


def test_a_folder_that_was_written_is_read_back(tmp_path: Path) -> None:
    sent = normalised(
        panel(
            persona("a", model="r:m", temperature=0.5, optional=True, shows_idea=True),
            persona("b", holds_veto=True),
        )
    )
    sent.title = 'A "title" \\ with signs'
    write_folder(sent, tmp_path / "new")
    assert normalised(read_folder(tmp_path / "new")).revision == normalised(sent).revision
    with pytest.raises(FileExistsError):
        write_folder(sent, tmp_path / "new")


@pytest.mark.parametrize(
    ("panel_toml", "persona_file", "fault"),
    [
        ("", "", "personas lists"),
        ('personas = ["../x"]', "", "personas lists"),
        ('personas = ["a"]\nname = "x"', "", "knows no name"),
        ('personas = ["a"]', None, "a.md: "),
        ('personas = ["a"]', "no header", "header between"),
        ('personas = ["a"]', "+++\ndisplay_name = 1\n+++\nx", "display_name is not"),
        ('personas = ["a"]', '+++\ndisplay_name = "A"\n+++\nx', "lacks weight"),
        ('personas = ["a"]', '+++\ndisplay_name = "A"\nweight = true\n+++\nx', "weight is not"),
        ('personas = ["a"]', '+++\ndisplay_name = "A"\nweight = 1\nrole = "x"\n+++\nx', "knows no role"),
        ("personas = [", "", "panel.toml: "),
    ],
)
def test_files_that_make_no_panel_are_named(
    tmp_path: Path, panel_toml: str, persona_file: str | None, fault: str
) -> None:
    (tmp_path / "panel.toml").write_text(panel_toml, encoding="utf-8")
    if persona_file is not None:
        (tmp_path / "a.md").write_text(persona_file, encoding="utf-8")
    with pytest.raises(PanelFilesError, match=fault):
        read_folder(tmp_path)


@pytest.mark.parametrize("folder", [path.parent for path in EXAMPLES], ids=lambda path: path.name)
def test_the_examples_have_nothing_but_notes(folder: Path) -> None:
    sent = read_folder(folder)
    assert codes(sent) <= {"one_model", "weights_normalised"}
    assert 3 <= len(sent.personas) <= 7
