"""The reference service: the library behind real HTTP, on an embedded default (extra `service`).

`python -m imgstore.service --config-file F` starts it. It shows how a host uses the library, and it is small enough to
be read whole: `images` is what it does, `api` and `front` are how it says it over HTTP, `assembly` puts it together.
"""
