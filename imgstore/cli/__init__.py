"""The command line `imgstore`: what an operator does straight at the stores, without a catalog."""
