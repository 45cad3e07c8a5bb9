"""Every command explains itself within 80 columns, and says what is wrong with wrong usage."""

import sys

import pytest
from typer.testing import CliRunner

from consensus_cli.app import app

COMMANDS = (
    "up", "review", "watch", "resume", "revise", "diff", "show", "runs", "attempts", "personas", "info",
    "report", "cancel", "annotate", "expand", "delete", "undelete", "delete-user-data", "explain",
    "scorecard", "override", "usage", "doctor", "draft", "outcome", "escalation", "human-review", "panel",
    "policy", "bench", "event", "metric", "audit", "keys", "token",
)  # fmt: skip
AUDIT_COMMANDS = (["audit", "list"], ["audit", "verify"], ["audit", "export"], ["audit", "checkpoint"])
DRAFT_COMMANDS = tuple(
    ["draft", name]
    for name in (
        "new", "show", "list", "append", "pass", "invite", "accept", "update", "delete", "undelete", "watch",
        "submit",
    )
)  # fmt: skip
PANEL_COMMANDS = tuple(["panel", name] for name in ("init", "lint", "put", "show", "diff", "list", "delete"))
POLICY_COMMANDS = tuple(
    ["policy", name] for name in ("init", "lint", "put", "show", "list", "what-if", "fit")
)
OUTCOME_COMMANDS = (["outcome", "record"], ["outcome", "list"])
ESCALATION_COMMANDS = (["escalation", "list"], ["escalation", "resolve"])
HUMAN_REVIEW_COMMANDS = (["human-review", "submit"], ["human-review", "list"])
COLLECTED_COMMANDS = (["event", "list"], ["event", "stats"], ["metric", "list"], ["metric", "stats"])
KEY_COMMANDS = (["keys", "list"], ["keys", "rotate"])
TOKEN_COMMANDS = tuple(["token", name] for name in ("create", "list", "rotate", "revoke", "whoami"))
RUNNER = CliRunner(
    env={"COLUMNS": "80", "CONSENSUS_SERVER": "", "CONSENSUS_PERSISTENCE": "", "CONSENSUS_USER": ""}
)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        *([command] for command in COMMANDS),
        *AUDIT_COMMANDS,
        *DRAFT_COMMANDS,
        *PANEL_COMMANDS,
        *POLICY_COMMANDS,
        *OUTCOME_COMMANDS,
        *ESCALATION_COMMANDS,
        *HUMAN_REVIEW_COMMANDS,
        *COLLECTED_COMMANDS,
        *KEY_COMMANDS,
        *TOKEN_COMMANDS,
        ["bench", "decisions"],
    ],
    ids=lambda each: " ".join(each),
)
def test_help_fits_80_columns(arguments: list[str]) -> None:
    answer = RUNNER.invoke(app, [*arguments, "--help"])
    assert answer.exit_code == 0
    assert answer.stdout.startswith("Usage: ")
    assert [line for line in answer.stdout.splitlines() if len(line) > 80] == []


def test_help_lists_every_command_with_a_whole_sentence() -> None:
    lines = RUNNER.invoke(app, ["--help"]).stdout.partition("Commands:\n")[2].splitlines()
    assert tuple(line.split()[0] for line in lines) == COMMANDS
    assert [line for line in lines if not line.endswith(".") or line.endswith("...")] == []


