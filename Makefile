# `make` alone lists what there is.
PYTHON ?= python3
PIP_FLAGS ?=
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif

# Tests start hundreds of processes: each would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all bench faults systems recipes pins clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/installed ## create .venv and install everything, with pinned versions

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet $(PIP_FLAGS) -c constraints.txt -e '.[train,serve,hf,track,s3,gcs,loadtest,otel,report,dev]'
	@touch $@

demo: .venv/installed ## the main job on real data: digits, from files to a served prediction
	$(BIN)/python -m holdfast.testing.demo

test: export OMP_NUM_THREADS = 1  # the tests' own processes keep the processors busy
test: .venv/installed ## lint, types, import contracts, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder

test-all: .venv/installed ## all tests, the slow ones too
	$(BIN)/python -m pip install --quiet $(PIP_FLAGS) -c constraints.txt -e '.[ray]'
	$(BIN)/pytest

bench: .venv/installed ## one table of ratios, measured in one run
	$(BIN)/python -m benchmarks

faults: .venv/installed ## kill -9 at 20 random moments of data add, train and models promote
	$(BIN)/python -m benchmarks.faults

systems: .venv/installed ## the five systems on the real data in DATA (default ../shared/data)
	$(BIN)/python -m benchmarks.systems $(DATA)

recipes: .venv/installed ## the small recipes against their floors on the data in DATA; writes docs/recipes.md
	$(BIN)/python -m benchmarks.recipes $(DATA)

pins: .venv/installed ## write constraints.txt anew from what is installed
	$(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu//' > constraints.txt

clean: ## remove what these targets made
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis artifacts
