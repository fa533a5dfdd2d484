"""Score a file of records with a cheap detector: how fast, and the most memory that takes; llmood's environment."""

import json
import re
import sys
import time
from pathlib import Path

from serving import serve

from llmood.detector.detector import load_detector
from llmood.progress import Progress
from llmood.traffic import Input, score_file
from llmood.traffic.by_detector import scoring_by, summary_of

task = json.loads(sys.argv[1])
detector = load_detector(task["detector"])


def run():
    """From the file of records to the file of verdicts, with all that is told of them."""
    source, output = Path(task["records"]), Path(task["output"])
    start = time.perf_counter()
    with detector.open() as verdicts:
        scoring = scoring_by(detector, verdicts)
        summary = summary_of(detector, scoring)
        score_file(scoring, Input(source), output, summary, Progress(), overwrite=True)
        summary.records()
    seconds = time.perf_counter() - start
    status = Path("/proc/self/status").read_text(encoding="ascii")
    kilobytes = re.search(r"VmHWM:\s+(\d+)", status)
    peak = int(kilobytes[1]) * 1024 if kilobytes else 0
    return {"peak": peak, "seconds": seconds, "scored": summary.statuses["ok"]}


serve(run)
