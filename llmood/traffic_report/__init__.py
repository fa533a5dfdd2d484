"""The report of what a guard decided: one self-contained page from an event store, and the numbers as records."""

from llmood.traffic_report.collecting import Collected, collect
from llmood.traffic_report.writing import TrafficReport, write_traffic_report

__all__ = ["Collected", "TrafficReport", "collect", "write_traffic_report"]
