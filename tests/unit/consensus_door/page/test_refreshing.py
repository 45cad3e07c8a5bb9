"""Whether a page of the list asks for itself anew: the first alone, until it is told not to."""

from consensus_door.page.refreshing import Refreshing


def test_the_first_page_refreshes_until_it_is_stopped_and_filters_stay() -> None:
    on = Refreshing.of({"user": "ann"})
    assert on is not None
    assert (on.is_on, on.url, on.other_url) == (True, "/runs?user=ann", "/runs?user=ann&live=off")
    off = Refreshing.of({"user": "ann", "live": "off"})
    assert off is not None
    assert (off.is_on, off.other_url) == (False, "/runs?user=ann")


def test_older_pages_and_searches_do_not_refresh() -> None:
    assert Refreshing.of({"page_token": "x"}) is None
    assert Refreshing.of({"search": "words"}) is None
