# Every target sets up what it needs in .venv; the first run installs packages.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help demo test check golden conformance conformance-page models models-page fuzz fuzz-import coverage mutation bench bench-quick docs
.PHONY: determinism determinism-versions accuracy docs-test site dist browser screenshots
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

# One stamp per set of packages; an editable install reads pyproject.toml again when that changes.
$(VENV)/.core: pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "python3 (3.11 or newer) is needed"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e '.[demo]'
	@touch $@
$(VENV)/.test: $(VENV)/.core
	$(PIP) -e '.[test]'
	@touch $@
$(VENV)/.check: $(VENV)/.test
	$(PIP) -e '.[check]'
	@touch $@
$(VENV)/.docs: $(VENV)/.core
	$(PIP) -e '.[docs]'
	@touch $@
$(VENV)/.browser: $(VENV)/.test
	$(PIP) -e '.[browser]'
	@touch $@
$(VENV)/.quality: $(VENV)/.test
	$(PIP) -e '.[quality]'
	@touch $@

$(VENV)/.release: $(VENV)/.core
	$(PIP) -e '.[release]'
	@touch $@

demo: $(VENV)/.core ## Compile the shipped digit, gesture and event networks, simulate them, print accuracy
	$(BIN)/python examples/digits/demo.py
	@echo
	$(BIN)/python examples/gestures/demo.py
	@echo
	$(BIN)/python examples/moving_events/demo.py

test: $(VENV)/.test ## Run the tests
	$(BIN)/python -m pytest tests -n auto --dist worksteal -m "not bench"

check: $(VENV)/.check ## Lint, format check, types, and the fast tests (under a minute)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/python -m pytest tests -n auto --dist worksteal -m "not slow and not bench"

browser: $(VENV)/.browser ## Look at the zoo's report pages in headless Chromium (apt install chromium)
	$(BIN)/python -m pytest -p no:xdist tests/browser

screenshots: $(VENV)/.browser ## Make docs/images anew: report pages, nmc live
	PYTHONPATH=tests $(BIN)/python docs/screenshots.py

golden: $(VENV)/.test ## Run the golden vectors of the machines, and check the zoo's programs and outputs
	$(BIN)/python -m pytest tests -m golden
	$(BIN)/nmc golden check tests/golden_zoo --jobs 2

models: $(VENV)/.test ## Export the networks of docs/conformance_models.md into build/export_zoo, where they are missing
	cd tests && ../$(BIN)/python -W ignore -m export_zoo.exports

conformance: $(VENV)/.test ## Run the backend suite of the onnx package and the exported networks, hold both against docs/
	cd tests && ../$(BIN)/python -W ignore -m conformance
	cd tests && ../$(BIN)/python -W ignore -m export_zoo

conformance-page: $(VENV)/.test ## Rewrite docs/conformance.md
	cd tests && ../$(BIN)/python -W ignore -m conformance --write

models-page: $(VENV)/.test ## Rewrite docs/conformance_models.md
	cd tests && ../$(BIN)/python -W ignore -m export_zoo --write

fuzz-import: $(VENV)/.test ## COUNT damaged ONNX files (5000) from seed SEED (0), and 2,500 random valid networks
	cd tests && ../$(BIN)/python -W ignore -m fuzz_import --count $(or $(COUNT),5000) --seed $(or $(SEED),0) --jobs $(or $(JOBS),2)
	$(BIN)/python -m pytest tests/test_onnx_random.py -p no:xdist --hypothesis-profile=campaign --hypothesis-seed=$(or $(SEED),0)

fuzz: $(VENV)/.test ## Random networks for MINUTES minutes (5), from seed SEED (0), in JOBS processes (2)
	cd tests && ../$(BIN)/python -m fuzz --minutes $(or $(MINUTES),5) --seed $(or $(SEED),0) --jobs $(or $(JOBS),2) \
		$(if $(GRAPHS),--graphs $(GRAPHS))

determinism: $(VENV)/.test ## Compile the zoo under hash seeds, threads, folders and processor kernels; break every write
	cd tests && ../$(BIN)/python -m determinism $(foreach case,$(CASES),--case $(case))
	cd tests && ../$(BIN)/python -m determinism.writes

