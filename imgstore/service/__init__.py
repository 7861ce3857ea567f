"""The reference service: the library behind real HTTP (extra `service`). It shows how a host uses the library.

`python -m imgstore.service --config-file F` starts it. `assembly` puts it together; `api` is the JSON half of the Image
API, `server` the HTTP server, `auth` says who asks and what they may do, `cleanup` removes what uploads left behind.
"""
