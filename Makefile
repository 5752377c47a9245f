# The project's commands. `make` alone lists them.

PYTHON ?= python3
PORT ?= 5000

VENV := .venv
OLDEST := .venv-oldest
WHEEL_VENV := build/wheel-venv
OLDEST_MLFLOW := mlflow==3.10.*
MIDDLE := .venv-middle
MIDDLE_MLFLOW := mlflow==3.13.*
OIDC := .venv-oidc
# What 'make mutate' changes; by default all that pyproject.toml names.
MUTANTS ?=
PIP := -m pip --disable-pip-version-check install -qq
EXTRAS := postgres,mysql
MANIFESTS := pyproject.toml Makefile

.PHONY: help serve test coverage mutate lint demo picture wheel-test test-oldest test-middle test-oidc constraints bench bench-full clean

help: ## List these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

serve: $(VENV)/.served ## Install, and serve on http://127.0.0.1:5000 (PORT=…) with SQLite
	@$(VENV)/bin/hokusai-mlflow server --host 127.0.0.1 --port $(PORT)

test: $(VENV)/.developed ## Install, and run all tests
	@$(VENV)/bin/pytest -n 2

coverage: $(VENV)/.developed ## Count the branches that tests on SQLite take; fail below the floor
	@rm -f .coverage .coverage.*
	@$(VENV)/bin/coverage run -m pytest -n 2 tests/unit tests/integration tests/acceptance tests/cli \
		tests/security -k 'not postgresql and not mysql'
	@$(VENV)/bin/coverage combine -q
	@$(VENV)/bin/coverage report --skip-covered

# Not part of 'make test'. MUTANTS names some, e.g. 'hokusai_mlflow_plugin.domain.delta*'.
mutate: $(VENV)/.developed ## Change one thing at a time in rules and decisions (MUTANTS=…)
	@$(VENV)/bin/python $(PIP) -c constraints.txt --group mutate
	@$(VENV)/bin/mutmut run $(MUTANTS)
	@$(VENV)/bin/mutmut results

lint: $(VENV)/.developed ## Check style, types and layers
	@$(VENV)/bin/ruff check
	@$(VENV)/bin/ruff format --check
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

demo: $(VENV)/.served ## Train, register and show models on a running server (PORT=…)
	@$(VENV)/bin/python examples/demo.py http://127.0.0.1:$(PORT)

.PHONY: picture
picture: $(VENV)/.served ## The same, and draw the README's picture anew
	@$(VENV)/bin/python examples/demo.py http://127.0.0.1:$(PORT) docs/images/lineage.png

.PHONY: screenshots
screenshots: $(VENV)/.developed demo ## The same, and draw the pictures of the pages anew (needs Chromium)
	@$(VENV)/bin/python examples/screenshots.py http://127.0.0.1:$(PORT)

# The smoke test runs from an empty folder in an environment that holds only the wheel.
wheel-test: $(VENV)/.developed ## Build the wheel, and test it with the source out of reach
	@rm -rf build dist
	@$(VENV)/bin/python -m build --no-isolation --outdir dist > /dev/null
	@$(VENV)/bin/python -m venv $(WHEEL_VENV)
	@$(WHEEL_VENV)/bin/python $(PIP) -c constraints.txt dist/*.whl
	@mkdir build/empty && cp tests/packaging/smoke.py build/empty/
	@cd build/empty && ../wheel-venv/bin/python -I smoke.py

test-oldest: $(OLDEST)/.developed ## Run the contract, acceptance, access and menu tests on the oldest MLflow
	@$(OLDEST)/bin/pytest -n 2 tests/contract tests/acceptance tests/browser/test_menu.py \
		tests/security/test_permissions.py tests/security/test_visibility.py \
		tests/security/test_starting.py

test-middle: $(MIDDLE)/.developed ## Run the contract tests and a live round trip on a release between the two
	@$(MIDDLE)/bin/pytest -n 2 tests/contract tests/acceptance/test_web_servers.py

test-oidc: $(OIDC)/.developed ## Run the tests beside mlflow-oidc-auth, the real package
	@$(OIDC)/bin/pytest -rs tests/security/test_oidc_auth.py

constraints: $(VENV)/.developed ## Renew the pinned versions
	@$(VENV)/bin/python $(PIP) uv
	@$(call compile,mlflow,constraints.txt)
	@$(call compile,$(MIDDLE_MLFLOW),constraints-middle.txt)
	@$(call compile,$(OLDEST_MLFLOW),constraints-oldest.txt)

bench: $(VENV)/.developed ## Measure against stock MLflow and bare SQL, 10,000 versions (needs wrk)
	@$(VENV)/bin/python benchmarks/bench.py --name bench

bench-full: $(VENV)/.developed ## The same with 10,000, 100,000 and 1,000,000 versions
	@$(VENV)/bin/python benchmarks/bench.py --sizes 10000 100000 1000000 --name bench-full

clean: ## Remove the environments and what was built
	@rm -rf $(VENV) $(MIDDLE) $(OLDEST) $(OIDC) build dist mutants

# $(1): the MLflow to pin; $(2): the file to write. Markers keep it valid on every Python.
compile = echo '$(1)' | $(VENV)/bin/uv --quiet pip compile --universal --python-version 3.10 \
	--all-extras --group test --group lint --group mutate --no-annotate --upgrade \
	--custom-compile-command 'make constraints' pyproject.toml - --output-file $(2)

$(VENV)/.served: $(VENV)/pyvenv.cfg constraints.txt $(MANIFESTS)
	@echo "Installing into $(VENV) …"
	@$(VENV)/bin/python $(PIP) -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

$(VENV)/.developed: $(VENV)/.served
	@$(VENV)/bin/python $(PIP) -c constraints.txt --group test --group lint
	@touch $@

# All that is pinned but gunicorn, of which mlflow-oidc-auth takes no release so new.
$(OIDC)/.developed: $(OIDC)/pyvenv.cfg constraints.txt $(MANIFESTS)
	@echo "Installing into $(OIDC) …"
	@sed '/^gunicorn==/d' constraints.txt > $(OIDC)/constraints.txt
	@$(OIDC)/bin/python $(PIP) -c $(OIDC)/constraints.txt -e '.[$(EXTRAS)]' --group test --group oidc
	@touch $@

.venv-%/.developed: .venv-%/pyvenv.cfg constraints-%.txt $(MANIFESTS)
	@echo "Installing into .venv-$* …"
	@.venv-$*/bin/python $(PIP) -c constraints-$*.txt -e '.[$(EXTRAS)]' --group test
	@touch $@

# Made on the way to another file, it would be removed as soon as that is there.
.PRECIOUS: %/pyvenv.cfg

# Dependency groups need pip 25.1, which is newer than what Python 3.10 and 3.11 bring.
%/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
		|| { echo "Python 3.10 or newer is needed. Name one: make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null \
		|| { echo "Python's venv module is missing. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -m venv $*
	@$*/bin/python $(PIP) --upgrade 'pip>=25.1'
