"""The clients of examples/ in five languages: what each needs, how it is built in place, how it is run."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
BUILD = ROOT / "build" / "clients"
BUILD_SECONDS = 1500.0
ALL_VARIABLE = "ALL_CLIENTS"
Command = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that a client is built with, and the oldest version that will do."""

    command: str
    version: Command
    least: tuple[int, ...]

    def lacking(self) -> str:
        """Why it will not do; empty when it will."""
        if shutil.which(self.command) is None:
            return f"{self.command} not found"
        done = subprocess.run(
            self.version, cwd=BUILD, env=environment(), check=False, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
        )  # fmt: skip
        wanted = ".".join(map(str, self.least))
        found = re.search(r"\d+(?:\.\d+)*", re.sub(r"\x1b\[\d*m", "", done.stdout))
        if done.returncode != 0 or found is None:
            return f"{self.command} does not say its version"
        if tuple(map(int, found[0].split("."))) < self.least:
            return f"{self.command} is {found[0]}, and {wanted} is wanted"
        return ""


@dataclass(frozen=True, slots=True)
class Language:
    """One client. `build` and `run` are commands in `folder`, a part of examples/."""

    name: str
    folder: str
    tools: tuple[Tool, ...]
    build: tuple[Command, ...]
    run: Command
    sources: tuple[str, ...]
    """The program, without what builds it."""
    is_slow: bool = False
    """Whether its first build takes more than a minute on two cores: built only where ALL_CLIENTS is set."""
    settings: dict[str, str] = field(default_factory=dict)

    def left_out(self) -> str:
        """Why it cannot be tried here; empty when it can."""
        BUILD.mkdir(parents=True, exist_ok=True)
        lacking = [reason for tool in self.tools if (reason := tool.lacking())]
        if self.is_slow and not os.environ.get(ALL_VARIABLE):
            lacking.append("its first build takes minutes; make test-clients ALL=1 takes it along")
        return ", ".join(lacking)

    def make(self) -> str:
        """Builds it, once in a run; other workers wait. Returns what a command that failed has said."""
        run, stamp = os.environ.get("PYTEST_XDIST_TESTRUNUID", ""), BUILD / f"{self.folder}.built"
        with (BUILD / f"{self.folder}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if run and stamp.exists() and stamp.read_text("utf-8") == run:
                return ""
            for command in self.build:
                done = subprocess.run(
                    command, cwd=EXAMPLES / self.folder, env=environment(), check=False,
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                    timeout=BUILD_SECONDS,
                )  # fmt: skip
                if done.returncode != 0:
                    return f"{' '.join(command)} failed:\n{done.stdout}"
            stamp.write_text(run, "utf-8")
        return ""


def environment(**settings: str) -> dict[str, str]:
    """That of builds and clients: this one's, with the programs of .venv on the path, buf among them.

    No setting of a client is inherited, Go fetches no other Go than is there, and Maven's Java is told that
    its work is short, which halves it.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CONSENSUS_")}
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    short_work = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    return kept | {"PATH": path, "GOTOOLCHAIN": "local", "MAVEN_OPTS": short_work} | settings


_PYTHON_STUBS = BUILD / "python"
_PROTOS = ROOT / "gen" / "plain"
LANGUAGES = (
    Language(
        "Python", "python", (),
        (
            (sys.executable, "-c", f"import os; os.makedirs({str(_PYTHON_STUBS)!r}, exist_ok=True)"),
            (
                sys.executable, "-m", "grpc_tools.protoc", f"-I{_PROTOS}", f"--python_out={_PYTHON_STUBS}",
                f"--grpc_python_out={_PYTHON_STUBS}",
                *sorted(str(path) for path in _PROTOS.glob("consensus/v1/*.proto")),
            ),
        ),
        (sys.executable, "-P", "watch.py"), ("watch.py",), settings={"PYTHONPATH": str(_PYTHON_STUBS)},
    ),
    Language(
        "TypeScript", "typescript",
        (Tool("node", ("node", "--version"), (20,)), Tool("npm", ("npm", "--version"), (9,))),
        (("npm", "ci", "--no-progress", "--ignore-scripts"), ("npm", "run", "build")),
        ("node", "dist/review.js"), ("review.ts",),
    ),
    Language(
        "Go", "go", (Tool("go", ("go", "env", "GOVERSION"), (1, 26)),),
        (("buf", "generate"), ("go", "build", "-o", "bin/review", ".")),
        ("bin/review",), ("main.go",), is_slow=True,
    ),
    Language(
        "Java", "java",
        (Tool("javac", ("javac", "-version"), (17,)), Tool("mvn", ("mvn", "-version"), (3, 6))),
        (("mvn", "--batch-mode", "--quiet", "-Dstyle.color=never", "compile"),),
        ("java", "-cp", "target/classes:target/dependency/*", "Review"), ("src/main/java/Review.java",),
        is_slow=True,
    ),
    Language(
        "Rust", "rust", (Tool("cargo", ("cargo", "--version"), (1, 88)),),
        (("cargo", "build", "--quiet"),),
        ("target/debug/consensus-example",), ("src/main.rs",), is_slow=True,
    ),
)  # fmt: skip
