"""The address that calls go to."""

import pytest

from review_service.model.client import ModelClient, ModelOptions
from review_service.model.model_call import ModelAnswer
from review_service.model.route_address import endpoint_url, library_base, protocol_of
from review_service.model.routes import Protocol
from tests.support.engine import model_call
from tests.support.raw_provider import KEY, message, serving


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://api.example/v1", "https://api.example/v1/responses"),
        ("https://api.example/v1/", "https://api.example/v1/responses"),
        ("https://api.example", "https://api.example/responses"),
        ("https://api.example/v1/responses", "https://api.example/v1/responses"),
        ("https://api.example/v1/responses/", "https://api.example/v1/responses"),
        (
            "https://a.example/openai?api-version=2026-01-01",
            "https://a.example/openai/responses?api-version=2026-01-01",
        ),
        ("https://a.example/openai/responses?v=1&w=2", "https://a.example/openai/responses?v=1&w=2"),
    ],
)
def test_its_end_is_added_once_and_a_query_is_kept(base_url: str, url: str) -> None:
    assert endpoint_url(base_url, Protocol.RESPONSES) == url


def test_the_other_protocol_has_an_end_of_its_own() -> None:
    urls = [f"https://api.example/v1{end}" for end in ("", "/responses", "/chat/completions")]

    found = {endpoint_url(url, Protocol.CHAT_COMPLETIONS) for url in urls}

    assert found == {"https://api.example/v1/chat/completions"}
    assert [protocol_of(url) for url in urls] == [
        Protocol.AUTO,
        Protocol.RESPONSES,
        Protocol.CHAT_COMPLETIONS,
    ]


def test_the_library_is_given_no_query() -> None:
    assert library_base("https://a.example/openai?key=secret") == "https://a.example/openai"
    assert library_base(None) is None


@pytest.mark.parametrize("path", ["/v1?api-version=1&x=y", "/v1/responses?api-version=1&x=y"])
async def test_what_is_asked_for_is_that_address(path: str) -> None:
    asked: list[str] = []
    async with serving(message(), asked) as port:
        model = ModelClient(ModelOptions(api_key=KEY, base_url=f"http://127.0.0.1:{port}{path}"))
        answer = await model.call(model_call(), 5)
        await model.aclose()

    assert isinstance(answer, ModelAnswer)
    assert asked == ["POST /v1/responses?api-version=1&x=y HTTP/1.1"]
