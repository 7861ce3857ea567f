"""`imgstore complete`."""

from __future__ import annotations

from cliff.complete import CompleteCommand

from imgstore.cli.base import Command


class Complete(CompleteCommand, Command):
    """Print the completion script for bash.

    It completes commands, options and files, and needs the package bash-completion.
    """

    EXAMPLES = """
        source <(imgstore complete)
        imgstore complete > /etc/bash_completion.d/imgstore
    """
