"""The contracts for what a host brings: its table of images, its quota, and the whole of it over HTTP."""
