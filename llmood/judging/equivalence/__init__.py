"""Whether two answers to one question say the same, and which of a question's answers belong together."""
