"""`python -m llmood`."""

from llmood.cli import main

main()
