"""TypeScript, in the two forms that are in use."""

import json
from pathlib import Path
from typing import ClassVar

from scripts.generation.language import Form, Language, run

PACKAGES = {
    "@bufbuild/protobuf": "2.17.0",
    "@bufbuild/protoc-gen-es": "2.17.0",
    "rxjs": "7.8.2",
    "ts-proto": "2.18.0",
    "typescript": "5.9.3",
}


class TypeScript(Language):
    """protoc-gen-es, for browsers and Node."""

    name, needs, suffix = "TypeScript", ("node", "npm"), ".ts"
    version = f"protoc-gen-es {PACKAGES['@bufbuild/protoc-gen-es']}"
    plugin: ClassVar[str] = "es"
    options: ClassVar[tuple[str, ...]] = ("--es_opt=target=ts",)

    def fetch(self) -> None:
        text = json.dumps({"private": True, "type": "module", "dependencies": PACKAGES}, indent=2)
        file = self.cache / "package.json"
        if file.exists() and file.read_text("utf-8") == text and (self.cache / "node_modules").exists():
            return
        file.write_text(text, "utf-8")
        run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"], self.cache)

    def generate(self, form: Form, out: Path) -> str:
        plugin = self.cache / "node_modules" / ".bin" / f"protoc-gen-{self.plugin}"
        return self.run_protoc(
            form, f"--plugin={plugin}", f"--{self.plugin}_out={out}", *self.options, rules=True
        )

    def compile(self, form: Form, out: Path) -> str:  # noqa: ARG002 - every form is compiled
        (out / "node_modules").symlink_to(self.cache / "node_modules")
        (out / "package.json").write_text('{"type": "module"}\n', "utf-8")
        flags = ["--noEmit", "--strict", "--module", "esnext", "--moduleResolution", "bundler"]
        flags += ["--target", "es2022", "--skipLibCheck"]
        sources = [str(path.relative_to(out)) for path in out.glob("consensus/**/*.ts")]
        return run([out / "node_modules" / ".bin" / "tsc", *flags, *sources], out)


class TsProto(TypeScript):
    """ts-proto, whose messages are plain interfaces."""

    name = "TypeScript (ts-proto)"
    version = f"ts-proto {PACKAGES['ts-proto']}"
    plugin = "ts_proto"
    options = ()
