# Every target brings its own set-up, so each works alone on a fresh machine: python3 >= 3.11 and make are enough.
# GPU=1 takes the CUDA lock instead of the CPU one (scripts/setup.sh).

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup vllm demo test quick lint format bench demo-world schemas docs lock clean

PYTEST := .venv/bin/python -m pytest
JOBS ?= 2

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## .venv with the locked packages and this checkout (at once when nothing changed)
	@scripts/setup.sh

vllm: setup ## vLLM's CPU build beside the rest, for the tests and figures that need it
	@scripts/setup.sh --vllm

demo: setup ## a whole evaluation without a network or a GPU, into runs/demo
	.venv/bin/llmood demo

# Processes share the cores, a thread each: the tests' models are small, and most of what tests do is one thread's
# work. What needs a GPU has it to itself.
test: quick vllm ## every test: the quick ones, then slow, real and gpu
	OMP_NUM_THREADS=1 $(PYTEST) -m "(slow or real) and not gpu" -n $(JOBS) --dist loadfile
	$(PYTEST) tests/gpu

quick: setup ## the tests that need no model, data or patience
	OMP_NUM_THREADS=1 $(PYTEST) -m "not slow and not real and not gpu" -n $(JOBS) --dist loadfile

lint: setup ## all that is checked without running: ruff, mypy, the floors
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

format: setup ## put the code in shape
	.venv/bin/ruff check --fix-only
	.venv/bin/ruff format

bench: vllm ## time what users wait for
	.venv/bin/python scripts/bench.py

demo-world: setup ## rebuild the demo's data
	.venv/bin/python scripts/build_demo_world.py

schemas: setup ## the JSON Schemas of configurations, tasks and benchmarks, for editors
	.venv/bin/python scripts/schemas.py

docs: setup ## the site, into build/docs; a broken link or name is an error
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict -f docs/mkdocs.yml

lock: ## resolve requirements/*.lock anew (UPGRADE=1: let every version move)
	python3 scripts/lock.py $(if $(filter 1,$(UPGRADE)),--upgrade)

clean: ## remove what tools and builds left; .venv and runs/ stay
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find llmood tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
