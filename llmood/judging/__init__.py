"""Whether an answer is right, as a step of its own with a record of its own. One rule a file."""
