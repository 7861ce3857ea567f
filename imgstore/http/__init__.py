"""Upload and download of image data in terms of HTTP, for any framework: headers in, statuses and headers out.

An adapter (`imgstore.adapters`) owns the socket. It passes the headers of the request, pushes the bytes of the body,
and sends the `Response`. Every status, header and message is decided here, so that all adapters agree.
"""

from imgstore.http.data import ImageData, UploadExchange
from imgstore.http.requests import body_failure
from imgstore.http.responses import LengthRequired, MethodNotAllowed, NoSuchPath, Response, error_response

__all__ = [
    "ImageData",
    "LengthRequired",
    "MethodNotAllowed",
    "NoSuchPath",
    "Response",
    "UploadExchange",
    "body_failure",
    "error_response",
]
