"""A disk that runs full in the middle of an object (laws "atomic" and "undone").

A process is forked whose files may not grow beyond a limit, so that the next write beyond it fails as on a full disk
(EFBIG). It tries to store an object that is larger. A driver whose storage is no file of its process stores it.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import traceback
import warnings

from imgstore import errors
from imgstore.testing.bench import KEY, KEYS, Bench, body
from imgstore.testing.leftovers import STALLED
from imgstore.testing.telling import Call, Laws

STORED, REFUSED, WRONG = 0, 3, 1
"""How the process ends."""


def limit_files(size: int) -> None:
    """No file of this process grows beyond so many bytes, for good."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def store_within(bench: Bench, limit: int, data: bytes) -> int:
    """Stores `data` under KEY in a process whose files are limited; how that ended."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads: the child uses none of theirs
        child = os.fork()
    if child == 0:
        status = WRONG
        try:
            signal.alarm(STALLED)
            limit_files(limit)
            status = store(bench, data)
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def store(bench: Bench, data: bytes) -> int:
    """STORED, or REFUSED as by a storage that is full or away."""
    with contextlib.closing(bench.subject.open()) as driver:
        try:
            with driver.open_writer(KEY) as writer:
                writer.write(data)
                writer.commit()
        except (errors.StoreFull, errors.StoreUnavailable):
            return REFUSED
    return STORED


class FillingLaws(Laws):
    """No room for the rest."""

    READ = "What you implement, and what the base does"

    def test_full_disk_leaves_nothing_of_an_object(self, bench: Bench) -> None:
        if not bench.subject.shared:
            return
        bench.put(body(13), KEYS[0])
        data, limit = bench.large(), bench.subject.largest
        bench.calls.made.append(Call(f"store_within(bench, {limit}, body({len(data)}))"))
        ended = store_within(bench, limit, data)
        assert ended in (STORED, REFUSED), "a full disk is no StoreFull: the error is in the captured output"
        if ended == STORED:
            bench.committed[KEY] = data
        else:
            assert not bench.exists(bench.other, KEY), "an object is visible whose disk ran full in the middle"
            bench.assert_clean()
        bench.assert_all_hold()
