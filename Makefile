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
.PHONY: help tools lock images models inputs import reproduce smoke-model
tools: ## Install what this machine lacks (Debian packages), saying so
	@scripts/tools
lock: tools ## Resolve every lock file anew (Python, Go, Debian packages)
	@$(SKERRY) images lock
images: tools ## Fetch by digest, then build every image without network; unchanged input is not built again
	@$(SKERRY) images build
models: tools ## Fetch by digest and convert the weights of models that are not committed; once
	@$(SKERRY) models build
inputs: tools ## Export every locked input as one file: inputs.tar
	@$(SKERRY) images inputs export inputs.tar
import: ## Take the inputs of inputs.tar in, on a machine without a network that has the tools and the environment
	@$(SKERRY) images inputs import inputs.tar
reproduce: tools ## Build every image twice from nothing, in different folders, and compare
	@$(SKERRY) images reproduce
smoke-model: tools ## Train the small language model anew (about 40 minutes)
	@scripts/smoke-model

##@ Running
.PHONY: up down status logs clean demo
up: tools ## Check the host, build what is missing, start everything, print where things are
	@$(SKERRY) stack check
	@$(MAKE) --no-print-directory images models
	@$(SKERRY) stack up
down: ## Stop everything; data stays
	@$(SKERRY) stack down
status: ## Say what runs and what does not
	@$(SKERRY) stack status
logs: ## Show the newest lines of every service
	@$(SKERRY) stack logs
clean: ## Remove the stack and its data (asks first)
	@$(SKERRY) stack clean
demo: images models ## Start everything, bootstrap, and let an agent read a log, under policy, on the local model
	@$(SKERRY) stack up --no-next
	@$(SKERRY) bootstrap --organization demo --admin-email admin@demo.example --hide-secrets
	@$(SKERRY) demo

##@ Checking
.PHONY: test gates unit integration bench fmt
test: ## Everything that CI runs: images, gates, unit and integration tests
	@$(STAGE) tools 300 -- $(MAKE) --no-print-directory tools
	@$(STAGE) images 1080 -- $(MAKE) --no-print-directory images models
	@$(STAGE) gates-and-unit 300 -- $(MAKE) --no-print-directory gates unit
	@$(STAGE) integration 1500 -- $(MAKE) --no-print-directory integration
	@$(STAGE) --summary
gates: ## Linters, types, import contracts, policies
	@scripts/gates
unit: ## Unit tests, and the wire contract
	@PYTHONPATH=src $(VENV)/bin/python -m pytest -q tests/unit tests/contract
# Two sessions: the first starts and stops a small appliance of its own, and one host runs one stack at a time.
integration: images models ## Tests on the real containers
	@PYTHONPATH=src $(VENV)/bin/python -m pytest -q tests/integration/host
	@PYTHONPATH=src $(VENV)/bin/python -m pytest -q tests/integration --ignore=tests/integration/host
bench: images models ## Print the figures with the machine described (BENCH=--cold: also of a start from nothing)
	@PYTHONPATH=src OPENBLAS_NUM_THREADS=1 $(VENV)/bin/python -m tests.bench $(BENCH)
fmt: ## Format Python and Rego
	@$(VENV)/bin/ruff format . && $(VENV)/bin/ruff check --fix .
