"""Score a file or a stream of records with a detector: any size, in order, and where it broke off."""

from llmood.traffic.reading import Input
from llmood.traffic.score_file import ScoredFile, score_file, score_stream
from llmood.traffic.scoring import Scoring
from llmood.traffic.summary import Summary

__all__ = ["Input", "ScoredFile", "Scoring", "Summary", "score_file", "score_stream"]
