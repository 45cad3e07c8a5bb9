from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import AfterValidator, Field, SecretStr, model_validator

from consensus_cli.local.launch_settings import LaunchSettings
from consensus_rpc.process.settings import (
    HostPort,
    Hundredths,
    Seconds,
    ServerSettings,
    Settings,
    SettingsError,
    Target,
)
from consensus_rpc.process.settings_text import without_secrets
from consensus_rpc.process.settings_types import check_http_url
from consensus_rpc.process.settings_typos import typos
from persistence_service.config import PersistenceSettings
from review_service.config import ReviewSettings


class Sample(Settings):
    level: Literal["low", "high"] = Field("low", description="How much.")
    listen: HostPort = Field("127.0.0.1:50051", description="Where.")
    peer: Target = Field("localhost:50052", description="Whom.")
    page: HostPort | None = Field(None, description="Maybe where.")
    retries: int = Field(3, ge=1, le=10, description="How often.")
    wait_seconds: Seconds = Field(1.5, gt=0, le=60, description="How long.")
    temperature: Hundredths | None = Field(70, ge=0, le=200, description="How warm.")
    flag: bool = Field(True, description="Whether.")
    name: str = Field("x", min_length=1, max_length=5, description="Who.")
    api_key: SecretStr | None = Field(None, description="What nobody sees.")


class Needy(Settings):
    token: SecretStr = Field(description="Has no default.")


class Strict(Settings):
    token: SecretStr = Field(min_length=20, description="Has a least length.")


class Paired(Settings):
    low: int = 1
    high: int = 2

    @model_validator(mode="after")
    def ordered(self) -> "Paired":
        if self.low > self.high:
            raise ValueError(f"LOW and HIGH: {self.low} is above {self.high}")
        return self


