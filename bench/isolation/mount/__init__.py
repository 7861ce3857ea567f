"""A directory that hangs at will: a FUSE mount whose server is stopped, as a hard NFS mount whose server is gone.

It needs root, /dev/fuse and libfuse; `mfusepy` is in an environment of its own.
"""
