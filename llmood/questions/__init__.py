"""What is asked of the scores: each question makes its records of `metrics.json`. One question a file."""
