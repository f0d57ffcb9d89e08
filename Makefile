# Each command sets up what it needs and works twice in a row, also from a path with a space.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test test-slurm-24 check fmt bench docs setup clean

help:  ## Show the commands
	@grep -hE '^[a-z0-9-]+:.*## ' Makefile | sed 's/:.*## /\t/'

demo: .venv/demo-ready  ## Tell the whole story on this machine, then keep serving (ONCE=1 ends instead)
	@$(BIN)/uzina-admin demo --folder var/demo $(if $(ONCE),--once) $(if $(FRESH),--fresh)

test: .venv/ready  ## Install and start the real services, run every test on both databases
	@scripts/test $(TESTS)

test-slurm-24: .venv/ready  ## Ask the contract of a batch system of Slurm 24.11, in a Debian of its own
	@scripts/test-slurm-24 $(TESTS)

check: .venv/ready  ## Format, lint, types, import contracts, migrations in step, house test, docs
	@scripts/check

fmt: .venv/ready  ## Format the code and mend what a linter can mend
	$(BIN)/ruff check --fix-only -q . ; $(BIN)/ruff format -q .

bench: .venv/ready  ## Run every benchmark and rewrite its table
	@scripts/bench

docs: .venv/ready  ## Build the documentation into docs/_build
	@$(BIN)/sphinx-build -q -W -b html docs docs/_build

setup: .venv/ready  ## Make the environment only

clean:  ## Remove the environment and everything the commands made
	rm -rf .venv var docs/_build build *.egg-info src/*.egg-info

.venv/demo-ready: pyproject.toml constraints.txt scripts/setup
	@scripts/setup "$(PYTHON)" recipes,notebook
	@scripts/apt libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 \
		|| echo "Letters cannot be printed as PDF without them; everything else works."
	@touch .venv/demo-ready

.venv/ready: pyproject.toml constraints.txt scripts/setup
	@scripts/setup "$(PYTHON)" recipes,notebook,test,check,bench && touch .venv/ready .venv/demo-ready
