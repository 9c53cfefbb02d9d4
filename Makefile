# Everything a developer or a newcomer does with this checkout. Needs make and Python 3.11; all else comes from PyPI.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
IN_VENV := $(VENV)/bin/python
COMMAND := $(VENV)/bin/progress-exhaust

# The demo's world; other sizes make another one.
SEED ?= 1
BATCHES ?= 12
LEARNERS ?= 300
COLLECTIONS ?= 4
LEAVES ?= 20
NESTED ?= 4
DEPTH ?= 3
ASSESSMENTS ?= 3
ATTEMPTS ?= 2
ODD_SHARE ?= 0.03
WORLD := --seed $(SEED) --batches $(BATCHES) --learners $(LEARNERS) --collections $(COLLECTIONS) --leaves $(LEAVES) \
	--nested $(NESTED) --depth $(DEPTH) --assessments $(ASSESSMENTS) --attempts $(ATTEMPTS) --odd-share $(ODD_SHARE)

DEMO := var/demo
REPORTS := var/reports
STACK_REPORTS := var/reports-stack
STACK := var/stack
QUEUE := var/queue
# Taken once, so that two exports of one call of make name their files alike, also at midnight.
DAY := $(shell date -u +%Y-%m-%d)
DAY_IN_NAMES := $(shell date -u +%d_%m_%Y)

PIP := $(IN_VENV) -m pip --disable-pip-version-check --quiet --no-input
PIP_INSTALL := $(PIP) install --root-user-action=ignore
# What is installed has a hash in a lock. No build fetches tools of its own, they come from a lock too.
FROM_LOCK := $(PIP_INSTALL) --no-build-isolation --require-hashes --requirement

# `make lock UPGRADE=--upgrade` takes the newest versions, UPGRADE='--upgrade-package requests' those of one package.
UPGRADE ?=
RESOLVE = $(VENV)/bin/uv pip compile --quiet --python-version 3.11 --python-platform linux \
	--build-constraint constraints.txt --custom-compile-command "make lock"
LOCK = $(RESOLVE) --constraint constraints.txt --generate-hashes --no-annotate
BUILD_TOOLS = $(IN_VENV) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")'

# Two files of tests at a time, in the order of their names: those that wait for processes and clocks come first.
# Their many short JVMs end before what Java's second compiler makes of them pays: a quarter of all work. A fifth of
# the rest goes into loading Spark's classes, so these come from an archive; where it does not fit, a JVM does without.
CLASSES := $(VENV)/spark-classes.jsa
SHORT_JVMS := -XX:TieredStopAtLevel=1 -Xlog:cds*=off -Xlog:class+path=off
FOR_PYTEST = PROGRESS_EXHAUST_STRICT_TESTS=1 JAVA_HOME="$$($(JAVA_HOME_FOUND))" \
	JDK_JAVA_OPTIONS="$(SHORT_JVMS) -XX:SharedArchiveFile='$(CURDIR)/$(CLASSES)'"
PYTEST = $(FOR_PYTEST) $(IN_VENV) -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.SUFFIXES:
.PHONY: help install demo run test test-long lint check lock bench bench-cassandra \
	stack run-stack stop package clean

help: ## Show what there is to make
	@awk -F ': .*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

install: $(VENV)/.for-run ## Set up .venv with what a run needs
	@echo "installed: $(COMMAND)"

# Three requests: the specification's sample; three batches of a course and one that nobody knows; and what a search
# finds. The channels are those of the courses, so all learners are seen.
run: $(VENV)/.for-stack demo ## Make a demo world, put requests into a queue, work it off, show a file
	@trap '$(IN_VENV) -m progress_exhaust.stack stop-queue --state $(QUEUE)' EXIT && \
	$(IN_VENV) -m progress_exhaust.stack start-queue --state $(QUEUE) && \
	export PROGRESS_EXHAUST_CONFIG=$(QUEUE)/progress_exhaust.toml && \
	"$(COMMAND)" submit --request-id one-batch --channel 0140000000000000001 --batch 0130934495109529602 && \
	"$(COMMAND)" submit --request-id some-batches --channel 0140000000000000001 \
		--batch 0132000000000000000 0132000000000000004 0132000000000000008 unknown-batch && \
	"$(COMMAND)" submit --request-id a-search --channel 0140000000000000008 \
		--search '{"request": {"filters": {"channel": "0140000000000000008"}}}' && \
	"$(COMMAND)" run --log-format text --snapshot $(DEMO)/snapshot --catalogue $(DEMO)/catalogue --output $(REPORTS) && \
	"$(COMMAND)" status
	@echo "The files are in $(REPORTS)/progress-exhaust, a folder for each request. One of them:"
	@head -n 5 "$$(ls -t $(REPORTS)/progress-exhaust/one-batch/*.csv | head -n 1)" \
		| cut -c "1-$$(tput cols 2>/dev/null || echo 80)"

test: $(CLASSES) ## Run all tests but the long ones; a service that can not be had is a failure
	@$(PYTEST) -m "not long"

test-long: $(CLASSES) ## Run all tests, with more seeds, sizes and kill points
	@$(PYTEST) -m ""

lint: $(VENV)/.for-test ## Check style, format and types
	@$(IN_VENV) -m ruff check .
	@$(IN_VENV) -m ruff format --check .
	@$(IN_VENV) -m mypy

check: lint ## Lint, and run the tests that need neither a JVM nor a service; under two minutes
	@$(PYTEST) tests/unit

