"""A proxy that stands before a real server and makes it fail, by rules. It is what the contract breaks requests with
(`Subject.through`), and your own tests may use it for whatever speaks HTTP/1.1. How a test uses it:

    with FaultProxy(server_url) as proxy:          # proxy.url instead of server_url; Host goes through unchanged
        proxy.on(s3_error(503, "SlowDown"), method="PUT", query="partNumber=2", times=2)
        proxy.on(DropAnswer(), method="POST", path="/key$", query="uploadId=")  # the server did it, nobody was told
        ...                                                  # the driver under test does its work
        assert proxy.count(method="PUT", query="partNumber=2") == 3
        assert proxy.requests[-1].status == 204
        proxy.wait_until_idle()                        # the proxy has seen the end of every request

A rule hits what its regular expressions are found in: the path and the query, as they were sent. `skip` matching
requests pass first, then `times` (None: all) are hit. Every rule that a request matches is applied to it. What came is
told by `proxy.requests`, `proxy.seen` and `proxy.count`. `FaultProxy(url, tls=(certificate, key))` is https for its
clients. A server that is https is not asked who it is. The proxy listens on 127.0.0.1 only.

| fault | what the client sees | does the server get the request |
|---|---|---|
| `Respond(status, body, headers)` `s3_error(status, code)` | this, after its body was read; `early`: before | no |
| `Reset()` | its connection reset, after its body was read; `early`: before | no |
| `CutRequest(after)` | its connection reset when `after` bytes of its body were sent | the first bytes |
| `Delay(seconds)` `DelayAnswer(seconds)` | a pause, before the server is asked, or when it has answered | yes |
| `NoAnswer(seconds)` | nothing, until it goes or so many seconds have passed | no |
| `DropAnswer()` | its connection reset in place of the answer | yes |
| `ReplaceAnswer(status, body, headers)` | this instead of the server's answer | yes |
| `ChangeHeaders(headers)` | the answer with other headers, or without those that are None | yes |
| `CutAnswer(after, reset)` | the connection's end after `after` bytes of the body: closed, or reset | yes |
| `StallAnswer(after, seconds)` | a pause after `after` bytes of the body | yes |
| `Corrupt(at)` | one bit of the answer's body flipped; `request`: of its own body on its way | yes |

The hardest fault for a client is `DropAnswer` on the request that makes an object: the object is there, and the client
has to find that out.
"""

from imgstore.testing.faults.faults import (
    ChangeHeaders,
    Corrupt,
    CutAnswer,
    CutRequest,
    Delay,
    DelayAnswer,
    DropAnswer,
    Fault,
    NoAnswer,
    ReplaceAnswer,
    Reset,
    Respond,
    StallAnswer,
    s3_error,
)
from imgstore.testing.faults.proxy import FaultProxy
from imgstore.testing.faults.rules import Rule
from imgstore.testing.faults.seen import Seen

__all__ = [
    "ChangeHeaders",
    "Corrupt",
    "CutAnswer",
    "CutRequest",
    "Delay",
    "DelayAnswer",
    "DropAnswer",
    "Fault",
    "FaultProxy",
    "NoAnswer",
    "ReplaceAnswer",
    "Reset",
    "Respond",
    "Rule",
    "Seen",
    "StallAnswer",
    "s3_error",
]
