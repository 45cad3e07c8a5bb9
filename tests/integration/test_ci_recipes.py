"""The recipes for GitHub and GitLab: their shell as it stands, against a pair and a stand-in of the forge."""

import json
import shutil
import subprocess
import threading
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import yaml

from tests.support.pair import Pair, running_pair
from tests.support.processes import ROOT, clean_environment

RECIPES = ROOT / "examples" / "ci"
CAREFUL, RISKY = (
    (ROOT / "examples" / "ideas" / name).read_text(encoding="utf-8")
    for name in ("appointment-reminders.md", "readable-passwords.md")
)
NASTY = "docs/rfcs/$(touch pwned) `touch pwned`; \"a\" 'b' <x>.md"
TOKEN = "glpat-0123456789"  # nobody's
STAND_IN = """#!/usr/bin/env bash
case "$*" in *--paginate*) cat "$FORGE/comment" 2> /dev/null ;; esac
for each; do
  case "$each" in body=@*) cp "${each#body=@}" "$FORGE/body"; echo 7 > "$FORGE/comment" ;; esac
done
exit 0
"""


class Repository:
    """A clone with a base and what a request to merge adds to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._git("init", "--quiet")
        self.base = self.commit({"README.md": "x"})

    def commit(self, files: Mapping[str, str]) -> str:
        """The commit that adds these."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        self._git("add", "--all")
        self._git("-c", "user.name=Ann", "-c", "user.email=ann@example.org", "commit", "--quiet", "-m", "x")
        return self._git("rev-parse", "HEAD").strip()

    def _git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, check=True, capture_output=True, text=True
        )
        return done.stdout


