# make demo   set-up and the whole study on a simulated NSD
# make test   set-up and every test
# make docs   the demo, then the documentation with the executed tutorial, in site/
# make soak   many kills (docs/robustness.md); bounded in time
PYTHON ?= python3
VENV ?= .venv
CONFIG ?= config/demo.yaml
KILLS ?= 50
MINUTES ?= 25

export PATH := $(abspath $(VENV))/bin:$(PATH)
INSTALLED := $(VENV)/installed

.PHONY: demo test docs soak lint clean

demo: $(INSTALLED)
	snakemake --configfile $(CONFIG)
	python -m pipeline show --configfile $(CONFIG)

test: lint
	python -m pytest

docs: demo
	NO_MKDOCS_2_WARNING=1 EXECUTE_TUTORIAL=true mkdocs build

soak: $(INSTALLED)
	KILLS=$(KILLS) MINUTES=$(MINUTES) python -m pytest -s tests/test_faults.py -k again_and_again

lint: $(INSTALLED)
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile pipeline
	snakemake --lint

$(INSTALLED): pyproject.toml config/constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --constraint config/constraints.txt --editable ".[cluster,demo,docs,test]"
	touch $@

clean:
	rm -rf results data site .snakemake
