"""A proxy that stands before a real server and makes it fail, by rules. How a test uses it:

    with FaultProxy(swift.url) as proxy:           # proxy.url instead of swift.url; Host goes through unchanged
        proxy.on(s3_error(503, "SlowDown"), method="PUT", query="partNumber=2", times=2)
        proxy.on(DropAnswer(), method="POST", path="/key$", query="uploadId=")  # the server did it, nobody was told
        ...                                                  # the driver under test does its work
        assert proxy.count(method="PUT", query="partNumber=2") == 3
        assert proxy.requests[-1].status == 204
        proxy.wait_until_idle()                        # the proxy has seen the end of every request

A rule hits what its regular expressions are found in: the path and the query, as they were sent. `skip` matching
requests pass first, then `times` (None: all) are hit. Every rule that a request matches is applied to it.

| fault | what the client sees | does the server get the request |
|---|---|---|
| `Respond(status, body, headers)` `s3_error(status, code)` | this, after its body was read; `early`: before | no |
| `Reset()` | its connection reset, after its body was read; `early`: before | no |
| `CutRequest(after)` | its connection reset when `after` bytes of its body were sent | the first bytes |
| `Delay(seconds)` `DelayAnswer(seconds)` | a pause, before the server is asked, or when it has answered | yes |
| `DropAnswer()` | its connection reset in place of the answer | yes |
| `ReplaceAnswer(status, body, headers)` | this instead of the server's answer | yes |
| `ChangeHeaders(headers)` | the answer with other headers, or without those that are None | yes |
| `CutAnswer(after, reset)` | the connection's end after `after` bytes of the body: closed, or reset | yes |
| `StallAnswer(after, seconds)` | a pause after `after` bytes of the body | yes |
| `Corrupt(at)` | one bit of the answer's body flipped; `request`: of its own body on its way | yes |
"""

from tests.support.faults.faults import (
    ChangeHeaders,
    Corrupt,
    CutAnswer,
    CutRequest,
    Delay,
    DelayAnswer,
    DropAnswer,
    ReplaceAnswer,
    Reset,
    Respond,
    StallAnswer,
    s3_error,
)
from tests.support.faults.proxy import FaultProxy
from tests.support.faults.rules import Seen

__all__ = [
    "ChangeHeaders",
    "Corrupt",
    "CutAnswer",
    "CutRequest",
    "Delay",
    "DelayAnswer",
    "DropAnswer",
    "FaultProxy",
    "ReplaceAnswer",
    "Reset",
    "Respond",
    "Seen",
    "StallAnswer",
    "s3_error",
]
