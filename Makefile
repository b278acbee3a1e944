# Everything runs in .venv, which the targets create and update.

PYTHON ?= python3
SHELL := bash
PROTOS := $(shell find proto -name '*.proto')

# The last published contract, with which `make check` compares. A file, so that a shallow clone has it.
PUBLISHED := proto/dragoman.v1.binpb

# Writes the stubs to $(1)/dragoman/v1. The contract's package name is also their import name, so their imports need no edit.
PROTOC = .venv/bin/python -m grpc_tools.protoc -Iproto \
	--python_out=$(1) --pyi_out=$(1) --grpc_python_out=$(1) $(PROTOS)

# Shows pip's output in one line: on a terminal the latest line, elsewhere the names of the packages.
SHOW_PROGRESS = if [ -t 1 ]; \
	then while read -r line; do printf '\r\033[K  %.100s' "$$line"; done; printf '\r\033[K'; \
	else while read -r word name _; do case "$$word" in \
		Collecting|Processing) name="$${name\#\#*/}"; name="$${name%%[<>=!~]*}"; printf '%s ' "$${name%%-[0-9]*}";; \
		Installing) [ "$$name" = collected ] && printf '... installing';; \
	esac; done; echo; fi

.PHONY: help demo serve test bench bench-train bench-gpu bench-service survival node-client check publish-contract stubs format clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z.-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

demo: .venv/.base ## Start a server with the bundled model, call it, show the answers
	@.venv/bin/dragoman demo
	@echo
	@echo 'Now on your own:  .venv/bin/dragoman translate "Guten Morgen"'
	@echo 'In this shell, `source .venv/bin/activate` makes it `dragoman`; `dragoman --help` lists the commands.'

serve: .venv/.base ## Serve the bundled model over gRPC and HTTP, with a page, until Ctrl-C
	@.venv/bin/python -c 'import python_multipart, starlette, uvicorn' 2>/dev/null \
		|| .venv/bin/python -m pip install -q -c constraints.txt -e '.[http]'
	@.venv/bin/dragoman serve --http 127.0.0.1:5000

test: .venv/.installed ## Run the tests
	.venv/bin/python -m pytest

bench: .venv/.installed ## Compare with CTranslate2: WORKLOADS="base latency" DATA=folder, see tests/benchmarks
	@.venv/bin/python -c 'import transformers' 2>/dev/null \
		|| .venv/bin/python -m pip install -q -c constraints.txt -e '.[bench]'
	@.venv/bin/python -m tests.benchmarks $(WORKLOADS) $(if $(DATA),--data $(DATA)) $(BENCH_OPTIONS)

bench-train: .venv/.installed ## Compare training with MarianMTModel, Joey NMT, Eole: SYSTEMS="marian eole" DATA=folder
	@.venv/bin/python -c 'import transformers' 2>/dev/null \
		|| .venv/bin/python -m pip install -q -c constraints.txt -e '.[bench]'
	@.venv/bin/python -m tests.benchmarks.training $(SYSTEMS) $(if $(DATA),--data $(DATA)) $(BENCH_OPTIONS)

bench-gpu: .venv/.installed ## Measure training and translating on a GPU, as a table; needs nothing else
	@.venv/bin/python -m tests.benchmarks.gpu

bench-service: .venv/.installed ## Measure the gRPC service: WORKLOADS="overhead soak kill" DATA=folder
	@.venv/bin/python -m tests.benchmarks.service $(WORKLOADS) $(if $(DATA),--data $(DATA)) $(BENCH_OPTIONS)

survival: .venv/.installed ## Show which pasted texts survive translation: BUNDLE=folder OPTIONS=--failures
	@.venv/bin/python -m tests.survival $(BUNDLE) $(OPTIONS)

node-client: ## Install the packages for the tests of a Node.js client, with npm
	cd tests/end_to_end/node_client && npm ci --ignore-scripts --no-audit --no-fund

check: .venv/.installed ## Check lint, format, types, stubs, contract and import directions
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy --strict
	@echo 'comparing dragoman/v1 with proto/'
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && $(call PROTOC,"$$fresh") \
		&& diff -r -x __pycache__ -x __init__.py "$$fresh/dragoman/v1" dragoman/v1 \
		|| { echo 'dragoman/v1 differs from the stubs of proto/: run `make stubs`' >&2; exit 1; }
	.venv/bin/buf lint
	.venv/bin/buf breaking --against $(PUBLISHED)
	.venv/bin/python -m pytest -q tests/test_house.py

publish-contract: .venv/.installed ## Publish the contract: from then on `make check` refuses changes that break it
	.venv/bin/buf build --exclude-source-info -o $(PUBLISHED)

stubs: .venv/.installed ## Regenerate dragoman/v1 from proto
	@find dragoman/v1 -name '*_pb2*' -type f -delete
	$(call PROTOC,.)

format: .venv/.installed ## Format the code and apply ruff's fixes
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

clean: ## Delete build products and caches (.venv and runs/ stay)
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

# Begins the recipe of a stamp, in one shell. Where flock exists, concurrent makes wait for each other, and the second ends
# at once. The variable CXX of the environment names the compiler, as it does for the kernels.
PREPARE_VENV = set -euo pipefail; \
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else \
		"dragoman needs Python 3.11 or newer, but $(PYTHON) is %d.%d: try make PYTHON=python3.11" % v[:2])'; \
	mkdir -p .venv; exec 9>.venv/.lock; \
	if command -v flock >/dev/null; then flock -n 9 || { echo 'another make is installing: waiting for it'; flock 9; }; fi; \
	if [ $@ -nt pyproject.toml ] && [ $@ -nt constraints.txt ]; then exit 0; fi; \
	if ! [ -x .venv/bin/pip ]; then echo 'creating .venv'; $(PYTHON) -m venv .venv; fi

# PIP_BUILD_CONSTRAINT also pins setuptools in the isolated build; an old pip ignores it.
PIP_INSTALL = { PIP_BUILD_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 \
	.venv/bin/python -m pip install -c constraints.txt -e '$(1)' 2>&1 | tee .venv/install.log | { $(SHOW_PROGRESS); } \
	|| { tail -n 30 .venv/install.log >&2; exit 1; }; }

# The dependencies of translating and serving: no torch, unless the kernels cannot be compiled.
.venv/.base: pyproject.toml constraints.txt
	@$(PREPARE_VENV); \
	echo 'installing the versions of constraints.txt into .venv'; $(call PIP_INSTALL,.); \
	.venv/bin/python -m dragoman.model.decoding.decoders.native.build >/dev/null \
		|| { echo 'installing torch in their place, up to gigabytes, with which translating takes three to ten times as long'; \
			echo '(Ctrl-C; apt-get install g++; make demo: without torch)'; $(call PIP_INSTALL,.[train]); }; \
	touch $@

.venv/.installed: pyproject.toml constraints.txt
	@$(PREPARE_VENV); \
	echo 'installing the versions of constraints.txt into .venv (minutes when torch must be downloaded)'; \
	$(call PIP_INSTALL,.[dev]); \
	touch .venv/.base $@
