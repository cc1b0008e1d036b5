"""Connections: URLs, errors without passwords, versions."""

from __future__ import annotations

import pytest
from tests.store.examples import sql

from skyray.errors import DatabaseVersionError, InvalidInputError
from skyray.store import engine
from skyray.store.engine import connect, make_engine, normalise_url, redact
from skyray.store.errors import StoreUnavailableError


@pytest.mark.parametrize(
    "url",
    ["postgres://u:p@h/d", "postgresql://u:p@h/d", "postgresql+psycopg2://u:p@h/d", " postgresql+psycopg://u:p@h/d\n"],
)
def test_every_way_to_write_the_scheme_is_understood(url: str) -> None:
    assert normalise_url(url) == "postgresql://u:p@h/d"


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "u:secret@h/d", "", "postgresql://u:secret@h:port/d"])
def test_other_urls_are_refused_without_their_password(url: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        normalise_url(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:secret@h:1/d", "postgresql://u:***@h:1/d"),
        ("postgresql://u:se@cr:et@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("postgresql://h/d?user=u&password=secret&x=1", "postgresql://h/d?user=u&password=***&x=1"),
    ],
)
def test_password_is_not_shown(url: str, shown: str) -> None:
    assert redact(url) == shown


def test_refused_connection_is_unavailable(server_url: str) -> None:
    base, _, place = server_url.rpartition("@")
    user = base.rpartition(":")[0]
    for url in (f"{user}:wrong-secret@{place}", f"{user}:wrong-secret@127.0.0.1:1/x"):
        with pytest.raises(StoreUnavailableError) as caught:
            connect(url)
        assert "wrong-secret" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_old_server_is_refused(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SERVER_VERSION_MIN", 990000)
    with pytest.raises(DatabaseVersionError, match="14 or newer"):
        connect(server_url)
    with pytest.raises(DatabaseVersionError, match="14 or newer"):
        make_engine(server_url).connect()


def test_sessions_are_in_utc_and_as_asked(server_url: str) -> None:
    connection = connect(server_url, application_name="me", settings={"lock_timeout": "1234ms"})
    with connection.cursor() as cursor:
        for name, value in [("timezone", "UTC"), ("application_name", "me"), ("lock_timeout", "1234ms")]:
            cursor.execute("SELECT current_setting(%s)", (name,))
            assert cursor.fetchone() == (value,)
    connection.close()
    assert sql(server_url, "SELECT 1") == [(1,)]
