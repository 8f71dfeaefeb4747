"""Subcommands of `nsd-encoding` that set up a study, run it and explain its results."""
