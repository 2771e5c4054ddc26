"""The project as a whole: its layers, the size of its parts, what is compiled."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from interpreted import needs_compiler

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sklearn_robust"
MODULES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = ["benchmarks", "examples", "tests", "tools"]
"""Where code is beside the package."""

LAYERS = [
    ["__init__", "dask", "objectives", "onnx", "scale", "warm_up"],
    ["inspection"],
    ["estimators"],
    ["metrics"],
    ["procedures"],
    ["solvers"],
    ["scale_rules"],
    ["problem"],
    ["penalties"],
    ["design"],
    ["distribution"],
    ["partition", "losses", "scales", "datasets", "weightings"],
    ["kernels"],
    ["linear_algebra", "validation", "limits", "pipelines", "callers"],
]
"""A file imports from its own folder and from the layers below its own."""


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


def _height(layer):
    return next(height for height, layers in enumerate(LAYERS) if layer in layers)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    for layer in _imported_layers(path):
        assert layer == _layer(path) or _height(layer) > _height(_layer(path)), layer


def _imported_files(path):
    """Return the files of the package that a file imports when it is loaded."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            for place in (base, *(base / alias.name for alias in node.names)):
                found |= {
                    of for of in (place.with_suffix(".py"), place / "__init__.py") if of in MODULES
                }
    return found


def test_no_two_files_import_each_other():
    imported = {path: _imported_files(path) for path in MODULES}
    pairs = [(one, other) for one in MODULES for other in imported[one] if one in imported[other]]
    assert pairs == []


def test_the_oldest_versions_are_the_lower_bounds():
    """``requirements/oldest.txt`` is written by ``make lock`` from the bounds of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    bounds = [
        *project["dependencies"],
        *extras["test"],
        *extras["dask"],
        *extras["pandas"],
        *extras["plot"],
    ]
    text = (ROOT / "requirements" / "oldest.txt").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", text, flags=re.MULTILINE))
    for bound in bounds:
        if bound.startswith("sklearn_robust") or "!=" in bound:
            continue
        name, least = re.match(r"([\w.-]+)(?:\[.*?\])?>=([\d.]+)", bound).groups()
        found = pinned[name.replace("_", "-")]
        assert re.fullmatch(rf"{re.escape(least)}(\.0)*", found), bound


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
    imports = re.compile(r"^\s*(from|import) (numba|llvmlite)", re.MULTILINE)
    users = {path.parent for path in MODULES if imports.search(path.read_text(encoding="utf-8"))}
    assert users == {PACKAGE / "kernels"}


@needs_compiler
def test_an_edit_of_any_kernel_is_a_new_key_of_the_cache():
    """numba looks at the code of a function and at what it closes over, not at what it calls."""
    from sklearn_robust import kernels
    from sklearn_robust.kernels import compiled, linked

    assert kernels.dense_pass.py_func.__closure__[0].cell_contents == compiled._stamp()
    modules = [of for name, of in sys.modules.items() if name.startswith(kernels.__name__)]
    functions = [
        function.py_func
        for module in modules
        for function in vars(module).values()
        if hasattr(getattr(function, "_cache", None), "save_overload")
        and function.targetoptions.get("no_cpython_wrapper") is None
    ]
    functions += [link.function for link in linked.LINKS]
    assert len(functions) > len(kernels.__all__)
    assert all(function.__code__.co_freevars == ("_STAMP",) for function in functions)


def test_import_does_not_load_the_compiler():
    code = "import sys, sklearn_robust; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
