from importlib import resources
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

from scripts.plain_contract import difference, without_rules

ROOT = Path(__file__).resolve().parents[3]
WITH_RULES = r"""// Of `[(buf.validate.field).required = true]` a comment may speak.
syntax = "proto3";

package a.v1;

import "buf/validate/validate.proto";
import "google/protobuf/duration.proto";

option java_package = "a; option (buf.validate.x) = [1];";

// A message.
message A {
  // One of them.
  oneof form {
    option (buf.validate.oneof).required = true;
    // A text; "]" ends nothing.
    string text = 1 [(buf.validate.field).string = {
      min_len: 1
      pattern: "^[^\\x00\"\\]]*$"
    }];
  }
  // Beside a rule, an option.
  int32 count = 2 [
    (buf.validate.field).int32 = {gte: 0, not_in: [7, 8]},
    deprecated = true
  ];
  // No rule.
  google.protobuf.Duration wait = 3;
}
"""
PLAIN = r"""// Of `[(buf.validate.field).required = true]` a comment may speak.
syntax = "proto3";

package a.v1;

import "google/protobuf/duration.proto";

option java_package = "a; option (buf.validate.x) = [1];";

// A message.
message A {
  // One of them.
  oneof form {
    // A text; "]" ends nothing.
    string text = 1;
  }
  // Beside a rule, an option.
  int32 count = 2 [
    deprecated = true
  ];
  // No rule.
  google.protobuf.Duration wait = 3;
}
"""


def compiled(folder: Path, text: str) -> FileDescriptorProto:
    (folder / "a.proto").write_text(text, encoding="utf-8")
    includes = [f"-I{folder}", f"-I{ROOT / 'protos'}", f"-I{resources.files('grpc_tools') / '_proto'}"]
    out = folder / "a.binpb"
    arguments = [*includes, "--include_source_info", f"--descriptor_set_out={out}", "a.proto"]
    assert protoc.main(["protoc", *arguments]) == 0
    return FileDescriptorSet.FromString(out.read_bytes()).file[0]


def test_rules_go_and_nothing_else(tmp_path: Path) -> None:
    assert without_rules(WITH_RULES) == PLAIN
    assert difference(compiled(tmp_path, WITH_RULES), compiled(tmp_path, PLAIN)) is None


@pytest.mark.parametrize(
    ("part", "instead", "found"),
    [
        ("  // No rule.\n", "", "a comment is not kept: ' No rule.\\n'"),
        ("deprecated = true", "deprecated = false", "the descriptors differ in more than rules"),
        ("wait = 3", "wait = 4", "the descriptors differ in more than rules"),
    ],
    ids=["comment", "option", "number"],
)
def test_what_is_lost_beside_rules_is_found(tmp_path: Path, part: str, instead: str, found: str) -> None:
    lost = compiled(tmp_path, PLAIN.replace(part, instead))
    assert difference(compiled(tmp_path, WITH_RULES), lost) == found


def test_a_text_that_ends_within_brackets_is_refused() -> None:
    with pytest.raises(ValueError, match="no ]"):
        without_rules("int32 count = 2 [deprecated = true;")
