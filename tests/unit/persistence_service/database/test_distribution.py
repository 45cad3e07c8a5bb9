"""Every table can be distributed as it is said to be."""

import re
from pathlib import Path

import pytest
from sqlalchemy import Table, UniqueConstraint

from persistence_service.tables import DISTRIBUTED_TABLES, WHOLE_ON_EACH_SERVER, metadata

SQL = Path(__file__).parents[4] / "deploy/citus/distribute.sql"
DISTRIBUTED = [metadata.tables[name] for name in sorted(DISTRIBUTED_TABLES)]


def test_each_table_is_distributed_or_whole_or_the_schemas_own() -> None:
    assert DISTRIBUTED_TABLES | WHOLE_ON_EACH_SERVER | {"schema_compatibility"} == metadata.tables.keys()
    assert not DISTRIBUTED_TABLES & WHOLE_ON_EACH_SERVER


@pytest.mark.parametrize("table", DISTRIBUTED, ids=lambda table: table.name)
def test_all_that_is_unique_in_a_distributed_table_is_so_within_a_tenant(table: Table) -> None:
    """A server cannot see what another one has."""
    unique = [index.columns for index in table.indexes if index.unique]
    unique += [each.columns for each in table.constraints if isinstance(each, UniqueConstraint)]
    assert all("tenant" in columns for columns in (table.primary_key.columns, *unique))


def test_no_foreign_key_crosses_from_what_is_distributed_or_to_it() -> None:
    """There is none at all; a new one has to stay within a tenant, or lead to what each server has whole."""
    for table in metadata.tables.values():
        for key in table.foreign_key_constraints:
            to_whole = key.referred_table.name in WHOLE_ON_EACH_SERVER
            both = {table.name, key.referred_table.name} <= DISTRIBUTED_TABLES
            assert to_whole or (both and "tenant" in key.columns), (table.name, key.referred_table.name)


def test_the_sql_names_each_table_once_and_those_that_triggers_look_at_first() -> None:
    text = SQL.read_text(encoding="utf-8")
    distributed = re.findall(r"create_distributed_table\('(\w+)', 'tenant', colocate_with => '(\w+)'\)", text)
    copied = re.findall(r"create_reference_table\('(\w+)'\)", text)
    assert distributed[:2] == [("runs", "none"), ("drafts", "runs")]
    assert {beside for _, beside in distributed[1:]} == {"runs"}
    assert sorted(name for name, _ in distributed) == sorted(DISTRIBUTED_TABLES)
    assert copied == sorted(WHOLE_ON_EACH_SERVER)
