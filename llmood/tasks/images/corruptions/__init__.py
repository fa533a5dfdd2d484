"""Corruptions of a picture: one idea a file, each registered by its name."""
