# Every target sets up what it needs in .venv; the first run installs packages.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help demo test check golden conformance conformance-page models models-page fuzz fuzz-import bench docs
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

demo: $(VENV)/.core ## Compile the shipped digit, gesture and event networks, simulate them, print accuracy
	$(BIN)/python examples/digits/demo.py
	@echo
	$(BIN)/python examples/gestures/demo.py
	@echo
	$(BIN)/python examples/moving_events/demo.py

test: $(VENV)/.test ## Run all tests
	$(BIN)/python -m pytest tests -n auto --dist worksteal

check: $(VENV)/.check ## Lint, format check, types, and the fast tests (under a minute)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/python -m pytest tests -n auto --dist worksteal -m "not slow"

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

bench: $(VENV)/.test ## Measure compile and simulation times and int8 noise, and print them
	$(BIN)/python benchmarks/digits.py
	$(BIN)/python benchmarks/video.py
	$(BIN)/python benchmarks/import_time.py
	$(BIN)/python benchmarks/akida.py
	$(BIN)/python benchmarks/akida_engine.py
	$(BIN)/python benchmarks/akida_noise.py
	$(BIN)/python benchmarks/cri_tables.py
	$(BIN)/python benchmarks/cri_placement.py
	$(BIN)/python benchmarks/dvs_table.py
	$(BIN)/python benchmarks/cri_engine.py
	$(BIN)/python benchmarks/cri_partition.py

docs: $(VENV)/.core ## Rewrite the parts of docs/ that are made from code
	$(BIN)/python docs/generate.py
