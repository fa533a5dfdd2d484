"""`import llmood`, `llmood --help` and listing what there is cost no heavy library."""

from __future__ import annotations

import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "torch",
    "transformers",
    "peft",
    "accelerate",
    "vllm",
    "openai",
    "datasets",
    "sklearn",
    "pandas",
    "matplotlib",
    "scipy.stats",
)
HELP = """
import sys
sys.argv = ['llmood', *{arguments!r}]
from llmood.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""
REGISTRIES = """
from llmood.calibrators import calibrators
from llmood.checks import checks
from llmood.engines.base import engines
from llmood.metrics import metrics_registry
from llmood.scorers.base import scorers
assert all(registry.names() for registry in (calibrators, checks, engines, metrics_registry, scorers))
"""
CONFIGURED = """
from llmood.config import EngineConfig, Models
from llmood.engines.base import engines
engines.get("fake")(EngineConfig(), Models(base={"model": "b"})).tokenizer("base").encode(["a"], rendered=False)
"""


FROM_PYTHON = """
import llmood
from importlib import import_module
# Whatever was imported before: no module stands where a function is looked for.
for name in ("llmood.tuning", "llmood.comparison", "llmood.importing", "llmood.run"):
    import_module(name)
for name in llmood.__all__:
    assert callable(getattr(llmood, name)), name
assert llmood.finetune.__module__ == "llmood.tuning"
assert llmood.compare.__name__ == "compare_runs"
assert llmood.import_file.__name__ == "import_file"
"""


def loaded_after(program: str) -> list[str]:
    report = f"\nimport sys; print('loaded:', *(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program + report], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()[1:]


@pytest.mark.parametrize(
    "program",
    ["import llmood; llmood.__version__; dir(llmood)", FROM_PYTHON, REGISTRIES, CONFIGURED]
    + [
        HELP.format(arguments=arguments)
        for arguments in (["--help"], ["--version"], ["run", "--help"], ["cache", "--help"])
    ],
    ids=["import", "names", "registries", "fake engine", "--help", "--version", "run --help", "cache --help"],
)
def test_nothing_heavy_is_loaded(program: str) -> None:
    assert loaded_after(program) == []


def test_the_test_sees_what_is_loaded() -> None:
    assert loaded_after("import pandas") == ["pandas"]


def test_an_engine_is_listed_before_torch_is_needed() -> None:
    program = "from llmood.engines.base import engines; engines.get('transformers').captures"
    assert "torch" not in loaded_after(program)


def test_an_unknown_name_is_an_attribute_error() -> None:
    import llmood

    with pytest.raises(AttributeError, match="no attribute 'evaluat'"):
        _ = llmood.evaluat


def test_no_module_is_called_like_a_name_of_the_package() -> None:
    import llmood

    modules = {module.name for module in pkgutil.iter_modules(llmood.__path__)}
    assert not modules & set(llmood.__all__)


def test_the_reference_shows_every_name() -> None:
    import llmood

    page = Path(__file__).resolve().parents[2] / "docs" / "pages" / "reference" / "python.md"
    text = page.read_text(encoding="utf-8")
    for name in llmood.__all__:
        home = getattr(llmood, name)
        assert f"`llmood.{name}`" in text
        documented = re.findall(r"^::: (\S+)$", text, re.MULTILINE)
        assert home.__name__ in {path.rpartition(".")[2] for path in documented}
