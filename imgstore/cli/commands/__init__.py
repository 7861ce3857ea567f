"""The commands, one module each; `imgstore.cli.app` loads the one that is asked for."""
