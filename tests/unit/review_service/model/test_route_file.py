"""Routes from a file: what is read of it, and how each fault is named without what may be secret."""

from pathlib import Path

import pytest

from consensus.v1 import attempt_pb2, panel_pb2
from review_service.model.route_file import RouteFileError, load_routes
from review_service.model.routes import (
    CacheBreakpoint,
    Price,
    Protocol,
    Role,
    Route,
    Routes,
    StructuredOutput,
)

KEY = "sk-offline-0123456789"
DEFAULT = Route("default", key=KEY)
WHOLE = """
[routes.azure]
base_url = "https://readers.openai.azure.com/openai/v1?api-version=preview"
key_variable = "AZURE_KEY"
key_header = "api-key"
headers = { X-Team = "readers" }
header_variables = { X-Token = "TEAM_TOKEN" }
protocol = "responses"
model = "gpt-5.1"
temperature = false
structured_output = "json_object"
role = "developer"
reasoning_effort = "low"
service_tier = "flex"
cache_breakpoint = "openai"
omit = ["metadata", "schema.additionalProperties"]
cap_parameter = "max_completion_tokens"
max_output_tokens = 16000
context_window = 128000
slow = true
attempt_timeout_seconds = 900.5
connect_timeout_seconds = 3
max_concurrency = 4
requests_per_minute = 60
tokens_per_minute = 90000
price = { currency = "USD", input = 1.25, cached_input = 0.125, output = 10 }
prices."gpt-5.1-mini" = { currency = "USD", input = 0.25, output = 2, cache_write = 0.3 }
fallback = ["local", "default"]

[routes.local]
base_url = "http://127.0.0.1:8080/v1"
"""


def loaded(text: str, tmp_path: Path, **environment: str) -> Routes:
    path = tmp_path / "routes.toml"
    path.write_text(text, encoding="utf-8")
    return load_routes(path, DEFAULT, environment)


def fault(text: str, tmp_path: Path, **environment: str) -> str:
    with pytest.raises(RouteFileError) as caught:
        loaded(text, tmp_path, **environment)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_part_of_a_route_is_read(tmp_path: Path) -> None:
    routes = loaded(WHOLE, tmp_path, AZURE_KEY=KEY, TEAM_TOKEN="t-1")

    assert [route.id for route in routes] == ["default", "azure", "local"]
    azure = routes["azure"]
    assert azure.base_url == "https://readers.openai.azure.com/openai/v1?api-version=preview"
    assert (azure.key, azure.key_header, azure.needs_key) == (KEY, "api-key", True)
    assert azure.headers == (("x-team", "readers"), ("x-token", "t-1"))
    assert (azure.protocol, azure.model, azure.takes_temperature) == (Protocol.RESPONSES, "gpt-5.1", False)
    assert (azure.structured_output, azure.role) == (StructuredOutput.JSON_OBJECT, Role.DEVELOPER)
    assert (azure.reasoning_effort, azure.service_tier) == ("low", "flex")
    assert azure.cache_breakpoint == CacheBreakpoint.OPENAI
    assert azure.omit == ("metadata", "schema.additionalProperties")
    assert (azure.cap_parameter, azure.max_output_tokens) == ("max_completion_tokens", 16_000)
    assert (azure.context_window, azure.is_slow) == (128_000, True)
    assert (azure.attempt_timeout_seconds, azure.connect_timeout_seconds) == (900.5, 3.0)
    assert (azure.max_concurrency, azure.requests_per_minute, azure.tokens_per_minute) == (4, 60, 90_000)
    assert azure.price == Price("USD", 1_250_000, 10_000_000, 125_000, 1_250_000)
    assert azure.price_of("gpt-5.1-mini") == Price("USD", 250_000, 2_000_000, 250_000, 300_000)
    assert azure.fallbacks == ("local", "default")


@pytest.mark.parametrize("file", sorted(Path("examples/routes").glob("*.toml")), ids=lambda file: file.stem)
def test_the_examples_are_read(file: Path) -> None:
    environment = {"AZURE_OPENAI_API_KEY": KEY, "LITELLM_KEY": KEY}

    assert len(load_routes(file, DEFAULT, environment)) == 2


def test_a_route_without_a_key_needs_none(tmp_path: Path) -> None:
    local = loaded(WHOLE, tmp_path, AZURE_KEY=KEY, TEAM_TOKEN="t")["local"]

    assert (local.key, local.needs_key) == (None, False)


def test_a_key_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")

    assert loaded(f"[routes.a]\nkey_file = '{tmp_path / 'key'}'", tmp_path)["a"].key == KEY


