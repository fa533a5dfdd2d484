"""The command line: parse, call the public function, print. One file a command."""

from llmood.cli.app import main

__all__ = ["main"]
