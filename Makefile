# make install   set-up alone, in .venv; the other targets begin with it
# make demo   set-up and the whole study on a simulated NSD
# make test   set-up, style, types, unit tests and one small workflow: minutes
# make test-all   these, and the tests that take longer (`make test-rest`)
# make docs   the demo, then the documentation with the executed tutorial, in site/
# make full-size   a simulated subject of NSD's size and a study on it, in FOLDER: 30 GB, hours
# make full-size-cortex   then one comparison in its whole cortex
# make soak   many kills (docs/robustness.md); bounded in time
PYTHON ?= python3
VENV ?= .venv
CONFIG ?= config/demo.yaml
KILLS ?= 50
MINUTES ?= 25
FOLDER ?= .
FULL_RUN = snakemake --cores 2 --rerun-incomplete --directory $(FOLDER)
FULL = $(FULL_RUN) --configfile config/full_size.yaml

export PATH := $(abspath $(VENV))/bin:$(PATH)
INSTALLED := $(VENV)/installed

# Two workers, each with one thread: they would wait for each other's. A file's tests share what they
# make, and run in one worker. The longest files come first (tests/conftest.py).
PYTEST := OMP_NUM_THREADS=1 python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
TIERS := workflow or robustness or networks or slurm or browser

.PHONY: install demo test unit-tests test-rest test-all docs soak lint clean \
	full-size full-size-build full-size-study full-size-cortex

install: $(INSTALLED)

demo: $(INSTALLED)
	snakemake --configfile $(CONFIG)
	python -m pipeline show --configfile $(CONFIG)

# side by side: neither keeps two cores busy to its end
test: $(INSTALLED)
	$(MAKE) --jobs 2 lint unit-tests

unit-tests: $(INSTALLED)
	$(PYTEST) -m "not ($(TIERS))"

test-rest: $(INSTALLED)
	$(PYTEST) -m "($(TIERS)) and not whole_list"

test-all: test test-rest

docs: demo
	NO_MKDOCS_2_WARNING=1 EXECUTE_TUTORIAL=true mkdocs build

full-size: full-size-build full-size-study

# the tree is not counted among what is needed when it exists
full-size-build: $(INSTALLED)
	mkdir -p $(FOLDER)
	test -e $(FOLDER)/data/full_size/simulation.json || $(FULL) preflight
	$(FULL) simulation

full-size-study: full-size-build
	$(FULL)

# one comparison in the whole cortex, with the features of that study
full-size-cortex: full-size-study
	$(FULL_RUN) --configfile config/full_size_cortex.yaml

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
