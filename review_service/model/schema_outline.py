"""A JSON schema as a short form that people and small models can read. Pure."""

import json
from typing import Any

_SIMPLE = {
    "string": "text",
    "number": "number",
    "integer": "whole number",
    "boolean": "true or false",
    "null": "null",
}


def schema_outline(schema: dict[str, Any]) -> str:
    """The form of an object, a line for each field: `"concerns": [{"text": text, ...}, ...]`.

    What it does not know of a schema it shows as JSON.
    """
    definitions = schema.get("$defs", {})
    fields = [
        f"  {json.dumps(name)}: {_form(field, definitions)}"
        for name, field in schema.get("properties", {}).items()
    ]
    return "{\n" + ",\n".join(fields) + "\n}"


def _fields(properties: dict[str, Any], definitions: dict[str, Any]) -> list[str]:
    return [f"{json.dumps(name)}: {_form(each, definitions)}" for name, each in properties.items()]


def _form(node: dict[str, Any], definitions: dict[str, Any]) -> str:
    """A value's form, in one line."""
    if "$ref" in node:
        return _form(definitions[node["$ref"].rsplit("/", 1)[-1]], definitions)
    if "enum" in node:
        return " or ".join(json.dumps(each, ensure_ascii=False) for each in node["enum"])
    if "anyOf" in node:
        return " or ".join(_form(each, definitions) for each in node["anyOf"])
    kind = node.get("type")
    if kind == "array":
        return f"[{_form(node.get('items', {}), definitions)}, ...]"
    if kind == "object" and "properties" in node:
        parts = (
            f"{json.dumps(name)}: {_form(each, definitions)}" for name, each in node["properties"].items()
        )
        return "{" + ", ".join(parts) + "}"
    return _SIMPLE.get(str(kind)) or json.dumps(node, ensure_ascii=False)
