"""deploy/systemd as it stands in files: settings, credentials and times fit one another."""

import re

import pytest

from consensus_door.config import DoorSettings
from consensus_rpc.process.settings import Settings
from persistence_service.config import PersistenceSettings
from review_service.config import ReviewSettings
from tests.support.units import CREDENTIALS, HARDENING, SYSTEMD, units

UNITS = units()
SERVERS = ["door", "persistence", "review"]
READ_BY: dict[str, type[Settings]] = {
    "migrate": PersistenceSettings,
    "persistence": PersistenceSettings,
    "review": ReviewSettings,
    "door": DoorSettings,
}
LIBPQ = {"PGSSLMODE"}


@pytest.mark.parametrize("name", UNITS)
def test_what_a_unit_says_is_a_setting_of_what_it_runs(name: str) -> None:
    assert UNITS[name].settings().keys() - READ_BY[name]._names() - LIBPQ == set()
    module = READ_BY[name].__module__.partition(".")[0]
    assert UNITS[name].one("ExecStart").startswith(f"/opt/consensus/bin/python -m {module}")


@pytest.mark.parametrize("name", UNITS)
def test_secrets_and_certificates_are_credentials(name: str) -> None:
    settings = UNITS[name].settings()
    read = {value.partition("/")[2] for each, value in settings.items() if each.endswith("_FILE")}
    assert read == set(UNITS[name].credentials())
    files = [value for each, value in settings.items() if re.search("KEY|PASSWORD|SECRET|CERTIFICATE", each)]
    assert [value for value in files if not value.startswith(f"{CREDENTIALS}/")] == []


@pytest.mark.parametrize("name", SERVERS)
def test_a_unit_has_longer_to_stop_than_it_drains(name: str) -> None:
    drain = float(UNITS[name].settings()["DRAIN_GRACE_SECONDS"])
    assert float(UNITS[name].one("TimeoutStopSec")) >= drain + 15
    assert UNITS[name].one("KillMode") == "mixed", "workers are drained by their supervisor"


def test_persistence_starts_after_the_migration() -> None:
    migration = "consensus-migrate.service"
    assert UNITS["persistence"].one("Requires") == migration
    assert migration in " ".join(UNITS["persistence"].all("After"))
    assert UNITS["persistence"].settings()["DB_AUTO_MIGRATE"] == "false"
    assert UNITS["migrate"].one("Type") == "oneshot"


def test_addresses_lead_to_where_others_listen() -> None:
    told = {name: value for unit in UNITS.values() for name, value in unit.settings().items()}
    listened = {value.rpartition(":")[2] for name, value in told.items() if name.endswith("_LISTEN")}
    assert {value.rpartition(":")[2] for name, value in told.items() if name.endswith("_ADDRESS")} < listened
    assert told["PERSISTENCE_INTERNAL_LISTEN"].startswith("127.0.0.1:")
    metrics = {
        value
        for unit in UNITS.values()
        for name, value in unit.settings().items()
        if name.endswith("METRICS_LISTEN")
    }
    assert len(metrics) == 3, "they share one machine"


def test_every_unit_is_hardened_by_the_same_file() -> None:
    assert [path.name for path in SYSTEMD.glob("*.service") if not path.name.startswith("consensus-")] == []
    said = HARDENING.read_text(encoding="utf-8").splitlines()
    for each in ("DynamicUser=yes", "NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet="):
        assert each in said
