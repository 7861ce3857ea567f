"""What a catalog and a store of a million images take: requests, and a comparison of all of it."""
