# netcheck, from a fresh clone: `make run` checks, `make test` tests. All that is installed goes
# into .venv/, but for system packages, which packaging/system-packages installs or names.

VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --no-input --quiet
# The first Python that is new enough; asked for only where there is no .venv/ yet.
PYTHON ?= $(firstword $(foreach name,python3.11 python3 python3.12 python3.13 python3.14, \
	$(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))

SOURCES := netcheck probes kb_articles tests $(dir $(wildcard benchmarks/__main__.py))
PLATFORMS := linux win32 darwin

# Further options of the target's program: make run ARGS="--profile netmeeting",
# make test ARGS="-k stun", make lock ARGS=--upgrade.
ARGS ?=

MAKEFLAGS += --no-print-directory
# Tests start netcheck a thousand times: each would compile anew what is not kept.
unexport PYTHONDONTWRITEBYTECODE
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help run gui test fuzz bench accuracy readme screenshots lint lock clean

help:
	@echo 'make run    check this computer and its network, and show the report'
	@echo 'make gui    open the window'
	@echo 'make test   lint, then all tests, the lab of network namespaces included'
	@echo 'make fuzz   a million mutated messages for each decoder (hours)'
	@echo 'make bench  measure netcheck itself against other tools'
	@echo 'make accuracy  hold the verdicts against the truth: docs/accuracy.md (an hour and a half)'
	@echo 'make readme  write the reports that README.md shows anew'
	@echo 'make screenshots  make the pictures in docs/images/ anew'
	@echo 'make lint   style, types for three platforms, and who imports whom'
	@echo 'make lock   renew requirements/*.lock from pyproject.toml'
	@echo 'make clean  remove .venv/ and everything else that was made'

# 0, 1 and 3 are verdicts about the network (works, does not, could not be checked), and the report
# has said so: make has done its work. Anything else, wrong usage (2) included, is a failure.
run: $(VENV)/.installed
	@$(BIN)/netcheck check $(ARGS) || { status=$$?; test $$status -eq 1 || test $$status -eq 3; }

gui: $(VENV)/.installed
	@packaging/system-packages gui
	@$(BIN)/netcheck gui $(ARGS)

# Most tests wait for a network: side by side they take a third of the time. Each has addresses or
# namespaces of its own. pytest comes last, so that its summary is the last line.
WORKERS ?= 4
test: lint
	@packaging/system-packages test gui
	@tests/lab/as_root $(BIN)/pytest --numprocesses $(WORKERS) --dist worksteal $(ARGS)

# make fuzz ARGS="--only 'ldap read' --messages 100000"; a small corpus is part of `make test`.
fuzz: $(VENV)/.installed $(VENV)/.dev
	@$(BIN)/python -m tests.fuzz $(ARGS)

bench: $(VENV)/.installed $(VENV)/.dev
	@packaging/system-packages test bench gui
	@tests/lab/as_root $(BIN)/python -m benchmarks $(ARGS)

# Goes on where it was ended.  A verdict that is wrong makes it fail, and is in the table.
# One part alone: make accuracy ARGS="--only editors", or nat; the other stays as it was.
accuracy: $(VENV)/.installed $(VENV)/.dev
	@packaging/system-packages test bench
	@tests/lab/as_root $(BIN)/python -m benchmarks.accuracy --output docs/accuracy.md $(ARGS)

# What README.md shows is what netcheck says: see tests/lab/readme.py.
readme: $(VENV)/.installed $(VENV)/.dev
	@packaging/system-packages test
	@tests/lab/as_root $(BIN)/python -m tests.lab.readme

# One cache for each platform: a shared one would be thrown away three times.  Side by side: mypy
# keeps one processor busy.
lint: $(VENV)/.installed $(VENV)/.dev
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/lint-imports --no-logo
	@printf '%s\n' $(PLATFORMS) | xargs -P 3 -I PLATFORM sh -c 'said=$$( \
		$(BIN)/mypy --platform PLATFORM --cache-dir .mypy_cache/PLATFORM $(SOURCES) 2>&1); \
		status=$$?; echo "mypy for PLATFORM"; echo "$$said"; exit $$status'

# Names, versions, markers and hashes for all platforms, and no address of any registry. What is
# locked stays as it is unless ARGS says --upgrade or --upgrade-package NAME.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'
lock: $(VENV)/.dev
	$(LOCK) pyproject.toml --extra gui --group build --output-file requirements/run.lock $(ARGS)
	$(LOCK) pyproject.toml --extra gui --group dev --constraints requirements/run.lock \
		--output-file requirements/dev.lock $(ARGS)

# From a check in the lab, behind a provider's NAT.
screenshots: $(VENV)/.installed $(VENV)/.dev
	@packaging/system-packages test gui
	@tests/lab/as_root unshare --uts sh -euc 'hostname lab; exec "$$@"' called_lab \
		$(BIN)/python -m tests.lab.screenshots docs/images

clean:
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The files below stamp what is installed, so that a second run installs nothing.

$(BIN)/pip:
	@test -n '$(PYTHON)' || { echo 'netcheck needs Python 3.11 or newer: none was found.' >&2; exit 1; }
	@PYTHON='$(PYTHON)' packaging/system-packages run
	@echo 'Setting up $(VENV)/ (once) ...' >&2
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements/run.lock | $(BIN)/pip
	@$(PIP_INSTALL) --require-hashes --requirement requirements/run.lock
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.run
	@$(PIP_INSTALL) --require-hashes --requirement requirements/dev.lock
	@touch $@

# netcheck/__init__.py holds the version, which the installed metadata repeats.
$(VENV)/.installed: pyproject.toml netcheck/__init__.py $(VENV)/.run
	@$(PIP_INSTALL) --no-build-isolation --no-deps --editable .
	@touch $@
