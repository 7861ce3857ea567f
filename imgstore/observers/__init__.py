"""Observers for what hosts have: Prometheus and OpenTelemetry, each with an extra of its own.

What an observer is, and the base of one's own, is in `imgstore.transfers.observer`.
"""
