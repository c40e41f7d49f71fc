# All targets use one environment, .venv, with the versions of constraints.txt.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test test-all check docs fmt evals clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

install: $(STAMP) ## create .venv and install the project with all extras and tools

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@echo "installing into $(VENV) (about a minute the first time) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt 'pip>=25.1'  # the first version with --group
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --group dev --editable '.[all]'
	@touch $@

demo: $(STAMP) ## show verdicts on recorded and live models in two minutes; writes reports/demo.html
	@$(BIN)/harness demo

test: $(STAMP) ## run the fast tests; needs no key, model server or network
	@$(BIN)/python -m pytest -n auto --dist worksteal

test-all: $(STAMP) ## run all tests, including the slow ones
	@$(BIN)/python -m pytest -n auto --dist worksteal -m ""

check: $(STAMP) ## check lint, format, types, layers, prompts, datasets and docs
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/harness prompts check
	@$(BIN)/harness datasets validate
	@$(MAKE) --no-print-directory docs

docs: $(STAMP) ## build the site in build/site; a broken link fails
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

fmt: $(STAMP) ## fix lint findings and format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

evals: $(STAMP) ## judge the gates of every eval, as CI does
	@$(BIN)/python -m pytest evals/

clean: ## delete the environment and caches; keep the runs in .harness
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
