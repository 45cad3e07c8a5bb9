"""The wait that a provider asks for, however it spells it."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from review_service.model.retry_after import MAX_SECONDS, retry_after_seconds

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": " 3 "}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "Fri, 02 Jan 2026 03:04:35 GMT"}, 30.0),
        ({"retry-after": "Fri, 02 Jan 2026 03:04:35 -0000"}, 30.0),
        ({"retry-after": "Fri, 02 Jan 2026 03:00:00 GMT"}, 0.0),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, MAX_SECONDS),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 -2359"}, MAX_SECONDS),
        ({"retry-after": "Mon, 01 Jan 0001 00:00:00 +2359"}, 0.0),
        ({"retry-after": "Fri, 99 Jan 99999 03:04:35 GMT"}, None),
        ({"retry-after": "Fri, 02 Jan 2026 03:04:35 +99999999999999999999"}, None),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "999999999999999"}, MAX_SECONDS),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "3, 5"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e3"}, None),
        ({"retry-after": "1_0"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "\udce9t\udce9"}, None),
    ],
)
def test_it_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers, NOW) == seconds


DATES = st.builds(
    "{}, {} {} {} {}:{}:{} {}".format,
    st.sampled_from(["Fri", "", "\udce9"]),
    st.integers(-1, 10**12),
    st.sampled_from(["Jan", "Feb", "Okt"]),
    st.integers(-1, 10**12),
    st.integers(0, 10**12),
    st.integers(0, 61),
    st.integers(0, 10**12),
    st.sampled_from(["GMT", "-0000", "+2359", "-2400", "+9999", "+99999999999", "EST"]),
)


@given(value=st.one_of(st.text(max_size=60), DATES, st.floats().map(str), st.integers().map(str)))
@example("Fri, 31 Dec 9999 23:59:59 -9999")
def test_nothing_that_stands_there_raises_or_is_beyond_bounds(value: str) -> None:
    for name in ("retry-after", "retry-after-ms"):
        seconds = retry_after_seconds({name: value}, NOW)
        assert seconds is None or 0 <= seconds <= MAX_SECONDS
