"""The configuration: what is read, and the one line that each bad one ends in."""
