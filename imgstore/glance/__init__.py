"""imgstore inside OpenStack Glance: drivers of glance_store that are stores of imgstore (`doc/glance.md`).

`stores` has the classes that Glance loads, and is all that the outside needs. Each of them is thin: `backend` does the
work with the library's words, and `answers` says the library's errors in Glance's.
"""
