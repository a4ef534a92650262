# `make demo` and `make test` are all a fresh machine needs; `make help` lists the rest.
# PYTHON chooses the interpreter (3.11 or newer), EXTRAS the optional dependencies.

PYTHON ?= python3
EXTRAS ?= dev

BIN := .venv/bin
STAMP := .venv/.installed
PIP_INSTALL := install --quiet --constraint constraints.txt --editable '.[$(EXTRAS)]'

# uv gives up on a silent connection after 30 s, which a wheel of a gigabyte can outlast.
export UV_HTTP_TIMEOUT ?= 180
# Without bytecode every process, and so every worker, would compile torch again: 20 s each.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: install demo test test-all coverage check benchmark clean help

install: $(STAMP) ## create .venv and install the package there

# The stamp is written last, so that an interrupted installation is done again. uv is five times
# faster than pip, but does not read pip's configuration: where it fails, pip has the last word.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(sys.version_info < (3, 11) \
	    and "cytosweep needs Python 3.11 or newer, but $(PYTHON) is " + v \
	    + "; try: make install PYTHON=python3.12")'
	@echo "Installing cytosweep into .venv (about a minute, 7 GB, the first time) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv \
	    && $(BIN)/uv pip $(PIP_INSTALL) --python $(BIN)/python \
	    || { echo "uv did not manage; trying pip (some minutes) ..." \
	    && $(BIN)/python -m pip $(PIP_INSTALL) --disable-pip-version-check; }
	@touch $@

demo: $(STAMP) ## run the whole story on synthetic cells
	@$(BIN)/cytosweep demo

test: $(STAMP) ## run the tests, without the slow ones and those for a GPU
	@$(BIN)/python -m pytest

test-all: $(STAMP) ## run every test: also kills, several nodes, long training, GPU
	@$(BIN)/python -m pytest -m ''

coverage: $(STAMP) ## run the tests and fail where they cover less than 90 %
	@$(BIN)/python -m pytest --cov

check: $(STAMP) ## check format, lint and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

benchmark: $(STAMP) ## measure how fast trials are asked, run and recorded
	@$(BIN)/python -m benchmarks.orchestration

clean: ## remove .venv, caches and build products; runs/ stays
	@rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .coverage* htmlcov
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
