"""`python -m bench.swift.measure`: the process that measures one side on Swift; `bench.network.measure` says how."""

from __future__ import annotations

from bench.network.measure import Child
from bench.swift.sides import CURL, RUNS, SIDES, Access

CHILD = Child("bench.swift.measure", SIDES, RUNS, Access, programs={CURL})
measure = CHILD.measure

if __name__ == "__main__":
    CHILD.main()
