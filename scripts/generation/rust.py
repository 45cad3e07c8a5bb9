"""Rust."""

from collections.abc import Mapping
from pathlib import Path

from scripts.generation.language import Form, Language, run

TONIC, PROST = "0.14.9", "0.14.6"


class Rust(Language):
    """prost and tonic, through tonic-prost-build, as a build script would call it."""

    name, needs, suffix = "Rust", ("cargo",), ".rs"
    version = f"tonic-prost-build {TONIC}"

    def fetch(self) -> None:
        generator = self.cache / "generate"
        _crate(generator, "src/main.rs", _RUST_GENERATOR, {"tonic-prost-build": TONIC})
        _crate(self.cache / "generated", "src/lib.rs", _RUST_LIBRARY, _RUST_LIBRARIES)
        run(["cargo", "build", "--quiet"], generator, self._target)

    @property
    def _target(self) -> dict[str, str]:
        return {"CARGO_TARGET_DIR": str(self.cache / "target")}

    def generate(self, form: Form, out: Path) -> str:
        generator = self.cache / "target" / "debug" / "generate"
        return run([generator, form.root, out, *form.files], form.root, {"PROTOC": str(self.protoc)})

    def compile(self, form: Form, out: Path) -> str:
        environment = {**self._target, "GENERATED": str(out)}
        library = self.cache / "generated"
        (library / "src" / "lib.rs").touch()
        features = ["--features", "rules"] if form.rules else []
        return run(["cargo", "check", "--quiet", *features], library, environment)


def _crate(folder: Path, source: str, text: str, dependencies: Mapping[str, str]) -> None:
    lines = "".join(f'{name} = "={version}"\n' for name, version in dependencies.items())
    head = f'[package]\nname = "{folder.name}"\nversion = "0.0.0"\nedition = "2021"\n'
    manifest = f"{head}\n[features]\nrules = []\n\n[dependencies]\n{lines}\n[workspace]\n"
    for path, wanted in ((folder / "Cargo.toml", manifest), (folder / source, text)):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text("utf-8") != wanted:
            path.write_text(wanted, "utf-8")


_RUST_LIBRARIES = {"prost": PROST, "prost-types": PROST, "tonic": TONIC, "tonic-prost": TONIC}
_RUST_GENERATOR = """\
fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    tonic_prost_build::configure()
        .out_dir(&arguments[1])
        .compile_protos(&arguments[2..], &[arguments[0].clone()])
}
"""
_RUST_LIBRARY = """\
pub mod consensus {
    pub mod v1 {
        include!(concat!(env!("GENERATED"), "/consensus.v1.rs"));
    }
}
#[cfg(feature = "rules")]
pub mod buf {
    pub mod validate {
        include!(concat!(env!("GENERATED"), "/buf.validate.rs"));
    }
}
"""
