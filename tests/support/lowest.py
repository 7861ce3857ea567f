"""`python -m tests.support.lowest` prints constraints: of each dependency the lowest version that `setup.cfg` allows.

Only what users install counts: the tools of the tests and of the examples are as new as pip finds them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator

from tests.test_extras import FOR_DEVELOPERS, extras

OURS = FOR_DEVELOPERS | {"testing"}
"""What is not held: the tests need a newer pytest than the users of the contract."""
LOWEST = re.compile(r"(?P<name>[\w.-]+)(\[[\w,-]+\])?>=(?P<version>[\w.]+)")


def lowest(requirements: Iterable[str]) -> Iterator[str]:
    """`name==version` for each requirement that has a lower bound."""
    for requirement in filter(None, requirements):
        found = LOWEST.match(requirement)
        if not found:
            raise ValueError(f"setup.cfg: '{requirement}' has no lower bound")
        yield f"{found['name']}=={found['version']}"


def constraints() -> list[str]:
    """Those of all that users install, each once."""
    return sorted(
        {each for name, requirements in extras().items() if name not in OURS for each in lowest(requirements)}
    )


if __name__ == "__main__":
    sys.stdout.write("\n".join(constraints()) + "\n")
