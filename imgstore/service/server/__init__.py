"""The WSGI server of the reference service: cheroot, with strict request bodies (why: `doc/servers.md`)."""
