"""Corruptions of a text: one idea a file, each registered by its name."""
