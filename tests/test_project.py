"""The project as a whole: its layers, the size of its parts, what is compiled."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from interpreted import needs_compiler

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sklearn_robust"
MODULES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = ["benchmarks", "examples", "tests", "tools"]
"""Where code is beside the package."""

ALLOWED = {
    "kernels": {"kernels"},
    "scale": {"kernels", "validation"},
    "losses": {"kernels", "validation"},
    "partition": {"kernels"},
    "distribution": {"kernels", "partition"},
    "datasets": set(),
    "rows": {"kernels", "losses", "scale", "validation", "rows"},
    "solvers": {"losses", "partition", "rows", "scale", "solvers"},
    "validation": set(),
    "pipelines": set(),
    "metrics": {"pipelines", "scale", "validation"},
    "estimators": {
        "distribution",
        "losses",
        "metrics",
        "rows",
        "solvers",
        "validation",
        "estimators",
    },
    "inspection": {
        "distribution",
        "estimators",
        "losses",
        "partition",
        "pipelines",
        "rows",
        "scale",
        "solvers",
        "validation",
        "inspection",
    },
    "onnx": {"estimators"},
    "dask": {"distribution", "estimators", "rows", "validation"},
    "__init__": {"estimators"},
}
"""What each layer may import of the package."""


def _layer(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imported_layers(path):
    here = path.relative_to(ROOT).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not any("sklearn_robust" in alias.name for alias in node.names)
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level == 0:
            assert "sklearn_robust" not in node.module
            continue
        base = here[: len(here) - node.level]
        names = [node.module.split(".")] if node.module else [[a.name] for a in node.names]
        for name in names:
            yield [*base, *name][1]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    assert set(_imported_layers(path)) <= ALLOWED[_layer(path)]


FILES = [*MODULES, *(file for name in FOLDERS for file in sorted((ROOT / name).rglob("*.py")))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short(path):
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) < 450
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            assert node.end_lineno - first.lineno < 60, node.name


def test_only_kernels_are_compiled():
    users = {path.parent for path in MODULES if "numba" in path.read_text(encoding="utf-8")}
    assert users == {PACKAGE / "kernels"}


@needs_compiler
def test_an_edit_of_any_kernel_is_a_new_key_of_the_cache():
    """numba looks at the code of a function and at what it closes over, not at what it calls."""
    from sklearn_robust import kernels
    from sklearn_robust.kernels import compiled

    assert kernels.dense_pass.py_func.__closure__[0].cell_contents == compiled._stamp()
    for name in kernels.__all__:
        if name.islower():
            assert getattr(kernels, name).py_func.__code__.co_freevars == ("_STAMP",)


def test_import_does_not_load_the_compiler():
    code = "import sys, sklearn_robust; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
