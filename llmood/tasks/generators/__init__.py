"""Generators of tasks: one a file, each registered by its name."""