class Forge:
    """Where a recipe runs, and the one comment that it has left there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, pair: Pair, repository: Repository, head: str, *, key: str = "ck_nobodys") -> int:
        """The exit code of the job for a commit."""
        raise NotImplementedError

    def body(self) -> str:
        """The comment; empty: there is none."""
        raise NotImplementedError


def bash(script: str, folder: Path, environment: Mapping[str, str]) -> int:
    path = f"{ROOT / '.venv' / 'bin'}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder, env={**environment, "PATH": path}, check=False, timeout=280, capture_output=True,
        text=True,
    )  # fmt: skip
    print(done.stdout, done.stderr)
    return done.returncode


def calling(pair: Pair, key: str) -> dict[str, str]:
    """The environment of any command that reviews; without TLS, which the pair does not have."""
    where = {"CONSENSUS_SERVER": pair.review_address, "DOCUMENTS": "docs/rfcs/*.md"}
    return clean_environment(**where, CONSENSUS_KEY=key)


class GitHub(Forge):
    def run(self, pair: Pair, repository: Repository, head: str, *, key: str = "ck_nobodys") -> int:
        recipe = yaml.safe_load((RECIPES / "github.yml").read_text(encoding="utf-8"))
        steps = {each["name"]: each for each in recipe["jobs"]["gate"]["steps"] if "name" in each}
        given = {
            **calling(pair, key),
            "BASE_SHA": repository.base, "HEAD_SHA": head, "OUT": str(self.folder / "out" / head),
            "GH_TOKEN": "t", "REPOSITORY": "o/r", "PULL": "3", "FORGE": str(self.folder),
        }  # fmt: skip
        stand_in = self.folder / "bin" / "gh"
        stand_in.parent.mkdir(exist_ok=True)
        stand_in.write_text(STAND_IN)
        stand_in.chmod(0o755)
        given["PATH"] = f"{stand_in.parent}:{given['PATH']}"
        for name in ("review", "comment", "gate"):
            assert set(steps[name]["env"]) - {"CONSENSUS_TLS_CA"} <= set(given)
            if code := bash(steps[name]["run"], repository.folder, given):
                return code
        return 0

    def body(self) -> str:
        path = self.folder / "body"
        return path.read_text(encoding="utf-8") if path.exists() else ""


class GitLab(Forge):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.notes: list[dict[str, Any]] = [{"id": 5, "author": {"id": 9}, "body": "<!-- consensus -->"}]

    def run(self, pair: Pair, repository: Repository, head: str, *, key: str = "ck_nobodys") -> int:
        recipe = yaml.safe_load((RECIPES / "gitlab.yml").read_text(encoding="utf-8"))["consensus"]
        with self._served() as api:
            given = {
                **calling(pair, key),
                "CI_MERGE_REQUEST_DIFF_BASE_SHA": repository.base, "CI_COMMIT_SHA": head,
                "CI_API_V4_URL": api, "CI_PROJECT_ID": "4", "CI_MERGE_REQUEST_IID": "3",
                "COMMENT_TOKEN": TOKEN,
            }  # fmt: skip
            return bash("\n".join(recipe["script"]), repository.folder, given)

    def body(self) -> str:
        return "".join(each["body"] for each in self.notes if each["author"]["id"] == 1)

    @contextmanager
    def _served(self) -> Iterator[str]:
        notes = self.notes

        class Api(BaseHTTPRequestHandler):
            def answer(self, what: Any) -> None:
                assert self.headers["PRIVATE-TOKEN"] == TOKEN
                body = json.dumps(what).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def sent(self) -> str:
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                return parse_qs(form, strict_parsing=True)["body"][0]

            def do_GET(self) -> None:
                self.answer({"id": 1} if self.path == "/user" else notes)

            def do_POST(self) -> None:
                notes.append({"id": 6, "author": {"id": 1}, "body": self.sent()})
                self.answer({})

            def do_PUT(self) -> None:
                assert self.path == "/projects/4/merge_requests/3/notes/6"
                notes[-1]["body"] = self.sent()
                self.answer({})

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def reviewing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("reviewing")
    with running_pair(folder, f"sqlite:///{folder / 'consensus.db'}") as pair:
        yield pair


@pytest.mark.timeout(600)  # a dozen commands, of which each begins anew
@pytest.mark.parametrize("kind", [GitHub, GitLab])
def test_a_request_to_merge_is_gated_and_told_why(
    kind: type[Forge], reviewing: Pair, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    if kind is GitLab and shutil.which("curl") is None:
        pytest.skip("no curl")
    (tmp_path / "clone").mkdir()
    forge, repository = kind(tmp_path), Repository(tmp_path / "clone")

    with subtests.test("nothing to review"):
        assert forge.run(reviewing, repository, repository.commit({"src/a.md": RISKY})) == 0
        assert forge.body() == ""
    careful = repository.commit({"docs/rfcs/careful.md": CAREFUL.replace("nurses", "nurses (@ann)", 1)})
    with subtests.test("no key, as from a fork"):
        assert forge.run(reviewing, repository, careful, key="") == 1
        assert forge.body() == ""
    with subtests.test("approved"):
        assert forge.run(reviewing, repository, careful) == 0
        first = forge.body()
        assert first.startswith("<!-- consensus -->")
        assert "docs/rfcs/careful.md" in first
        assert "APPROVE" in first.upper()
        assert "@ann" not in first
    with subtests.test("asked again, the same run"):
        assert forge.run(reviewing, repository, careful) == 0
        assert forge.body() == first
    with subtests.test("rejected, whatever it is called"):
        assert forge.run(reviewing, repository, repository.commit({NASTY: RISKY})) == 11
        assert "docs/rfcs/careful.md" in forge.body()
        assert "REJECT" in forge.body().upper()
        assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize("name", ["github.yml", "gitlab.yml"])
def test_a_recipe_installs_the_package_that_the_command_comes_with(name: str) -> None:
    # Of what pipx installs it offers the commands of the named package alone, not of those that this needs.
    client = tomllib.loads((ROOT / "packages" / "client" / "pyproject.toml").read_text(encoding="utf-8"))
    project = client["project"]
    assert "consensus" in project["scripts"]
    recipe = (RECIPES / name).read_text(encoding="utf-8")
    assert f"CONSENSUS_PACKAGE: {project['name']}=={project['version']} #" in recipe


def test_the_recipe_for_github_asks_for_no_more_than_it_needs() -> None:
    github = yaml.safe_load((RECIPES / "github.yml").read_text(encoding="utf-8"))
    job = github["jobs"]["gate"]
    assert github[True] == "pull_request"  # YAML 1.1 reads `on` so
    assert github["permissions"] == {}
    assert job["permissions"] == {"contents": "read", "pull-requests": "write"}
    used = [each["uses"] for each in job["steps"] if "uses" in each]
    assert all(len(each.partition("@")[2]) == 40 for each in used)
    # What others wrote reaches a shell as a variable, and never as a part of its text.
    assert not any("${{" in each["run"] for each in job["steps"] if "run" in each)
