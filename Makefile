SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
CORES ?= $(shell $(PYTHON) -c 'import os; print(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())')
INSTALLED := .venv/.installed
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help
help: ## Show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

.PHONY: demo
demo: setup ## The whole pipeline on the embedded dataset: results/demo/sun.csv and report.html
	python -m sunflow.recover
	snakemake --cores $(CORES)

.PHONY: test
test: setup ## All tests
	OMP_NUM_THREADS=1 pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: bench
bench: setup ## The CPU figures of the generator in bench/README.md, on one thread, in under ten minutes
	if ! python -c 'import torch_geometric' 2> /dev/null; then \
	  if command -v uv > /dev/null; then \
	    uv pip install --compile-bytecode --python .venv/bin/python --constraint constraints.txt --editable ".[bench]"; \
	  else \
	    .venv/bin/python -m pip install --progress-bar off --constraint constraints.txt --editable ".[bench]"; \
	  fi; \
	fi
	for figure in network training flow sampling memory; do \
	  echo "== $$figure"; OMP_NUM_THREADS=1 python -m bench $$figure --repeats 3; \
	done

.PHONY: lint
lint: setup ## ruff, mypy, snakefmt and snakemake --lint
	ruff check --no-cache .
	ruff format --no-cache --check .
	mypy
	snakefmt --check Snakefile workflow
	snakemake --lint

.PHONY: setup
setup: $(INSTALLED) ## Create .venv and install the pinned dependencies; a second call does nothing

# uv where there is one, because it takes seconds where pip takes minutes.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Sunflow needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...") if sys.version_info < (3, 11) else None'
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	if command -v uv > /dev/null; then \
	  uv pip install --compile-bytecode --python .venv/bin/python --constraint constraints.txt --editable ".[dev]"; \
	else \
	  .venv/bin/python -m pip install --progress-bar off --constraint constraints.txt --editable ".[dev]"; \
	fi
	touch $@

.PHONY: clean
clean: ## Remove the environment, caches and logs; results and downloads stay
	rm -rf .venv .snakemake .pytest_cache .mypy_cache .ruff_cache logs
