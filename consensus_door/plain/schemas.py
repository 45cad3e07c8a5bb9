"""Messages of the contract as JSON Schema, as protobuf's JSON writes them; made from descriptors. Pure."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

Schema = dict[str, Any]

_WELL_KNOWN: Mapping[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?s$"},
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.Value": {},
    "google.protobuf.ListValue": {"type": "array", "items": {}},
}
_NUMBERS: Mapping[int, Schema] = {
    FieldDescriptor.TYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    FieldDescriptor.TYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.TYPE_SINT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.TYPE_SFIXED32: {"type": "integer", "format": "int32"},
    FieldDescriptor.TYPE_UINT32: {"type": "integer", "minimum": 0},
    FieldDescriptor.TYPE_FIXED32: {"type": "integer", "minimum": 0},
}
_LONG: Schema = {"type": "string", "pattern": "^-?[0-9]+$", "description": "A whole number, as text."}


class Schemas:
    """The schemas that operations name, each once, with all that they are made of."""

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}

    def refer(self, message: Descriptor) -> Schema:
        """A reference to a message's schema, which is among the components then."""
        if message.full_name in _WELL_KNOWN:
            return dict(_WELL_KNOWN[message.full_name])
        name = message.name
        if name not in self.components:
            own: Schema = {"type": "object", "properties": {}, "additionalProperties": False}
            self.components[name] = own  # before its fields, which may hold it again
            own["properties"] = {field.json_name: self._of_field(field) for field in message.fields}
        return {"$ref": f"#/components/schemas/{name}"}

    def _of_field(self, field: FieldDescriptor) -> Schema:
        message = field.message_type
        if message is not None and message.GetOptions().map_entry:
            return {"type": "object", "additionalProperties": self._of_value(message.fields_by_name["value"])}
        value = self._of_value(field)
        return {"type": "array", "items": value} if field.is_repeated else value

    def _of_value(self, field: FieldDescriptor) -> Schema:
        if field.message_type is not None:
            return self.refer(field.message_type)
        if field.enum_type is not None:
            return {"type": "string", "enum": [each.name for each in field.enum_type.values]}
        return dict(_NUMBERS.get(field.type, _LONG))
