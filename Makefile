# make ablation   set up, simulate a cube, run the paper's ablation on this machine
# make results    the paper's experiment whole: its size, its network, both protocols, a page
# make test       set up, run the tests
# make help       the rest

VENV   := .venv
PYTHON := $(VENV)/bin/python
READY  := $(VENV)/.ready
UV     := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
SIMULATED := data/simulated.zarr
# 120 chips, of which 98 hold landslides: enough that the paper's orderings show with one seed.
SHAPE     := 1280 1536
# Of Hokkaido's size and number of images: 309 chips that hold landslides.
HOKKAIDO  := data/hokkaido_simulated.zarr
$(HOKKAIDO): SHAPE  := 4398 5382
$(HOKKAIDO): IMAGES := --descending 9 9 --ascending 4 4
# Pixels. In Hokkaido's cube the default of 1024 leaves 5 blocks with test chips, and 512 leaves 19.
BLOCK     := 512
CUBE    ?=
# Beside the table lie the figure, the split and the checkpoints.
TABLE   ?= $@/table
PRESET  ?=
OPTIONS ?=
# The sweeps' tests wait for processes half of the time: the others run beside them.
SIDE_BY_SIDE := --numprocesses 2
BENCH   ?= fetches streaming memory latency epochs first_step training scaling building mapping

# Compiled modules are kept, even where the environment says no: a sweep starts many processes, and
# each would compile torch and the rest anew, which takes more than half of its start.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup ablation results test test-all bench check requirements clean
.DELETE_ON_ERROR:

help:
	@echo "make ablation [CUBE=… TABLE=… PRESET=quick|paper OPTIONS=…]  the paper's experiment"
	@echo "make results [CUBE=…|hokkaido TABLE=… PRESET=… OPTIONS=…]    all of it, on a page; for a GPU"
	@echo "make $(SIMULATED)                                     only the simulated cube"
	@echo "make test                                                    the tests"
	@echo "make test-all                                                and the long ones"
	@echo "make bench [BENCH=…]                                         measure, one by one; 10 GB of cubes"
	@echo "make check                                                   style, types, import rules"
	@echo "make setup                                                   only make $(VENV)"
	@echo "make requirements                                            pin the versions anew"
	@echo "make clean                                                   remove $(VENV) and caches"

setup: $(READY)

# uv, through a virtual environment of any Python from 3.9 on, where it is not installed.
.uv/bin/uv:
	@for python in python3 /usr/bin/python3 python; do \
	  $$python -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null && break; python=; \
	done; \
	[ -n "$$python" ] || { echo "error: no Python 3.9 or later found: install one, or uv" >&2; exit 1; }; \
	echo "Fetching uv"; rm -rf .uv; \
	$$python -m venv .uv >.uv.log 2>&1 && .uv/bin/python -m pip install --quiet uv >>.uv.log 2>&1 \
	  || { echo "error: cannot install uv ($$(tail -n 1 .uv.log)): see .uv.log, or install uv yourself" >&2; \
	       rm -rf .uv; exit 1; }; \
	rm -f .uv.log

$(READY): requirements.txt pyproject.toml .python-version | $(filter .uv/bin/uv,$(UV))
	@echo "Setting up $(VENV): $$(grep -c == requirements.txt) packages, some 9 GB on Linux; a minute, or several the first time"
	@rm -f $@
	@$(UV) venv --quiet --allow-existing $(VENV) 2>.setup.log \
	  || $(UV) venv --quiet --allow-existing --python '>=3.12' $(VENV) 2>.setup.log \
	  || { echo "error: no Python 3.12 or later found or fetched ($$(tail -n 1 .setup.log)): install one" >&2; exit 1; }
	@$(UV) pip install --quiet --python $(PYTHON) --requirement requirements.txt 2>.setup.log \
	  || { echo "error: cannot install requirements.txt ($$(tail -n 1 .setup.log)): check the package index and the disk; all of it is in .setup.log" >&2; exit 1; }
	@$(UV) pip install --quiet --python $(PYTHON) --no-deps --editable . 2>.setup.log \
	  || { echo "error: cannot install this project into $(VENV) ($$(tail -n 1 .setup.log))" >&2; exit 1; }
	@rm -f .setup.log
	@touch $@
	@echo "$(VENV) is ready"

$(SIMULATED) $(HOKKAIDO): | $(READY)
	@echo "Simulating a cube"
	@$(PYTHON) -m landslide simulate $@ --shape $(SHAPE) $(IMAGES)

ablation: $(READY) $(filter $(SIMULATED),$(or $(CUBE),$(SIMULATED)))
	@echo "Loading torch and Ray"
	@$(PYTHON) sweeps/ablation.py $(or $(CUBE),$(SIMULATED)) --table $(TABLE) \
	  --preset $(or $(PRESET),quick) $(OPTIONS)

results: $(READY) $(filter $(HOKKAIDO),$(or $(CUBE),$(HOKKAIDO)))
	@$(PYTHON) sweeps/experiment.py $(or $(CUBE),$(HOKKAIDO)) --table $(TABLE) \
	  --preset $(or $(PRESET),paper) --block-size $(BLOCK) $(OPTIONS)

test: $(READY)
	@$(PYTHON) -m pytest $(SIDE_BY_SIDE) -m "not long"

test-all: $(READY)
	@$(PYTHON) -m pytest $(SIDE_BY_SIDE)

bench: $(READY)
	@for name in $(BENCH); do $(PYTHON) benchmarks/$$name.py $(OPTIONS) || exit 1; done

check: $(READY)
	@$(VENV)/bin/ruff check
	@$(VENV)/bin/ruff format --check
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

requirements: | $(filter .uv/bin/uv,$(UV))
	@$(UV) pip compile --quiet --universal --python-version 3.12 --all-extras --upgrade \
	  --custom-compile-command "make requirements" \
	  pyproject.toml --output-file requirements.txt

clean:
	@rm -rf $(VENV) .uv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
