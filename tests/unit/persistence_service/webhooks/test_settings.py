"""Where webhooks may go and what signs them; neither is repeated."""

from pathlib import Path

import pytest

from consensus_contract.webhooks import new_secret
from consensus_rpc.process.settings import SettingsError
from persistence_service.config import PersistenceSettings

SECRET = new_secret()
ELSEWHERE = "http://hooks.example/in?code=sesame"


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of whoever runs the tests, from the environment or a .env file."""
    monkeypatch.chdir(tmp_path)
    for name in PersistenceSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def load(monkeypatch: pytest.MonkeyPatch, **environment: str) -> PersistenceSettings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return PersistenceSettings.load()


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/in?code=sesame",
        "http://127.0.0.1:8080/",
        "http://[::1]/x",
        "http://localhost:1",
    ],
)
def test_it_goes_over_https_or_stays_here(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    settings = load(monkeypatch, WEBHOOK_URL=url, WEBHOOK_SECRET=SECRET)
    assert url not in str(settings.masked())
    assert settings.webhook_url is not None
    assert settings.webhook_url.get_secret_value() == url


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("WEBHOOK_URL", ELSEWHERE, "plain text stays on the loopback"),
        ("WEBHOOK_URL", "https://ann:sesame@a.example/", "without user and password"),
        ("WEBHOOK_URL", "https://a.example/?x=a b", "WEBHOOK_URL: given"),
        ("WEBHOOK_URL", "file:///etc/passwd", "WEBHOOK_URL: given"),
        ("WEBHOOK_URL", "", "WEBHOOK_URL: set with WEBHOOK_SECRET"),
        ("WEBHOOK_SECRET", "", "WEBHOOK_URL: set with WEBHOOK_SECRET"),
        ("WEBHOOK_SECRET", "whsec_sesame", "WEBHOOK_SECRET: given"),
        ("WEBHOOK_DOOR_URL", "door.example", "WEBHOOK_DOOR_URL: given"),
    ],
)
def test_what_cannot_be_is_refused_and_secrets_are_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    given = {"WEBHOOK_URL": "https://a.example/", "WEBHOOK_SECRET": SECRET} | {name: value}
    with pytest.raises(SettingsError, match=said) as refusal:
        load(monkeypatch, **given)
    assert "sesame" not in str(refusal.value)


def test_plain_text_goes_elsewhere_where_somebody_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, WEBHOOK_URL=ELSEWHERE, WEBHOOK_SECRET=SECRET, ALLOW_INSECURE="true").webhook_url


def test_a_file_holds_a_secret_a_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "secrets"
    path.write_text(f"{SECRET}\n{new_secret()}\n")
    settings = load(monkeypatch, WEBHOOK_URL="https://a.example", WEBHOOK_SECRET_FILE=str(path))
    assert len(settings.webhook_secrets()) == 2
