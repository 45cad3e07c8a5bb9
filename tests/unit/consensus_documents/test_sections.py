"""A document's sections: where they begin, how they are numbered and named."""

import gc
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.v1 import document_pb2
from consensus_documents import MAX_SECTIONS, detect_format, find_quotation, read_sections

MARKDOWN = document_pb2.DOCUMENT_FORMAT_MARKDOWN
RST = document_pb2.DOCUMENT_FORMAT_RESTRUCTURED_TEXT
PLAIN = document_pb2.DOCUMENT_FORMAT_PLAIN_TEXT
FORMATS = (MARKDOWN, RST, PLAIN)


def outline(text: str, format_: document_pb2.DocumentFormat.ValueType) -> list[str]:
    return [f"{each.number} {each.key}" for each in read_sections(text, format_)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Only prose.\n", ["0 (beginning)"], id="no heading"),
        pytest.param(
            "# A\n\n## B\n\ntext\n\n## C\n\n# D\n", ["1 A", "1.1 A > B", "1.2 A > C", "2 D"], id="atx"
        ),
        pytest.param("before\n\n# A #\n", ["0 (beginning)", "1 A"], id="closing marks"),
        pytest.param("# C#\n", ["1 C#"], id="a mark that belongs to the title"),
        pytest.param("A\n=\n\nB\n---\n\ntext\n", ["1 A", "1.1 A > B"], id="setext"),
        pytest.param("# A\n\n### B\n\n## C\n", ["1 A", "1.1 A > B", "1.2 A > C"], id="skipped level"),
        pytest.param("```sh\n# no\n```\n# A\n", ["0 (beginning)", "1 A"], id="fence"),
        pytest.param("````\n```\n# no\n````\n# A\n", ["0 (beginning)", "1 A"], id="longer fence"),
        pytest.param("# A\n~~~\n# no\n", ["1 A"], id="fence without an end"),
        pytest.param("<!--\n# no\n-->\n# A\n", ["0 (beginning)", "1 A"], id="comment"),
        pytest.param("---\ntitle: x\n# no\n---\n# A\n", ["0 (beginning)", "1 A"], id="front matter"),
        pytest.param("- item\n---\ntext\n", ["0 (beginning)"], id="a rule under a list"),
        pytest.param("one\ntwo\n---\n", ["0 (beginning)"], id="a rule under a paragraph of two lines"),
        pytest.param("    # no\n# A\n", ["0 (beginning)", "1 A"], id="indented code"),
        pytest.param("#no\n# \n# A\n", ["0 (beginning)", "1 A"], id="no space, no title"),
        pytest.param("# A\r\n\r\n## B\r\n", ["1 A", "1.1 A > B"], id="carriage returns"),
        pytest.param("# 1. A\n\n## 1.1 B\n", ["1 A", "1.1 A > B"], id="the author's numbers"),
        pytest.param("# A\n# A\n# A\n", ["1 A", "2 A (2)", "3 A (3)"], id="repeats"),
        pytest.param("# A (2)\n# A\n# A\n", ["1 A (2)", "2 A", "3 A (3)"], id="spelt like a repeat"),
        pytest.param("# 背景\n\n## 目的\n", ["1 背景", "1.1 背景 > 目的"], id="japanese"),
        pytest.param("# خلفية\n\n## الهدف\n", ["1 خلفية", "1.1 خلفية > الهدف"], id="arabic"),
    ],
)
def test_markdown(text: str, expected: list[str]) -> None:
    assert outline(text, MARKDOWN) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "A\n=====\n\nB\n-----\n\nt\n\nC\n-----\n\nD\n=====\n",
            ["1 A", "1.1 A > B", "1.2 A > C", "2 D"],
            id="under",
        ),
        pytest.param("=====\nTitle\n=====\n\nA\n=====\n", ["1 Title", "1.1 Title > A"], id="over and under"),
        pytest.param("A\n~~~~~\n\nB\n=====\n", ["1 A", "1.1 A > B"], id="levels by appearance"),
        pytest.param("t::\n\n  # no\n  ====\n\nA\n====\n", ["0 (beginning)", "1 A"], id="literal block"),
        pytest.param(".. code-block:: sh\n\n   A\n   ====\n", ["0 (beginning)"], id="directive"),
        pytest.param("+-----+\n| A   |\n+=====+\n| b   |\n+-----+\n", ["0 (beginning)"], id="grid table"),
        pytest.param("text\n\n----\n\ntext\n", ["0 (beginning)"], id="transition"),
        pytest.param("A\n--\n", ["1 A"], id="short, and as long as the title"),
        pytest.param("Abc\n--\n", ["0 (beginning)"], id="shorter than the title"),
        pytest.param("背景\n====\n", ["1 背景"], id="wide letters"),
        pytest.param("text\nA\n====\n", ["0 (beginning)"], id="within a paragraph"),
    ],
)
def test_restructured_text(text: str, expected: list[str]) -> None:
    assert outline(text, RST) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "1. Introduction\n\ntext\n\n1.1.  Terms\n\nt\n\n2. Rules\n",
            ["1 Introduction", "1.1 Introduction > Terms", "2 Rules"],
            id="numbers",
        ),
        pytest.param("1. Do this now.\n2. Then that.\n", ["0 (beginning)"], id="a list"),
        pytest.param("text\n\n1 thing matters here.\n", ["0 (beginning)"], id="a sentence"),
        pytest.param("1\uff0e 背景\n\n本文。\n", ["1 背景"], id="wide numbers"),
        pytest.param("A.1 Notes\n\nt\n", ["1 Notes"], id="appendix"),
    ],
)
def test_plain_text(text: str, expected: list[str]) -> None:
    assert outline(text, PLAIN) == expected


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("A\n====\n", "a.rst", RST),
        ("A\n====\n", "a.MD", MARKDOWN),
        ("# A\n", "", MARKDOWN),
        ("A\n====\n\n.. note:: b\n", "", RST),
        ("A\n~~~~\n\nb\n", "x.txt", RST),
        ("1. A\n\nb\n", "x.txt", PLAIN),
        ("", "", PLAIN),
    ],
)
def test_the_format_is_told_from_name_and_text(text: str, name: str, expected: object) -> None:
    assert detect_format(text, name) == expected


