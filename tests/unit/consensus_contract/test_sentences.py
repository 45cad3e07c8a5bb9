"""How sentences are counted."""
# ruff: noqa: RUF001 - the forms of other scripts are meant

import time

import pytest

from consensus_contract.sentences import count_sentences, has_letter_or_digit


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("...", 0),
        ("Build an app", 1),
        ("Build an app.", 1),
        ("Build an app. Then sell it", 2),
        ("Really?! Yes!!! Fine...", 3),
        ("One.\nTwo.\n\nThree.", 3),
        ("Use tools, e.g. Postgres, i.e. a database.", 1),
        ("Ask Dr. Smith vs. Mr. Jones.", 1),
        ("Tea, coffee etc. are sold. Cake, etc.", 2),
        ("We sell tea, coffee, etc. Then we close.", 2),
        ("See Fig. 3 and No. 5.", 1),
        ("The answer is no. We stop.", 2),
        ("Written by J. Smith.", 1),
        ("It was I. Then they came.", 2),
        ("Move to v1.2.3 of it.", 1),
        ("Move to Python 3.11. Then test.", 2),
        ("It costs 3.50 a day.", 1),
        ("See example.com for more. Done.", 2),
        ("The U.S. market is open at 9 a.m. on Mondays.", 1),
        ("We open at 9 a.m. Everybody comes.", 2),
        ("1. Collect.\n2. Sort.\n3. Store.", 3),
        ('He said "no." Then he left.', 2),
        ("(It works.) We go on.", 2),
        ("これは文です。次の文です。", 2),
        ("何ですか？本当！はい｡", 3),
        ("「行く。」そして帰る。", 2),
        ("What。Mixed. Forms！", 3),
        ("第一句。 第二句", 2),
        ("Wait… what?", 1),
        ("No space.after a point", 1),
    ],
)
def test_sentences_are_counted(text: str, count: int) -> None:
    assert count_sentences(text) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        pytest.param(
            "Wir nutzen Go, Rust u. a. Sprachen, d. h. schnelle. Das reicht.", 2, id="u. a. and d. h."
        ),
        pytest.param("Wir brauchen z. B. Postgres, i. d. R. mit Replik, usw. und ca. fünf.", 1, id="z. B."),
        pytest.param("Siehe Nr. 5, bzw. Abb. 3. Danach weiter.", 2, id="Nr. and Abb."),
        pytest.param("Use a queue, e. g. Kafka, i. e. a log.", 1, id="e. g. with spaces"),
        pytest.param("Ask Dr. Meier in St. Gallen vs. Bern, cf. the map, etc. and so on.", 1, id="titles"),
        pytest.param("Written by J. R. R. Tolkien and others.", 1, id="initials"),
        pytest.param("Die Frist endet am 3. Mai im 19. Jahrhundert. Danach nichts.", 2, id="German ordinals"),
        pytest.param("1. Motivation\n\nWe want it.\n\n2. Design\n\nWe do it.", 2, id="numbered headings"),
        pytest.param("2.1 Motivation\nWe want it. We do.", 2, id="dotted number of a heading"),
        pytest.param("2.1. Motivation\nWe want it. We do.", 2, id="dotted number with a point"),
        pytest.param("# 1. Motivation\nWe want it. We do.", 2, id="number in a marked heading"),
        pytest.param("IV. Results\nWe have it.", 1, id="roman number of a heading"),
        pytest.param("1. Foo\n2. Bar\n3. Baz", 3, id="numbered list"),
        pytest.param("1. Foo\n\n2. Bar\n\n3. Baz", 3, id="numbered list with space between"),
        pytest.param("We stop in version\n3. Then we rest.", 1, id="number at a line's head in prose"),
        pytest.param("- fast\n- cheap\n- good", 3, id="bullets without full stops"),
        pytest.param("We need:\n- fast\n- cheap", 2, id="bullets after a lead-in"),
        pytest.param("- fast. Really.\n- cheap.", 3, id="two sentences in a bullet"),
        pytest.param("* a\n* b\n\nThen we go.", 3, id="prose after bullets"),
        pytest.param("- a long line\n  that goes on\n- b", 2, id="bullet over two lines"),
        pytest.param("- - -", 0, id="rule of dashes"),
        pytest.param(".. note:: This is it.\n\nMore text.", 2, id="directive"),
        pytest.param(".. code-block:: python\n\n   x = 1\n\nMore text.", 1, id="directive with code"),
        pytest.param("Wait... what?", 1, id="dots before a small letter"),
        pytest.param("Wait... What?", 2, id="dots before a capital"),
        pytest.param("From 1 .. 5 it is.", 1, id="range"),
        pytest.param("ما هذا؟ هذا كتاب.", 2, id="Arabic question mark"),
        pytest.param("یہ کتاب ہے۔ وہ قلم ہے۔", 2, id="Urdu full stop"),
        pytest.param("यह किताब है। वह कलम है।", 2, id="danda"),
        pytest.param("धर्मक्षेत्रे कुरुक्षेत्रे । मामकाः पाण्डवाश्चैव ॥ १ ॥", 2, id="double danda with a number"),
        pytest.param("Τι είναι\u037e Αυτό; όχι.", 2, id="Greek question mark"),
        pytest.param("这是什么？这是书。真的！", 3, id="CJK"),
        pytest.param("彼は「はい。」と言った。", 1, id="CJK quote that goes on"),
        pytest.param(
            "See https://example.com/a?b=c. Then v1.2.3 of setup.py. Done.", 3, id="links and files"
        ),
        pytest.param("Then **stop.** Go on.", 2, id="emphasis after the stop"),
        pytest.param("It is so.[1] And more.[^2] End.", 3, id="footnotes"),
        pytest.param('He asked "why?" and left.', 1, id="quoted question within"),
        pytest.param("Er sagte: „Nein.“ Dann ging er.", 2, id="German quotes"),
        pytest.param("Quoi ? Oui !", 2, id="French spaces"),
        pytest.param("a\nb\nc", 1, id="lines of prose"),
        pytest.param("| a | b |\n|---|---|\n| 1 | 2 |", 1, id="table"),
    ],
)
def test_sentences_are_counted_as_a_reader_would(text: str, count: int) -> None:
    assert count_sentences(text) == count


@pytest.mark.parametrize(
    "text",
    [
        *(
            "u. a. " * 4_000,
            "- a\n" * 5_000,
            "1. a\n\n" * 3_000,
            '."' * 10_000,
            ".[1" * 6_000,
            "am 3. " * 4_000,
        ),
        *("।" * 20_000, "\n" * 20_000, "। 1" * 6_000),
    ],
)
def test_counting_lists_and_other_scripts_takes_time_in_proportion(text: str) -> None:
    test_counting_takes_time_in_proportion(text)


@pytest.mark.parametrize(
    "text", ["." * 20_000 + "x", "a. " * 6_000, "e.g. " * 4_000, "x" * 20_000, "\n." * 10_000]
)
def test_counting_takes_time_in_proportion(text: str) -> None:
    began = time.perf_counter()

    count_sentences(text)

    assert time.perf_counter() - began < 1.0  # quadratic work takes many seconds here


@pytest.mark.parametrize("text", ["a", "7", "é", "字", "٣", "?!a"])
def test_a_letter_or_digit_of_any_script_says_something(text: str) -> None:
    assert has_letter_or_digit(text)


@pytest.mark.parametrize("text", ["", " ", "?!", "—…", "\u200b"])
def test_marks_alone_say_nothing(text: str) -> None:
    assert not has_letter_or_digit(text)
