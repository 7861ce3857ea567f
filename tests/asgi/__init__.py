"""The ASGI adapter, called directly and over real HTTP."""
