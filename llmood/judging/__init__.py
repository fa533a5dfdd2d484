"""Whether an answer is right. One rule a file."""
