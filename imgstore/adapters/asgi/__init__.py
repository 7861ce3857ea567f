"""Image data as an ASGI 3 application: `ImageDataApp`, to be mounted in any host that runs on asyncio."""

from imgstore.adapters.asgi.app import ImageDataApp, image_id_of_path
from imgstore.adapters.asgi.async_parts import AsyncCatalog, AsyncCopyCatalog, AsyncQuota, in_loop
from imgstore.adapters.asgi.bridge import NoAnswer
from imgstore.adapters.asgi.exchange import Message, Receive, Scope, Send

__all__ = [
    "AsyncCatalog", "AsyncCopyCatalog", "AsyncQuota", "ImageDataApp", "Message", "NoAnswer", "Receive", "Scope", "Send",
    "image_id_of_path", "in_loop",
]  # fmt: skip
