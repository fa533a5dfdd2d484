"""Fitted scorers, calibrators and thresholds in one folder, for traffic: records in, verdicts out."""
