"""Store drivers. Nobody imports them: they arrive by entry point (group `imgstore.drivers`)."""
