"""Tables of votes from files."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from consensus_decision.labels import APPROVE, REJECT, REVISE
from consensus_fitting.tables import TableError, read_table


def test_scores_are_brought_to_one_and_judges_become_ids(tmp_path: Path) -> None:
    file = tmp_path / "scores.csv"
    file.write_text(
        "item,subset,is_good,gpt-5.4,5-mini,gpt-5.4#1\n7,math,1,9,10,1\n7,math,0,3,,1\n8,law,0,7,4,1\n"
    )

    table = read_table(file)

    assert table.personas == ("gpt_5_4", "judge_5_mini")
    assert table.scores[0].tolist() == [0.9, 1.0]
    assert np.isnan(table.scores[1, 1])
    assert table.approval_cut == Decimal("0.7")
    assert table.labels.tolist() == [APPROVE, REJECT, REJECT]
    assert table.groups.tolist() == [0, 0, 1]
    assert table.approvals[2].tolist() == [1, 0]


def test_reviewers_own_decisions_are_their_votes(tmp_path: Path) -> None:
    file = tmp_path / "papers.csv"
    file.write_text(
        "paper,accepted,human_mean,a:overall,a:decision,a:confidence,b:overall,b:decision\n"
        "x,1,6.0,5,1,4,6,0\ny,0,3.0,8,0,4,2,0\n"
    )

    table = read_table(file)

    assert table.personas == ("a", "b")
    assert table.scores.tolist() == [[0.5, 0.6], [0.8, 0.2]]
    assert table.approvals.tolist() == [[1, 0], [0, 0]]


def test_no_two_judges_have_one_id(tmp_path: Path) -> None:
    file = tmp_path / "alike.csv"
    file.write_text("is_good,a_3,a,A,a 3\n1,0.9,0.8,0.7,0.6\n0,0.1,0.2,0.3,0.4\n")

    ids = read_table(file).personas

    assert len(set(ids)) == len(ids) == 4


def test_labels_may_be_named(tmp_path: Path) -> None:
    file = tmp_path / "named.csv"
    file.write_text("label,a,b\napprove,0.9,0.8\nRevise,0.6,0.7\nreject,0.2,0.1\n")

    assert read_table(file).labels.tolist() == [APPROVE, REVISE, REJECT]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,2\n", "says what was right"),
        ("is_good,a,b\n", "no rows"),
        ("is_good,a\n1,5\n", "fewer than two"),
        ("is_good,a,b\nperhaps,5,6\n", "'perhaps'"),
        ("is_good,a,b\n1,500,6\n", "outside 0 to 100"),
        ("is_good,a,b\n1,-5,6\n", "outside 0 to 100"),
        ("is_good,a,b\n1,nan,inf\n", "outside 0 to 100"),
        ("\xff\xfe", "cannot be read|says what was right"),
        ("a,b,is_good\n9,8,1\n7\n", "row 2"),
        ("is_good,a,b,item\n1,9,8,x\n0,2,2\n", "row 2"),
        ("is_good,a:score,a:decision,b:score,b:decision\n1,9,approve,8,1\n", "a:decision"),
        ("is_good,a,b\n1,,\n0,nan,nan\n", "no scores"),
    ],
)
def test_what_is_no_table_is_refused_with_the_reason(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "odd.csv"
    file.write_bytes(content.encode("latin-1"))

    with pytest.raises(TableError, match=said):
        read_table(file)
