"""The fast canonical form is the standard's."""

from hypothesis import given
from hypothesis import strategies as st

from consensus_journal import Plain, canonical_json, digest, reference_json

integers = st.integers(min_value=-(2**53) + 1, max_value=2**53 - 1)
keys = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]))
texts = st.text(st.characters(exclude_categories=["Cs"]))
plain: st.SearchStrategy[Plain] = st.recursive(
    st.none() | st.booleans() | integers | texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=20,
)


@given(plain)
def test_is_rfc_8785(value: Plain) -> None:
    assert canonical_json(value) == reference_json(value)


def test_digest_is_sha_256() -> None:
    assert digest(b"{}").hex() == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
