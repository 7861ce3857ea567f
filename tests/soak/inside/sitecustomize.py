"""Comes into the service under soak by PYTHONPATH, since only the process itself knows what Python holds there.

On SIGUSR2 it collects garbage and writes the number of blocks that are allocated to the file that BLOCKS names.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from pathlib import Path


def _tell(number: int, frame: object) -> None:
    gc.collect()
    told = Path(os.environ["BLOCKS"])
    told.with_suffix(".new").write_text(str(sys.getallocatedblocks()))
    told.with_suffix(".new").rename(told)


if "BLOCKS" in os.environ:
    signal.signal(signal.SIGUSR2, _tell)
