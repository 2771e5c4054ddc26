# Every target makes the virtual environment it needs; a machine has to have Python and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint bench docs dist clean

demo: $(VENV)/.dev
	$(BIN)/python examples/quickstart.py quickstart.png

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

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
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[$*]"
	touch $@

dist: $(VENV)/.dev
	$(BIN)/python -m build

clean:
	rm -rf $(VENV) dist doc/_build doc/generated doc/auto_examples
