"""What a cookie of the page is worth, and to whom."""

import time

import pytest
from starlette.requests import Request
from starlette.responses import Response

from consensus_door.page.sessions import COOKIE, MOST_CREDENTIAL_CHARACTERS, Session, Sessions
from consensus_door.services.calling import Credential

SECRET = "a-fake-secret-of-32-characters-or-more"
KEY = Credential("Bearer ck_fake_fake")


def request(cookie: str = "", authorization: str = "") -> Request:
    headers = [(b"cookie", f"{COOKIE}={cookie}".encode())] if cookie else []
    if authorization:
        headers.append((b"authorization", authorization.encode()))
    return Request({"type": "http", "method": "GET", "path": "/", "headers": headers})


def test_who_has_signed_in_is_known_again_at_every_door_of_the_same_secret() -> None:
    session = Session.begun(KEY)
    cookie = Sessions(SECRET).sealed(session)
    assert Sessions(SECRET).of(request(cookie)) == session
    assert KEY.text not in cookie


def test_a_cookie_is_read_by_its_own_door_alone_and_as_it_was_written() -> None:
    ours = Sessions()
    cookie = ours.sealed(Session.begun(KEY))
    assert ours.of(request(cookie)) is not None
    assert Sessions().of(request(cookie)) is None
    changed = ("A" if cookie[20] != "A" else "B").join((cookie[:20], cookie[21:]))
    for value in (changed, cookie[:30], "x", "~", ""):
        assert ours.of(request(value)) is None


def test_after_twelve_hours_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Sessions(SECRET)
    cookie = ours.sealed(Session.begun(KEY))
    later = time.time() + 12 * 3600 + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert ours.of(request(cookie)) is None


def test_what_the_request_itself_says_goes_before_it() -> None:
    ours = Sessions(SECRET)
    cookie = ours.sealed(Session.begun(KEY))
    found = ours.of(request(cookie, "Bearer ck_other_other"))
    assert found is not None
    assert found.credential.text == "Bearer ck_other_other"


def test_a_token_is_of_one_session_and_one_secret() -> None:
    ours, session = Sessions(SECRET), Session.begun()
    token = ours.token(session)
    assert ours.is_token(session, token)
    assert not ours.is_token(Session.begun(), token)
    assert not Sessions().is_token(session, token)
    assert not ours.is_token(None, token)
    assert not ours.is_token(session, "")
    assert not ours.is_token(session, "é")


def test_scripts_and_other_sites_have_no_use_of_it_and_the_longest_still_fits() -> None:
    response = Response()
    longest = Credential("Bearer " + "x" * MOST_CREDENTIAL_CHARACTERS)
    Sessions(SECRET).keep(response, Session.begun(longest), is_secure=True)
    said = response.headers["set-cookie"]
    assert len(said) < 4096
    attributes = {each.strip() for each in said.split(";")[1:]}
    assert attributes == {"HttpOnly", "Max-Age=43200", "Path=/", "SameSite=strict", "Secure"}
