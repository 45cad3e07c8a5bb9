"""One list of what shows nothing: its own categories, the contract's patterns, and texts that say nothing."""

import json
import sys
import unicodedata
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.v1 import draft_service_pb2, review_service_pb2
from consensus_contract.characters import escaped_json, is_invisible, says_nothing, written_out
from consensus_rpc.errors import InvalidField
from consensus_rpc.server.validation import check_request

ALL = [chr(point) for point in range(sys.maxunicode + 1) if not 0xD800 <= point < 0xE000]
# Seen in `user`: escapes, controls of eight bits, marks of direction, what fonts leave blank.
SEEN = "\x1b\x07\x9b\x9d\u202e\u2066\u200e\u061c\u3164\u115f\u2800\ufe0f\U000e0101\u200b\ufeff"


def refused(user: str) -> bool:
    """Whether the contract refuses such a user."""
    request = review_service_pb2.StartReviewRequest(
        review=review_service_pb2.ReviewInput(idea="Sell tea.", user=user)
    )
    try:
        check_request(request)
    except InvalidField:
        return True
    return False


@pytest.mark.parametrize("char", SEEN, ids=ascii)
def test_what_was_seen_is_invisible_refused_and_written_out(char: str) -> None:
    assert is_invisible(char)
    assert refused(f"a{char}b")
    assert char not in written_out(f"a{char}b")
    assert says_nothing(f" {char}\n")


def test_the_contract_refuses_what_is_invisible_and_nothing_else_whatever_its_category() -> None:
    by_category: dict[tuple[str, bool], list[str]] = defaultdict(list)
    for char in ALL:
        category = unicodedata.category(char)
        if category != "Cn":  # which of those are characters depends on the release of Unicode
            by_category[(category, is_invisible(char))].append(char)
    assert len({category for category, _ in by_category}) == 28  # all but Cs and Cn
    for (_, invisible), chars in by_category.items():
        if invisible:
            assert all(refused(char) for char in chars[:200])
        else:
            joined = "".join(chars)
            assert not any(refused(joined[start : start + 255]) for start in range(0, len(joined), 255))


def test_what_is_written_out_shows_all_of_itself() -> None:
    shown = written_out("".join(ALL))
    assert not any(
        is_invisible(char) or (char.isspace() and char != " ") for char in set(shown) - {"\u200d", "\ufe0f"}
    )


@given(st.text())
def test_writing_out_again_changes_nothing(text: str) -> None:
    assert written_out(written_out(text)) == written_out(text)


@pytest.mark.parametrize("text", ["👩\u200d💻", "❤\ufe0f", "1\ufe0f\u20e3", "é ü 漢字 ⠓", "क्\u200dष"])
def test_emoji_and_scripts_stay_as_they_are(text: str) -> None:
    assert written_out(text) == text
    assert not says_nothing(text)


@pytest.mark.parametrize("text", ["\u200d\u200d", " \ufe0f", "\ufe0f\ufe0f"])
def test_joiners_and_selectors_of_nothing_are_written_out(text: str) -> None:
    assert not any(is_invisible(char) for char in written_out(text))


@given(st.dictionaries(st.text(), st.text()))
def test_escaped_json_says_the_same(data: dict[str, str]) -> None:
    line = escaped_json(json.dumps(data, ensure_ascii=False))
    assert json.loads(line) == data
    assert not any(is_invisible(char) for char in line)


def test_a_title_may_have_emoji_and_no_marks_of_direction() -> None:
    def create(title: str) -> draft_service_pb2.CreateDraftRequest:
        return draft_service_pb2.CreateDraftRequest(user="ann", title=title)

    check_request(create("Tea ❤\ufe0f 👩\u200d💻"))
    for char in "\x1b\x9b\u2028\u202e\u2066\u200f":
        with pytest.raises(InvalidField):
            check_request(create(f"Tea{char}"))
