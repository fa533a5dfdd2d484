"""Observations in, one float a sample out. One idea a file."""
