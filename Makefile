# Everything from nothing: each target makes .venv and installs what it needs when that is not there yet.
#   make demo             run the demo study and write runs/demo/report.md
#   make test             run every test, on all cores
#   make check            ruff (lint and format) and basedpyright
#   make perf             time a training step, cache read and ranking of every method, ranking over many items, and the
#                         start of cells; end in the speed tables
#   make docs             build the pages of docs/ as a site, build/site
#   make readme           bring the tables of README and published pages up to date with the published records
#   make micro-backbones  pretrain the built-in towers anew (methods/micro)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Byte code is written when a module is first imported: compiling all of torch in advance takes longer than the rest.
# Where the shell forbids that, every command would compile torch anew: 3 s instead of 1.5 s for `bench list methods`.
unexport PYTHONDONTWRITEBYTECODE
INSTALL := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt

.PHONY: demo test check perf docs readme micro-backbones clean

demo: $(VENV)/run.stamp
	$(BIN)/bench run

test: $(VENV)/dev.stamp
	$(BIN)/pytest --numprocesses=auto --dist=worksteal

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

perf: $(VENV)/dev.stamp
	mkdir -p runs
	$(BIN)/pytest tests/perf --benchmark-enable --benchmark-save-data --benchmark-json=runs/perf.json
	$(BIN)/bench run speed
	$(BIN)/python -m tpmebench.reports.speed runs/speed runs/perf.json

docs: $(VENV)/docs.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir build/site

readme: $(VENV)/run.stamp
	$(BIN)/python -m tpmebench.reports.readme README.md reports/published/*.md

micro-backbones: $(VENV)/run.stamp
	$(BIN)/python -m tpmebench.methods.micro.recipe

clean:
	rm -rf $(VENV) build dist *.egg-info

# torch first and by its exact version: nothing that follows may choose another build of it. setuptools is pinned too,
# so the package is built with what stands in the environment.
# types/tpmebench lets basedpyright resolve the tests' `import tpmebench`, which an editable install hides from it.
$(VENV)/run.stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --upgrade $$(grep -E '^(torch|setuptools)==' constraints.txt)
	$(INSTALL) --no-build-isolation --editable .
	mkdir -p $(VENV)/types
	ln -sfn "$(CURDIR)" $(VENV)/types/tpmebench
	touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp
	$(INSTALL) --no-build-isolation --editable '.[dev]'
	touch $@

$(VENV)/docs.stamp: $(VENV)/run.stamp
	$(INSTALL) --no-build-isolation --editable '.[docs]'
	touch $@
