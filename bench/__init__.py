"""The benchmark: `python -m bench` compares uploads with other ways to store and digest the same bytes.

doc/performance.md says what is measured, how, and why so.
"""
