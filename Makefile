# Every target makes the virtual environment it needs; a machine has to have Python and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OLDEST := .venv-oldest
OLDEST_PYTHON := $(shell sed -n 's/^requires-python = ">=\(.*\)"/\1/p' pyproject.toml)

.PHONY: demo test test-fast test-oldest test-portable coverage lint bench docs dist check-wheel \
    lock clean

demo: $(VENV)/.plot
	$(BIN)/python examples/quickstart.py quickstart.png

# Two processes fill two cores; threads of both would wait for each other. Tests of threads ask for
# them.
test test-fast test-oldest test-portable coverage: export OMP_NUM_THREADS = 1

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

# What a change needs every few minutes, in less than a minute: without the slowest tests and the
# slowest parameters of others, and with fewer random examples.
test-fast: export HYPOTHESIS_PROFILE = fast
test-fast: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

# numba keeps code of one version in a folder, and would compile anew for every other.
test-oldest: export NUMBA_CACHE_DIR = $(CURDIR)/$(OLDEST)/numba
test-oldest: $(OLDEST)/.test
	$(OLDEST)/bin/python -m pytest -n 2 --dist loadfile

# The sets of vector instructions that numpy would choose on this machine, beyond those it needs.
NUMPY_FEATURES = import numpy; \
	print(*numpy.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", []))

# The suite as other processors add up: first with kernels compiled for any processor of this family,
# without wide vectors or fused multiplication and addition, and the linear algebra of an old one
# (OpenBLAS passes over a name that is not of its family); then with numpy's plainest loops. numba
# takes no features with the name "generic", unless NUMBA_CPU_FEATURES lists some.
test-portable: $(VENV)/.dev
	NUMBA_CPU_NAME=generic NUMBA_CPU_FEATURES= OPENBLAS_CORETYPE=Prescott \
	    NUMBA_CACHE_DIR=$(CURDIR)/$(VENV)/portable-generic \
	    $(BIN)/python -m pytest -n 2 --dist loadfile
	NPY_DISABLE_CPU_FEATURES="$$($(BIN)/python -c '$(NUMPY_FEATURES)')" \
	    NUMBA_CACHE_DIR=$(CURDIR)/$(VENV)/portable-numpy \
	    $(BIN)/python -m pytest -n 2 --dist loadfile

# Compiled lines cannot be seen: what tests the kernels runs them as Python, thousands of times
# slower, and what tests the rest runs them compiled. Two files see nothing that others do not.
coverage: $(VENV)/.dev
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-report= \
	    --cov-fail-under=0 tests/test_kernels.py tests/test_losses.py tests/test_rows.py
	$(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-append \
	    --ignore tests/test_project.py --ignore tests/test_scikit_learn.py

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/fit.py
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/first_call.py
	$(BIN)/python benchmarks/cross_validation.py

docs: $(VENV)/.doc
	$(BIN)/sphinx-build -W --keep-going -b html doc doc/_build/html

$(VENV)/.%: pyproject.toml
	@echo "Installing the package and its extra $* in $(VENV); the first time takes minutes."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[$*]"
	@touch $@

# The lower bounds in pyproject.toml are the oldest versions; "make lock" writes them, and what they
# need, to a list. A test compares the two.
$(OLDEST)/.%: requirements/oldest.txt $(VENV)/.dev
	$(BIN)/uv venv --quiet --clear --python $(OLDEST_PYTHON) $(OLDEST)
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(OLDEST) \
		--requirements requirements/oldest.txt
	$(BIN)/uv pip install --quiet --python $(OLDEST) --no-deps --editable .
	touch $@

# The newest and the oldest versions of all packages that tests need, as they are today.
LOCK = $(BIN)/uv pip compile --quiet --no-header --no-emit-index-url --upgrade pyproject.toml \
	--python-version $(OLDEST_PYTHON) --extra test
lock: $(VENV)/.dev
	$(LOCK) --extra doc --resolution highest --output-file requirements/newest.txt
	$(LOCK) --resolution lowest-direct --output-file requirements/oldest.txt

dist: $(VENV)/.dev
	$(BIN)/python -m build

# The wheel in an empty environment, with what the README's examples need beside it.
check-wheel: dist
	$(BIN)/uv venv --quiet --clear dist/.venv
	$(BIN)/uv pip install --quiet --python dist/.venv dist/*.whl matplotlib pandas
	cd dist && .venv/bin/python -I ../tools/run_readme.py

clean:
	rm -rf $(VENV) $(OLDEST) .coverage* dist doc/_build doc/generated doc/auto_examples
