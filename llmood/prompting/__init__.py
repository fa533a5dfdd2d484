"""Prompts made of a prompt and what was answered to it: one template a file, each with its version."""
