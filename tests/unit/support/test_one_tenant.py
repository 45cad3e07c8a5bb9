"""The rule finds a statement without a tenant, or with several, and leaves those with one alone."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import bindparam, delete, insert, select, tuple_, update
from sqlalchemy.dialects.postgresql import psycopg2

from persistence_service.runs.write import statements
from persistence_service.tables import metadata
from tests.support.one_tenant import Named, named, named_in_text

DIALECT: Any = psycopg2.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's
RUNS, DRAFTS, MEMBERS = (metadata.tables[name] for name in ("runs", "drafts", "draft_members"))
USAGE, ATTEMPTS, PANELS = (metadata.tables[name] for name in ("usage", "attempts", "panels"))
OF_TENANT = RUNS.c.tenant == bindparam("of_tenant")
IN_KEYS = tuple_(RUNS.c.tenant, RUNS.c.run_id).in_(bindparam("keys", expanding=True))
TWO, ONE = [("acme", "1"), ("globex", "1")], [("acme", "1"), ("acme", "2")]
SAME_DRAFT = (MEMBERS.c.tenant == DRAFTS.c.tenant) & (MEMBERS.c.draft_id == DRAFTS.c.draft_id)


def found(statement: Any, *sets: Mapping[str, Any]) -> list[Named]:
    compiled = statement.compile(dialect=DIALECT)
    return list(
        named(
            compiled, [compiled.construct_params(dict(each), _check=False) for each in sets or ({},)], "text"
        )
    )


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        (select(RUNS.c.run_id).with_for_update(skip_locked=True), {}),
        (select(RUNS.c.run_id).where(RUNS.c.run_id == "1").with_for_update(read=True), {}),
        (select(RUNS.c.run_id).where(IN_KEYS).with_for_update(), {"keys": TWO}),
        (
            select(RUNS.c.run_id).where(OF_TENANT | (RUNS.c.run_id == "1")).with_for_update(),
            {"of_tenant": "a"},
        ),
        (select(RUNS.c.run_id).where(RUNS.c.tenant != "acme").with_for_update(), {}),
        (select(DRAFTS.c.draft_id).join(MEMBERS, SAME_DRAFT).with_for_update(of=DRAFTS), {}),
        (update(RUNS).values(state="FAILED"), {}),
        (update(RUNS).where(RUNS.c.run_id == "1").values(state="FAILED"), {}),
        (update(RUNS).where(RUNS.c.tenant.in_(["acme", "globex"])).values(state="FAILED"), {}),
        (delete(RUNS), {}),
        (delete(RUNS).where(IN_KEYS), {"keys": TWO}),
        (
            delete(RUNS).where(RUNS.c.run_id.in_(select(RUNS.c.run_id).where(OF_TENANT))),
            {"of_tenant": "acme"},
        ),
        (insert(USAGE).from_select(["tenant"], select(ATTEMPTS.c.tenant)), {}),
    ],
    ids=str,
)
def test_a_statement_without_one_tenant_is_found(statement: Any, parameters: Mapping[str, Any]) -> None:
    assert [each.is_of_one for each in found(statement, parameters)] == [False]


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        (select(RUNS.c.run_id).where(OF_TENANT).with_for_update(), {"of_tenant": "acme"}),
        (select(RUNS.c.run_id).where(IN_KEYS).with_for_update(), {"keys": ONE}),
        (
            select(RUNS.c.run_id).where(OF_TENANT & IN_KEYS).with_for_update(),
            {"of_tenant": "acme", "keys": TWO},
        ),
        (
            select(DRAFTS.c.draft_id)
            .join(MEMBERS, SAME_DRAFT)
            .where(MEMBERS.c.tenant == "acme")
            .with_for_update(of=DRAFTS),
            {},
        ),
        (update(RUNS).where(OF_TENANT).values(state="FAILED"), {"of_tenant": "acme"}),
        (delete(RUNS).where(RUNS.c.tenant == "acme"), {}),
        (
            insert(USAGE).from_select(
                ["tenant"], select(ATTEMPTS.c.tenant).where(ATTEMPTS.c.tenant == "acme")
            ),
            {},
        ),
    ],
    ids=str,
)
def test_a_statement_with_one_tenant_is_left_alone(statement: Any, parameters: Mapping[str, Any]) -> None:
    (only,) = found(statement, parameters)
    assert only.tenants == frozenset({"acme"})


def test_rows_of_several_tenants_in_one_insert_are_found() -> None:
    acme, globex = {"tenant": "acme", "run_id": "1"}, {"tenant": "globex", "run_id": "1"}
    assert [each.is_of_one for each in found(insert(RUNS), acme, globex)] == [False]
    assert [each.is_of_one for each in found(insert(RUNS), acme, acme | {"run_id": "2"})] == [True]


def test_of_updates_that_are_executed_one_by_one_each_counts_by_itself() -> None:
    statement = update(RUNS).where(OF_TENANT).values(state="FAILED")
    assert [each.is_of_one for each in found(statement, {"of_tenant": "a"}, {"of_tenant": "b"})] == [True] * 2


def test_what_only_reads_and_what_each_server_has_whole_need_no_tenant() -> None:
    for statement in (select(RUNS.c.run_id), update(PANELS).values(revision="r"), delete(PANELS)):
        assert found(statement) == []


# Statements that were shaped at start, and other texts.


def shaped(*rows: Mapping[str, Any], tenant: str | None = None) -> list[Named]:
    statement = statements.update_runs(("state",))
    given = [json.dumps(rows), len(rows), *([tenant] if tenant else [])]
    return list(named_in_text(statement.text_for(tenant), given))


def test_a_shaped_update_names_the_tenant_of_its_rows() -> None:
    acme, globex = (
        {"of_tenant": each, "of_run_id": "1", "new_state": "FAILED"} for each in ("acme", "globex")
    )
    assert [each.is_of_one for each in shaped(acme, tenant="acme")] == [True]
    assert [each.is_of_one for each in shaped(acme)] == [False]
    assert [each.is_of_one for each in shaped(acme, globex, tenant="acme")] == [False]


def test_each_of_several_texts_is_looked_at_with_its_own_parameters() -> None:
    insertion = statements.INSERT_ATTEMPTS.shape.text
    rows = [json.dumps([{"tenant": each} for each in tenants]) for tenants in (["acme"], ["acme", "globex"])]
    sent = list(named_in_text(f"{insertion}; {insertion}", rows))
    assert [(each.verb, each.table, each.is_of_one) for each in sent] == [
        ("INSERT", "attempts", True),
        ("INSERT", "attempts", False),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "UPDATE runs SET state = %s WHERE tenant = 'acme'",
        "DELETE FROM journal",
        "SELECT run_id FROM runs FOR UPDATE",
        "INSERT INTO runs SELECT * FROM elsewhere",
    ],
)
def test_a_text_that_cannot_be_read_names_nobody(text: str) -> None:
    assert [each.is_of_one for each in named_in_text(text, ["FAILED"])] == [False]


@pytest.mark.parametrize(
    "text", ["SELECT 1", "SET LOCAL consensus.tenant = %s", "UPDATE panels SET revision = %s"]
)
def test_a_text_that_neither_locks_nor_writes_content_is_left_alone(text: str) -> None:
    assert list(named_in_text(text, ["x"])) == []
