"""Failures of a contender are shown, and never become a lead."""

from tests.benchmarks.measuring import Figures
from tests.benchmarks.peers import report
from tests.benchmarks.targets import PAIR, TIMES


def figures(row: str, pair: float, langgraph: float, dbos: float) -> Figures:
    made = Figures()
    for name, value in ((PAIR, pair), (report.LANGGRAPH, langgraph), (report.DBOS, dbos)):
        made.add(name, row, value)
    return made


def times(ratio: float) -> str:
    return f"{ratio:.2f} {TIMES}"


def test_a_ratio_above_one_means_that_the_pair_is_better_whichever_way_the_figure_goes() -> None:
    assert report.against(figures("cpu_ms", 10, 20, 5), {})[1][1:] == [times(2), times(0.5), "DBOS"]
    assert report.against(figures("reviews_per_s", 100, 50, 80), {})[1][1:] == [times(2), times(1.25), "pair"]


def test_a_load_that_the_pair_failed_is_no_lead_of_the_pair() -> None:
    failed = {PAIR: {report.FULL: 3}}
    assert report.against(figures("cpu_ms", 1, 20, 20), failed)[1][1:] == [
        "pair failed", "pair failed", "LangGraph, DBOS",
    ]  # fmt: skip


def test_a_load_that_a_peer_failed_gives_no_ratio_to_it() -> None:
    failed = {report.DBOS: {report.FULL: 3}}
    assert report.against(figures("cpu_ms", 10, 20, 1), failed)[1][1:] == [times(2), "DBOS failed", "pair"]


def test_failures_stand_in_the_table_with_the_load_they_happened_in() -> None:
    failed = {report.LANGGRAPH: {report.FULL: 1}, report.DBOS: {report.BURST: 7}}
    rows = report.measured(Figures(), failed, {report.LANGGRAPH: report.FULL})
    assert rows[-1] == ["reviews that failed", "0", "0", "ended in as many as it can", "7 many at once"]


def test_figures_that_the_pair_has_none_of_since_it_failed_are_not_left_out() -> None:
    made = Figures()
    made.add(report.DBOS, "cpu_ms", 20)
    assert report.against(made, {PAIR: {report.FULL: 1}})[1][2:] == ["pair failed", "LangGraph, DBOS"]
