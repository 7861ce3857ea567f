"""What command line and options give together, as values: where to listen, TLS, the database, the log."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from oslo_config import cfg

from imgstore import errors
from imgstore.driver.plain_text import blemish
from imgstore.service.log import LogSettings
from imgstore.service.options import SECTION
from imgstore.service.server.tls import tls_context
from imgstore.sql import Address, address_of_file, is_file_path, parse


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """How the service runs. `body_timeout` and `grace_period` in seconds."""

    listen: str
    port: int
    database: Address
    threads: int
    body_timeout: float
    grace_period: float
    share_port: bool
    backlog: int
    tls: ssl.SSLContext | None


def service_settings(
    conf: cfg.ConfigOpts, *, data_dir: Path, listen: str | None = None, port: int | None = None
) -> ServiceSettings:
    """The settings; what the command line gives comes first. Raises ConfigurationError."""
    section = conf[SECTION]
    port = section.port if port is None else port
    if section.share_port and port == 0:
        raise errors.ConfigurationError(
            "port is 0, and a free port is shared with nobody.", section=SECTION, option="share_port",
            cure="Name a port, or remove share_port.",
        )  # fmt: skip
    return ServiceSettings(
        listen=section.listen if listen is None else listen,
        port=port,
        database=database(conf, data_dir),
        threads=section.threads,
        body_timeout=section.body_timeout,
        grace_period=section.grace_period,
        share_port=section.share_port,
        backlog=section.backlog,
        tls=tls(conf),
    )


def log_settings(conf: cfg.ConfigOpts) -> LogSettings:
    """What the log tells, and how."""
    section = conf[SECTION]
    return LogSettings(section.log_level, section.log_format, section.log_probes)


def tls(conf: cfg.ConfigOpts) -> ssl.SSLContext | None:
    """From the files of certificate and key, as they are now; None for http. Raises ConfigurationError."""
    section = conf[SECTION]
    certificate, key, ciphers = section.tls_certificate, section.tls_key, section.tls_ciphers
    if not certificate and not key:
        return None
    if not certificate or not key:
        missing = "tls_key" if certificate else "tls_certificate"
        raise _tls_refusal(missing, "is not set, and the other half is.", "Set both, or none for http.")
    try:
        return tls_context(certificate, key, ciphers)
    except OSError as error:
        problem = f"it cannot be used with its key ({error.strerror or type(error).__name__})."
        raise _tls_refusal("tls_certificate", problem, "Name files that belong together and can be read.") from error
    except ValueError as error:
        raise _tls_refusal("tls_ciphers", f"it is not usable ({error}).", "Correct or remove it.") from error


def _tls_refusal(option: str, problem: str, cure: str) -> errors.ConfigurationError:
    return errors.ConfigurationError(problem, section=SECTION, option=option, cure=cure)


def database(conf: cfg.ConfigOpts, data_dir: Path) -> Address:
    """Where the catalog is. Raises ConfigurationError, never with a password."""
    value = conf[SECTION].database
    if not value:
        return address_of_file(data_dir / "imgstore.sqlite")
    # Secret for its password, which may hold a '#'; what is not the password is a name.
    if (found := blemish(value.rpartition("@")[2] if "://" in value else value)) is not None:
        raise _database_refusal(found.problem, found.cure)
    if is_file_path(value):
        return address_of_file(Path(value))
    try:
        address = parse(value)
    except ValueError as error:
        raise _database_refusal(f"{error}.", "Give a path, or such a URL; %40 is an @ in a password.") from None
    if address.embedded and address.file is None:
        raise _database_refusal("it is a database in memory.", "Give the path of a file.")
    return address


def _database_refusal(problem: str, cure: str) -> errors.ConfigurationError:
    return errors.ConfigurationError(problem, section=SECTION, option="database", cure=cure)
