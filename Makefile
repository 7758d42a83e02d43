# make run    set everything up and open the terminal interface (root)
# make test   set everything up and run every check: linters, types, import contracts, all tests
# make bench  measure side by side with docker and podman: make bench ONLY=run,build,tui
# make clean  remove what the others made here

PYTHON ?= python3
VENV := .venv
ONLY ?=
PYTEST_ARGS ?= -n auto --dist loadfile

# What the tests use of the machine. Only what is missing is installed.
TEST_PACKAGES := busybox-static mmdebstrap tmux nftables iproute2 iptables skopeo umoci zstd procps \
	ca-certificates libc-bin git redis-tools socat docker-registry apache2-utils
TEST_PROGRAMS := busybox mmdebstrap tmux nft ip skopeo umoci zstd redis-cli socat docker-registry htpasswd

# A stamp is the hash of all that decides what is installed: another pyproject.toml, interpreter or folder
# installs again, anything else starts without touching the network.
FINGERPRINT = $$({ cat pyproject.toml; pwd; $(VENV)/bin/python -VV; } | sha256sum | cut -c1-64)

.ONESHELL:
.SILENT:
.SHELLFLAGS := -euc
.PHONY: run test bench clean check-python check-root environment test-environment packages lint

run: check-root environment
	exec $(VENV)/bin/tuidock

test: packages test-environment lint
	$(VENV)/bin/pytest -rs --session-timeout=1500 $(PYTEST_ARGS)

bench: check-root test-environment
	exec $(VENV)/bin/python -m bench $(ONLY)

clean:
	rm -rf $(VENV) dist build bench/results .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

lint: test-environment
	echo '== ruff';         $(VENV)/bin/ruff check .
	echo '== ruff format';  $(VENV)/bin/ruff format --check .
	echo '== mypy';         $(VENV)/bin/mypy
	echo '== lint-imports'; $(VENV)/bin/lint-imports --no-logo

check-root:
	if [ "$$(id -u)" -ne 0 ]; then
		echo 'tuidock needs root until its rootless mode comes: sudo make $(MAKECMDGOALS)' >&2
		exit 1
	fi

check-python:
	if ! command -v $(PYTHON) >/dev/null; then
		echo 'tuidock needs Python 3.11 to 3.13. On Debian: apt-get install python3 python3-venv' >&2
		exit 1
	fi
	if ! $(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))'; then
		echo "tuidock needs Python 3.11 to 3.13, and $(PYTHON) is $$($(PYTHON) -V)." >&2
		echo 'On Debian 12 or newer: apt-get install python3 python3-venv; else: make PYTHON=/path/to/python3.11' >&2
		exit 1
	fi
	if ! $(PYTHON) -c 'import venv, ensurepip' 2>/dev/null; then
		echo 'Python has no venv module here. On Debian: apt-get install python3-venv' >&2
		exit 1
	fi

environment: check-python
	extras='' stamp=$(VENV)/.installed
	$(install)

test-environment: check-python
	extras='[test]' stamp=$(VENV)/.installed-test
	$(install)

# Uses $extras and $stamp. An environment whose interpreter has gone is made again.
define install
	if ! $(VENV)/bin/python -c 'import pip' 2>/dev/null; then
		echo 'Making a virtual environment in $(VENV) ...'
		rm -rf $(VENV)
		$(PYTHON) -m venv $(VENV)
	fi
	if [ "$$(cat $$stamp 2>/dev/null)" != "$(FINGERPRINT)" ]; then
		echo 'Installing tuidock and what it needs ...'
		if ! $(VENV)/bin/pip install --disable-pip-version-check --editable ".$$extras"; then
			echo 'The installation failed (see above). It needs a Python package index once; afterwards no network.' >&2
			exit 1
		fi
		echo "$(FINGERPRINT)" > $$stamp
	fi
endef

packages:
	missing=
	for package in $(TEST_PACKAGES); do
		state=$$(dpkg-query -W -f '$${db:Status-Status}' $$package 2>/dev/null || true)
		if [ "$$state" != installed ]; then missing="$$missing $$package"; fi
	done
	if [ -n "$$missing" ] && [ "$$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
		echo "Installing the Debian packages that the tests use:$$missing"
		export DEBIAN_FRONTEND=noninteractive
		apt-get -q update || echo 'WARNING: apt-get update failed: going on with the package lists that are there' >&2
		apt-get -q install -y --no-install-recommends $$missing \
			|| echo "WARNING: could not install$$missing: tests that use them will be skipped" >&2
	elif [ -n "$$missing" ]; then
		echo "WARNING: missing Debian packages; as root: apt-get install$$missing" >&2
	fi
	for program in $(TEST_PROGRAMS); do
		command -v $$program >/dev/null || echo "WARNING: no $$program: tests that use it will be skipped" >&2
	done
