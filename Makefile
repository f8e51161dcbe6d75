# make run: see callprint at work on a sample. make test: everything that CI tests. make help: the rest.
SHELL := /bin/sh
BIN := .venv/bin
CALLPRINT := $(BIN)/callprint
# What the tests run: oracles, traffic tools and, for the services, Java, Maven and Leiningen.
TEST_PACKAGES := tshark tcpdump iproute2 libcap2-bin sip-tester chromium
SERVICE_PACKAGES := default-jdk-headless maven leiningen
# ONNX Runtime for the CPU, unless `sh tools/setup.sh gpu` has replaced it.
RUNTIME := $(if $(shell grep -s '^gpu ' .venv/callprint-extras),gpu,cpu)
TEST_EXTRAS := $(RUNTIME),spit,cluster,console,test

PYTEST := $(BIN)/python -m pytest
# Where tests run side by side, threads of one would wait busily for the cores of the other.
ONE_THREAD := OMP_NUM_THREADS=1
ROUNDS ?= 1
# Of the paper's networks in full: labelled captures, and where states and networks go.
DATA ?= ../shared/data/calls
PAPER := .cache/paper-full
PAPER_EXTRAS := $(if $(shell command -v nvidia-smi),gpu,$(RUNTIME)),train
SECONDS ?= 600
SEED ?= 1

.PHONY: help run console test test-unit test-services test-faults check format bench bench-identify bench-costs fuzz wheel constraints clean \
	paper-windows paper-gpu cluster-up cluster-down cluster-status demo-cluster setup-run setup-test setup-cluster setup-all

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

setup-run:
	@sh tools/setup.sh $(RUNTIME)
	@$(CALLPRINT) warm-up

run: setup-run ## identify the shipped sample capture and show what was found
	$(CALLPRINT) identify samples/applications.pcapng

console: setup-run ## show the sample in the browser: open the link that it prints
	@sh tools/setup.sh $(RUNTIME),console,spit
	$(CALLPRINT) identify --quiet --keep-unknown --keep-calls all --store sample.sqlite samples/applications.pcapng
	$(CALLPRINT) console --store sample.sqlite

setup-test:
	@sh tools/setup.sh $(TEST_EXTRAS)
	@sh tools/debian_packages.sh $(TEST_PACKAGES) || echo 'tests that need them will be skipped' >&2
	@$(CALLPRINT) warm-up
	@$(BIN)/python tests/warm_up.py

setup-cluster: setup-test
	@sh tools/debian_packages.sh $(SERVICE_PACKAGES) || echo 'what needs Java will be skipped' >&2

setup-all: setup-cluster
	@sh tools/setup.sh $(TEST_EXTRAS),train

test: setup-all ## run the tests: units, training, live capture, real services and their deaths
	$(ONE_THREAD) $(PYTEST) -n auto --dist loadfile -m 'not services and not faults and not live'
	$(PYTEST) -m 'live and not services and not faults'
	$(PYTEST) -m 'services or faults'

test-unit: setup-test ## run the tests that need no services, no root and no torch (under a minute)
	$(ONE_THREAD) $(PYTEST) -n auto --dist worksteal -m 'not services and not faults and not training and not live and not browser'

test-services: setup-cluster ## run the tests on real Kafka, Storm and Cassandra
	$(PYTEST) -m 'services and not faults'

test-faults: setup-cluster ## kill real services in mid-stream; ROUNDS=10 repeats each fault, DOWN_S=60 keeps Kafka down for a minute
	ROUNDS=$(ROUNDS) $(PYTEST) -m faults -s

cluster-up: setup-cluster ## start real Kafka, ZooKeeper, Storm and Cassandra on this machine, from Maven's jars
	$(BIN)/python -m callprint.services up

cluster-down: ## stop them
	$(BIN)/python -m callprint.services down

cluster-status: ## show what runs, its memory, its port and its log
	$(BIN)/python -m callprint.services status

demo-cluster: cluster-up ## run the whole system on the sample, show verdicts live, compare them with the embedded path
	$(BIN)/python -m callprint.services.demo

check: setup-test ## run ruff and mypy --strict on the core, check formatting and the examples in the docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tools/check_docs.py

format: setup-test ## let ruff format the code and fix what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup-test ## measure the packet path beside ndpiReader and NFStream
	@sh tools/debian_packages.sh libndpi-bin || echo 'the ratio to ndpiReader will be missing' >&2
	$(BIN)/python benchmarks/bench_packet_path.py

bench-identify: setup-test ## measure all of `callprint identify` beside ndpiReader
	@sh tools/debian_packages.sh libndpi-bin || echo 'the ratio to ndpiReader will be missing' >&2
	$(BIN)/python benchmarks/bench_identify.py

bench-costs: setup-test wheel ## measure what a flow, a call and a start cost; BEFORE=root of an older clone
	@sh tools/debian_packages.sh libndpi-bin || echo 'the ratio to ndpiReader will be missing' >&2
	$(BIN)/python benchmarks/bench_costs.py $(if $(BEFORE),--before $(BEFORE))

paper-windows: $(PAPER)/windows.npz ## pack what the paper's networks see of DATA into one file, to carry it to a machine with a GPU

$(PAPER)/windows.npz:
	@sh tools/setup.sh $(PAPER_EXTRAS)
	@mkdir -p $(PAPER)
	$(CALLPRINT) dataset build --data $(DATA) --out $(PAPER)/calls.npz
	$(BIN)/python -m callprint.lab.paper pack $(PAPER)/calls.npz $@

paper-gpu: $(PAPER)/windows.npz ## train the paper's ten networks in full, best on a GPU, and time inference; what is done is skipped
	@sh tools/setup.sh $(PAPER_EXTRAS)
	$(BIN)/python -m callprint.lab.paper train $<
	$(BIN)/python -m callprint.lab.paper speed $<
	$(BIN)/python -m callprint.lab.paper report

fuzz: setup-test ## damage captures at random and identify them; SECONDS=600 CAPTURES="folders and files" SEED=1
	$(BIN)/python tools/fuzz_captures.py --seconds $(SECONDS) --seed $(SEED) $(CAPTURES)

wheel: setup-run ## build dist/*.whl, with machine code for x86-64-v3 and this version of Python
	$(BIN)/python tools/ship_machine_code.py
	$(BIN)/uv build --quiet --wheel --out-dir dist
	rm -rf src/callprint/shipped_machine_code

constraints: ## pin the newest versions of all dependencies
	$(BIN)/uv pip compile --quiet --upgrade --universal --all-extras --no-annotate --no-header \
		--python-version 3.11 --override overrides.txt pyproject.toml -o constraints.txt

clean: ## remove what was built or compiled; .venv stays
	rm -rf build dist .cache/callprint .mypy_cache .ruff_cache .hypothesis
	find src capture_agent topologies tests -name __pycache__ -prune -exec rm -rf {} +
