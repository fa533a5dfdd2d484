"""Every line of `make bench` gives records of one form, at sizes that take moments; no timing is looked at."""

from __future__ import annotations

import gzip
import json
import math
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
import pytest

import llmood
from tests import tiny_models

ROOT = Path(__file__).resolve().parents[2]
COMMAND = "python scripts/bench.py --only x"


@pytest.fixture(scope="module")
def scripts() -> Iterator[SimpleNamespace]:
    """The bench and its parts, by their names."""
    names = "agreement bootstrap clinc150 context environments guard_overhead guard_overload guard_rate lines"
    names += " lm_eval lm_polygraph matrix_rate"
    names += " nearest_neighbours one_at_a_time peak_memory peer random_llama ratio_scoring record sampling scoring"
    names += " scoring_traffic semantic_clusters store_rates timing traffic_rate vllm_overhead"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "scripts"))
        parts = {name: import_module(f"benchmarks.{name}") for name in names.split()}
        yield SimpleNamespace(bench=import_module("bench"), **parts)


@pytest.fixture
def context(scripts: SimpleNamespace, tmp_path: Path) -> Any:
    return scripts.context.Context("cpu", tmp_path, tmp_path / "models", tmp_path / "data", 2, COMMAND)


@pytest.fixture
def stand_ins(scripts: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Peers that answer at once with what is put here, by the name of their script."""
    answers: dict[str, Any] = {}

    class Peer:
        def __init__(self, python: Path, script: str, task: dict[str, Any], **_: Any) -> None:
            json.dumps(task)
            self.answer = answers[script]

        @classmethod
        def of_llmood(cls, script: str, task: dict[str, Any]) -> Self:
            return cls(Path(sys.executable), script, task)

        def run(self) -> dict[str, Any]:
            return {"seconds": 0.5, **self.answer}

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    peered = (
        scripts.lm_eval,
        scripts.lm_polygraph,
        scripts.sampling,
        scripts.vllm_overhead,
        scripts.peak_memory,
    )
    for module in peered:
        monkeypatch.setattr(module, "Peer", Peer)
    monkeypatch.setattr(scripts.environments, "python_of", lambda name: Path(sys.executable))
    return answers


def check(records: Sequence[Any]) -> None:
    assert records
    assert len({record.name for record in records}) == len(records)
    for record in records:
        assert list(asdict(record)) == ["name", "value", "unit", "peer", "ratio", "target", "command"]
        assert math.isfinite(record.value)
        assert record.value >= 0
        assert record.unit
        assert record.command == COMMAND
        assert record.ratio is None or (math.isfinite(record.ratio) and record.ratio > 0)
        assert record.ratio is None or record.peer is not None
        assert record.target is None or record.ratio is not None
        json.dumps(asdict(record), allow_nan=False)


# ------------------------------------------------------------------------------------------------- the lines


def test_the_arithmetic_is_that_of_the_matrices(
    scripts: SimpleNamespace, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No machine's limit is looked at: the large products would take seconds.
    monkeypatch.setattr(scripts.matrix_rate, "SQUARES", [(64, 64, 64)])
    # A layer of 64 and 4 heads: q, k, v, o of 64², gate, up and down of 64·176; a head of 64·1000; no embedding.
    tiny = scripts.random_llama.TINY
    assert tiny.parameters == 2 * (4 * 64**2 + 3 * 64 * 176) + 64 * 1000
    line = scripts.ratio_scoring.RatioScoring(
        dtype="float32", target=0.5, shape=tiny, prompts=6, tokens=16, seconds=0.0
    )
    records = line.measure(context)
    check(records)
    rate, tokens = records
    assert rate.target == 0.5
    assert rate.value * 1e9 == pytest.approx(2 * tiny.parameters * tokens.value)


def test_a_model_s_parameters_are_those_that_are_counted(scripts: SimpleNamespace, tmp_path: Path) -> None:
    from safetensors import safe_open

    # Fewer heads of keys than of queries.
    shape = scripts.random_llama.Shape(64, 2, 176, 4, 2, 1000)
    folders = scripts.random_llama.save(tmp_path, shape)
    with safe_open(folders.base / "model.safetensors", "np") as file:
        sizes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 - no mapping
    matrices = [math.prod(size) for name, size in sizes.items() if len(size) == 2 and "embed" not in name]
    assert shape.parameters == sum(matrices)


def test_the_best_product_counts(scripts: SimpleNamespace) -> None:
    products = [(8, 8, 8), (16, 8, 4)]
    found = scripts.matrix_rate.best_rate(products, dtype="float32", device="cpu", seconds=0.0)
    assert found.product in products
    assert found.value > 0


def test_against_one_at_a_time(scripts: SimpleNamespace, context: Any) -> None:
    line = scripts.one_at_a_time.AgainstOneAtATime(shape=scripts.random_llama.TINY, prompts=5, tokens=9)
    records = line.measure(context)
    check(records)
    speed, agreement = records
    assert speed.target is None
    assert agreement.reached  # they are the same numbers


def test_against_lm_eval(scripts: SimpleNamespace, context: Any, stand_ins: dict[str, Any]) -> None:
    stand_ins["lm_eval_loglikelihood"] = {"base": [0.0] * 3, "tuned": [0.0] * 3}
    line = scripts.lm_eval.AgainstLmEval(shape=scripts.random_llama.TINY, prompts=3, tokens=9)
    records = line.measure(context)
    check(records)
    assert records[1].reached is False  # its log-likelihoods of zero are not ours


def test_against_lm_polygraph(scripts: SimpleNamespace, context: Any, stand_ins: dict[str, Any]) -> None:
    sums = {"sum": [0.0] * 3, "mean": [0.0] * 3}
    stand_ins["lm_polygraph_responses"] = sums
    line = scripts.lm_polygraph.AgainstLmPolygraph(
        shape=scripts.random_llama.TINY, prompts=3, tokens=5, new_tokens=4, batch=2
    )
    records = line.measure(context)
    check(records)
    assert records[0].target == 10
    # Four tokens of about log 1000 each.
    assert records[1].value == pytest.approx(4 * np.log(1000), rel=0.1)


@pytest.mark.slow
def test_sampling_against_lm_polygraph(
    scripts: SimpleNamespace, context: Any, stand_ins: dict[str, Any]
) -> None:
    stand_ins["lm_polygraph_draws"] = {"sum": [25.0, 30.0, 35.0], "mean": [7.0] * 3}
    line = scripts.sampling.SamplingAgainstLmPolygraph(prompts=3, tokens=5, new_tokens=4, draws=3, batch=2)
    records = line.measure(context)
    check(records)
    assert [record.target for record in records] == [4.0, 1.0]
    # Four tokens of about log 1000 each, which is within four standard errors of 30 ± 3.
    assert records[1].value == pytest.approx(30 - 4 * np.log(1000), abs=1.5)
    assert records[1].reached
    stand_ins["lm_polygraph_draws"] = {"sum": [0.0] * 3, "mean": [0.0] * 3}
    assert line.measure(replace(context, folder=context.folder / "again"))[1].reached is False


def test_vllm_is_compared_where_it_is(
    scripts: SimpleNamespace, context: Any, stand_ins: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_ins["llmood_vllm"] = {"base": [-1.0, -2.0], "tuned": [-3.0, -4.0]}
    stand_ins["bare_vllm"] = {"base": [-1.0, -2.0], "tuned": [-3.0, -4.001]}
    line = scripts.vllm_overhead.VllmOverhead(shape=scripts.random_llama.TINY, prompts=2, tokens=8)
    monkeypatch.setattr(scripts.vllm_overhead, "find_spec", lambda name: None)
    with pytest.raises(scripts.record.Skip, match="vllm is not here"):
        line.measure(context)
    monkeypatch.setattr(scripts.vllm_overhead, "find_spec", lambda name: object())
    records = line.measure(context)
    check(records)
    speed, agreement = records
    assert speed.ratio == 1.0
    assert speed.target == pytest.approx(0.909, abs=1e-3)
    assert agreement.value == pytest.approx(1e-3)


def test_memory_is_flat_or_isn_t(
    scripts: SimpleNamespace, context: Any, stand_ins: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    peaks = iter([100.0, 105.0, 200.0])
    monkeypatch.setattr(scripts.peak_memory, "peak", lambda *_: next(peaks) * scripts.peak_memory.MIB)
    records = scripts.peak_memory.MemoryOfSamples().measure(context)
    check(records)
    assert [record.value for record in records] == [100.0, 105.0, 200.0]
    assert [record.reached for record in records] == [None, True, False]


def test_a_process_s_memory_above_its_weights(
    scripts: SimpleNamespace, context: Any, stand_ins: dict[str, Any]
) -> None:
    stand_ins["peak_memory"] = {"peak": 3 << 30}
    shape = scripts.random_llama.TINY
    line = scripts.peak_memory.MemoryOfVocabulary(shapes=[shape])
    (record,) = line.measure(context)
    check([record])
    # Matrices, the input embedding, five norms and the adapter's two thin matrices on q and v, in float32.
    adapter = 2 * 2 * (64 * 8 + 8 * 64)
    weights = 4 * (shape.parameters + 1000 * 64 + 5 * 64 + adapter) / (1 << 20)
    assert record.value == pytest.approx(3 * 1024 - weights, abs=0.1)
    assert record.reached is False


@pytest.mark.slow
def test_the_process_whose_memory_is_looked_at(scripts: SimpleNamespace, context: Any) -> None:
    line = scripts.peak_memory.MemoryOfSamples(
        shape=scripts.random_llama.TINY, samples=4, growth=(1, 2), tokens=8
    )
    records = line.measure(context)
    check(records)
    assert all(record.value > 50 for record in records)  # a process with torch in it


def test_store_rates(scripts: SimpleNamespace, context: Any) -> None:
    records = scripts.store_rates.StoreRates(rows=32, tokens=4).measure(context)
    check(records)
    assert [record.name for record in records] == ["store_write", "store_read"]


def test_bootstrap(scripts: SimpleNamespace, context: Any) -> None:
    check(scripts.bootstrap.Bootstrap(samples=100, draws=100, peer_draws=3).measure(context))


def test_nearest_neighbours(scripts: SimpleNamespace, context: Any) -> None:
    line = scripts.nearest_neighbours.NearestNeighbours(queries=40, bank=300, width=8, peer_queries=10)
    records = line.measure(context)
    check(records)
    assert [record.target for record in records] == [1.0]


@pytest.mark.slow
def test_clinc150_on_other_texts(scripts: SimpleNamespace, context: Any) -> None:
    line = scripts.clinc150.Clinc150(texts=4)
    with pytest.raises(scripts.record.Skip, match="LLMOOD_DATA"):
        line.measure(context)
    tiny_models.save_model(context.models / "english-5m")
    (context.data / "clinc150").mkdir(parents=True)
    texts = ["how are you", "a", "book a table for two", "what's up", "never read"]
    with gzip.open(context.data / "clinc150" / "test.jsonl.gz", "wt", encoding="utf-8") as stream:
        stream.writelines(json.dumps({"text": text}) + "\n" for text in texts)
    records = line.measure(context)
    check(records)
    assert [record.reached for record in records if record.target] == [True, True]


# -------------------------------------------------------------------------------------------------- the file


def record_of(scripts: SimpleNamespace, name: str, line: str, **changes: Any) -> Any:
    made = scripts.record.Record(name, 2.0, "s", "peer", 1.5, 1.0, f"python scripts/bench.py --only {line}")
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("ratio", "target", "reached"),
    [(0.9, 0.75, True), (0.75, 0.75, True), (0.7, 0.75, False), (0.7, None, None), (None, None, None)],
)
def test_reached_is_ratio_over_target(
    scripts: SimpleNamespace, ratio: float | None, target: float | None, reached: bool | None
) -> None:
    assert record_of(scripts, "a", "a", ratio=ratio, target=target).reached is reached


def test_agreement_is_higher_where_numbers_are_nearer(scripts: SimpleNamespace) -> None:
    near, far, same = (
        scripts.agreement.agreement("a", "peer", difference, 1e-3, COMMAND)
        for difference in (1e-4, 1e-2, 0.0)
    )
    check([near])
    assert near.ratio == pytest.approx(10)
    assert far.ratio == pytest.approx(0.1)
    assert near.reached
    assert far.reached is False
    assert math.isfinite(same.ratio)


def test_one_line_leaves_the_others(scripts: SimpleNamespace, tmp_path: Path) -> None:
    path = tmp_path / "folder" / "cpu.json"
    first = [record_of(scripts, "a", "a"), record_of(scripts, "a_more", "a"), record_of(scripts, "b", "b")]
    scripts.bench.write(path, first)
    scripts.bench.merge(path, [record_of(scripts, "a", "a", value=3.0)])
    scripts.bench.merge(path, [record_of(scripts, "c", "c")])
    scripts.bench.merge(path, [])  # skipped: what was measured elsewhere stays
    assert [(each.name, each.value) for each in scripts.bench.read(path)] == [
        ("a", 3.0),
        ("b", 2.0),
        ("c", 2.0),
    ]
    rows = json.loads(path.read_text(encoding="utf-8"))
    assert list(rows[0]) == ["name", "value", "unit", "peer", "ratio", "target", "command"]


def test_lines_have_names_of_their_own(scripts: SimpleNamespace) -> None:
    for device in ("cpu", "cuda"):
        names = [line.name for line in scripts.lines.lines_for(device)]
        assert len(set(names)) == len(names)
    targets = {line.dtype: line.target for line in scripts.lines.lines_for("cpu")[:2]}
    assert targets == {"float32": 0.75, "bfloat16": 0.60}
    shape = scripts.ratio_scoring.RatioScoring(dtype="float32").shape
    assert 95e6 < shape.parameters < 115e6
    eight = scripts.lines.lines_for("cuda")[0]
    assert eight.dtype == "bfloat16"
    assert 7e9 < eight.shape.parameters < 8.5e9


def test_the_command_line(
    scripts: SimpleNamespace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = [
        SimpleNamespace(
            name="good", measure=lambda context: [record_of(scripts, "good", "good", command=context.command)]
        ),
        SimpleNamespace(name="absent", measure=lambda context: skip(scripts, "it is elsewhere")),
    ]
    monkeypatch.setattr(scripts.bench, "lines_for", lambda device: lines)
    output = tmp_path / "out.json"
    assert scripts.bench.main(["--list"]) == 0
    assert capsys.readouterr().out.split() == ["good", "absent"]
    for name in ("good", "absent"):
        assert scripts.bench.main(["--only", name, "--output", str(output)]) == 0
    printed = capsys.readouterr()
    assert "absent skipped: it is elsewhere" in printed.err
    assert "reached" in printed.out
    (stored,) = json.loads(output.read_text(encoding="utf-8"))
    assert stored["command"] == "python scripts/bench.py --only good"
    with pytest.raises(SystemExit) as end:
        scripts.bench.main(["--only", "goood"])
    assert end.value.code == 2
    assert "'goood' is no line of cpu: good, absent" in capsys.readouterr().err


def skip(scripts: SimpleNamespace, reason: str) -> list[Any]:
    raise scripts.record.Skip(reason)


@pytest.mark.parametrize(("ratio", "code"), [(1.5, 0), (0.5, 1)])
def test_all_lines_run_apart(
    scripts: SimpleNamespace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ratio: float,
    code: int,
) -> None:
    output = tmp_path / "out.json"
    scripts.bench.write(output, [record_of(scripts, "old", "gone")])
    monkeypatch.setattr(
        scripts.bench, "lines_for", lambda device: [SimpleNamespace(name="a"), SimpleNamespace(name="b")]
    )
    ran = []

    def run(command: list[str], **_: Any) -> Any:
        name = command[command.index("--only") + 1]
        ran.append(name)
        assert command[command.index("--output") + 1] == str(output)
        scripts.bench.merge(output, [record_of(scripts, name, name, ratio=ratio)])
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(scripts.bench.subprocess, "run", run)
    assert scripts.bench.main(["--output", str(output)]) == code
    assert ran == ["a", "b"]
    assert [each.name for each in scripts.bench.read(output)] == ["a", "b"]  # nothing old
    assert ("not reached: a, b" in capsys.readouterr().err) is bool(code)


def test_a_line_that_breaks_down_is_said(
    scripts: SimpleNamespace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(scripts.bench, "lines_for", lambda device: [SimpleNamespace(name="a")])
    monkeypatch.setattr(scripts.bench.subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=1))
    assert scripts.bench.main(["--output", str(tmp_path / "out.json")]) == 1
    assert "a broke down" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------- the peers


@pytest.fixture
def talking(scripts: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of peers' scripts with what they share."""
    shared = (ROOT / "scripts" / "benchmarks" / "peers" / "serving.py").read_text(encoding="utf-8")
    (tmp_path / "serving.py").write_text(shared, encoding="utf-8")
    monkeypatch.setattr(scripts.peer, "SCRIPTS", tmp_path)
    return tmp_path


def test_a_peer_answers_each_time(scripts: SimpleNamespace, talking: Path) -> None:
    (talking / "echo.py").write_text(
        "import json, sys\nfrom serving import serve\ntask = json.loads(sys.argv[1])\n"
        "print('loading')\nserve(lambda: print('noise') or {'given': task['number']})\n",
        encoding="utf-8",
    )
    with scripts.peer.Peer(Path(sys.executable), "echo", {"number": 3}) as peer:
        for _ in range(2):
            found = peer.run()
            assert found["given"] == 3
            assert found["seconds"] >= 0
    assert peer._process.returncode == 0


def test_the_memory_and_the_rate_of_scored_traffic(
    scripts: SimpleNamespace, context: Any, fresh_cache: Path
) -> None:
    memory, rate = scripts.scoring_traffic.MemoryOfTraffic(rows=(300, 600)).measure(context)
    assert memory.unit == "MiB"
    assert 0.5 < memory.ratio < 1.5
    assert rate.value > 0
    assert not list(context.folder.glob("*.scored.jsonl"))


@pytest.mark.slow
def test_the_rate_of_scoring_against_its_engine(
    scripts: SimpleNamespace, context: Any, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The demo's answers take most of a fit, and no verdict is looked at.
    unjudged = partial(llmood.fit_detector, overrides=["correctness=none", "calibration=true"])
    monkeypatch.setattr(llmood, "fit_detector", unjudged)
    (record,) = scripts.traffic_rate.TrafficRate(rows=40).measure(context)
    assert record.value > 0
    assert record.ratio > 0
    assert len(set(scripts.traffic_rate.demo_questions(3000))) == 3000


@pytest.mark.slow
def test_the_rate_of_a_guard_against_its_detector(
    scripts: SimpleNamespace, context: Any, fresh_cache: Path
) -> None:
    records = scripts.guard_rate.GuardRate(rows=24, batch=8).measure(context)
    check(records)
    assert [record.name for record in records] == ["guard_rate", "guard_rate_many"]
    assert {record.peer for record in records} == {records[0].peer}


@pytest.mark.slow
@pytest.mark.parametrize("proxy", [False, True])
def test_what_a_guard_adds(scripts: SimpleNamespace, context: Any, fresh_cache: Path, proxy: bool) -> None:
    records = scripts.guard_overhead.GuardOverhead(proxy=proxy, questions=5).measure(context)
    check(records)
    assert all(record.ratio == pytest.approx(10 / record.value) for record in records)
    assert all(("upstream" in record.peer) is proxy for record in records)


@pytest.mark.slow
def test_a_guard_that_is_asked_too_much_and_killed(
    scripts: SimpleNamespace, context: Any, fresh_cache: Path
) -> None:
    line = scripts.guard_overload.GuardOverload(seconds=1.0, until_killed=0.5)
    records = line.measure(context)
    check(records)
    _, _, queue, lost = records
    assert queue.reached
    assert lost.value == 0
    assert lost.reached


def test_a_guard_that_ends_skips_its_line(scripts: SimpleNamespace, context: Any) -> None:
    with (
        pytest.raises(scripts.record.Skip, match=r"the guard takes no questions: .*nowhere"),
        scripts.guard_rate.guarding(context.folder / "nowhere", context.folder),
    ):
        pass


@pytest.mark.parametrize(
    "script", ["raise SystemExit('no such model')", "print('x'); raise ValueError('no such model')"]
)
def test_a_peer_that_breaks_down_skips_its_line(scripts: SimpleNamespace, talking: Path, script: str) -> None:
    (talking / "broken.py").write_text(script, encoding="utf-8")
    with pytest.raises(scripts.record.Skip, match=r"the peer broke down: .*no such model"):
        scripts.peer.Peer(Path(sys.executable), "broken", {})


def test_an_environment_is_made_once(
    scripts: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scripts.environments, "FOLDER", tmp_path)
    ran: list[list[str]] = []

    def run(command: list[str], **_: Any) -> Any:
        ran.append(command)
        (tmp_path / "lm-eval").mkdir(exist_ok=True)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(scripts.environments.subprocess, "run", run)
    python = scripts.environments.python_of("lm-eval")
    assert [command[2] for command in ran] == ["venv", "pip"]
    assert "lm-eval==0.4.13" in ran[1]
    assert scripts.environments.python_of("lm-eval") == python
    assert len(ran) == 2
    assert all("==" in pin for pins in scripts.environments.PINS.values() for pin in pins)


def test_an_environment_that_can_t_be_made_skips_its_line(
    scripts: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scripts.environments, "FOLDER", tmp_path)
    failed = subprocess.CompletedProcess([], 1, "", "looking\nERROR: no such package\n")
    monkeypatch.setattr(scripts.environments.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(scripts.record.Skip, match="lm-eval can't be installed: ERROR: no such package"):
        scripts.environments.python_of("lm-eval")
