# Thin: each target is a line or two. `make` alone lists them.
PYTHON ?= python3

.PHONY: help setup repro plan test test-fast new-character serve chat chat-web lint audit lock

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## build the three environments; does nothing where they are up to date
	@$(PYTHON) -m tools.setup

repro: setup ## run the pipeline: everything that has changed, and nothing else
	PATH="$(CURDIR)/.venv/bin:$$PATH" DVC_NO_ANALYTICS=1 .venv/bin/dvc repro

plan: setup ## what the teacher would be asked, and what it would cost; nothing is sent
	@.venv/bin/python -m tools.plan synthesize

test: test-fast ## all tests, the real pipeline included
	.venv/bin/python -m pytest -m slow

test-fast: setup ## the tests that take no more than seconds each
	.venv/bin/python -m pytest -m "not slow" -n 2

new-character: setup ## lay out a card and a gold file: make new-character NAME="Long John Silver"
	@.venv/bin/python -m tools.new_character "$$NAME"

serve: setup ## the merged model behind OpenAI's API on 127.0.0.1; make serve ADAPTER=1: base and adapter
	@.venv/bin/python -m tools.serve $(if $(ADAPTER),--adapter)

chat: setup ## talk with the character in this terminal
	@.venv/bin/python -m tools.chat

chat-web: setup ## talk with the character on a page that only this machine sees, the base model beside it
	@.venv/bin/python -m tools.chat --web --compare

lint: setup ## ruff: style, imports, likely bugs
	.venv/bin/python -m ruff check .

audit: setup ## known vulnerabilities in what the locks pin; says so where nobody can be asked
	@.venv/bin/python -m tools.audit

COMPILE = uv pip compile --quiet --python-version 3.11
FOR_CPU = --excludes requirements/cpu-excludes.txt
TRAIN = --excludes requirements/train-excludes.txt
SERVE_ON_CPU = $(FOR_CPU) --excludes requirements/serve-cpu-excludes.txt --overrides requirements/cpu-overrides.txt

lock: ## make the locks from the .in files; a pinned version stays unless its line is deleted from the lock
	@command -v uv >/dev/null || { echo "error: make lock needs uv on PATH: pip install uv" >&2; exit 1; }
	$(COMPILE) requirements.in -o requirements.txt >/dev/null
	$(COMPILE) $(FOR_CPU) $(TRAIN) requirements/train.in -o requirements/train.txt >/dev/null
	$(COMPILE) $(TRAIN) requirements/train-cuda.in -o requirements/train-cuda.txt >/dev/null
	$(COMPILE) $(SERVE_ON_CPU) requirements/serve-cpu.in -o requirements/serve-cpu.txt >/dev/null
	$(COMPILE) requirements/serve-cuda.in -o requirements/serve-cuda.txt >/dev/null
