# Freehold. `make` alone lists what there is.

PYTHON ?= python3
PROJECTS := user_project order_project product_project inventory_project
READY := .venv/.ready $(PROJECTS:%=%/.venv/.ready)
.DEFAULT_GOAL := help

-include .env
export

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: setup ## play one story on the whole estate, and stop it
	@.venv/bin/python -m tests.estate.demo

up: setup ## start the whole estate and leave it running
	@.venv/bin/python -m tests.estate.up

down: .venv/.ready ## stop what `make up` left running
	@.venv/bin/python -m tests.estate.down

test: setup .venv/.ready-to-test ## run every suite, on each engine that is reachable
	@.venv/bin/python -m tests.suites

faults: setup .venv/.ready-to-test ## kill, cut and fill up the estate, and judge; LONG=1 for all, SEED=N to repeat
	@.venv/bin/python -m tests.faults $(if $(LONG),--long) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

security: setup .venv/.ready-to-test ## ask it anything, change its keys, break it, read its logs; LONG=1 for ten times as much
	@.venv/bin/python -m pytest -q -s tests/estate/security

bench: setup .venv/.ready-to-test ## measure it against the limits of this machine; QUICK=1 in three minutes
	@.venv/bin/python -m tests.bench $(if $(ONLY),--only $(ONLY))

lint: setup .venv/.ready-to-test ## ruff, bandit, mypy in strict mode, import-linter
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/bandit --quiet --configfile pyproject.toml --recursive contracts docker $(PROJECTS)
	@.venv/bin/mypy -p contracts -p tests
	@for project in $(PROJECTS); do echo "$$project" && (cd $$project && DEBUG=1 .venv/bin/mypy .) || exit 1; done
	@PYTHONPATH=user_project:order_project:product_project:inventory_project .venv/bin/lint-imports

# A package that no advisory is known of, because nobody could be asked, has not been audited: --strict.
audit: setup .venv/.ready-to-test ## look every pinned package up among the known vulnerabilities (asks PyPI)
	@for file in tests/requirements-test.txt $(PROJECTS:%=%/requirements.txt); do \
		echo "$$file" && grep -v '^-e' $$file > .venv/to-audit.txt && \
		.venv/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off \
			--requirement .venv/to-audit.txt || exit 1; done

requirements: .venv/.ready ## pin the newest versions that fit each pyproject.toml
	@for project in $(PROJECTS); do (cd $$project && $(PIN) --extra test pyproject.toml -o requirements.txt) || exit 1; done
	@$(PIN) tests/requirements.in -o tests/requirements.txt
	@$(PIN) tests/requirements-test.in -o tests/requirements-test.txt

clean: down ## remove all that was installed, built or left by a run
	rm -rf .run .venv $(PROJECTS:%=%/.venv)
	find . -name __pycache__ -prune -exec rm -rf {} +

# Each project has an environment of its own, made from its own requirements.txt.
setup:
	@$(MAKE) --no-print-directory --silent --jobs=5 $(READY)

.venv/.ready: tests/requirements.txt contracts/pyproject.toml
	@echo "installing what runs the estate"
	@$(PYTHON) -m venv --clear .venv
	@.venv/bin/pip install --quiet --disable-pip-version-check $$(grep '^uv==' tests/requirements.txt) 2>/dev/null
	@.venv/bin/uv pip install --quiet --python .venv/bin/python -r tests/requirements.txt
	@touch $@

.venv/.ready-to-test: tests/requirements-test.txt .venv/.ready
	@echo "installing what proves the estate"
	@.venv/bin/uv pip install --quiet --python .venv/bin/python -r tests/requirements-test.txt
	@touch $@

%/.venv/.ready: %/requirements.txt contracts/pyproject.toml | .venv/.ready
	@echo "installing $*"
	@.venv/bin/uv venv --quiet --clear --python .venv/bin/python $*/.venv
	@cd $* && ../.venv/bin/uv pip install --quiet --python .venv/bin/python -r requirements.txt
	@touch $@

PIN := $(CURDIR)/.venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links

.PHONY: help demo up down test faults security bench audit lint requirements clean setup
