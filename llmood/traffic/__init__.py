"""Score a file or a stream of records with a detector: any size, in order, and where it broke off."""

from llmood.traffic.score_file import ScoredFile, score_file, score_stream, scoring_by

__all__ = ["ScoredFile", "score_file", "score_stream", "scoring_by"]
