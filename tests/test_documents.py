"""What people read: the README, the pages, the docstrings, the examples."""

import contextlib
import dataclasses
import importlib
import inspect
import io
import re
import runpy
import sys
import textwrap
import warnings
from pathlib import Path

import pytest
from sklearn.linear_model import HuberRegressor, LassoCV, RANSACRegressor
from statsmodels.robust.robust_linear_model import RLM

ROOT = Path(__file__).parents[1]

PUBLIC = [
    "sklearn_robust",
    "sklearn_robust.dask",
    "sklearn_robust.datasets",
    "sklearn_robust.distribution",
    "sklearn_robust.inspection",
    "sklearn_robust.losses",
    "sklearn_robust.metrics",
    "sklearn_robust.objectives",
    "sklearn_robust.onnx",
    "sklearn_robust.partition",
    "sklearn_robust.scales",
    "sklearn_robust.weightings",
]
"""The modules whose ``__all__`` is public."""
INTERNAL = {
    "callers", "design", "estimators", "kernels", "limits", "linear_algebra", "penalties",
    "pipelines", "problem", "procedures", "scale", "scale_rules", "solvers", "validation",
    "warm_up",
}  # fmt: skip

FAULTS = {"GL08", "PR01", "PR02", "PR03", "RT01"}
"""numpydoc's names for no docstring, and for parameters or returned values not in it."""


@pytest.fixture(autouse=True)
def close_figures():
    """Close the figures that a block or an example leaves open."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


# ---- names ---------------------------------------------------------------------------


def public():
    """Yield every public name with what it names."""
    for module in PUBLIC:
        if module.endswith(".dask"):
            pytest.importorskip("dask")
        for name in importlib.import_module(module).__all__:
            yield f"{module}.{name}", getattr(importlib.import_module(module), name)


def test_every_module_is_public_or_not():
    modules = {path.stem for path in (ROOT / "sklearn_robust").iterdir() if path.suffix == ".py"}
    folders = {path.parent.name for path in (ROOT / "sklearn_robust").glob("*/__init__.py")}
    shown = {name.partition(".")[2] or "__init__" for name in PUBLIC}
    assert modules | folders == shown | INTERNAL


def test_every_public_name_is_in_the_reference():
    text = (ROOT / "doc" / "api.rst").read_text(encoding="utf-8")
    listed = set(re.findall(r"^   ([\w.]+)$", text, flags=re.MULTILINE))
    listed |= set(re.findall(r"``(metrics\.\w+_scorer)``", text))
    missing = [name for name, _ in public() if name.removeprefix("sklearn_robust.") not in listed]
    assert not missing


def test_the_reference_lists_nothing_else():
    text = (ROOT / "doc" / "api.rst").read_text(encoding="utf-8")
    listed = re.findall(r"^   ([\w.]+)$", text, flags=re.MULTILINE)
    assert {f"sklearn_robust.{name}" for name in listed} <= {name for name, _ in public()}


def test_public_names_are_documented():
    validate = pytest.importorskip("numpydoc.validate").validate
    found = []
    for name, what in public():
        if not inspect.isroutine(what) and not isinstance(what, type):
            continue
        wanted = FAULTS | {"EX01"}  # an example
        if dataclasses.is_dataclass(what):
            wanted = {"GL08"}  # a result, made by a function: it has attributes
        found += [(name, *fault) for fault in validate(name)["errors"] if fault[0] in wanted]
        for method in own_methods(what) if isinstance(what, type) else ():
            faults = validate(f"{name}.{method}")["errors"]
            found += [(name, method, *fault) for fault in faults if fault[0] in FAULTS]
    assert not found


def own_methods(what):
    """Return the names of the public methods and properties that this package wrote."""
    return [
        name
        for name, of in inspect.getmembers(what)
        if not name.startswith("_")
        and (inspect.isroutine(of) or isinstance(of, property))
        and (getattr(of, "fget", None) or of).__module__.startswith("sklearn_robust")
    ]


def test_inherited_methods_and_properties_are_looked_at():
    methods = own_methods(importlib.import_module("sklearn_robust.dask").DaskRobustRegressor)
    assert set(methods) >= {"client", "fit", "predict", "to_linear_regression", "to_local"}


def test_html_of_estimators_links_to_their_pages():
    estimators = {name: what for name, what in public() if name.endswith(("Regressor", "CV"))}
    assert len(estimators) == 6
    for name, estimator in estimators.items():
        assert f"/generated/{name}.html" in estimator()._repr_html_()


# ---- code in documents ---------------------------------------------------------------


def blocks_of(path):
    """Return the blocks of Python and what stands behind them as their output, or nothing."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return re.findall(r"```python\n(.*?)```\s*(?:```text\n(.*?)```)?", text, flags=re.DOTALL)
    block = r"((?:    .*\n|\n)*)"
    found = re.findall(
        rf"code-block:: python\n\n{block}(?:\.\. code-block:: text\n\n{block})?", text
    )
    return [tuple(map(textwrap.dedent, pair)) for pair in found]


