"""`python -m bench.s3.measure`: the process that measures one side on S3; `bench.network.measure` says how."""

from __future__ import annotations

from bench.network.measure import Child
from bench.s3.sides import AWS, RUNS, SIDES, Access

CHILD = Child("bench.s3.measure", SIDES, RUNS, Access, programs={AWS})
measure = CHILD.measure

if __name__ == "__main__":
    CHILD.main()
