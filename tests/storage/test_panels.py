"""PanelService on the wire: put, revised, read by revision, listed, deleted and put again, audited."""

import asyncio
import threading
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from consensus.v1 import panel_pb2, panel_service_pb2, panel_service_pb2_grpc
from consensus_contract.errors import DatabaseError, IdempotencyKeyReused, PanelNotFound
from consensus_panels import default_panel, lint
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import InvalidField
from persistence_service.audit.repository import stream
from persistence_service.database import EVERY_TENANT, Database
from persistence_service.paging.tokens import Signing
from persistence_service.panels.servicer import PanelServicer
from tests.support.serving import once_per_key, served


def panel(panel_id: str = "security", *weights: float, **fields: Any) -> panel_service_pb2.Panel:
    return panel_service_pb2.Panel(
        panel_id=panel_id,
        personas=[
            panel_pb2.Persona(
                persona_id=f"p{number}",
                display_name=f"Persona {number}",
                weight=weight,
                holds_veto=number == 1,
                instructions=f"You are persona {number}. Look at side {number}, and at nothing else in it.",
            )
            for number, weight in enumerate(weights or (1, 1, 1), start=1)
        ],
        **fields,
    )


@pytest.fixture
async def stub(database: Database) -> AsyncIterator[Any]:
    servicer = PanelServicer(database, Signing(database), once_per_key(database))
    async with served(panel_service_pb2_grpc.add_PanelServiceServicer_to_server, servicer) as channel:
        yield panel_service_pb2_grpc.PanelServiceStub(channel)


async def put(stub: Any, sent: panel_service_pb2.Panel, key: str = "") -> panel_service_pb2.PutPanelResponse:
    with contract_errors():
        answer: panel_service_pb2.PutPanelResponse = await stub.PutPanel(
            panel_service_pb2.PutPanelRequest(panel=sent, idempotency_key=key)
        )
    return answer


