PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check install -qq
PICTURE := out.png

BENCHMARKS := $(filter-out %/engine_fuzz.py %/gpu_flux.py %/cache/replay.py, $(wildcard tests/benchmarks/*.py tests/benchmarks/cache/*.py))
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.PHONY: help run stop test test-cluster test-browser check format bench bench-engine bench-cache bench-autoscaling fuzz generated

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /make \1 — /p' $(MAKEFILE_LIST)

run: $(INSTALLED) ## install, start the server, draw a first picture; the server stays up
	@$(BIN)/darkroom up --background --first-picture $(PICTURE)

stop: $(INSTALLED) ## stop what `make run` started
	@$(BIN)/darkroom down

test: $(INSTALLED_DEV) ## the suites that start no cluster, in a few minutes
	@$(BIN)/pytest -m "not (cluster or browser or soak or gpu)"

test-cluster: $(INSTALLED_DEV) ## the whole graph on real Ray Serve, started on this machine
	@$(BIN)/pytest -m cluster tests/cluster

test-browser: $(INSTALLED_DEV) ## the official JavaScript client in Node and in Chromium; what is not installed is skipped
	@$(BIN)/pytest -m browser tests/browser

check: $(INSTALLED_DEV) ## format, lint, types, import directions
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/mypy tests
	@$(BIN)/lint-imports

format: $(INSTALLED_DEV) ## format and mend what can be mended by machine
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(INSTALLED_DEV) ## one script per claim of the README
	@for script in $(BENCHMARKS); do PYTHONPATH=.:tests $(BIN)/python $$script || exit 1; done

bench-engine: $(INSTALLED_DEV) ## the engine beside other servers; hours, or minutes with FLAGS=--quick
	@PYTHONPATH=.:tests $(BIN)/python tests/benchmarks/engine/bench.py $(FLAGS)

bench-cache: $(INSTALLED_DEV) ## caches beside each other on a stream of requests; half an hour, or FLAGS="--requests 300"
	@PYTHONPATH=.:tests $(BIN)/python tests/benchmarks/cache/replay.py $(FLAGS)

bench-autoscaling: $(INSTALLED_DEV) ## scaling beside Ray Serve's; half an hour, recorded load with FLAGS="--traces FOLDER"
	@PYTHONPATH=.:tests $(BIN)/python tests/benchmarks/autoscaling/bench.py $(FLAGS)

fuzz: $(INSTALLED_DEV) ## ten thousand random schedules on the engine; about twenty minutes
	@PYTHONPATH=.:tests $(BIN)/python tests/benchmarks/engine_fuzz.py

generated: $(INSTALLED) ## write the files that are made from the schema and from configs/production.yaml
	@$(BIN)/darkroom config > configs/README.md
	@$(BIN)/darkroom render k8s/base/rayservice.yaml --config configs/production.yaml

$(INSTALLED): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Darkroom needs Python 3.11 or newer")'
	@echo "Installing Darkroom into $(VENV), once; this takes some minutes."
	@$(PIP) torch==2.13.0
	@$(PIP) --editable .
	@touch $@

$(INSTALLED_DEV): $(INSTALLED)
	@echo "Installing the development tools into $(VENV), once."
	@$(PIP) --editable '.[dev]'
	@touch $@
