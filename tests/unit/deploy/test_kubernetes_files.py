"""deploy/kubernetes as it stands in files: settings, ports, probes, policies and labels fit one another."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from consensus_door.config import DoorSettings
from consensus_rpc.process.settings import Settings
from persistence_service.config import PersistenceSettings
from review_service.config import ReviewSettings
from tests.support.manifests import KUBERNETES, NAME, ROOT, Manifests, documents, secret_mounts

BASE = Manifests.of_files("base")
PODS, CONTAINERS = BASE.pods(), BASE.containers()
SETTINGS = {name: BASE.settings(container) for name, container in CONTAINERS.items()}
SERVERS = sorted(BASE.named("Deployment"))
READ_BY: dict[str, type[Settings]] = {
    "migrate": PersistenceSettings,
    "persistence": PersistenceSettings,
    "review": ReviewSettings,
    "door": DoorSettings,
}
LIBPQ = {"PGSSLMODE"}
COMPONENTS = Manifests.of_files("components")
[EXAMPLE] = documents((KUBERNETES / "overlays/example/kustomization.yaml").read_text(encoding="utf-8"))
GENERATED = {each["name"]: each["literals"] for each in EXAMPLE["secretGenerator"]}
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
Edge = tuple[str, str, int]


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


def edges_of_settings() -> set[Edge]:
    """Who calls whom, at which port, by the addresses that pods are told."""
    found = set()
    for caller, settings in SETTINGS.items():
        for address in (value for value in settings.values() if value.startswith("dns:///")):
            host, port = address.removeprefix("dns:///").split(":")
            found.add((caller, host, int(port)))
    return found


def peers(rules: list[dict[str, Any]], end: str) -> Iterator[tuple[dict[str, Any], int]]:
    """Whoever a policy lets in or reach, with the port."""
    for rule in rules:
        for peer in rule[end]:
            for port in rule["ports"]:
                yield peer, port["port"]


def edges_of_policies(kind: str, end: str) -> set[Edge]:
    """From pod to pod, as the policies of one direction have them."""
    found = set()
    for name, policy in BASE.named("NetworkPolicy").items():
        for peer, port in peers(policy["spec"].get(kind, []), end):
            if list(peer) == ["podSelector"]:
                other = peer["podSelector"]["matchLabels"][NAME]
                found.add((name, other, port) if end == "to" else (other, name, port))
    return found


@pytest.mark.parametrize("name", PODS)
def test_what_a_pod_is_told_is_a_setting_of_what_it_runs(name: str) -> None:
    known = READ_BY[name]._names()
    assert SETTINGS[name].keys() - known - LIBPQ == set()
    assert CONTAINERS[name]["command"][2] == READ_BY[name].__module__.partition(".")[0]


@pytest.mark.parametrize("name", SERVERS)
def test_a_pod_opens_the_ports_that_it_listens_on(name: str) -> None:
    listened = {port_of(value) for each, value in SETTINGS[name].items() if each.endswith("_LISTEN")}
    opened = {each["name"]: each["containerPort"] for each in CONTAINERS[name]["ports"]}
    assert set(opened.values()) == listened
    [service] = [each for each in BASE.named("Service").values() if each["spec"]["selector"] == {NAME: name}]
    for port in service["spec"]["ports"]:
        assert port["targetPort"] in opened
    assert service["metadata"]["name"] == name


def test_addresses_lead_to_ports_of_services() -> None:
    offered = {
        (name, port["port"]) for name, each in BASE.named("Service").items() for port in each["spec"]["ports"]
    }
    assert {(host, port) for _, host, port in edges_of_settings()} <= offered


def test_clients_of_grpc_see_every_replica() -> None:
    called = {host for _, host, _ in edges_of_settings()}
    services = BASE.named("Service")
    assert called == {name for name, each in services.items() if each["spec"].get("clusterIP") == "None"}
    for name in called:
        assert int(SETTINGS[name]["MAX_CONNECTION_AGE_SECONDS"]) <= 300


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("probe", PROBES)
def test_a_probe_asks_where_the_pod_listens(name: str, probe: str) -> None:
    asked, listen = CONTAINERS[name][probe], SETTINGS[name][f"{name.upper()}_LISTEN"]
    if "exec" in asked:
        command = asked["exec"]["command"]
        assert command[:3] == ["python", "-m", "consensus_rpc.process.healthcheck"]
        assert command[-1] == f"127.0.0.1:{port_of(listen)}"
        assert ("--alive" in command) == (probe != "readinessProbe")
        assert asked["timeoutSeconds"] > 5  # the command gives up by itself before
    else:
        ports = {each["name"]: each["containerPort"] for each in CONTAINERS[name]["ports"]}
        assert ports[asked["httpGet"]["port"]] == port_of(listen)
        [host] = asked["httpGet"]["httpHeaders"]
        assert host["name"] == "Host"
        assert host["value"] in SETTINGS[name]["DOOR_ALLOWED_HOSTS"].split(",")


def test_objects_select_pods_that_are_there() -> None:
    for name, each in BASE.named("Deployment").items():
        assert each["spec"]["selector"]["matchLabels"] == {NAME: name}
        for spread in PODS[name]["spec"]["topologySpreadConstraints"]:
            assert spread["labelSelector"]["matchLabels"] == {NAME: name}
    for name, each in BASE.named("PodDisruptionBudget").items():
        assert each["spec"]["selector"]["matchLabels"] == {NAME: name}
    for name, each in BASE.named("NetworkPolicy").items():
        assert each["spec"]["podSelector"] in ({}, {"matchLabels": {NAME: name}})
    assert set(BASE.named("PodDisruptionBudget")) == set(SERVERS)
    assert set(PODS) <= set(BASE.named("NetworkPolicy"))


@pytest.mark.parametrize(("kind", "end"), [("ingress", "from"), ("egress", "to")])
def test_policies_let_pass_exactly_what_the_settings_call(kind: str, end: str) -> None:
    assert edges_of_policies(kind, end) == edges_of_settings()


def test_whoever_has_a_database_reaches_it_and_nobody_else_does() -> None:
    for name in PODS:
        ports = [port for _, port in peers(BASE.named("NetworkPolicy")[name]["spec"].get("egress", []), "to")]
        database = [int(SETTINGS[name]["DB_PORT"])] if "DB_HOST" in SETTINGS[name] else []
        assert [port for port in ports if port == 5432] == database


def test_only_monitoring_reaches_metrics() -> None:
    monitoring = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    for name in SERVERS:
        rules = BASE.named("NetworkPolicy")[name]["spec"]["ingress"]
        who = [peer for peer, port in peers(rules, "from") if port == 9464]
        assert who == [monitoring], name
        setting = "DOOR_METRICS_LISTEN" if name == "door" else "METRICS_LISTEN"
        assert SETTINGS[name][setting] == "0.0.0.0:9464"


def test_nothing_passes_but_what_a_policy_names() -> None:
    policies = BASE.named("NetworkPolicy")
    spec = policies["default-deny"]["spec"]
    assert spec == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for name in PODS:
        assert policies[name]["spec"]["policyTypes"] == ["Ingress", "Egress"]


@pytest.mark.parametrize("name", SERVERS)
def test_a_pod_has_longer_to_stop_than_it_drains(name: str) -> None:
    before = CONTAINERS[name].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    drain = float(SETTINGS[name]["DRAIN_GRACE_SECONDS"])
    assert PODS[name]["spec"]["terminationGracePeriodSeconds"] >= before + drain + 15


@pytest.mark.parametrize("name", PODS)
def test_a_pod_has_no_rights_and_takes_no_more_than_it_is_given(name: str) -> None:
    spec, container = PODS[name]["spec"], CONTAINERS[name]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container["resources"]["limits"]
    assert container["image"] == "consensus-engine", "an overlay names the registry"


@pytest.mark.parametrize("name", PODS)
def test_secrets_come_from_mounted_files(name: str) -> None:
    mounts = secret_mounts(PODS[name])
    secret = {each: value for each, value in SETTINGS[name].items() if re.search("KEY|PASSWORD|SECRET", each)}
    assert [each for each in secret if not each.endswith("_FILE")] == []
    files = [value for each, value in SETTINGS[name].items() if each.endswith("_FILE")]
    assert {path.rpartition("/")[0] for path in files} == set(mounts)
    held = {each: {one.partition("=")[0] for one in literals} for each, literals in GENERATED.items()}
    for each in COMPONENTS.named("Certificate").values():
        held[each["spec"]["secretName"]] = {"tls.crt", "tls.key", "ca.crt"}
    for path in files:
        folder, _, file = path.rpartition("/")
        assert file in held[mounts[folder]]


def test_the_examples_secrets_are_obvious_fakes() -> None:
    values = [one.partition("=")[2] for literals in GENERATED.values() for one in literals]
    assert [value for value in values if not value.startswith("not-a-secret")] == []


def test_certificates_name_what_is_called_and_who_reviews() -> None:
    certificates = COMPONENTS.named("Certificate")
    for host in {host for _, host, _ in edges_of_settings()}:
        assert {host, "localhost"} <= set(certificates[host]["spec"]["dnsNames"])
    policy = tomllib.loads((ROOT / "consensus_contract/access_policy.toml").read_text(encoding="utf-8"))
    assert set(certificates["review"]["spec"]["uris"]) == set(policy["identities"])
    assert not set(certificates["door"]["spec"]["uris"]) & set(policy["identities"])


def test_autoscaling_follows_what_pods_say() -> None:
    scalers = COMPONENTS.named("HorizontalPodAutoscaler")
    for name, scaler in scalers.items():
        assert scaler["spec"]["scaleTargetRef"]["name"] == name
        assert name in SERVERS
    pods = next(each["pods"] for each in scalers["review"]["spec"]["metrics"] if each["type"] == "Pods")
    limit = int(SETTINGS["review"]["MAX_RUNS_IN_FLIGHT"])
    assert int(pods["target"]["averageValue"]) == limit / 2
    adapter = KUBERNETES / "components/autoscaling/prometheus-adapter.yaml"
    [rules] = documents(adapter.read_text(encoding="utf-8"))
    assert [each["seriesQuery"].partition("{")[0] for each in rules["rules"]] == [pods["metric"]["name"]]
