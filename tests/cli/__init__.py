"""The command line, each command as a process: on a terminal and in a pipe."""
