"""What the proxy knows of a request and of its answer."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Seen:
    """A request. `path` and `query` as they were sent, header names in lower case. `received`: bytes of its body that
    came. Of the answer that went to the client: `status` (None: there was none), `answer_headers`, and `sent`, bytes of
    its body. `whole`: the client has sent all of it. `ended`: it is no longer under way. `given_up`: the client did not
    wait for the answer."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    received: int = 0
    status: int | None = None
    answer_headers: Mapping[str, str] = field(default_factory=dict)
    sent: int = 0
    whole: bool = False
    ended: bool = False
    given_up: bool = False

    @property
    def arguments(self) -> dict[str, str]:
        """The query, decoded."""
        return dict(urllib.parse.parse_qsl(self.query, keep_blank_values=True))
