# Everything runs in .venv/ at the root, which is made when absent.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
SECONDS ?= 30

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-gui test test-slow test-soak test-chaos test-fuzz lint format bench bench-gui screenshots clean

help:
	@echo "make demo   a simulated headset and voice over real LSL, classified live (SECONDS=30)"
	@echo "make demo-gui  the same in a window"
	@echo "make test   the whole test suite"
	@echo "make test-fuzz  damaged recordings, bundles, settings and headers by the thousand, and a malicious set"
	@echo "make test-soak   eight hours in virtual time, the state machine, the timeline's figures"
	@echo "make test-chaos  real processes stopped, killed and starved; figures in docs/RELIABILITY.md"
	@echo "make lint   ruff, mypy, import-linter"
	@echo "make bench  speed and memory beside plain pylsl and mne-lsl"

$(VENV)/.ready: pyproject.toml constraints.txt scripts/setup.sh
	PYTHON=$(PYTHON) VENV=$(VENV) sh scripts/setup.sh

setup: $(VENV)/.ready

demo: setup
	$(BIN)/bci-stream demo --seconds $(SECONDS)

demo-gui: setup
	$(BIN)/bci-stream gui --demo

test: setup
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --maxprocesses 4 --dist loadgroup

test-slow: setup
	$(BIN)/pytest -m slow

test-fuzz: setup
	$(BIN)/python -m tests.fuzz.xdf --n 10000
	$(BIN)/python -m tests.fuzz.files --files 3000 --headers 1000
	$(BIN)/python -m benchmarks.reliability.malicious

test-soak: setup
	$(BIN)/python -m benchmarks.reliability virtual

test-chaos: setup
	$(BIN)/python -m benchmarks.reliability chaos

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	$(BIN)/python -m benchmarks

bench-gui: setup
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m benchmarks.gui

screenshots: setup
	QT_QPA_PLATFORM=offscreen $(BIN)/bci-stream gui --demo --seconds 30 --theme dark --size 1366x768 --screenshot docs/images/window-dark.png
	QT_QPA_PLATFORM=offscreen $(BIN)/bci-stream gui --demo --seconds 30 --theme light --size 1366x768 --screenshot docs/images/window-light.png

clean:
	rm -rf $(VENV) build dist *.egg-info
