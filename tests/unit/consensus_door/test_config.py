"""What the door can be told, and what it refuses at start."""

import pytest

from consensus_door.config import DoorSettings
from consensus_rpc.process.settings import SettingsError


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """No setting of the shell, and no `.env`."""
    for name in DoorSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(str(tmp_path))


def test_unless_told_otherwise_it_is_for_this_machine_and_for_no_page_of_elsewhere() -> None:
    settings = DoorSettings.load()
    assert settings.door_listen == "127.0.0.1:8080"
    assert settings.door_allowed_hosts == "localhost,127.0.0.1,[::1]"
    assert settings.door_allowed_origins == ""


REFUSED = {
    "plain text to strangers": ({"door_listen": "0.0.0.0:8080"}, "DOOR_LISTEN: given 0.0.0.0:8080"),
    "credentials in plain text": (
        {"door_review_address": "dns:///review:50051"},
        "DOOR_REVIEW_ADDRESS: given dns:///review:50051",
    ),
    "the same to persistence": (
        {"door_persistence_address": "10.0.0.1:50052"},
        "DOOR_PERSISTENCE_ADDRESS: given 10.0.0.1:50052",
    ),
    "a key without a certificate": (
        {"door_listen_key_file": "door.key"},
        "DOOR_LISTEN_CERTIFICATE_FILE: not set",
    ),
    "no host at all": ({"door_allowed_hosts": " , "}, "DOOR_ALLOWED_HOSTS"),
    "any host": ({"door_allowed_hosts": "*"}, "DOOR_ALLOWED_HOSTS"),
    "any origin": ({"door_allowed_origins": "*"}, "DOOR_ALLOWED_ORIGINS"),
    "an origin with a path": ({"door_allowed_origins": "https://a.example/"}, "DOOR_ALLOWED_ORIGINS"),
}


@pytest.mark.parametrize(("given", "said"), REFUSED.values(), ids=REFUSED)
def test_it_does_not_start(given: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        DoorSettings.load(**given)
    assert said in str(refused.value)


def test_somebody_may_want_plain_text_in_so_many_words() -> None:
    settings = DoorSettings.load(
        door_listen="0.0.0.0:8080", door_review_address="review:50051", allow_insecure=True
    )
    assert settings.review_tls() is None