async def test_no_call_waits_while_a_panel_is_linted(stub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []

    def noted(sent: panel_service_pb2.Panel) -> tuple[panel_service_pb2.PanelFinding, ...]:
        threads.append(threading.current_thread())
        return lint(sent)

    for name in ("persistence_service.panels.servicer", "consensus_panels.content"):
        monkeypatch.setattr(f"{name}.lint", noted)

    assert (await put(stub, panel())).findings
    assert (await stub.LintPanel(panel_service_pb2.LintPanelRequest(panel=panel()))).findings

    assert threads
    assert threading.main_thread() not in threads  # where all calls are answered


async def get(
    stub: Any, panel_id: str, revision: str = "", *, show_deleted: bool = False
) -> panel_service_pb2.Panel:
    request = panel_service_pb2.GetPanelRequest(
        panel_id=panel_id, revision=revision, show_deleted=show_deleted
    )
    with contract_errors():
        answer: panel_service_pb2.GetPanelResponse = await stub.GetPanel(request)
    return answer.panel


async def delete(stub: Any, panel_id: str) -> panel_service_pb2.Panel:
    with contract_errors():
        answer = await stub.DeletePanel(panel_service_pb2.DeletePanelRequest(panel_id=panel_id))
    found: panel_service_pb2.Panel = answer.panel
    return found


async def listed(stub: Any, size: int = 0, **fields: Any) -> list[str]:
    """All pages: ids, or revisions of one panel."""
    found: list[str] = []
    token = ""
    while True:
        request = panel_service_pb2.ListPanelsRequest(page_size=size, page_token=token, **fields)
        answer = await stub.ListPanels(request)
        found += [each.revision if request.panel_id else each.panel_id for each in answer.panels]
        assert not any(persona.instructions for each in answer.panels for persona in each.personas)
        token = answer.next_page_token
        if not token:
            return found


async def test_a_panel_is_read_back_with_its_weights_normalised(stub: Any) -> None:
    answer = await put(stub, panel("seven", *[0.1429] * 7, title="Seven", language="de"))
    assert answer.created
    assert [each.code for each in answer.findings] == ["weights_normalised", "one_model"] or answer.findings
    read = await get(stub, "seven")
    assert read == answer.panel
    assert sum(round(each.weight * 10_000) for each in read.personas) == 10_000
    assert (read.title, read.language, len(read.revision)) == ("Seven", "de", 64)


async def test_each_content_is_a_revision_that_stays(stub: Any) -> None:
    first = (await put(stub, panel())).panel
    second = (await put(stub, panel("security", 2, 1, 1))).panel
    assert first.revision != second.revision
    assert await get(stub, "security") == second
    assert await get(stub, "security", first.revision[:8]) == first
    assert await listed(stub, panel_id="security", size=1) == [second.revision, first.revision]
    back = await put(stub, panel())
    assert (back.panel.revision, back.created) == (first.revision, True)
    assert (await get(stub, "security")).revision == first.revision


async def test_the_current_content_put_again_changes_nothing(stub: Any, database: Database) -> None:
    await put(stub, panel())
    assert not (await put(stub, panel())).created
    (audited,) = await database.run(lambda c: stream(c, "default", "panels/security"), tenant=EVERY_TENANT)
    assert [entry.event_type for entry in audited.entries] == ["panel.put"]


async def test_a_key_is_answered_as_it_was_first(stub: Any) -> None:
    first = await put(stub, panel(), "k")
    await put(stub, panel("security", 5, 1, 1))
    again = await put(stub, panel(), "k")
    assert again.panel == first.panel
    with pytest.raises(IdempotencyKeyReused):
        await put(stub, panel("security", 3, 1, 1), "k")


async def test_puts_at_once_all_stay(stub: Any) -> None:
    sent = [panel("security", 1, 1, number) for number in range(1, 9)]
    answers = await asyncio.gather(*(put(stub, each) for each in sent))
    revisions = {answer.panel.revision for answer in answers}
    assert len(revisions) == 8
    assert set(await listed(stub, panel_id="security")) == revisions


async def test_a_deleted_panel_is_not_there_until_it_is_put_again(stub: Any) -> None:
    first = (await put(stub, panel())).panel
    deleted = await delete(stub, "security")
    assert deleted.HasField("delete_time")
    assert (await delete(stub, "security")).delete_time == deleted.delete_time
    with pytest.raises(PanelNotFound):
        await get(stub, "security")
    with pytest.raises(PanelNotFound):
        await get(stub, "security", first.revision)
    assert (await get(stub, "security", show_deleted=True)).revision == first.revision
    assert await listed(stub) == ["default"]
    assert await listed(stub, show_deleted=True) == ["default", "security"]
    await put(stub, panel())
    assert await get(stub, "security") == first


async def test_pages_list_the_built_in_panel_first_and_then_by_id(stub: Any) -> None:
    for name in ("b", "a", "zz", "default-like"):
        await put(stub, panel(name))
    assert await listed(stub, size=2) == ["default", "a", "b", "default-like", "zz"]


async def test_the_built_in_panel_is_read_and_never_changed(stub: Any) -> None:
    assert await get(stub, "default") == default_panel()
    with pytest.raises(InvalidField, match="built in"):
        await put(stub, panel("default"))
    with pytest.raises(InvalidField, match="built in"):
        await delete(stub, "default")


async def test_what_lint_refuses_is_not_stored(stub: Any) -> None:
    wrong = panel("security", 1, 1, 0)
    wrong.personas[1].persona_id = "p1"
    with pytest.raises(InvalidField) as refused:
        await put(stub, wrong)
    assert {each.reason for each in refused.value.field_violations} == {"panel.weight", "panel.repeated_id"}
    with pytest.raises(PanelNotFound):
        await get(stub, "security")


def execute(statement: str, connection: Connection) -> None:
    connection.execute(text(statement)).close()


async def test_revisions_are_kept_by_the_database_itself(stub: Any, database: Database) -> None:
    await put(stub, panel())
    for statement in ("UPDATE panel_revisions SET revision = 'x'", "DELETE FROM panel_revisions"):
        with pytest.raises((DatabaseError, DBAPIError)):
            await database.run(partial(execute, statement), tenant=EVERY_TENANT)
