SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Every command runs in one environment, made from requirements/dev.txt and kept in the cache.
VENV = $$(scripts/venv)
SKERRY = PYTHONPATH=src $(VENV)/bin/python -m skerry.cli.main
STAGE = scripts/stage

help: ## Say what each target does
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' Makefile

##@ Building
.PHONY: help tools lock images inputs reproduce smoke-model
tools: ## Install what this machine lacks (Debian packages), saying so
	@scripts/tools
lock: tools ## Resolve every lock file anew (Python, Go, Debian packages)
	@$(SKERRY) images lock
images: tools ## Fetch by digest, then build every image without network; unchanged input is not built again
	@$(SKERRY) images build
inputs: tools ## Export every locked input as one file: inputs.tar
	@$(SKERRY) images inputs export inputs.tar
reproduce: tools ## Build every image twice from nothing, in different folders, and compare
	@$(SKERRY) images reproduce
smoke-model: tools ## Train the small language model anew (about 40 minutes)
	@scripts/smoke-model

##@ Running
.PHONY: up down status logs clean demo
up: images ## Build what is missing, start everything, print where things are
	@$(SKERRY) stack up
down: ## Stop everything; data stays
	@$(SKERRY) stack down
status: ## Say what runs and what does not
	@$(SKERRY) stack status
logs: ## Show the newest lines of every service
	@$(SKERRY) stack logs
clean: ## Remove the stack and its data (asks first)
	@$(SKERRY) stack clean
demo: up ## Bootstrap and let an agent read a log, under policy, on the local model
	@$(SKERRY) bootstrap --organization demo --admin-email admin@demo.example
	@$(SKERRY) demo

##@ Checking
.PHONY: test gates unit integration bench fmt
test: ## Everything that CI runs: images, gates, unit and integration tests
	@$(STAGE) tools 300 -- $(MAKE) --no-print-directory tools
	@$(STAGE) images 1080 -- $(MAKE) --no-print-directory images
	@$(STAGE) gates-and-unit 300 -- $(MAKE) --no-print-directory gates unit
	@$(STAGE) integration 1500 -- $(MAKE) --no-print-directory integration
	@$(STAGE) --summary
gates: ## Linters, types, import contracts, policies
	@scripts/gates
unit: ## Unit tests, and the wire contract
	@PYTHONPATH=src $(VENV)/bin/python -m pytest -q tests/unit tests/contract
# Two sessions: the first starts and stops a small appliance of its own, and one host runs one stack at a time.
integration: images ## Tests on the real containers
	@PYTHONPATH=src $(VENV)/bin/python -m pytest -q tests/integration/host
	@PYTHONPATH=src $(VENV)/bin/python -m pytest -q tests/integration --ignore=tests/integration/host
bench: images ## Print the figures with the machine described
	@PYTHONPATH=src $(VENV)/bin/python -m tests.bench
fmt: ## Format Python and Rego
	@$(VENV)/bin/ruff format . && $(VENV)/bin/ruff check --fix .
