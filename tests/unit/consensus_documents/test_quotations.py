"""What is quoted is found whatever form its letters, marks and spaces have; nothing else is."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus_documents import find_quotation, folded

FORMS = ("NFC", "NFD", "NFKC", "NFKD")
SPACES = st.text(" \t\n\r\v\f\u00a0\u2003\u2028\u3000", min_size=1, max_size=4)
# Whatever is no white space: neither in itself nor in its compatibility form (U+00A8 has one in it).
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\x00").filter(
    lambda each: not any(form.isspace() for form in unicodedata.normalize("NFKC", each))
)
WORDS = st.lists(st.text(LETTERS, min_size=1, max_size=6).filter(folded), min_size=1, max_size=8)
PLAIN = {"'": "‘’‚‛′´", '"': "“”„‟″«»＂", "-": "‐‑‒–—−﹣－"}  # noqa: RUF001 - these forms are meant
TYPOGRAPHIC = [(plain, form) for plain, forms in PLAIN.items() for form in forms]


def spread(data: st.DataObject, words: list[str]) -> str:
    """The words, with any white space and breaks of lines between them, in any of Unicode's forms."""
    gaps = [data.draw(SPACES) for _ in words]
    text = "".join(word + gap for word, gap in zip(words, gaps, strict=True))
    return unicodedata.normalize(data.draw(st.sampled_from(FORMS)), text)


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert folded(folded(text)) == folded(text)


@given(words=WORDS, data=st.data())
def test_words_are_found_in_any_form_and_over_any_breaks_of_lines(
    words: list[str], data: st.DataObject
) -> None:
    begin = data.draw(st.integers(0, len(words) - 1))
    end = data.draw(st.integers(begin + 1, len(words)))

    assert find_quotation(spread(data, words), spread(data, words[begin:end]))


@given(words=WORDS, data=st.data(), swap=st.sampled_from(TYPOGRAPHIC))
def test_plain_and_typographic_marks_and_dashes_are_one(
    words: list[str], data: st.DataObject, swap: tuple[str, str]
) -> None:
    plain, form = swap
    at = data.draw(st.integers(0, len(words)))
    marked = " ".join([*words[:at], f"a{plain}b", *words[at:]])

    assert find_quotation(marked, f"a{form}b")
    assert find_quotation(marked.replace(f"a{plain}b", f"a{form}b"), f"a{plain}b")


@given(words=st.lists(st.text("abc", min_size=1), min_size=1), other=st.text("xyz", min_size=1))
def test_words_that_are_not_there_are_not_found(words: list[str], other: str) -> None:
    text = " \n".join(words)

    assert not find_quotation(text, other)
    assert not find_quotation(text, f"{words[0]}\u00a0{other}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("logs for\nthirty days", "logs for thirty days"),
        ("The »cache« — it’s cold", 'The "cache" - it\'s cold'),  # noqa: RUF001 - as above
        ("ﬁve ﬁles, ５ ＭＢ", "five files, 5 MB"),  # noqa: RUF001 - these forms are meant
        ("an\u00adony\u00admous data", "anonymous data"),
        ("40\u00a0ms", "40 ms"),
        ("Cafe\u0301", "Caf\u00e9"),
    ],
)
def test_forms_that_models_give_back_otherwise(text: str, words: str) -> None:
    assert find_quotation(text, words)
    assert find_quotation(words, text)


@pytest.mark.parametrize("words", ["We keep log files", "logs thirty", "WE KEEP", " \n", "\u200b"])
def test_other_words_order_or_letters_are_not_there(words: str) -> None:
    assert not find_quotation("We keep logs for thirty days.", words)


def test_a_hostile_text_of_marks_is_folded_in_time_proportional_to_its_length() -> None:
    began = time.perf_counter()

    folded("a" + "\u0315\u0300" * 100_000)
    folded("a" + ("\u0315\u0300" * 15 + "\u200b") * 6_000)

    assert time.perf_counter() - began < 2.0
