"""A failed connection is told with host, port and the system's words, and with nothing that a client library quotes."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

import pytest
import requests
import urllib3
from botocore import exceptions as boto

from imgstore import errors

SECRET = "hunter2"
URL = f"http://key:{SECRET}@127.0.0.1:1/bucket?signature={SECRET}"
POOL = urllib3.HTTPConnectionPool("storage.example", 8080)
REFUSED = "127.0.0.1:1: Connection refused"
FAILURES = (requests.ConnectionError, urllib3.exceptions.HTTPError, RuntimeError, ValueError)


def raised(call: Callable[[], object]) -> BaseException:
    with pytest.raises(FAILURES) as caught:
        call()
    return caught.value


def fail(error: BaseException, cause: BaseException | None = None) -> None:
    raise error from cause


def connect() -> None:
    urllib3.PoolManager().request("GET", URL, retries=False)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (raised(lambda: requests.get(URL, timeout=5)), f"{REFUSED} (ConnectionError)"),
        (raised(connect), f"{REFUSED} (NewConnectionError)"),
        (boto.EndpointConnectionError(endpoint_url=URL, error=raised(connect)), f"{REFUSED} (EndpointConnectionError)"),
        (
            boto.ReadTimeoutError(endpoint_url=f"https://storage.example/{SECRET}"),
            "storage.example:443 (ReadTimeoutError)",
        ),
        (urllib3.exceptions.ReadTimeoutError(POOL, URL, SECRET), "storage.example:8080 (ReadTimeoutError)"),
        (
            raised(lambda: fail(RuntimeError(SECRET), socket.gaierror(-2, "Name or service not known"))),
            "Name or service not known (RuntimeError)",
        ),
        (raised(lambda: fail(RuntimeError(SECRET), TimeoutError(SECRET))), "timed out (RuntimeError)"),
        (ssl.SSLError(1, f"[SSL: WRONG_VERSION_NUMBER] {SECRET}"), "SSLError"),
        (raised(lambda: fail(ValueError(SECRET))), "ValueError at test_connections.py:"),
        (raised(lambda: fail(RuntimeError(SECRET), FileNotFoundError(2, SECRET))), "RuntimeError at test_connections"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_failure_names_host_port_and_system_error_and_no_secret(error: BaseException, told: str) -> None:
    found = errors.kind_and_place(error)
    assert found.startswith(told)
    assert SECRET not in found