def test_keys_are_looked_up_in_the_environment_and_behind_it_in_the_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("FIRST=sk-file-0123456789\nSECOND=sk-file-0123456789\n")
    (tmp_path / "routes.toml").write_text(
        '[routes.a]\nkey_variable = "FIRST"\n[routes.b]\nkey_variable = "SECOND"\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECOND", KEY)

    routes = load_routes(tmp_path / "routes.toml", DEFAULT)

    assert (routes["a"].key, routes["b"].key) == ("sk-file-0123456789", KEY)


def test_a_default_route_of_the_file_stands_for_the_settings_one(tmp_path: Path) -> None:
    routes = loaded("[routes.a]\n[routes.default]\nmodel = 'mine'", tmp_path)

    assert routes.default.model == "mine"
    assert [route.id for route in routes] == ["default", "a"]
    with pytest.raises(RouteFileError, match="OPENAI_BASE_URL"):
        load_routes(tmp_path / "routes.toml", Route("default", base_url="http://model/v1"), {})


FAULTS = {
    "a number that is true": ("[routes.a]\nmax_concurrency = true", "routes.a.max_concurrency: "),
    "a name that is not known": ("[routes.a]\ntemprature = true", "routes.a.temprature: is not known"),
    "a key in the file": (f'[routes.a]\nkey = "{KEY}"', "key_variable or key_file"),
    "a variable that is not set": ('[routes.a]\nkey_variable = "NOT_SET"', "NOT_SET is not set"),
    "a file that is not there": ('[routes.a]\nkey_file = "/nowhere/at-all"', "routes.a.key_file"),
    "two places for a key": ('[routes.a]\nkey_variable = "A"\nkey_file = "b"', "name one of them"),
    "a placeholder": ('[routes.a]\nkey_variable = "PLACEHOLDER"', "is a placeholder"),
    "an id that is none": ("[routes.Azure]", "routes.Azure"),
    "a fallback that is no route": ('[routes.a]\nfallback = ["b"]', "routes.a.fallback: 'b'"),
    "a fallback to itself": ('[routes.a]\nfallback = ["a"]', "routes.a.fallback: 'a'"),
    "a fallback twice": ('[routes.a]\nfallback = ["default", "default"]', "named once"),
    "another protocol": ('[routes.a]\nprotocol = "grpc"', "routes.a.protocol"),
    "an address with credentials": ('[routes.a]\nbase_url = "http://me:pass@host/v1"', "routes.a.base_url"),
    "a number beyond its bound": ("[routes.a]\nattempt_timeout_seconds = 0", "attempt_timeout_seconds"),
    "no number": ("[routes.a]\nattempt_timeout_seconds = nan", "attempt_timeout_seconds"),
    "a cap beyond the window": (
        "[routes.a]\nmax_output_tokens = 100\ncontext_window = 100",
        "less than context_window",
    ),
    "a price without a currency": ("[routes.a]\nprice = { input = 1, output = 1 }", "price.currency"),
    "a price that is too fine": (
        '[routes.a]\nprice = { currency = "USD", input = 0.0000001, output = 1 }',
        "price.input",
    ),
    "a header of the exchange's own": ('[routes.a]\nheaders = { Host = "x" }', "'Host' is no header"),
    "a header of two lines": ('[routes.a]\nheaders = { X-A = "a\\nb" }', "the header x-a"),
    "what cannot be left out": ('[routes.a]\nomit = ["model"]', "routes.a.omit"),
    "no routes": ("", "routes: "),
    "no TOML": ('[routes.a]\nkey_variable = "sk-secret', "is not TOML"),
    "too many routes": ("\n".join(f"[routes.r{number}]" for number in range(51)), "routes: "),
}


@pytest.mark.parametrize(("text", "words"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named_in_one_line(text: str, words: str, tmp_path: Path) -> None:
    said = fault(text, tmp_path, PLACEHOLDER="your-api-key")

    assert words in said
    assert str(tmp_path / "routes.toml") in said
    assert not any(secret in said for secret in (KEY, "pass@", "sk-secret", "your-api-key"))


def test_a_file_that_is_not_there_or_no_text_is_said(tmp_path: Path) -> None:
    path = tmp_path / "routes.toml"
    with pytest.raises(RouteFileError, match="cannot be read"):
        load_routes(path, DEFAULT, {})
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(RouteFileError, match="is not TOML"):
        load_routes(path, DEFAULT, {})


def test_nothing_secret_shows_in_a_route() -> None:
    assert KEY not in repr(Route("a", key=KEY, headers=(("x", KEY),)))


ROUTES = Routes([Route("local", model="tiny", fallbacks=("default",)), Route("default")])


@pytest.mark.parametrize(
    ("name", "route", "model"),
    [
        ("gpt-5.1", "default", "gpt-5.1"),
        ("llama3:8b", "default", "llama3:8b"),
        ("local:llama3:8b", "local", "llama3:8b"),
        ("local:", "local", "tiny"),
        ("default:gpt-5.1", "default", "gpt-5.1"),
    ],
)
def test_a_prefix_that_is_no_route_belongs_to_the_model(name: str, route: str, model: str) -> None:
    found = ROUTES.resolve(name)

    assert (found.route.id, found.model) == (route, model)


def test_a_fallback_is_asked_for_its_own_model_or_the_same() -> None:
    routes = Routes(
        [Route("default", fallbacks=("local", "other")), Route("local", model="tiny"), Route("other")]
    )

    assert [each.name for each in routes.fallbacks(routes.resolve("gpt-5.1"))] == [
        "local:tiny",
        "other:gpt-5.1",
    ]


def test_cached_and_written_tokens_have_prices_of_their_own() -> None:
    price = Price("EUR", input=10, output=100, cached_input=1, cache_write=20)
    usage = panel_pb2.TokenUsage(
        input_tokens=1_000_000, cached_tokens=500_000, cache_write_tokens=100_000, output_tokens=10_001
    )

    assert price.cost(usage) == attempt_pb2.Cost(currency="EUR", micros=4 + 1 + 2 + 1)