PEERS = ("ngboost", "pylmrob", "xgboost")
"""Packages that single blocks of the page for those who come from another package need."""


def peer_of(path, code):
    """Return the peer that a block imports, or None."""
    if path.name != "coming_from.rst":
        return None
    return next((name for name in PEERS if re.search(rf"^from {name}\b", code, re.MULTILINE)), None)


def run_blocks(blocks):
    """Run blocks one after the other, as they would be when they are copied."""
    names = {}
    for code, output in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, names)
        assert printed.getvalue().split() == output.split()


SLOW_PAGES = {"any_regressor.rst", "boosting_objectives.rst"}
PAGES = [ROOT / "README.md", *sorted((ROOT / "doc").glob("*.rst"))]


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(
            path, id=path.name, marks=[pytest.mark.slow] if path.name in SLOW_PAGES else []
        )
        for path in filter(blocks_of, PAGES)
    ],
)
def test_code_does_what_the_page_says(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = [block for block in blocks_of(path) if peer_of(path, block[0]) is None]
    if any("dask" in code for code, _ in blocks):
        pytest.importorskip("dask.dataframe")
    for library in ("xgboost", "lightgbm", "skops"):
        if any(re.search(rf"(from|import) {library}\b", code) for code, _ in blocks):
            pytest.importorskip(library)
    run_blocks(blocks)


@pytest.mark.filterwarnings("ignore:bitcount function:DeprecationWarning")  # sympy, of mpmath
@pytest.mark.parametrize("peer", PEERS)
def test_code_beside_a_peer_does_what_the_page_says(peer):
    pytest.importorskip(peer)
    path = ROOT / "doc" / "coming_from.rst"
    first, *others = blocks_of(path)
    of_peer = [block for block in others if peer_of(path, block[0]) == peer]
    assert of_peer
    run_blocks([first, *of_peer])


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_no_block_is_passed_over(path):
    text = path.read_text(encoding="utf-8")
    elsewhere = text.count(":class: elsewhere")  # of packages that are not here
    assert len(re.findall(r"(?:::|```) ?python", text)) == len(blocks_of(path)) + elsewhere


@pytest.mark.parametrize("theirs", [HuberRegressor, RANSACRegressor, RLM, RLM.fit, LassoCV])
def test_every_parameter_of_a_peer_is_mapped(theirs):
    page = (ROOT / "doc" / "coming_from.rst").read_text(encoding="utf-8")
    name = theirs.__qualname__.split(".")[0]
    mapped = page.split(f"   * - {name}\n")[1].split(".. list-table")[0]
    parameters = set(inspect.signature(theirs).parameters) - {"self", "kwargs"}
    assert parameters == {word for word in parameters if re.search(rf"\b{word}\b", mapped)}


@pytest.mark.parametrize("page", [pytest.param("guide.rst", marks=pytest.mark.slow), "index.rst"])
def test_pictures_of_pages_are_drawn(page):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    text = (ROOT / "doc" / page).read_text(encoding="utf-8")
    pictures = re.findall(r"\.\. plot::\n\n((?:    .*\n|\n)*)", text)
    assert len(pictures) == text.count(".. plot::") > 0
    for code in pictures:
        exec(textwrap.dedent(code), {})
        assert plt.get_fignums()
        plt.close("all")


def test_links_to_other_packages_are_names_that_exist():
    """Every Python name of the inventories can be imported from an installed package."""
    for path in sorted((ROOT / "doc" / "inventories").glob("*.txt")):
        address, *lines = path.read_text(encoding="utf-8").splitlines()
        assert address.startswith("https://")
        for name, role, page in map(str.split, lines):
            assert page.partition("#")[0].endswith(".html")
            if role.startswith("std:") or path.stem == "python":
                continue
            module, _, last = name.rpartition(".")
            assert hasattr(importlib.import_module(module), last), name


def test_the_citation_is_of_this_version():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {importlib.import_module('sklearn_robust').__version__}\n" in text


# ---- examples ------------------------------------------------------------------------


def test_quickstart_names_the_bad_years(tmp_path, capsys):
    example = runpy.run_path(str(ROOT / "examples" / "quickstart.py"))
    picture = tmp_path / "picture.png"
    example["main"](str(picture))
    printed = capsys.readouterr().out
    wrong, doubted = range(1964, 1970), range(1963, 1971)
    assert re.findall(r"(\d{4}).*known to be wrong", printed) == list(map(str, wrong))
    assert re.findall(r"^(\d{4}) ", printed, flags=re.MULTILINE) == list(map(str, doubted))
    assert picture.stat().st_size > 10_000


@pytest.mark.slow
def test_adaptive_line_is_drawn_and_animated(tmp_path, capsys):
    example = runpy.run_path(str(ROOT / "examples" / "plot_adaptive_line.py"))
    picture, animation = tmp_path / "line.png", tmp_path / "line.gif"
    example["main"](str(picture), str(animation))
    assert re.search(r"adaptive +0\.7151 +0\.1486", capsys.readouterr().out)
    assert picture.stat().st_size > 10_000
    assert animation.read_bytes().startswith(b"GIF")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Most rows of level")  # the fast computers of one vendor
def test_cross_validation_example(tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("pandas")
    example = runpy.run_path(str(ROOT / "examples" / "plot_cross_validation.py"))
    example["main"].__globals__.update(ALPHAS=(-2.0, 2.0), PENALTIES=(0.01, 0.1))
    picture = tmp_path / "picture.png"
    robust, squared, search = example["main"](picture)
    assert picture.stat().st_size > 10_000
    assert (robust.alpha_, squared.alpha_) == (-2.0, 2.0)
    assert search.best_params_["robustregressor__alpha"] == -2.0


@pytest.mark.slow
def test_inspection_example(capsys):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")
        made = runpy.run_path(str(ROOT / "examples" / "plot_inspection.py"))
    assert made["least_squares"].coef_[1] > 2.0 * made["robust"].coef_[1]
    assert len(plt.get_fignums()) == 5
    plt.close("all")
    printed = capsys.readouterr().out
    assert "[ 1  3  4 21]" in printed
    assert "LinearRegression() True" in printed


def test_vendors_example():
    plt = pytest.importorskip("matplotlib.pyplot")
    pytest.importorskip("pandas")
    plt.switch_backend("Agg")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")
        made = runpy.run_path(str(ROOT / "examples" / "plot_vendors.py"))
    assert len(plt.get_fignums()) == 1
    plt.close("all")
    assert made["table"].names[:2] == ("vendor_BTI", "vendor_CDC")
    assert len(made["table"].names) == 30
    assert made["table"].n_rejected == 3
    bti = {name: of[made["vendors"].index("vendor_BTI")] for name, of in made["effects"].items()}
    assert bti["RobustRegressor"] < bti["HuberRegressor"] < bti["LinearRegression"]
    assert ("BTI", "5000") in zip(made["lost"]["vendor"], made["lost"]["model"], strict=True)


@pytest.mark.slow
def test_any_regressor_example(capsys):
    plt = pytest.importorskip("matplotlib.pyplot")
    pytest.importorskip("pandas")
    plt.switch_backend("Agg")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")
        made = runpy.run_path(str(ROOT / "examples" / "plot_any_regressor.py"))
    assert len(plt.get_fignums()) == 1
    plt.close("all")
    assert made["area"] > 0.999
    off = list(map(float, re.findall(r"off by ([\d.]+)", capsys.readouterr().out)))
    assert 2.0 * off[2] < off[0]
    assert 1.2 * off[2] < off[1]


@pytest.mark.slow
def test_tour(capsys):
    plt = pytest.importorskip("matplotlib.pyplot")
    pytest.importorskip("pandas")
    plt.switch_backend("Agg")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")
        runpy.run_path(str(ROOT / "examples" / "plot_tour.py"))
    assert len(plt.get_fignums()) == 2
    plt.close("all")
    assert "5 of 209 machines" in capsys.readouterr().out


@pytest.fixture
def run_example(capsys):
    """Return a function that runs an example; it returns the names, and what was printed."""
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")

    def run(name, *needs, figures):
        for library in needs:
            pytest.importorskip(library)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")
            made = runpy.run_path(str(ROOT / "examples" / name))
        assert len(plt.get_fignums()) == figures
        plt.close("all")
        return made, capsys.readouterr().out

    return run


def test_dirty_table_example(run_example):
    made, _ = run_example("plot_dirty_table.py", "pandas", "vega_datasets", figures=2)
    off = made["off"]
    assert off["RobustRegressor"] < off["HuberRegressor"] < 0.7 * off["LinearRegression"]
    assert made["doubted"][made["in_kilometres"]].all()
    assert made["doubted"][~made["in_kilometres"]].mean() < 0.1


def test_bad_rows_example(run_example):
    made, printed = run_example("plot_bad_rows.py", "pandas", "vega_datasets", figures=1)
    assert made["worst"].index[0] == "oldsmobile cutlass ciera (diesel)"
    assert {"maxda rx3", "hi 1200d"} < set(made["worst"].index)
    assert made["worst"].index.str.contains("diesel").sum() == 3
    assert "3 of the 7 diesels" in printed


def test_intervals_example(run_example):
    made, _ = run_example("plot_intervals.py", figures=1)
    assert abs(sum(made["inside"]) / 20 - 0.9) < 0.03
    widths = [(ends[:, 1] - ends[:, 0]).min() for ends in made["intervals"].values()]
    assert widths[0] > widths[1] > widths[2]


def test_growing_errors_example(run_example):
    _, printed = run_example("plot_growing_errors.py", "statsmodels", figures=1)
    shares = [list(map(int, pair)) for pair in re.findall(r"poor (\d+) %, rich (\d+) %", printed)]
    assert shares[0][0] > 96
    assert shares[0][1] < 84
    assert all(86 < share < 95 for share in shares[1])


def test_dask_example(run_example):
    made, _ = run_example("plot_dask.py", "pandas", "dask.dataframe", figures=1)
    share = made["wrong"].set_index("month")["wrong"]
    assert share[7.0] > 0.9
    assert share.drop(7.0).max() < 0.03


def test_surfaces_example(run_example):
    made, _ = run_example("plot_surfaces.py", figures=2)
    assert made["influence"].shape == (61, 121)


def test_wide_table_example(run_example):
    _, printed = run_example("plot_wide_table.py", figures=1)
    rejected, bad = re.findall(r"\[.*\]", printed)
    assert rejected == bad
