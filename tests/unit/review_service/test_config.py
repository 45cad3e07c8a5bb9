"""What the review service can be told, and what it refuses at start."""

import pytest

from consensus_rpc.process.settings import SettingsError
from review_service.config import ReviewSettings
from review_service.intake.specification import model_route

DEFAULTS = {
    "review_listen": "127.0.0.1:50051",
    "persistence_address": "127.0.0.1:50053",
    "openai_model": "gpt-5.1",
    "model_routes": None,
    "model_protocol": "auto",
    "model_reasoning_effort": None,
    "expand_temperature": 70,
    "review_temperature": 20,
    "persona_template_version": "1.1.0",
    "max_retries_per_persona": 3,
    "retry_initial_backoff_seconds": 1.0,
    "retry_backoff_multiplier": 2.0,
    "model_attempt_timeout_seconds": 120.0,
    "model_max_output_tokens": 8000,
    "model_max_calls_in_flight": 10_000,
    "model_max_answer_bytes": 4_194_304,
    "run_timeout_seconds": 600.0,
    "max_runs_in_flight": 2000,
    "claim_interval_seconds": 5.0,
    "heartbeat_seconds": 15.0,
    "slow_consumer_seconds": 30.0,
}


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """No setting of the shell, and no `.env`."""
    for name in ReviewSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(str(tmp_path))


@pytest.mark.parametrize(("name", "value"), DEFAULTS.items(), ids=DEFAULTS)
def test_every_setting_has_its_documented_default(name: str, value: object) -> None:
    assert getattr(ReviewSettings.load(), name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_RETRIES_PER_PERSONA", "0"),
        ("MAX_RETRIES_PER_PERSONA", "11"),
        ("RETRY_INITIAL_BACKOFF_SECONDS", "0.09"),
        ("RETRY_INITIAL_BACKOFF_SECONDS", "60.1"),
        ("RETRY_BACKOFF_MULTIPLIER", "0.9"),
        ("RETRY_BACKOFF_MULTIPLIER", "nan"),
        ("EXPAND_TEMPERATURE", "2.01"),
        ("REVIEW_TEMPERATURE", "0.125"),
        ("OPENAI_MODEL", "a b"),
        ("MODEL_PROTOCOL", "grpc"),
        ("MODEL_REASONING_EFFORT", "a b"),
        ("OPENAI_BASE_URL", "ftp://model/v1"),
        ("OPENAI_BASE_URL", "http://user:pass@model/v1"),
        ("OPENAI_BASE_URL", "http://model/v1#x"),
        ("OPENAI_BASE_URL", "http://model/v1?key=x"),
        ("MODEL_MAX_ANSWER_BYTES", "65535"),
        ("MODEL_MAX_ANSWER_BYTES", "67108865"),
        ("OPENAI_API_KEY", "changeme"),
        ("MAX_IDEA_CHARACTERS", "10001"),
        ("MAX_IDEA_SENTENCES", "11"),
        ("MAX_CONTEXT_CHARACTERS", "50001"),
        ("RUN_TIMEOUT_SECONDS", "0"),
        ("HEARTBEAT_SECONDS", "20.1"),
        ("PERSISTENCE_ADDRESS", "persistence"),
    ],
)
def test_a_value_beyond_its_bounds_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=name):
        ReviewSettings.load()


def test_a_refused_key_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "your-api-key-here")

    with pytest.raises(SettingsError) as caught:
        ReviewSettings.load()

    assert "your-api-key" not in str(caught.value)


def test_an_empty_temperature_means_that_none_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVIEW_TEMPERATURE", "")

    assert ReviewSettings.load().review_temperature is None


def test_one_model_serves_for_both_unless_another_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_MODEL", "m-1")
    monkeypatch.setenv("REVIEW_MODEL", "m-2")

    settings = ReviewSettings.load()

    assert (settings.model_for_expanding, settings.model_for_reviewing) == ("m-1", "m-2")


@pytest.mark.parametrize(
    "address", ["http://user:canary@model/v1", "http://u:can@ary@model/v1", "https://model/v1?key=canary"]
)
def test_a_refused_address_is_named_without_its_secrets(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", address)

    with pytest.raises(SettingsError) as caught:
        ReviewSettings.load()

    assert "model/v1" in str(caught.value)
    assert "canary" not in str(caught.value)
    assert "ary@" not in str(caught.value)


def test_the_query_of_an_address_is_taken_and_shown_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://model/openai/v1?api-version=canary")

    settings = ReviewSettings.load()

    shown = "https://model/openai/v1?**********"
    assert settings.masked()["OPENAI_BASE_URL"] == shown
    assert model_route(settings).base_url == shown


@pytest.mark.parametrize(
    ("open_files", "calls", "runs"),
    [(1_048_576, 10_000, 2_000), (11_024, 10_000, 2_000), (1_024, 768, 153), (4, 3, 1)],
)
def test_calls_and_runs_are_as_many_as_open_files_carry(open_files: int, calls: int, runs: int) -> None:
    fitted = ReviewSettings.load().fitted(open_files, panel_size=5)

    assert (fitted.model_max_calls_in_flight, fitted.max_runs_in_flight) == (calls, runs)
