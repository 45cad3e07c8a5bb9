"""The names of steps: they stand in recorded runs and in requests to the model, so they never change."""

from consensus_contract.steps import AGGREGATE, EXPAND, persona_of_step, review_step, step_names


def test_the_names_are_those_that_stand_in_recorded_runs() -> None:
    assert step_names(["critic", "architect"]) == [
        "expand",
        "review_critic",
        "review_architect",
        "aggregate_decision",
    ]


def test_a_step_of_a_persona_names_it_and_the_others_name_none() -> None:
    steps = [EXPAND, review_step("user_advocate"), AGGREGATE]

    assert [persona_of_step(step) for step in steps] == [None, "user_advocate", None]
