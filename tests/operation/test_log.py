"""The log: one line an event, whatever is in it; no field can be forged; a start, an end and a request are told."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgstore.service import log
from imgstore.service.log import JSON, LogSettings, configure, level_of
from tests.support.service import ServiceProcess

HOSTILE = "first\nsecond\r\x1b[31m\u2028third\u202e"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d"


@pytest.fixture
def err() -> Iterator[io.StringIO]:
    """What is written; the loggers are as before afterwards."""
    written, root, ours = io.StringIO(), logging.getLogger(), logging.getLogger(log.OURS)
    handlers, levels = list(root.handlers), (root.level, ours.level)
    yield written
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def emitted(err: io.StringIO, settings: LogSettings) -> list[str]:
    configure(settings, request_id=lambda: "req-1", stream=err)
    ours, theirs = logging.getLogger("imgstore.part"), logging.getLogger("elsewhere.part")
    for logger in (ours, theirs):
        logger.debug("debug")
        logger.info("info")
        logger.warning("%s", HOSTILE)
        logger.error("error")
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        ours.exception("defect")
    lines = err.getvalue().split("\n")
    assert lines.pop() == ""
    return lines


def levels(lines: list[str], logger: str) -> list[str]:
    return [line.split(" ")[1] for line in lines if f" {logger}.part " in line]


def test_each_event_is_one_line_with_time_and_zone(err: io.StringIO) -> None:
    for line in emitted(err, LogSettings()):
        assert line.isprintable()
        assert re.match(rf"{TIME} [A-Z]+ (imgstore|elsewhere)\.part req-1 ", line)
    assert "defect | Traceback" in err.getvalue()
    assert r"first\nsecond\r\x1b[31m\u2028third\u202e" in err.getvalue()


def test_json_has_the_same_events_and_the_fields_of_a_request(err: io.StringIO) -> None:
    configure(LogSettings(form=JSON), request_id=lambda: "req-1", stream=err)
    logging.getLogger("imgstore.access").info("%s", HOSTILE, extra={log.FIELDS: {"status": "204"}})
    event = json.loads(err.getvalue())
    assert err.getvalue().count("\n") == 1
    assert re.fullmatch(TIME, event["time"])
    assert (event["level"], event["request"], event["message"], event["status"]) == ("INFO", "req-1", HOSTILE, "204")


def test_level_is_ours_and_other_packages_tell_what_is_wrong(err: io.StringIO) -> None:
    def told(settings: LogSettings) -> tuple[list[str], list[str]]:
        err.truncate(err.seek(0))
        lines = emitted(err, settings)
        return levels(lines, "imgstore"), levels(lines, "elsewhere")

    usual, errors = ["INFO", "WARNING", "ERROR", "ERROR"], ["WARNING", "ERROR"]
    assert told(LogSettings()) == (usual, errors)
    assert told(LogSettings(level="ERROR")) == (["ERROR", "ERROR"], errors)
    assert told(level_of(LogSettings(), quiet=True)) == (usual[1:], ["ERROR"])
    assert told(level_of(LogSettings(), verbose=1)) == (["DEBUG", *usual], errors)
    assert told(level_of(LogSettings(), verbose=2)) == (["DEBUG", *usual], ["INFO", *errors])


def test_process_tells_its_start_its_requests_and_its_end(tmp_path: Path) -> None:
    with ServiceProcess(tmp_path, options={"service": {"log_probes": "false"}}) as service:
        pid = service.process.pid
        theirs = "req-00000000-0000-4000-8000-000000000000"
        service.client.get("/v2/images/a%0Ab%20%22%20200%20x", X_Openstack_Request_Id=theirs)
        service.client.of('a b" 200').get("/v2/images")
        service.client.get("/healthcheck")
        image_id = service.client.of("somebody").create()
        own = service.client.of("somebody").upload(image_id, b"data").headers["x-openstack-request-id"]
    lines = service.log.read_text().splitlines()
    start, end = (next(line for line in lines if word in line) for word in (" starts: ", " has ended"))
    said = (f"process {pid}, ", "stores fast (filesystem), slow (filesystem)", str(service.catalog.database),
            str(service.configuration), "listens on http://127.0.0.1:")  # fmt: skip
    assert [word for word in said if word not in start] == []
    assert lines[-1] == end
    assert any("Stopping: what is under way" in line for line in lines)
    access = [line.partition("imgstore.service.access ")[2] for line in lines if "imgstore.service.access" in line]
    form = r'req-\S+ 127\.0\.0\.1 (req-0\S+|-) \S+ "[A-Z]+ \S+" \d{3} whole \d+ \d+\.\d{3}s'
    assert [line for line in access if not re.fullmatch(form, line)] == []
    assert any('default "GET /v2/images/a%0Ab%20%22%20200%20x" 404' in line and theirs in line for line in access)
    assert any(' a%20b%22%20200 "GET /v2/images" 200' in line for line in access)
    assert any(line.startswith(own) and f'somebody "PUT /v2/images/{image_id}/file" 204' in line for line in access)
    assert not any("healthcheck" in line for line in access)
