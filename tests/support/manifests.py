"""Kubernetes' objects as tests read them: of the files in deploy/kubernetes, or as kustomize built them."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
NAME = "app.kubernetes.io/name"
Object = dict[str, Any]


class Manifests:
    """Objects by kind and name. Settings of a container are looked up as the kubelet does."""

    def __init__(self, objects: Iterable[Object]) -> None:
        self._objects = list(objects)

    @classmethod
    def of_files(cls, *folders: str) -> "Manifests":
        """Those in the files of these folders, with the ConfigMaps that are made of `.env` files there."""
        paths = sorted(path for folder in folders for path in (KUBERNETES / folder).rglob("*.yaml"))
        objects = [each for path in paths for each in documents(path.read_text(encoding="utf-8"))]
        for path in (path for path in paths if path.name == "kustomization.yaml"):
            [kustomization] = documents(path.read_text(encoding="utf-8"))
            for made in kustomization.get("configMapGenerator", ()):
                data = [line for each in made["envs"] for line in lines(path.parent / each)]
                objects.append(
                    {
                        "kind": "ConfigMap",
                        "metadata": {"name": made["name"]},
                        "data": dict(line.split("=", 1) for line in data),
                    }
                )
        return cls(objects)

    @classmethod
    def built(cls, text: str) -> "Manifests":
        """Those of kustomize's output."""
        return cls(documents(text))

    def named(self, *kinds: str) -> dict[str, Object]:
        """All of these kinds, by name."""
        return {each["metadata"]["name"]: each for each in self._objects if each.get("kind") in kinds}

    def pods(self) -> dict[str, Object]:
        """The templates of pods, by what `app.kubernetes.io/name` says."""
        owners = self.named("Deployment", "Job").values()
        templates = (owner["spec"]["template"] for owner in owners)
        return {each["metadata"]["labels"][NAME]: each for each in templates}

    def settings(self, container: Mapping[str, Any]) -> dict[str, str]:
        """The environment of a container, by name."""
        maps = self.named("ConfigMap")
        found: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            found |= maps[source["configMapRef"]["name"]]["data"]
        return found | {each["name"]: each["value"] for each in container.get("env", ())}

    def containers(self) -> dict[str, Object]:
        """The one container of each pod."""
        found = {}
        for name, pod in self.pods().items():
            [found[name]] = pod["spec"]["containers"]
        return found


def documents(text: str) -> list[Object]:
    """The documents of a YAML file."""
    return [each for each in yaml.safe_load_all(text) if each]


def lines(path: Path) -> Iterator[str]:
    """The lines of a file of settings that say something."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line


def secret_mounts(pod: Object) -> dict[str, str]:
    """Where a pod's Secrets are mounted, with their names."""
    [container] = pod["spec"]["containers"]
    volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
    return {
        mount["mountPath"]: volumes[mount["name"]]["secret"]["secretName"]
        for mount in container["volumeMounts"]
        if "secret" in volumes[mount["name"]]
    }
