# Every target makes and uses .venv; nothing else has to be installed by hand.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.stamp
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help venv demo test check bench chaos soak proto format clean

help:  ## Say what the targets do
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

venv: $(STAMP)  ## Make .venv with everything that the other targets need

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	$(PIP) 'torch==2.13.*'
	$(PIP) --group dev -e '.[embedded,examples]'
	touch $(STAMP)

demo: $(STAMP)  ## Run the digits robustness study end to end on this machine
	$(BIN)/python examples/digits/demo.py

test: check  ## Check, then run every test on real components
	DIOPTRA_FUZZ_SECONDS=$${DIOPTRA_FUZZ_SECONDS:-3} $(BIN)/pytest --no-skips

check: $(STAMP)  ## Format, lint, types, layering, protos, generated code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint proto
	$(BIN)/buf format --diff --exit-code proto
	$(BIN)/python -m tests.tools.breaking
	$(BIN)/python -m tests.tools.generated
	$(BIN)/python -m tests.tools.dependencies
	$(BIN)/python -m tests.tools.secrets

bench: $(STAMP)  ## Measure speed against baselines in the same run
	$(BIN)/python -m tests.bench

chaos: $(STAMP)  ## Break things for DIOPTRA_CHAOS_SECONDS, an hour if not set
	$(BIN)/python -m tests.chaos $${DIOPTRA_CHAOS_SECONDS:-3600}

soak: $(STAMP)  ## Work for DIOPTRA_SOAK_SECONDS, an hour if not set; fail if anything grows
	$(BIN)/python -m tests.chaos.soak $${DIOPTRA_SOAK_SECONDS:-3600}

proto: $(STAMP)  ## Generate dioptra_ray/api from proto/
	$(BIN)/python -m tests.tools.generated --write

format: $(STAMP)  ## Format code and protos
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/buf format --write proto

clean:  ## Remove everything that make made
	rm -rf .venv build dist out .pytest_cache .mypy_cache .ruff_cache .hypothesis
