"""The lines of `make bench`, in the order in which they run."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.bootstrap import Bootstrap
from benchmarks.clinc150 import Clinc150
from benchmarks.context import Line
from benchmarks.guard_overhead import GuardOverhead
from benchmarks.guard_overload import GuardOverload
from benchmarks.guard_rate import GuardRate
from benchmarks.lm_eval import AgainstLmEval
from benchmarks.lm_polygraph import AgainstLmPolygraph
from benchmarks.memory_of_states import MemoryOfStates
from benchmarks.nearest_neighbours import NearestNeighbours
from benchmarks.one_at_a_time import AgainstOneAtATime
from benchmarks.peak_memory import MemoryOfSamples, MemoryOfVocabulary
from benchmarks.random_llama import EIGHT_BILLION, NARROW
from benchmarks.ratio_scoring import RatioScoring
from benchmarks.sampling import SamplingAgainstLmPolygraph
from benchmarks.scoring_traffic import MemoryOfTraffic
from benchmarks.semantic_clusters import SemanticClusters
from benchmarks.store_rates import StoreRates
from benchmarks.traffic_rate import TrafficRate
from benchmarks.vllm_overhead import VllmOverhead


def lines_for(device: str) -> Sequence[Line]:
    """What is measured on a device."""
    if device == "cuda":
        return [
            RatioScoring(dtype="bfloat16", shape=EIGHT_BILLION, prompts=2048, target=None),
            AgainstOneAtATime(dtype="bfloat16", shape=EIGHT_BILLION, prompts=64),
            VllmOverhead(dtype="bfloat16", shape=EIGHT_BILLION, prompts=1024),
        ]
    return [
        RatioScoring(dtype="float32", target=0.75),
        RatioScoring(dtype="bfloat16", target=0.60),
        RatioScoring(dtype="float32", shape=NARROW, title="ratio_scoring_narrow"),
        RatioScoring(dtype="bfloat16", shape=NARROW, title="ratio_scoring_narrow"),
        AgainstOneAtATime(),
        AgainstLmEval(),
        AgainstLmPolygraph(),
        SamplingAgainstLmPolygraph(),
        SemanticClusters(),
        VllmOverhead(),
        MemoryOfSamples(),
        MemoryOfVocabulary(),
        StoreRates(),
        Clinc150(),
        Bootstrap(),
        NearestNeighbours(),
        MemoryOfStates(),
        MemoryOfTraffic(),
        TrafficRate(),
        GuardRate(),
        GuardOverhead(),
        GuardOverhead(proxy=True),
        GuardOverload(),
    ]
