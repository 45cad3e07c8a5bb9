"""`revise --editor`: what the editor leaves behind is what is sent."""

import sys
from pathlib import Path

import pytest

from consensus.v1 import document_pb2
from tests.unit.consensus_cli.conftest import Command
from tests.unit.consensus_client import samples
from tests.unit.consensus_client.scripted import ScriptedService, serving


@pytest.fixture
def editor(tmp_path: Path) -> str:
    """An editor that writes 3 in place of the first `the`."""
    script = tmp_path / "editor.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nfile = Path(sys.argv[1])\n"
        "file.write_text(file.read_text('utf-8').replace('the ', '3 ', 1), 'utf-8')\n",
        encoding="utf-8",
    )
    return f"{sys.executable} {script}"


async def revised(command: Command, service: ScriptedService, editor: str) -> tuple[int | None, str]:
    async with serving(service) as address:
        ended = await command(
            "revise", samples.RUN, "--editor", "--detach", "--server", address, EDITOR=editor, VISUAL=editor
        )
    return ended.code, ended.err


async def test_the_proposal_is_edited_as_json(command: Command, editor: str) -> None:
    service = ScriptedService()
    await revised(command, service, editor)
    sent = service.requests[-1].edited_proposal
    assert sent.proposed_solution == "# not a heading\nSend a message 3 day before."
    assert sent.title == samples.proposal().title


async def test_the_document_is_edited_as_it_is(command: Command, editor: str) -> None:
    service = ScriptedService()
    service.run.specification.document.CopyFrom(
        document_pb2.Document(
            text="# A\nOf the plan.", format=document_pb2.DOCUMENT_FORMAT_MARKDOWN, name="a.md"
        )
    )
    await revised(command, service, editor)
    sent = service.requests[-1].edited_document
    assert (sent.text, sent.name) == ("# A\nOf 3 plan.", "a.md")


async def test_what_is_left_as_it_was_is_no_revision(command: Command) -> None:
    service = ScriptedService()
    code, err = await revised(command, service, f"{sys.executable} -c pass")
    assert code == 2
    assert "nothing was changed" in err
    assert service.names() == ["GetRunRequest"]
