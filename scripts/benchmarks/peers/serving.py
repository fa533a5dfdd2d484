"""What the peers' scripts share; it runs in their environments, so it needs nothing."""

import json
import sys
import time

MARK = "bench-peer: "


def serve(run):
    """Say that all is loaded, then run once for each line of the input and answer with what it took and gave."""
    output = sys.stdout
    sys.stdout = sys.stderr  # what libraries print
    print(MARK + "{}", file=output, flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        found = run()
        found["seconds"] = time.perf_counter() - started
        print(MARK + json.dumps(found), file=output, flush=True)
