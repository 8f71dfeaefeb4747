# make demo   set-up and the whole study on a simulated NSD
# make test   set-up and every test
# make soak   many kills, many hostile files (docs/robustness.md); bounded in time; after
#             `pip install -e ".[fuzz]"` files are also searched for that break a reader
PYTHON ?= python3
VENV ?= .venv
CONFIG ?= config/demo.yaml
KILLS ?= 50
MINUTES ?= 25
EXAMPLES ?= 500
FUZZ_SECONDS ?= 60

export PATH := $(abspath $(VENV))/bin:$(PATH)
INSTALLED := $(VENV)/installed

.PHONY: demo test soak lint clean

demo: $(INSTALLED)
	snakemake --configfile $(CONFIG)
	python -m pipeline show --configfile $(CONFIG)

test: lint
	python -m pytest

soak: $(INSTALLED)
	python tests/faults.py --kills $(KILLS) --minutes $(MINUTES)
	HOSTILE_EXAMPLES=$(EXAMPLES) FUZZ_SECONDS=$(FUZZ_SECONDS) python -m pytest -s tests/test_hostile_input.py -k "hostile_file or search"

lint: $(INSTALLED)
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile pipeline/rules
	snakemake --lint

$(INSTALLED): pyproject.toml config/constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --constraint config/constraints.txt --editable ".[cluster,demo,test]"
	touch $@

clean:
	rm -rf results data .snakemake
