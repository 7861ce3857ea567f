"""Upload and download of image data in terms of HTTP, without any framework: headers in, statuses and headers out.

An adapter (`imgstore.adapters`) owns the socket: it hands over the request's headers, pushes the body's bytes and sends
the returned `Response`. Every status, header and message is decided here, so all adapters behave alike.
"""

from imgstore.http.data import ImageData, UploadExchange
from imgstore.http.requests import body_failure
from imgstore.http.responses import HostBusy, LengthRequired, MethodNotAllowed, NoSuchPath, Response, error_response

__all__ = [
    "HostBusy",
    "ImageData",
    "LengthRequired",
    "MethodNotAllowed",
    "NoSuchPath",
    "Response",
    "UploadExchange",
    "body_failure",
    "error_response",
]
