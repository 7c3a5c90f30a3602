# All set-up is `make demo` or `make test`; `make help` lists the rest.
# Another Python than python3: make PYTHON=python3.12 test

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.SUFFIXES:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory --no-builtin-rules

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOG := $(VENV)/install.log
DATA := bench-data
EMPTY :=

# What `pip install` is told; its output goes to a file, so that a failure is one line.
install = echo "$(STEP)installing $(1) into $(VENV) (the first time this takes a minute)"; \
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e "$(1)" >$(LOG) 2>&1 </dev/null \
	|| { echo "make: could not install $(1); the log is in $(LOG)" >&2; exit 1; }

define checks
@$(BIN)/ruff check .
@$(BIN)/ruff format --check .
@$(BIN)/mypy
@$(BIN)/lint-imports
endef

.PHONY: help demo test test-faults test-soak lint test-bounds screenshots bench datasets clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: STEP = 1/3 $(EMPTY)
demo: $(VENV)/.installed-demo demo/.photos ## cluster a folder of sample photographs, all set-up included
	@echo "3/3 clustering: labelimg cluster demo/photos --overwrite"
	@$(BIN)/labelimg cluster demo/photos --overwrite </dev/null
	@echo "Done. Before: demo/photos. After: demo/photos_clustered/results, a folder for each cluster."

test: STEP = 1/3 $(EMPTY)
test: $(VENV)/.installed-dev .screen-tools ## check style, types, layers, and run all tests
	@echo "2/3 checking style, types and layers"
	$(checks)
	@echo "3/3 running the tests"
	@$(BIN)/python -m pytest </dev/null

# `make test` tries a sample of these; the seed of the sample is LABELIMG_FAULTS_SEED.
test-faults: $(VENV)/.installed-dev ## kill runs at every file operation, try all bad files, fuzz at length (about 10 minutes)
	@LABELIMG_FAULTS=all $(BIN)/python -m pytest tests/faults -rs </dev/null

test-soak: $(VENV)/.installed-dev ## cluster, merge and undo 50,000 images; descriptors, memory and threads stay flat
	@$(BIN)/python tests/faults/soak.py </dev/null

lint: $(VENV)/.installed-dev ## check style, types and layers alone
	$(checks)

# Numba's cache does not know whether code was compiled with the check: hence a cache of its own.
test-bounds: $(VENV)/.installed-dev ## run the kernel tests with every array access checked
	@echo "running the kernel tests with numba's bounds check"
	@mkdir -p build/numba-bounds
	@NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR="$(CURDIR)/build/numba-bounds" \
		$(BIN)/python -m pytest tests/clusterimg/test_kernels.py \
		tests/segmentatimg/test_regions.py tests/segmentatimg/test_hierarchy.py tests/segmentatimg/test_painting.py </dev/null

# What shows windows and pages and drives them on a machine without a screen. Where it cannot be installed, the tests
# that need it are skipped, and say so.
SCREEN_LIBRARIES := libegl1 libgl1 libxkbcommon0 libdbus-1-3 libfontconfig1 libxcb-cursor0 libxkbcommon-x11-0 \
	libxcb-icccm4 libxcb-keysyms1 libxcb-image0 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0

.PHONY: .screen-tools
.screen-tools:
	@if ! command -v Xvfb >/dev/null || ! command -v xdotool >/dev/null || ! ldconfig -p | grep -q libxcb-cursor \
		|| ! command -v chromium >/dev/null; then \
		if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
			echo "installing xvfb, xdotool, the libraries of Qt and chromium with apt-get"; \
			{ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
				xvfb xdotool chromium $(SCREEN_LIBRARIES); } >build-screen-tools.log 2>&1 </dev/null \
				&& rm -f build-screen-tools.log \
				|| echo "make: could not install them (build-screen-tools.log); the tests with a virtual screen or a browser are skipped"; \
		else \
			echo "make: xvfb, xdotool or chromium is missing; the tests that need it are skipped"; \
		fi; \
	fi

screenshots: $(VENV)/.installed-dev .screen-tools demo/.photos ## make the pictures of the windows for the README
	@$(BIN)/python benchmarks/screenshots.py demo/photos docs/images </dev/null
	@$(BIN)/python benchmarks/screenshots_pointing.py demo/photos docs/images </dev/null
	@$(BIN)/python benchmarks/review_screenshots.py demo/photos docs/images </dev/null
	@$(BIN)/python benchmarks/report_screenshots.py demo/photos docs/images </dev/null
	@$(BIN)/python benchmarks/threshold_screenshots.py demo/photos docs/images </dev/null

datasets: $(DATA)/.built ## build the labelled data sets in bench-data/ (downloads 180 MB of Debian packages)

bench: $(VENV)/.installed-dev $(DATA)/.built ## measure speed and print the table
	@$(BIN)/python benchmarks/speed.py $(DATA) </dev/null

clean: ## remove all that make made: .venv, demo, bench-data, build and caches
	@rm -rf $(VENV) demo $(DATA) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	@find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@command -v "$(PYTHON)" >/dev/null \
		|| { echo "make: no $(PYTHON) found: install Python 3.11 or newer, or name one: make PYTHON=/path/to/python" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: Python 3.11 or newer is needed," \
		"$(PYTHON) is $$("$(PYTHON)" -V 2>&1): name another, for example make PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { echo "make: $(PYTHON) cannot make virtual environments:" \
		"on Debian and Ubuntu, sudo apt-get install python3-venv" >&2; exit 1; }
	@mkdir -p $(VENV)
	@"$(PYTHON)" -m venv --clear $(VENV) >/dev/null 2>&1 </dev/null \
		|| { echo "make: could not make $(VENV) with $(PYTHON) -m venv --clear $(VENV)" >&2; exit 1; }
	@touch $@

$(VENV)/.installed-demo: $(VENV)/.made pyproject.toml constraints.txt
	@$(call install,.[demo])
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.made pyproject.toml constraints.txt
	@$(call install,.[dev])
	@touch $@ $(VENV)/.installed-demo

demo/.photos: benchmarks/sample_photos.py | $(VENV)/.installed-demo
	@echo "2/3 building sample photographs in demo/photos"
	@rm -rf demo/photos demo/photos_clustered
	@mkdir -p demo
	@$(BIN)/python benchmarks/sample_photos.py --out demo/photos </dev/null
	@touch $@

$(DATA)/.built: benchmarks/datasets.py | $(VENV)/.installed-demo
	@echo "building $(DATA)/photos and $(DATA)/digits"
	@$(BIN)/python benchmarks/datasets.py --out $(DATA) photos digits </dev/null
	@touch $@
