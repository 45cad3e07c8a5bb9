"""A start or a command that is refused repeats no secret: in no setting, no file, no address."""

from pathlib import Path

import pytest

from consensus_rpc.security.authority import Authority
from tests.support.canaries import PASSWORD, PROVIDER_KEY, found
from tests.support.processes import clean_environment, run_command

SECRET = "canary-of-a-file-5c60"
SECRETS = {"password": PASSWORD, "provider key": PROVIDER_KEY, "what a file held": SECRET}
REVIEW, PERSISTENCE, CONSENSUS = "review_service", "persistence_service", "consensus_cli"

ADDRESSES = {
    "no port": f"postgresql://user:{PASSWORD}@127.0.0.1:port/db",
    "an @ unescaped": f"postgresql://user:p@{PASSWORD}@127.0.0.1/db",
    "an unknown parameter": f"postgresql://user@127.0.0.1/db?pasword={PASSWORD}",
    "a bad value": f"postgresql://user:{PASSWORD}@127.0.0.1:1/db?sslmode=sideways",
    "nobody there": f"postgresql://user:{PASSWORD}@127.0.0.1:1/db",
}


@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES)
def test_no_address_of_a_database_is_repeated_with_its_password(address: str) -> None:
    environment = clean_environment(DATABASE_URL=address, LOG_LEVEL="DEBUG", LOG_FORMAT="json")
    done = run_command("migrate", environment=environment, package=PERSISTENCE)
    assert done.returncode != 0
    assert done.stderr
    assert found({"output": done.stdout + done.stderr}, SECRETS) == []


FILES = {
    "provider key with a blank": (REVIEW, "OPENAI_API_KEY_FILE", f"{PROVIDER_KEY} {SECRET}"),
    "a route with the key itself": (
        REVIEW, "MODEL_ROUTES", f'[routes.a]\nbase_url = "http://127.0.0.1/v1"\nkey = "{PROVIDER_KEY}"\n'),
    "a route's address with a password": (
        REVIEW, "MODEL_ROUTES", f'[routes.a]\nbase_url = "http://user:{PASSWORD}@127.0.0.1/v1"\n'),
    "a route's header that is none": (
        REVIEW, "MODEL_ROUTES", f'[routes.a]\nheaders = {{ x-key = "{SECRET}\\n" }}\n'),
    "routes that are no TOML": (REVIEW, "MODEL_ROUTES", f"key = {SECRET}"),
    "a certificate's key that is none": (REVIEW, "REVIEW_LISTEN_KEY_FILE", SECRET),
    "content keys that are none": (PERSISTENCE, "CONTENT_KEYS_FILE", f"one:{SECRET}"),
    "a key that signs nothing": (PERSISTENCE, "AUDIT_SIGNING_KEY_FILE", SECRET),
    "caps that are no TOML": (PERSISTENCE, "SPEND_CAPS", f"currency = {SECRET}"),
}  # fmt: skip


@pytest.mark.parametrize(("service", "setting", "held"), FILES.values(), ids=FILES)
def test_no_file_that_is_of_no_use_is_repeated(tmp_path: Path, service: str, setting: str, held: str) -> None:
    file, certificate = tmp_path / "file", tmp_path / "certificate"
    file.write_text(held)
    certificate.write_bytes(Authority.make().certificate)
    settings = {
        "DATABASE_URL": f"sqlite:///{tmp_path / 'consensus.db'}",
        "PERSISTENCE_LISTEN": "127.0.0.1:0",
        "REVIEW_LISTEN": "127.0.0.1:0",
        "LOG_LEVEL": "DEBUG",
        setting: str(file),
    }
    if setting == "REVIEW_LISTEN_KEY_FILE":
        settings["REVIEW_LISTEN_CERTIFICATE_FILE"] = str(certificate)
    done = run_command(environment=clean_environment(**settings), package=service)
    assert done.returncode in (1, 2)
    assert setting.removesuffix("_FILE") in done.stderr or str(file) in done.stderr
    assert found({"output": done.stdout + done.stderr}, SECRETS) == []


@pytest.mark.parametrize("held", [f"ck_0123456789abcdef_{SECRET}\nx", f"{SECRET}\u00e9"])
def test_the_command_repeats_no_key(tmp_path: Path, held: str) -> None:
    file = tmp_path / "mine.key"
    file.write_text(held)
    done = run_command(
        f"--key-file={file}", "runs", environment=clean_environment(CONSENSUS_SERVER="127.0.0.1:1")
    )
    assert done.returncode != 0
    assert found({"output": done.stdout + done.stderr}, SECRETS) == []
