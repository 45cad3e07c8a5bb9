"""Which addresses of a database are accepted, and what they become."""

import pytest

from persistence_service.database import DatabaseOptions, normalise_url, shown_address
from persistence_service.database.options import names_several_hosts


@pytest.mark.parametrize(
    "given",
    [
        "postgres://u:p@h:1/n",
        "postgresql://u:p@h:1/n",
        "postgresql+psycopg2://u:p@h:1/n",
        " postgres://u:p@h:1/n\n",
    ],
)
def test_every_spelling_of_postgresql_names_the_driver_that_is_installed(given: str) -> None:
    url = normalise_url(given)
    assert url.render_as_string(hide_password=False) == "postgresql+psycopg2://u:p@h:1/n"


def test_parameters_of_a_postgresql_address_are_kept() -> None:
    assert normalise_url("postgres://h/n?sslmode=require").query == {"sslmode": "require"}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("postgres://u:p@one,two:5433/n", "postgresql://one,two:5433/n"),
        ("postgresql://[::1]:5433,two/n?sslmode=require", "postgresql://[::1]:5433,two/n"),
        ("postgresql:///n?host=one:1&host=two:2", "postgresql://one:1,two:2/n"),
        ("postgresql:///n?host=one,two&port=6432,6433", "postgresql://one:6432,two:6433/n"),
        ("postgresql:///n?hostaddr=10.0.0.1,10.0.0.2", "postgresql://10.0.0.1,10.0.0.2/n"),
        ("postgresql://u:p,w@one:5433/n", "postgresql://one:5433/n"),
        ("postgresql:///n", "postgresql:///n"),
    ],
)
def test_a_primary_and_its_standbys_are_one_address(given: str, shown: str) -> None:
    url = normalise_url(given)
    assert shown_address(DatabaseOptions(url=url)) == shown
    assert names_several_hosts(url) == ("," in shown)


@pytest.mark.parametrize(
    ("given", "path"), [("sqlite:///data/x.db", "data/x.db"), ("sqlite:////srv/x.db", "/srv/x.db")]
)
def test_a_sqlite_address_is_a_path(given: str, path: str) -> None:
    assert normalise_url(given).database == path


@pytest.mark.parametrize(
    "given",
    [
        "mysql://u:sesame@h/n",
        "postgresql+asyncpg://u:sesame@h/n",
        "postgresql+psycopg://u:sesame@h/n",
        "postgresql://u:sesame@h",
        "postgresql://u:a@sesame@h/n",
        "postgresql://u:a@sesame/b@h/n",
        "postgresql://h/n?password=sesame",
        "postgresql://h/n?schema=sesame",
        "postgresql://h/n?sslpassword=sesame",
        "postgresql://u:sesame@h,/n",
        "postgresql://u:sesame@h:1,i:x/n",
        "postgresql://u:sesame@h,i/n?host=j",
        "postgresql://u:sesame@h:65536/n",
        "postgresql://u:sesame@h:1,i:0/n",
        "postgresql://u:sesame@/n?host=h,i,j&port=1,2",
        "postgresql://u:sesame@/n?host=h,i&port=x,2",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:sesame?mode=memory",
        "sqlite://sesame/x.db",
        "sqlite+aiosqlite:///sesame.db",
        "data/sesame.db",
        "",
    ],
)
def test_anything_else_is_refused_with_an_accepted_form_and_without_what_was_given(given: str) -> None:
    with pytest.raises(ValueError, match=r"sqlite:///|postgresql://user:password@") as refusal:
        normalise_url(given)
    assert "sesame" not in str(refusal.value)


def test_a_database_goes_by_its_name_and_a_file_by_its_stem() -> None:
    names = [
        DatabaseOptions(url=normalise_url(url)).name for url in ("postgres://h/shop", "sqlite:///a/b.db")
    ]
    assert names == ["shop", "b"]
