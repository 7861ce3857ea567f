"""What one thing that hangs costs the others: a store that is stopped, and clients that are slow (law "contained")."""
