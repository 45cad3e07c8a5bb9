"""Go."""

from pathlib import Path

from scripts.generation.language import Form, Language, run

PROTOBUF, GRPC, GRPC_PLUGIN = "v1.36.12", "v1.85.0", "v1.6.2"


class Go(Language):
    """protoc-gen-go and protoc-gen-go-grpc."""

    name, needs, suffix = "Go", ("go",), ".go"
    version = f"protoc-gen-go {PROTOBUF}, -go-grpc {GRPC_PLUGIN}"

    def fetch(self) -> None:
        for module, version in (
            ("google.golang.org/protobuf/cmd/protoc-gen-go", PROTOBUF),
            ("google.golang.org/grpc/cmd/protoc-gen-go-grpc", GRPC_PLUGIN),
        ):
            if not (self.cache / f"{Path(module).name}-{version}").exists():
                run(["go", "install", f"{module}@{version}"], self.cache, {"GOBIN": str(self.cache)})
                (self.cache / f"{Path(module).name}-{version}").touch()

    def generate(self, form: Form, out: Path) -> str:
        plugins = [f"--plugin={self.cache / name}" for name in ("protoc-gen-go", "protoc-gen-go-grpc")]
        return self.run_protoc(form, *plugins, f"--go_out={out}", f"--go-grpc_out={out}")

    def compile(self, form: Form, out: Path) -> str | None:
        if form.rules:  # they are a module of another registry
            return None
        module = out / "github.com" / "consensus-engine" / "consensus"
        requires = f"google.golang.org/grpc {GRPC}\n\tgoogle.golang.org/protobuf {PROTOBUF}"
        (module / "go.mod").write_text(
            f"module github.com/consensus-engine/consensus\n\ngo 1.24\n\nrequire (\n\t{requires}\n)\n",
            "utf-8",
        )
        run(["go", "mod", "tidy"], module)
        return run(["go", "vet", "./..."], module)
