"""What an operator installs from etc/ is taken by the program that it is for, and asks for metrics that there are."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path

from imgstore.drivers.memory import MemoryDriver
from imgstore.service.__main__ import MISCONFIGURED
from imgstore.store import Store, StoreSet
from tests.needs import needs
from tests.support.service import LocalService

ETC = Path(__file__).parent.parent.parent / "etc"
UNIT = ETC / "imgstore.service"
PARTS = re.compile(r"_(bucket|count|sum|total)$")


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=ETC, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr


def asked_for() -> set[str]:
    panels = json.loads((ETC / "imgstore-dashboard.json").read_text())["panels"]
    texts = [target["expr"] for panel in panels for target in panel["targets"]]
    texts += re.findall(r"(?m)^ +expr: (.*)$", (ETC / "imgstore-alerts.yml").read_text())
    return {PARTS.sub("", name) for text in texts for name in re.findall(r"\b(?:imgstore|process)_\w+", text)}


def test_every_metric_that_alerts_and_dashboard_ask_for_is_there(tmp_path: Path) -> None:
    stores = StoreSet([Store("main", MemoryDriver())], default="main")
    service = LocalService(tmp_path, stores).service
    service.counting.scrubbed = {"main": int(time.time()) - 100}
    text = service.metrics.text().decode()
    service.close()
    there = {PARTS.sub("", name) for name in re.findall(r"(?m)^# TYPE (\S+)", text)}
    assert asked_for() - there == set()
    assert re.search(r'(?m)^imgstore_oldest_verification_seconds\{store="main"\} 10\d', text)


@needs("promtool", why="it checks the alert rules")
def test_prometheus_takes_the_rules_and_they_fire() -> None:
    run("promtool", "check", "rules", "imgstore-alerts.yml")
    run("promtool", "test", "rules", "imgstore-alerts-test.yml")


def test_the_unit_tries_again_only_what_may_pass_by_itself() -> None:
    lines = UNIT.read_text().splitlines()
    assert {"Restart=on-failure", f"RestartPreventExitStatus={MISCONFIGURED}"} <= set(lines)


@needs("systemd-analyze", why="it checks the unit")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/local/bin/imgstore ", "/bin/true "))
    run("systemd-analyze", "verify", str(unit))
