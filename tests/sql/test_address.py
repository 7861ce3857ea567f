"""No secrets: however wrongly an operator writes a database's URL, nothing that is shown has a part of the password."""

from __future__ import annotations

from pathlib import Path

import pytest
from oslo_config import cfg

from imgstore import errors
from imgstore.service.options import OPTIONS
from imgstore.service.settings import database
from imgstore.sql import Database, SqlCatalog, SqlLedger, parse

SHOWN = {
    "postgresql://u:hunter@h/db": "postgresql+psycopg://u:***@h/db",
    "mysql://u:hun%40ter@h:33/db": "mysql+pymysql://u:***@h:33/db",
    "postgres://u@d:hunter@h/db": "postgresql+psycopg://u%40d:***@h/db",
    "postgresql://h/db?user=u&password=hunter&sslpassword=hunter": "postgresql+psycopg://h/db",
    "postgresql:///db?host=/run&passfile=x&password=hunter": "postgresql+psycopg:///db",
    "mysql://u@h/db?passwd=hunter&ssl_key_password=hunter": "mysql+pymysql://u@h/db",
    "postgresql://u:hun/ter?#hunter@h/db": "postgresql+psycopg://u:***@h/db",
}
REFUSED = (
    "postgresql://u:hun@hun@h/db", "mysql://u:hunter@hunter@h/db?charset=utf8", "postgresql://u/x:hunter@h/db",
    "postgresql://u:hun@hu/hunter@h/db", "postgresql://u:hun@hun?x@h/db", "mysql://u:hun@hu:hunter@h:33/db",
    "postgresql://u:hunter", "postgresql:/u:hunter@h/db", "postgresql:u:hunter@h/db", "postgresql//u:hunter@h/db",
    "//u:hunter@h/db", "u:hunter@h/db", "host=h user=u password=hunter", "password = hunter dbname=x",
    "oracle://u:hunter@h/db", "://u:hunter@h/db", "postgresql+asyncpg://u:hunter@h/db",
)  # fmt: skip


@pytest.mark.parametrize("text", SHOWN)
def test_no_secrets_in_an_address(text: str) -> None:
    address = parse(text)
    assert (str(address), repr(address)) == (SHOWN[text], f"Address({SHOWN[text]})")


@pytest.mark.parametrize("text", REFUSED)
def test_no_secrets_in_the_refusal_of_a_wrong_address(text: str, tmp_path: Path) -> None:
    conf = cfg.ConfigOpts()
    conf.register_opts(OPTIONS, group="service")
    conf.set_override("database", text, group="service")
    with pytest.raises(errors.ConfigurationError, match=r"\[service\] database: .*%40 is an @") as caught:
        database(conf, tmp_path)
    assert "hun" not in str(caught.value)


@pytest.mark.parametrize("parameter", ["hun=hunter", "connect_timeout=hunter", "read_timeout=hunter"])
def test_no_secrets_where_the_driver_does_not_take_a_parameter(parameter: str) -> None:
    with pytest.raises(errors.CatalogUnavailable, match="parameters behind the '\\?'") as caught:
        Database(f"mysql://u:hunter@127.0.0.1:1/db?{parameter}", busy_timeout=0.1).read(lambda connection: None)
    assert "hun" not in f"{caught.value} {caught.value.detail}"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/srv/images.db", "not a URL.* For a file write sqlite:/// and its path"),
        ("u:hunter@h/db", r"not a URL such as \S+\.$"),
        ("sqlite://", "names no file: write sqlite:///"),
        ("oracle://u:hunter@h/db", "begins with none of"),
    ],
)
def test_host_whose_database_is_no_url_is_told_what_to_write(text: str, words: str) -> None:
    for kind in (SqlLedger, SqlCatalog, Database):
        with pytest.raises(ValueError, match=f"^The address of a database .*{words}") as caught:
            kind(text)
        assert "hunter" not in str(caught.value)


def test_a_path_stays_a_path(tmp_path: Path) -> None:
    conf = cfg.ConfigOpts()
    conf.register_opts(OPTIONS, group="service")
    for path in ("/var/lib/x.sqlite", "a@b/c", "./a:b", "a=b", "../user=x/y"):
        conf.set_override("database", path, group="service")
        assert database(conf, tmp_path).file == Path(path).resolve()
