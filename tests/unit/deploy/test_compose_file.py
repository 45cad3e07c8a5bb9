import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("migrate", "certs", "persistence", "review", "door")
SERVERS = ("persistence", "review")
LISTENERS = (*SERVERS, "door")
SHORT_NAME = re.compile(r"[a-z0-9-]+(:[a-z0-9.-]+)?")


def conditions(service: str) -> dict[str, str]:
    return {name: wait["condition"] for name, wait in SERVICES[service]["depends_on"].items()}


def seconds(span: str) -> int:
    match = re.fullmatch(r"(\d+)s", span)
    assert match is not None
    return int(match[1])


def test_the_schema_is_migrated_once_the_database_is_healthy() -> None:
    assert conditions("migrate") == {"postgres": "service_healthy"}
    assert SERVICES["migrate"]["restart"] == "no"


def test_persistence_starts_after_the_migration() -> None:
    assert conditions("persistence") == {
        "postgres": "service_healthy",
        "migrate": "service_completed_successfully",
        "certs": "service_completed_successfully",
    }
    assert SERVICES["persistence"]["environment"]["DB_AUTO_MIGRATE"] == "false"


def test_review_starts_after_persistence() -> None:
    assert conditions("review") == {"persistence": "service_healthy"}


def test_the_door_starts_after_review_and_is_asked_for_health_over_http() -> None:
    assert conditions("door") == {"review": "service_healthy"}
    assert SERVICES["door"]["healthcheck"]["test"] == [
        "CMD", "python", "-m", "consensus_door.healthcheck", "--tls-ca=/srv/certs/authority.pem",
        f"https://127.0.0.1:{SERVICES['door']['environment']['DOOR_LISTEN'].rpartition(':')[2]}",
    ]  # fmt: skip


def test_what_others_wait_for_is_checked() -> None:
    awaited = {
        name
        for service in SERVICES
        if "depends_on" in SERVICES[service]
        for name, condition in conditions(service).items()
        if condition == "service_healthy"
    }
    assert [name for name in awaited if "healthcheck" not in SERVICES[name]] == []


@pytest.mark.parametrize("service", SERVERS)
def test_a_server_is_checked_over_grpc_on_the_port_it_listens_on(service: str) -> None:
    listen = SERVICES[service]["environment"][f"{service.upper()}_LISTEN"]
    kind, *command, authority, address = SERVICES[service]["healthcheck"]["test"]
    assert [kind, *command] == ["CMD", "python", "-m", "consensus_rpc.process.healthcheck"]
    assert authority == "--tls-ca=/srv/certs/authority.pem"
    assert address == f"127.0.0.1:{listen.rpartition(':')[2]}"


@pytest.mark.parametrize("service", LISTENERS)
def test_a_server_has_longer_to_stop_than_it_drains(service: str) -> None:
    grace = float(SERVICES[service]["environment"]["DRAIN_GRACE_SECONDS"])
    assert seconds(SERVICES[service]["stop_grace_period"]) > grace


@pytest.mark.parametrize("service", LISTENERS)
def test_a_server_can_have_replicas(service: str) -> None:
    assert "container_name" not in SERVICES[service]
    for port in SERVICES[service].get("ports", []):
        first, last = re.fullmatch(r"127\.0\.0\.1:(\d+)-(\d+):\d+", port).groups()  # type: ignore[union-attr] # a port that does not match fails the test
        assert int(last) > int(first)


def test_review_spreads_over_the_replicas_of_persistence() -> None:
    port = SERVICES["persistence"]["environment"]["PERSISTENCE_INTERNAL_LISTEN"].rpartition(":")[2]
    assert SERVICES["review"]["environment"]["PERSISTENCE_ADDRESS"] == f"dns:///persistence:{port}"


@pytest.mark.parametrize("service", SERVERS)
def test_a_server_lets_its_clients_find_new_replicas(service: str) -> None:
    assert int(SERVICES[service]["environment"]["MAX_CONNECTION_AGE_SECONDS"]) <= 300


@pytest.mark.parametrize("service", OURS)
def test_our_processes_have_no_rights(service: str) -> None:
    assert SERVICES[service]["read_only"] is True
    assert SERVICES[service]["cap_drop"] == ["ALL"]
    assert SERVICES[service]["security_opt"] == ["no-new-privileges:true"]
    assert "user" not in SERVICES[service], "the image's own user stands"


@pytest.mark.parametrize("service", SERVICES)
def test_secrets_come_from_files(service: str) -> None:
    environment: dict[str, str] = SERVICES[service].get("environment", {})
    secret = {name: value for name, value in environment.items() if re.search("KEY|PASSWORD|TOKEN", name)}
    assert [name for name in secret if not name.endswith("_FILE")] == []
    given = {f"/run/secrets/{name}" for name in SERVICES[service].get("secrets", [])}
    read = {value for value in secret.values() if not value.startswith("/srv/certs/")}
    for mounted in SERVICES[service].get("volumes", []):
        if mounted.startswith("./"):
            script = (ROOT / mounted.partition(":")[0]).read_text(encoding="utf-8")
            read |= set(re.findall(r"/run/secrets/\w+", script))
    assert read == given


@pytest.mark.parametrize("service", LISTENERS)
def test_what_leaves_a_container_is_encrypted(service: str) -> None:
    environment: dict[str, str] = SERVICES[service]["environment"]
    for name in (name for name in environment if name.endswith("_LISTEN")):
        assert environment[f"{name}_CERTIFICATE_FILE"].startswith("/srv/certs/")
    assert "ALLOW_INSECURE" not in environment
    assert SERVICES[service]["volumes"] == ["certs:/srv/certs:ro"]


def test_review_services_and_persistence_show_each_other_certificates() -> None:
    authority = "/srv/certs/authority.pem"
    there, here = (SERVICES[each]["environment"] for each in ("persistence", "review"))
    assert there["PERSISTENCE_INTERNAL_LISTEN_AUTHORITY_FILE"] == authority
    assert here["PERSISTENCE_ADDRESS_AUTHORITY_FILE"] == authority
    assert here["PERSISTENCE_ADDRESS_CERTIFICATE_FILE"] == "/srv/certs/review.pem"


def test_the_secrets_are_kept_out_of_the_repository() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert "/secrets/" in ignored
    assert [
        secret for secret in COMPOSE["secrets"].values() if not secret["file"].startswith("./secrets/")
    ] == []


@pytest.mark.parametrize("service", SERVICES)
def test_no_registry_is_named(service: str) -> None:
    named = re.sub(r"\$\{[A-Z_]+:-([^}]+)\}", r"\1", SERVICES[service]["image"])
    assert SHORT_NAME.fullmatch(named)


@pytest.mark.parametrize("service", SERVICES)
def test_no_container_takes_all_of_the_machine(service: str) -> None:
    assert re.fullmatch(r"[1-4]g", SERVICES[service]["mem_limit"])
    assert SERVICES[service]["pids_limit"] <= 512