WRONG = {
    "up with a folder that is not named": (["up", "--data"], "requires an argument"),
    "key without a role": (["token", "create", "billing"], "Missing option '--role'"),
    "content keys of nowhere": (["keys", "list", "--persistence", "nowhere"], "host:port"),
    "human review of a run that is not named": (["human-review", "submit"], "Missing argument"),
    "policy fit without outcomes": (["policy", "fit"], "name a table of votes"),
    "outcome that is none": (["outcome", "record", "r1", "maybe"], "'approve', 'revise', 'reject'"),
    "override without a reason": (["override", "r1", "reject"], "Missing option '--reason'"),
    "override that is none": (["override", "r1", "maybe", "--reason", "x"], "'approve', 'revise', 'reject'"),
    "escalations in no state": (["escalation", "list", "--state", "lost"], "'open', 'resolved', 'all'"),
    "explain of nothing": (["explain"], "Missing argument"),
    "scorecard of no time": (["scorecard", "--created-from", "soon"], "soon"),
    "bench on too few rows": (["bench", "decisions", "--labels", "3"], "3"),
    "undelete of nothing": (["undelete"], "give either a run or --deletion"),
    "undelete of a run and of a deletion": (["undelete", "r1", "--deletion", "d1"], "either a run or"),
    "delete of a run without a name": (["delete"], "Missing argument"),
    "delete of a nameless person's data": (["delete-user-data"], "Missing argument"),
    "export of deleted runs": (["runs", "--export", "--deleted"], "do not go together"),
    "no command of that name": (["approve"], "No such command"),
    "review without an idea": (["review"], "give an idea, a file"),
    "review of a plain file that is not there": (["review", "no-such-rfc.md"], "there is no file"),
    "review of a folder": (["review", "/"], "cannot read '/'"),
    "review of a program": (["review", f"@{sys.executable}"], "no text but a binary file"),
    "review as an idea and as a document": (["review", "x", "--idea", "--document"], "do not go together"),
    "review of an idea and a proposal": (["review", "x", "--proposal", "p.json"], "leave the idea out"),
    "review of a summarised idea": (["review", "x", "--idea", "--summarise"], "do not go together"),
    "review with a file that is not there": (["review", "x", "--attach", "/no/such"], "cannot read"),
    "review with a picture": (["review", "x", "--attach", sys.executable], "no text but a binary file"),
    "review with 21 files": (["review", "x", *["--attach", "f"] * 21], "at most 20 files"),
    "review with one file twice": (["review", "x", *["--attach", __file__] * 2], "two attachments are named"),
    "review of a file that is not there": (["review", "@/no/such/file"], "cannot read '/no/such/file'"),
    "review with a context that is half an object": (["review", "x", "--context", '{"a":'], "no JSON object"),
    "review with a context that holds a key twice": (["review", "x", "--context", '{"a":1,"a":2}'], "twice"),
    "review with a context that holds NaN": (["review", "x", "--context", '{"a":NaN}'], "NaN"),
    "review too warm": (["review", "x", "--review-temperature", "2.5"], "--review-temperature"),
    "review with three decimals": (["review", "x", "--expand-temperature", "0.123"], "two decimals"),
    "review with eleven retries": (["review", "x", "--max-retries", "11"], "less than or equal to 10"),
    "review detached and gated": (["review", "x", "--detach", "--gate"], "do not go together"),
    "review detached and cancelling": (
        ["review", "x", "--detach", "--on-disconnect", "cancel"], "do not go together"
    ),
    "review elsewhere than at an address": (["review", "x", "--server", "nowhere"], "give host:port"),
    "review at port 0": (["review", "x", "--server", "127.0.0.1:0"], "give host:port"),
    "watch after less than nothing": (["watch", "r1", "--after", "-1"], "--after"),
    "watch without a run": (["watch"], "Missing argument"),
    "resume of two runs": (["resume", "r1", "r2"], "unexpected extra argument"),
    "revise without an edit": (["revise", "r1"], "give --notes, --edited, or both"),
    "revise in an editor and from a file": (
        ["revise", "r1", "--editor", "--edited", "@p.json"], "do not go together"
    ),
    "revise of all and some": (
        ["revise", "r1", "--notes", "n", "--all", "--persona", "critic"], "do not go together"
    ),
    "revise with text for a proposal": (["revise", "r1", "--edited", "{}"], "@ and the name of a file"),
    "revise with no file": (["revise", "r1", "--edited", "@/no/such"], "cannot read '/no/such'"),
    "revise with what is no proposal": (["revise", "r1", "--edited", "@Makefile"], "is no proposal in JSON"),
    "diff of one run": (["diff", "r1"], "Missing argument"),
    "show without a run": (["show"], "Missing argument"),
    "runs in a state that is none": (["runs", "--state", "done"], "--state"),
    "runs since a day that is none": (["runs", "--created-from", "yesterday"], "ISO 8601"),
    "runs since no span": (["runs", "--since", "yesterday"], "45m, 12h, 7d or 2w"),
    "runs since two times": (["runs", "--since", "7d", "--created-from", "2026-11-01"], "do not go together"),
    "runs in two forms": (["runs", "--csv", "--json"], "do not go together"),
    "runs on pages of 101": (["runs", "--page-size", "101"], "less than or equal to 100"),
    "runs, all of them, from a page": (["runs", "--all", "--page-token", "t"], "do not go together"),
    "attempts with an unknown option": (["attempts", "r1", "--all"], "No such option"),
    "personas with an argument": (["personas", "critic"], "unexpected extra argument"),
    "info with an argument": (["info", "all"], "unexpected extra argument"),
    "report in a format that is none": (["report", "r1", "--format", "pdf"], "--format"),
    "cancel without a run": (["cancel"], "Missing argument"),
    "annotate without a note": (["annotate", "r1"], "give either"),
    "annotate with a note and without": (["annotate", "r1", "n", "--remove"], "give either"),
    "expand without an idea": (["expand"], "Missing argument"),
    "human-review of nothing": (["human-review", "sum"], "No such command"),
    "keys of nothing": (["keys", "burn"], "No such command"),
    "token of nothing": (["token", "burn"], "No such command"),
    "audit of nothing": (["audit", "prove"], "No such command"),
    "audit list of a severity that is none": (["audit", "list", "--min-severity", "loud"], "--min-severity"),
    "audit list on pages of 0": (["audit", "list", "--page-size", "0"], "--page-size"),
    "audit verify of a file that is not there": (["audit", "verify", "/no/such"], "cannot read '/no/such'"),
    "audit verify of a stream of a file": (
        ["audit", "verify", "f", "--stream", "runs/1"], "do not go together"
    ),
    "audit export with an argument": (["audit", "export", "file"], "unexpected extra argument"),
    "audit checkpoint with an argument": (["audit", "checkpoint", "file"], "unexpected extra argument"),
    "draft of nothing": (["draft", "write"], "No such command"),
    "draft new without a user": (["draft", "new", "T"], "--user"),
    "draft new for a platform that is none": (
        ["draft", "new", "T", "--user", "u", "--platform", "fax"], "--platform"
    ),
    "draft show without a draft": (["draft", "show"], "Missing argument"),
    "draft list on pages of 101": (["draft", "list", "--user", "u", "--page-size", "101"], "--page-size"),
    "draft append without a text": (["draft", "append", "d", "--user", "u"], "Missing argument"),
    "draft append of a file that is not there": (
        ["draft", "append", "d", "@/no/such", "--user", "u"], "cannot read '/no/such'"
    ),
    "draft pass to nobody": (["draft", "pass", "d", "--user", "u"], "Missing argument"),
    "draft invite for 721 hours": (["draft", "invite", "d", "--user", "u", "--hours", "721"], "--hours"),
    "draft invite in a role that is none": (
        ["draft", "invite", "d", "--user", "u", "--role", "boss"], "--role"
    ),
    "draft accept without a token": (["draft", "accept", "d", "--user", "u"], "Missing argument"),
    "draft delete by nobody": (["draft", "delete", "d"], "--user"),
    "draft update of nothing": (["draft", "update", "d", "--user", "u"], "give --title"),
    "draft watch after less than nothing": (["draft", "watch", "d", "--after", "-1"], "--after"),
    "draft submit detached and gated": (
        ["draft", "submit", "d", "--user", "u", "--detach", "--gate"], "do not go together"
    ),
    "panel init without a folder": (["panel", "init"], "Missing argument"),
    "panel lint of a folder that is not there": (["panel", "lint", "/no/such"], "panel.toml"),
    "panel put of a folder that is not there": (["panel", "put", "p", "/no/such"], "panel.toml"),
    "panel show of nothing": (["panel", "show"], "Missing argument"),
    "panel diff of one": (["panel", "diff", "a"], "Missing argument"),
    "panel list on pages of 101": (["panel", "list", "--page-size", "101"], "--page-size"),
    "panel delete of nothing": (["panel", "delete"], "Missing argument"),
    "review by a folder that is not there": (["review", "An idea.", "--panel", "./none"], "panel.toml"),
    "event list since no span": (["event", "list", "--since", "7"], "45m, 12h, 7d or 2w"),
    "metric of nothing": (["metric", "sum"], "No such command"),
    "usage by what is no group": (["usage", "--by", "mood"], "--by"),
    "doctor elsewhere than at an address": (["doctor", "--persistence", "x:y"], "give host:port"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "said"), WRONG.values(), ids=WRONG.keys())
def test_wrong_usage_exits_2_and_says_what_is_wrong(arguments: list[str], said: str) -> None:
    answer = RUNNER.invoke(app, arguments)
    assert answer.exit_code == 2
    assert said in " ".join(answer.stderr.split())
    assert answer.stdout == ""


def test_every_command_has_a_wrong_use_above() -> None:
    assert {arguments[0] for arguments, _ in WRONG.values()} >= set(COMMANDS)
