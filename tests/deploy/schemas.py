"""`python schemas.py VERSION OBJECTS.yaml [DEFINITION.yaml …]`: a line for each fault, and then exit code 1.

Run by the environment of `make test-deploy`, which has the schemas of Kubernetes' own objects; those of
others come from definitions. A field that no schema knows is a fault, and so is an object without schema.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

Object = dict[str, Any]


def definitions(paths: list[str]) -> dict[tuple[str, str], Object]:
    """The schemas of objects that are not Kubernetes' own, by version and kind."""
    found = {}
    for path in paths:
        spec = yaml.safe_load(Path(path).read_text(encoding="utf-8"))["spec"]
        for version in spec["versions"]:
            schema = version["schema"]["openAPIV3Schema"]
            _close(schema)
            found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    return found


def _close(schema: Any) -> None:
    """Lets no field pass that is not described; what stands in `metadata` is Kubernetes' own."""
    if isinstance(schema, dict):
        for name, each in schema.items():
            if name != "metadata":
                _close(each)
        if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
            schema.setdefault("additionalProperties", False)
    elif isinstance(schema, list):
        for each in schema:
            _close(each)


def faults(given: Object, version: str, custom: dict[tuple[str, str], Object]) -> Iterator[str]:
    """What is wrong with an object, in words."""
    schema = custom.get((given["apiVersion"], given["kind"]))
    if schema is not None:
        yield from (error.message for error in jsonschema.Draft7Validator(schema).iter_errors(given))
        return
    try:
        kubernetes_validate.validate(given, version, strict=True)
    except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
        yield str(error.message)


def main(version: str, objects: str, *paths: str) -> int:
    """The exit code: 0, or 1 after a line for each fault."""
    custom = definitions(list(paths))
    status = 0
    for given in yaml.safe_load_all(Path(objects).read_text(encoding="utf-8")):
        for fault in faults(given, version, custom):
            sys.stdout.write(f"{given['kind']} {given['metadata']['name']}: {fault}\n")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
