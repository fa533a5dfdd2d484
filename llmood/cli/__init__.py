"""The command line: parse, call the public function, print. One file a command."""

from __future__ import annotations

import sys

INTERRUPTED = 130


def main() -> None:
    """The entry point of the `llmood` command; Ctrl-C while the commands are still being read ends it in one line."""
    try:
        from llmood.cli.app import main as commands
    except KeyboardInterrupt:
        print("llmood: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    commands()


__all__ = ["main"]
