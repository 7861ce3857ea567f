"""What a call of a host's coroutine function costs from the thread of an upload: `python -m bench.bridge`.

The catalog does nothing, so only the way is measured: a plain call, a call through the bridge to a loop that is idle,
and to one that others keep busy with short turns.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

from imgstore.adapters.asgi.bridge import Bridge

Function = Callable[[int], Awaitable[int] | int]

CALLS, ROUNDS = 2000, 7
TURN = 0.0001
"""Seconds for which another request keeps the loop in each of its turns."""


async def answer(number: int) -> int:
    """The host's function."""
    return number


def microseconds(call: Callable[[int], object]) -> float:
    """Of one call, the median of the rounds."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for number in range(CALLS):
            call(number)
        rounds.append((time.perf_counter() - began) / CALLS)
    return statistics.median(rounds) * 1e6


async def busy() -> None:
    """Another request's work."""
    while True:
        until = time.perf_counter() + TURN
        while time.perf_counter() < until:
            pass
        await asyncio.sleep(0)


async def measured() -> None:
    """Prints a line for each way."""
    bridge = Bridge(asyncio.get_running_loop())
    plain: Function = abs
    coroutine: Function = answer

    async def shown(way: str, function: Function) -> None:
        taken = await asyncio.to_thread(microseconds, lambda number: bridge.call(function, number))
        print(f"{way:<30}{taken:8.1f} us")

    await shown("plain function", plain)
    await shown("coroutine function, idle loop", coroutine)
    other = asyncio.ensure_future(busy())
    await shown("coroutine function, busy loop", coroutine)
    other.cancel()


if __name__ == "__main__":
    asyncio.run(measured())
