# Everything a user or a developer types. `make help` lists it.
# Needs only Python 3.11 to 3.13 with venv. PYTHON=python3.12 picks another than python3; ARGS="..." goes to the command.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
# Its build tool warns of a folder named as the package, which is how an editable installation works.
PROJECT := PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .

.PHONY: help run ui test check format bench lock clean
.DEFAULT_GOAL := help

help: ## Show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1|/' | column -t -s '|'

run: $(VENV)/.installed ## Prices to report for the whole watchlist and the last closed session
	@$(BIN)/stock-assets run $(ARGS)

ui: $(VENV)/.installed ## The Dagster UI on port 3000
	@$(BIN)/stock-assets ui $(ARGS)

test: $(VENV)/.installed-test ## All tests
	@$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.installed-test ## Lint, format, types, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright
	@$(BIN)/lint-imports

format: $(VENV)/.installed-test ## Put the code into its canonical form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/.installed-test ## Measure what the project costs
	@$(BIN)/python -m benchmarks.run_overhead
	@$(BIN)/python -m benchmarks.import_time
	@$(BIN)/python -m benchmarks.asset_costs

lock: $(VENV)/.installed-test ## Renew the locked requirements from pyproject.toml
	@$(BIN)/uv pip compile pyproject.toml --group build $(LOCK) --output-file requirements.txt
	@$(BIN)/uv pip compile pyproject.toml --group build --group test --extra server --extra cluster $(LOCK) --constraint requirements.txt --output-file requirements-test.txt
	@$(BIN)/uv pip compile pyproject.toml --group build --extra server --extra cluster $(LOCK) --constraint requirements.txt --output-file deploy/requirements.txt

LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-strip-extras --no-annotate --no-header --quiet --upgrade

clean: ## Remove the virtual environment and Dagster's history; data stays
	rm -rf $(VENV) .dagster

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		|| { echo "$(PYTHON) is not Python 3.11, 3.12 or 3.13; choose one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Setting up $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt pyproject.toml setup.py | $(VENV)/bin/python
	@echo "Installing locked requirements"
	@$(INSTALL) --requirement requirements.txt
	@$(PROJECT)
	@touch $@

$(VENV)/.installed-test: requirements-test.txt $(VENV)/.installed
	@echo "Installing locked requirements of the tests"
	@$(INSTALL) --requirement requirements-test.txt
	@touch $@
