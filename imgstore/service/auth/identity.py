"""What it means that Keystone cannot be asked."""

from __future__ import annotations

from imgstore import errors


class IdentityUnavailable(errors.ImgstoreError):
    """Keystone cannot be asked, or does not take the service's own credentials: nobody knows who the caller is, or what
    the caller may have."""

    status = 503
    code = "identity-unavailable"
    title = "Service Unavailable"
    retryable = True