@pytest.fixture(autouse=True)
def bare_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder to run in and none of the variables set."""
    monkeypatch.chdir(tmp_path)
    for name in [
        *(each.name for each in Sample.describe()),
        "API_KEY_FILE",
        "TOKEN",
        "TOKEN_FILE",
        "ADDRESS",
        "LOW",
        "HIGH",
    ]:
        monkeypatch.delenv(name, raising=False)


def test_defaults_hold_where_nothing_is_set() -> None:
    settings = Sample.load()

    assert (settings.listen, settings.retries, settings.temperature, settings.api_key) == (
        "127.0.0.1:50051",
        3,
        70,
        None,
    )


def test_the_environment_wins_over_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("RETRIES=4\nNAME=file\n", encoding="utf-8")
    monkeypatch.setenv("RETRIES", "5")

    settings = Sample.load()

    assert (settings.retries, settings.name) == (5, "file")


def test_a_slip_in_a_name_of_the_env_file_is_named_and_no_value(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".env").write_text(
        "RETIRES=4\nAPI_KEY_FIEL=secret\nOTHER=1\nMY_RETRIES=2\n", encoding="utf-8"
    )
    Sample.load_or_exit()
    assert capsys.readouterr().err.splitlines() == [
        ".env: RETIRES is no setting; is RETRIES meant?",
        ".env: API_KEY_FIEL is no setting; is API_KEY_FILE meant?",
    ]


def test_no_setting_of_one_process_is_taken_for_a_slip_in_anothers(tmp_path: Path) -> None:
    kinds = (PersistenceSettings, ReviewSettings, LaunchSettings)
    names = [each.name for kind in kinds for each in kind.describe()]
    (tmp_path / ".env").write_text("\n".join(f"{name}=1" for name in names), encoding="utf-8")
    found = [list(typos(tmp_path / ".env", [each.name for each in kind.describe()])) for kind in kinds]
    assert found == [[], [], []]


def test_arguments_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRIES", "5")

    assert Sample.load(retries=6).retries == 6


def test_empty_is_none_where_none_is_allowed_and_the_default_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("TEMPERATURE", "PAGE", "RETRIES", "API_KEY", "LEVEL"):
        monkeypatch.setenv(name, "")

    settings = Sample.load()

    assert (settings.temperature, settings.page, settings.api_key) == (None, None, None)
    assert (settings.retries, settings.level) == (3, "low")


def test_an_empty_variable_does_not_hide_the_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("RETRIES=4\n", encoding="utf-8")
    monkeypatch.setenv("RETRIES", "")

    assert Sample.load().retries == 4


@pytest.mark.parametrize(("given", "kept"), [("0.7", 70), ("2", 200), ("0", 0), ("1.25", 125)])
def test_hundredths_are_exact(monkeypatch: pytest.MonkeyPatch, given: str, kept: int) -> None:
    monkeypatch.setenv("TEMPERATURE", given)

    assert Sample.load().temperature == kept


BAD = [
    ("LEVEL", "mid", "allowed: low, high"),
    ("LISTEN", "50051", "allowed: host:port"),
    ("LISTEN", "localhost:65536", "allowed: host:port"),
    ("PEER", "localhost:0", "allowed: host:port or dns:///host:port"),
    ("PEER", "http://localhost:1", "allowed: host:port or dns:///host:port"),
    ("RETRIES", "11", "allowed: a whole number, from 1 to 10"),
    ("RETRIES", "many", "allowed: a whole number, from 1 to 10"),
    ("WAIT_SECONDS", "0", "allowed: a number, above 0 to 60"),
    ("WAIT_SECONDS", "nan", "allowed: a number, above 0 to 60"),
    ("TEMPERATURE", "2.01", "allowed: a number, at most two decimals, from 0 to 2, or empty"),
    ("TEMPERATURE", "0.123", "allowed: a number, at most two decimals, from 0 to 2, or empty"),
    ("TEMPERATURE", "inf", "allowed: a number, at most two decimals, from 0 to 2, or empty"),
    ("FLAG", "maybe", "allowed: true or false"),
    ("NAME", "toolong", "allowed: text, 1 to 5 characters"),
]


@pytest.mark.parametrize(("name", "given", "allowed"), BAD, ids=[f"{name}={given}" for name, given, _ in BAD])
def test_a_bad_setting_names_itself_what_was_given_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, given: str, allowed: str
) -> None:
    monkeypatch.setenv(name, given)

    with pytest.raises(SettingsError) as raised:
        Sample.load()

    assert f"{name}: given '{given}'; {allowed}" in str(raised.value)


@pytest.mark.parametrize(
    "target", ["localhost:1", "dns:///persistence:50052", "dns://10.0.0.1/db:1", "[::1]:50051"]
)
def test_targets_of_every_form_are_taken(monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    monkeypatch.setenv("PEER", target)

    assert Sample.load().peer == target


def test_all_bad_settings_are_named_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RETRIES", "11")
    monkeypatch.setenv("LEVEL", "mid")

    with pytest.raises(SystemExit) as raised:
        Sample.load_or_exit()

    assert raised.value.code == 2
    message = capsys.readouterr().err
    assert message.splitlines()[0] == "bad settings:"
    assert [line.split(":")[0].strip() for line in message.splitlines()[1:]] == ["LEVEL", "RETRIES"]


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(SettingsError, match="TOKEN: not set"):
        Needy.load()


def test_a_rule_over_several_settings_speaks_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOW", "3")

    with pytest.raises(SettingsError, match=r"^  LOW and HIGH: 3 is above 2$"):
        Paired.load()


def test_a_secret_comes_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("fake-key\n", encoding="utf-8")
    monkeypatch.setenv("API_KEY_FILE", str(tmp_path / "key"))

    key = Sample.load().api_key

    assert key is not None
    assert key.get_secret_value() == "fake-key"


def test_a_required_secret_may_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("fake-token", encoding="utf-8")
    monkeypatch.setenv("TOKEN_FILE", str(tmp_path / "token"))

    assert Needy.load().token.get_secret_value() == "fake-token"


def test_a_secret_given_twice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("fake-key", encoding="utf-8")
    monkeypatch.setenv("API_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("API_KEY", "fake-other")

    with pytest.raises(SettingsError, match="API_KEY_FILE") as raised:
        Sample.load()

    assert "fake" not in str(raised.value)


def test_a_secrets_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY_FILE", "nowhere")

    with pytest.raises(SettingsError, match=r"API_KEY_FILE: cannot read nowhere \(FileNotFoundError\)"):
        Sample.load()


def test_a_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "fake-key")

    settings = Sample.load()

    assert settings.masked()["API_KEY"] == "**********"
    assert "fake-key" not in repr(settings)


def test_a_bad_secret_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "fake-token")

    with pytest.raises(SettingsError) as raised:
        Strict.load()

    assert str(raised.value).startswith("  TOKEN: given **********; allowed: text (secret")
    assert "fake" not in str(raised.value)


def test_settings_are_shown_as_the_environment_spells_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPERATURE", "0.25")

    shown = Sample.load().masked()

    assert (shown["TEMPERATURE"], shown["FLAG"], shown["WAIT_SECONDS"], shown["PAGE"]) == (
        "0.25",
        "true",
        "1.5",
        "",
    )


def test_the_description_has_a_row_per_setting() -> None:
    rows = {row.name: row for row in [*Sample.describe(), *Needy.describe()]}

    assert rows["RETRIES"].allowed == "a whole number, from 1 to 10"
    assert (rows["TEMPERATURE"].default, rows["TEMPERATURE"].description) == ("0.7", "How warm.")
    assert rows["PAGE"].allowed == "host:port, such as 127.0.0.1:50051, or empty"
    assert (rows["TOKEN"].default, rows["TOKEN"].secret) == ("required", True)


def test_every_setting_of_a_server_is_described() -> None:
    assert all(row.description.endswith(".") for row in ServerSettings.describe())


SECRET = "sesame"


@pytest.mark.parametrize(
    "given",
    [
        f"https://user:{SECRET}@host/v1",
        f"https://user:a@{SECRET}@host/v1",
        f"https://user:a/{SECRET}@host/v1",
        f"https://user:a?{SECRET}@host/v1",
        f"https://user:a#{SECRET}@host/v1",
        f"user:{SECRET}@host",
        f"https://host/v1?key={SECRET}",
        f"https://host/v1?{SECRET}",
        f"https://a:b@host/v1?key={SECRET}",
    ],
)
def test_an_address_is_told_without_what_may_be_secret(given: str) -> None:
    told = without_secrets(given)

    assert SECRET not in told
    assert "**********" in told


@pytest.mark.parametrize("given", ["https://host/v1", "dns:///host:1", "/a/path", "x"])
def test_what_holds_no_secret_is_told_as_it_is(given: str) -> None:
    assert without_secrets(given) == given


class Remote(Settings):
    address: Annotated[str, AfterValidator(partial(check_http_url, query_names=("api-version",)))] = (
        "http://a"
    )


@pytest.mark.parametrize(
    "given", ["https://host/v1", "http://[::1]:8000/v1", "https://host/v1?api-version=2026-01-01"]
)
def test_an_http_address_is_taken(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("ADDRESS", given)

    assert Remote.load().address == given


@pytest.mark.parametrize(
    "given",
    [
        "ftp://host",
        "host/v1",
        "https://",
        "https://host:port/v1",
        "https://host:99999/v1",
        "https://[host/v1",
        f"https://user:{SECRET}@host/v1",
        f"https://{SECRET}@host/v1",
        f"https://host/v1?key={SECRET}",
        f"https://host/v1?{SECRET}",
        f"https://host/v1?api-version=1&key={SECRET}",
        f"https://host/v1#{SECRET}",
        "https://host/a b",
        "https://höst/v1",
    ],
)
def test_another_address_is_refused_in_one_line_without_its_secrets(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("ADDRESS", given)

    with pytest.raises(SettingsError) as raised:
        Remote.load()

    assert str(raised.value).startswith("  ADDRESS: given ")
    assert "\n" not in str(raised.value)
    assert SECRET not in str(raised.value)


def test_an_address_that_is_logged_hides_its_query(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADDRESS", "https://host/v1?api-version=1")

    assert Remote.load().masked() == {"ADDRESS": "https://host/v1?**********"}