lock: $(VENV)/.for-test ## Write constraints.txt and locks/ anew, from the ranges in setup.py and pyproject.toml
	@$(BUILD_TOOLS) | $(RESOLVE) $(UPGRADE) --all-extras --annotation-style line --output-file constraints.txt setup.py -
	@$(BUILD_TOOLS) | $(LOCK) --output-file locks/build.lock -
	@$(LOCK) --output-file locks/job.lock setup.py
	@$(LOCK) --output-file locks/run.lock --extra spark setup.py
	@$(LOCK) --output-file locks/java.lock --extra java setup.py
	@$(LOCK) --output-file locks/stack.lock --extra spark --extra stack setup.py
	@$(LOCK) --output-file locks/test.lock --extra spark --extra stack --extra dev setup.py

bench: $(VENV)/.for-test ## Measure whole runs against their floors, cold starts, small reports, an object store, growth, a cluster, and the queue
	@$(IN_VENV) -m benchmarks
	@$(IN_VENV) -m benchmarks.cold_start
	@$(IN_VENV) -m benchmarks.privacy
	@$(IN_VENV) -m benchmarks.small_reports
	@$(IN_VENV) -m benchmarks.object_store
	@$(IN_VENV) -m benchmarks.scale
	@$(IN_VENV) -m benchmarks.cluster
	@$(IN_VENV) -m benchmarks.queue
	@$(IN_VENV) -m benchmarks.requests
	@$(IN_VENV) -m benchmarks.report

bench-cassandra: $(VENV)/.for-stack ## Measure reading a real Cassandra node by key and by scan (loads it once: minutes)
	@$(IN_VENV) -m benchmarks.cassandra

stack: $(VENV)/.for-stack demo ## Start a real Cassandra and a content service with the demo's world in them
	@$(IN_VENV) -m progress_exhaust.stack start --state $(STACK) \
		--snapshot $(DEMO)/snapshot --catalogue $(DEMO)/catalogue

run-stack: stack ## Export all reports from files and from these services, and compare every byte
	@"$(COMMAND)" export --all --snapshot $(DEMO)/snapshot --catalogue $(DEMO)/catalogue \
		--output $(REPORTS) --date $(DAY)
	@"$(COMMAND)" export --all --config $(STACK)/progress_exhaust.toml --output $(STACK_REPORTS) --date $(DAY)
	@made=0; for file in $(REPORTS)/progress-exhaust/*_progress_$(DAY_IN_NAMES).csv; do \
		cmp "$$file" "$(STACK_REPORTS)/progress-exhaust/$${file##*/}" || exit 1; made=$$((made + 1)); \
	done; echo "$$made files are the same, byte for byte, from files and from Cassandra"

stop: ## End what make stack has started
	@if [ -e $(VENV)/.for-stack ]; then \
		$(IN_VENV) -m progress_exhaust.stack stop --state $(STACK); \
		$(IN_VENV) -m progress_exhaust.stack stop-queue --state $(QUEUE); \
	fi

package: $(VENV)/.for-run ## Build dist/: the package, its environment and the connector's jars, for a cluster
	@$(IN_VENV) jobs/package_for_cluster.py

clean: stop ## Remove all that was made, but not .venv
	@rm -rf var build dist spark-warehouse metastore_db derby.log *.egg-info .pytest_cache .mypy_cache .ruff_cache

# Made once, and again as soon as a size is another; what came of the earlier world goes with it.
demo: $(VENV)/.for-run
	@if [ "$$(cat $(DEMO)/sizes 2>/dev/null)" != "$(WORLD)" ]; then \
		if [ -d $(STACK) ]; then $(IN_VENV) -m progress_exhaust.stack stop --state $(STACK) || exit 1; fi; \
		rm -rf $(DEMO) $(REPORTS) $(STACK_REPORTS) && \
		"$(COMMAND)" sample-data --snapshot $(DEMO)/snapshot --catalogue $(DEMO)/catalogue $(WORLD) && \
		echo "$(WORLD)" > $(DEMO)/sizes; \
	fi

$(IN_VENV):
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
		|| { echo "make: Python 3.11 is needed; install it, or name one: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@"$(PYTHON)" -m venv $(VENV)

# Where no Java 17 is found, one comes as a package.
JAVA_HOME_FOUND = $(IN_VENV) -c 'import os; from progress_exhaust.java import java_home; print(java_home(os.environ))'

# The tools of builds come first: Spark's package is built on the spot.
$(VENV)/.for-run: setup.py pyproject.toml locks/build.lock locks/run.lock locks/java.lock | $(IN_VENV)
	@echo "installing into $(VENV) (half a minute; most of it is Spark)"
	@$(FROM_LOCK) locks/build.lock
	@$(FROM_LOCK) locks/run.lock
	@$(PIP_INSTALL) --no-build-isolation --no-deps --editable .
	@$(JAVA_HOME_FOUND) >/dev/null 2>&1 || $(FROM_LOCK) locks/java.lock
	@touch $@

$(VENV)/.for-stack: $(VENV)/.for-run locks/stack.lock
	@$(FROM_LOCK) locks/stack.lock
	@touch $@

$(VENV)/.for-test: $(VENV)/.for-stack locks/test.lock
	@echo "installing the tools of the tests"
	@$(FROM_LOCK) locks/test.lock
	@touch $@

$(CLASSES): $(VENV)/.for-test
	@echo "keeping the classes that the tests' JVMs load (half a minute)"
	@JAVA_HOME="$$($(JAVA_HOME_FOUND))" JDK_JAVA_OPTIONS="$(SHORT_JVMS)" $(IN_VENV) -m tests.support.class_archive $@
