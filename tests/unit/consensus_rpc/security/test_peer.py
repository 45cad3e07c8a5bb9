"""Who a peer is: what its certificate's alternative names say, and nothing else."""

import pytest

from consensus_rpc.security.peer import PeerIdentity, peer_identity

REVIEW = "spiffe://consensus/review"


def test_a_peer_goes_by_its_uri_before_its_host_names() -> None:
    found = peer_identity({"peer_dns": [b"review.internal"], "peer_uri": [REVIEW.encode()]})
    assert found == PeerIdentity(REVIEW, (REVIEW, "review.internal"))
    assert found.is_uri


def test_without_a_uri_the_first_host_name_is_it_in_small_letters() -> None:
    found = peer_identity({"peer_dns": [b"Review.Internal", b"other.internal", b"review.internal"]})
    assert found == PeerIdentity("review.internal", ("review.internal", "other.internal"))
    assert not found.is_uri


@pytest.mark.parametrize(
    "context",
    [
        pytest.param({}, id="plain text"),
        pytest.param({"transport_security_type": [b"ssl"]}, id="no certificate"),
        pytest.param({"x509_common_name": [REVIEW.encode()]}, id="common name alone"),
        pytest.param({"x509_subject_alternative_name": [b"a@b.c"], "peer_email": [b"a@b.c"]}, id="mail"),
        pytest.param({"peer_ip": [b"10.0.0.1"]}, id="address"),
        pytest.param({"peer_uri": [REVIEW.encode(), b"spiffe://consensus/client"]}, id="two URIs"),
        pytest.param({"peer_dns": [b"*.internal"]}, id="wildcard"),
        pytest.param({"peer_uri": [REVIEW.encode(), b""]}, id="empty URI beside one"),
        pytest.param({"peer_uri": ["spiffe://consensus/revi\u0435w".encode()]}, id="not ASCII"),
        pytest.param({"peer_dns": [b"review\nadmin"]}, id="a line's end"),
        pytest.param({"peer_dns": [REVIEW.encode()]}, id="a URI for a host name"),
        pytest.param({"peer_uri": [b"review.internal"]}, id="a host name for a URI"),
        pytest.param({"peer_uri": [b"spiffe://consensus/review\0"]}, id="NUL"),
    ],
)
def test_nothing_else_names_anybody(context: dict[str, list[bytes]]) -> None:
    assert peer_identity(context) is None