# The lower bounds of pyproject.toml, for a Python that there are wheels of all of them for (3.11, 3.12).
OLDEST := click==8.1.0 networkx==3.2 numba==0.62.0 numpy==1.26.0 onnx==1.17.0 onnxruntime==1.20.0 rich==13.7.0 safetensors==0.4.3
OLDEST_VENV ?= build/oldest
$(OLDEST_VENV)/.oldest: pyproject.toml
	@test -x $(OLDEST_VENV)/bin/python || $(PYTHON) -m venv $(OLDEST_VENV)
	$(OLDEST_VENV)/bin/python -m pip install --quiet --disable-pip-version-check $(OLDEST) 'setuptools>=77'
	$(OLDEST_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
determinism-versions: $(VENV)/.test $(OLDEST_VENV)/.oldest ## Compile the zoo with the oldest packages and compare the programs
	cd tests && ../$(BIN)/python -m determinism --python $(abspath $(OLDEST_VENV))/bin/python $(foreach case,$(CASES),--case $(case))

COVERAGE := $(BIN)/python -m coverage
# The engines as plain Python; what is compiled nevertheless is compiled anew, so that the code that writes it runs.
PLAIN := NUMBA_DISABLE_JIT=1 NUMBA_CACHE_DIR=$(CURDIR)/build/coverage/numba PYTHONPATH=tests
coverage: $(VENV)/.quality ## Line coverage of compiler, backends and runtime by all tests (FAST=1: the fast ones)
	rm -rf build/coverage && mkdir -p build/coverage
	$(COVERAGE) run -m pytest tests -n auto --dist worksteal -m "not bench$(if $(FAST), and not slow)"
	$(PLAIN) $(COVERAGE) run -m pytest -p no:xdist -p plain_kernels -m "not slow" \
		tests/test_fast_cri.py tests/test_fast_akida.py \
		tests/test_fast_akida_sessions.py::test_inputs_in_every_order_and_dtype
	$(COVERAGE) combine --quiet
	$(COVERAGE) report --fail-under=92

mutation: $(VENV)/.quality ## Change the machines' arithmetic in one place at a time; do its tests notice?
	cd tests && ../$(BIN)/python -m mutation --jobs $(or $(JOBS),2) $(if $(MODULE),--module $(MODULE))

bench-quick: $(VENV)/.test ## Run the smallest variant of every benchmark; are they all in docs/benchmarks.md?
	$(BIN)/python -m pytest tests/test_benchmarks.py

bench: $(VENV)/.test ## Measure speed and memory beside other tools, write docs/benchmarks.md; ONLY=name for one section
	$(BIN)/python benchmarks/run.py $(ONLY)

docs-test: $(VENV)/.test ## Run every command of README, docs/ and the examples' READMEs; PAGES="a.md b.md" for some
	cd tests && ../$(BIN)/python -W ignore -m doc_pages $(PAGES) --jobs $(or $(JOBS),2)

site: $(VENV)/.docs ## Make the documentation as web pages in build/site; a broken link fails
	$(BIN)/mkdocs build --strict --quiet

accuracy: $(VENV)/.test ## Measure accuracy in every format, write docs/accuracy.md; what is known is not measured again
	$(BIN)/python -W ignore benchmarks/accuracy.py --write docs/accuracy.md

docs: $(VENV)/.core ## Rewrite the parts of docs/ that are made from code
	$(BIN)/python docs/generate.py

dist: $(VENV)/.release ## Build wheel and source distribution into dist/, install the wheel elsewhere and try it
	rm -rf dist build/dist
	$(BIN)/python -m build --quiet --outdir dist .
	$(BIN)/python -m twine check --strict dist/*
	$(PYTHON) -m venv build/dist
	build/dist/bin/python -m pip install --quiet --disable-pip-version-check dist/*.whl
	cd build/dist && bin/nmc --version && bin/nmc compile $(CURDIR)/examples/digits/digits.onnx --target cri && bin/nmc inspect digits.nmc
