"""Which settings of certificates fit together, and where plain text may be spoken."""

from pathlib import Path

import pytest

from consensus_rpc.process.settings_tls import channel_tls, check_plain_text, is_loopback, listener_tls

ONE = Path("one.pem")


@pytest.mark.parametrize(
    ("listen", "wanted"),
    [
        ("127.0.0.1:1", True),
        ("127.9.9.9:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("10.0.0.1:1", False),
        ("persistence:1", False),
        ("localhost.example.org:1", False),
    ],
)
def test_only_the_loopback_is_the_loopback(listen: str, wanted: bool) -> None:
    assert is_loopback(listen) is wanted


def test_plain_text_elsewhere_is_wanted_in_so_many_words_or_refused() -> None:
    check_plain_text("REVIEW_LISTEN", "127.0.0.1:1", is_allowed=False)
    check_plain_text("REVIEW_LISTEN", "0.0.0.0:1", is_allowed=True)
    with pytest.raises(ValueError, match=r"REVIEW_LISTEN: given 0\.0\.0\.0:1 without REVIEW_LISTEN_CERT"):
        check_plain_text("REVIEW_LISTEN", "0.0.0.0:1", is_allowed=False)


def test_a_listener_has_certificate_and_key_or_neither() -> None:
    assert listener_tls("X", None, None, None) is None
    found = listener_tls("X", ONE, ONE, None)
    assert found is not None
    assert not found.requires_certificates
    for given in ((ONE, None, None), (None, ONE, None), (None, None, ONE)):
        with pytest.raises(ValueError, match=r"X_(KEY|CERTIFICATE)_FILE: not set"):
            listener_tls("X", *given)


def test_a_channel_over_tls_has_an_authority_and_may_have_a_certificate_with_its_key() -> None:
    assert channel_tls("X", None, None, None, "") is None
    assert channel_tls("X", ONE, None, None, "") is not None
    for given, missing in (
        ((None, ONE, ONE, ""), "AUTHORITY"),
        ((None, None, None, "host"), "AUTHORITY"),
        ((ONE, ONE, None, ""), "KEY"),
        ((ONE, None, ONE, ""), "CERTIFICATE"),
    ):
        with pytest.raises(ValueError, match=f"X_{missing}_FILE: not set"):
            channel_tls("X", *given)