pieces = st.sampled_from(
    [
        "# ",
        "## ",
        "a",
        " ",
        "\n",
        "\n\n",
        "=",
        "---",
        "```",
        "~~~~",
        "1. ",
        "2.1 ",
        "<!--",
        "-->",
        "\r\n",
        "x\n===\n",
        "\u2028",
        "é",
    ]
)


@given(st.lists(pieces, max_size=60).map("".join) | st.text(max_size=200), st.sampled_from(FORMATS))
def test_the_texts_of_the_sections_are_the_document_and_no_two_have_the_same_key(
    text: str, format_: document_pb2.DocumentFormat.ValueType
) -> None:
    sections = read_sections(text, format_)
    assert "".join(each.text for each in sections) == text
    assert len({each.key for each in sections}) == len({each.number for each in sections}) == len(sections)


def test_innermost_sections_are_folded_where_there_are_too_many() -> None:
    text = "".join(f"# {n}\n" + "## x\n" * 9 for n in range(100))
    assert len(read_sections(text, MARKDOWN)) == 100
    flat = read_sections("# a\n" * 3_000, MARKDOWN)
    assert (len(flat), "".join(each.text for each in flat)) == (MAX_SECTIONS - 1, "# a\n" * 3_000)
    assert all(len(each.key) <= 1_000 for each in read_sections("# " + "k" * 190_000 + "\n# a\n", MARKDOWN))


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize(
    "unit",
    [
        "#",
        "# \n",
        "=\n",
        "====\n\n",
        "a\n=\n",
        "```\n",
        "<!--\n",
        "~~~\n`",
        "1.1.1.1 a\n\n",
        "- ",
        "\n",
        " ",
        "a\n",
        "`",
        "# a (2)\n",
    ],
)
def test_hostile_texts_take_time_by_their_length(
    unit: str, format_: document_pb2.DocumentFormat.ValueType
) -> None:
    def seconds(size: int) -> float:
        text = unit * (size // len(unit))
        began = time.thread_time()
        read_sections(text, format_)
        return time.thread_time() - began

    gc.disable()  # what a collection takes over all that the tests have loaded is not the text's
    try:
        small = min(seconds(50_000) for _ in range(3))
        large = min(seconds(200_000) for _ in range(2))
    finally:
        gc.enable()
    assert large < 12 * small + 0.05


def test_words_are_found_wherever_lines_break() -> None:
    assert find_quotation("We keep\n  logs for\tthirty days.", "logs for thirty  days")
    assert not find_quotation("We keep logs.", "logs for thirty days")
    assert not find_quotation("We keep logs.", " ")
