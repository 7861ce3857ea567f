"""Who the caller of a request is, and what the caller may do and have."""
