"""The compiled code on disk: a fit runs whatever is wrong with it, and says so once.

Every case runs in a child process that has a folder of its own. Permissions do not bind a root
user. So a folder that cannot be written is one below a plain file, or ``open`` or ``tempfile`` fail
in the child as the system's would. A full disk is a limit of the system on the size of files, which
it answers with EFBIG, and besides an ``open`` that answers ENOSPC.
"""

import json
import os
import subprocess
import sys

import pytest
from interpreted import needs_compiler

pytestmark = needs_compiler

HALF = """
from sklearn_robust.kernels.compiled import entry

@entry
def half(x):
    return 0.5 * x
"""
"""A kernel that takes 0.1 s to compile, for each of two signatures."""

RHO = """
from sklearn_robust import kernels
from sklearn_robust.losses import rho

for x in (1.0, 1.0, 1.0):
    assert abs(rho(x, -2.0) - 0.4) < 1e-15
print(sum(kernels.rho_psi_weights.stats.cache_hits.values()))
"""
"""A kernel of the package, which calls another; prints whether it was read."""

USE_HALF = """
import sys

sys.path.insert(0, sys.argv[-1])
from half import half

assert [half(3.0), half(3), half(5.0)] == [1.5, 1.5, 2.5]
print(sum(half.stats.cache_hits.values()))
"""
"""Calls the small kernel, for both signatures; prints how many codes were read."""

NEW_PROCESS = """
import json, shutil, sys, warnings
from pathlib import Path

import numba

from sklearn_robust.kernels import cache

sys.path.insert(0, sys.argv[1])


def as_new(folder):
    "Return what a new process gets: values, how many codes it read, warnings."
    numba.config.CACHE_DIR = str(folder)
    cache._warned = False
    sys.modules.pop("half", None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        from half import half

        values = [half(3.0), half(3), half(5.0)]
    told = [[w.category.__name__, str(w.message)] for w in caught]
    return values, sum(half.stats.cache_hits.values()), told
"""
"""Begins anew in one process, which spares the imports of many."""


@pytest.fixture(scope="module", autouse=True)
def half_module(tmp_path_factory):
    folder = tmp_path_factory.mktemp("module")
    (folder / "half.py").write_text(HALF)
    return folder


def start(code, folder, *arguments, filters="always"):
    """Start a process that keeps its compiled code in a folder."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder), "PYTHONWARNINGS": filters}
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def run(code, folder, *arguments, filters="always"):
    """Return what a process prints, and its warnings about the cache; raise where it fails."""
    process = start(code, folder, *arguments, filters=filters)
    printed, told = process.communicate()
    assert process.returncode == 0, told
    return printed.strip(), [line for line in told.splitlines() if "RuntimeWarning" in line]


def is_about(warning, folder):
    return str(folder) in warning and "NUMBA_CACHE_DIR" in warning


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder in which a process has kept its code."""
    folder = tmp_path_factory.mktemp("kept")
    assert run(RHO, folder) == ("0", [])
    return folder


@pytest.mark.slow
def test_a_later_process_reads_what_the_first_kept(kept):
    assert run(RHO, kept) == ("1", [])


@pytest.mark.slow
def test_machine_code_with_a_hole_does_not_end_the_process(kept):
    """LLVM ends a process that loads such code: no exception can be caught."""
    for path in kept.rglob("*.nbc"):
        content = path.read_bytes()
        at = content.index(b"\x7fELF") if b"\x7fELF" in content else len(content) // 4
        path.write_bytes(content[: at + 512] + bytes(4096) + content[at + 512 + 4096 :])
    printed, warnings = run(RHO, kept)
    assert printed == "0"
    assert len(warnings) == 1
    assert is_about(warnings[0], kept)


DAMAGES = """
def all_of(suffix, change):
    return lambda folder: [
        path.write_bytes(change(path.read_bytes())) for path in folder.rglob(f"*.{suffix}")
    ]


def exchange(folder):
    "Let the index name the code of the other signature."
    first, second = sorted(folder.rglob("*.nbc"))
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other), second.write_bytes(one)


foreign = __import__("pickle").dumps({"another": "program"})
version = __import__("pickle").dumps(numba.__version__)
damages = {
    "an empty index": all_of("nbi", lambda content: b""),
    "a cut index": all_of("nbi", lambda content: content[: len(content) // 2]),
    "a foreign index": all_of("nbi", lambda content: b"of another program"),
    "an index of other things": all_of("nbi", lambda content: version + foreign),
    "an empty code": all_of("nbc", lambda content: b""),
    "a cut code": all_of("nbc", lambda content: content[: len(content) // 2]),
    "a foreign code": all_of("nbc", lambda content: foreign),
    "another's code": exchange,
    "no code": lambda folder: [path.unlink() for path in folder.rglob("*.nbc")],
}
base = Path(sys.argv[2])
told = {"": as_new(base / "whole"), "nothing": as_new(base / "whole")}
for number, (name, damage) in enumerate(damages.items()):
    folder = base / f"damaged{number}"
    shutil.copytree(base / "whole", folder)
    damage(folder)
    told[name] = [str(folder), as_new(folder), as_new(folder)]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def damaged(tmp_path_factory, half_module):
    """What processes get that find damaged files, and those after them."""
    base = tmp_path_factory.mktemp("damaged")
    printed, _ = run(NEW_PROCESS + DAMAGES, base / "whole", half_module, base)
    return json.loads(printed)


SAID = [
    "an empty index", "a cut index", "a foreign index", "an index of other things",
    "an empty code", "a cut code", "a foreign code",
]  # fmt: skip


@pytest.mark.parametrize("damage", SAID)
def test_damaged_files_are_replaced_and_one_warning_says_so(damaged, damage):
    folder, (values, hits, told), afterwards = damaged[damage]
    assert values == [1.5, 1.5, 2.5]
    assert hits == 0
    assert [category for category, _ in told] == ["RuntimeWarning"]
    assert is_about(told[0][1], folder)
    assert afterwards == [[1.5, 1.5, 2.5], 2, []]


@pytest.mark.parametrize("damage", ["another's code", "no code"])
def test_code_that_is_not_there_is_compiled_without_a_warning(damaged, damage):
    """As after a race for the same file, or a disk that was full when the index was written."""
    _, first, second = damaged[damage]
    assert first == [[1.5, 1.5, 2.5], 0, []]
    assert second == [[1.5, 1.5, 2.5], 2, []]
    assert damaged["nothing"] == second


FULL = """
import resource
# The index is smaller, the code larger.
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
"""
FAILING_OPEN = """
import builtins, errno, os, sys
real = builtins.open
number, modes, folder = getattr(errno, sys.argv[1]), sys.argv[2], os.environ["NUMBA_CACHE_DIR"]
def refused(path, mode="r", *others, **named):
    if str(path).startswith(folder) and mode[0] in modes:
        raise OSError(number, os.strerror(number), str(path))
    return real(path, mode, *others, **named)
builtins.open = refused
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preparation", "arguments"),
    [
        pytest.param(FULL, (), id="files_cannot_grow"),
        pytest.param(FAILING_OPEN, ("ENOSPC", "w"), id="no_space_left"),
        pytest.param(FAILING_OPEN, ("EACCES", "rw"), id="of_another_user"),
    ],
)
def test_code_that_cannot_be_kept_is_compiled(tmp_path, half_module, preparation, arguments):
    if preparation is FULL:
        pytest.importorskip("resource")
    printed, warnings = run(preparation + USE_HALF, tmp_path, *arguments, half_module)
    assert printed == "0"
    assert len(warnings) == 1
    assert is_about(warnings[0], tmp_path)
    assert not list(tmp_path.rglob("*.tmp.*"))


@pytest.mark.slow
def test_a_folder_that_cannot_be_made_is_named(tmp_path, half_module):
    (tmp_path / "file").touch()
    below = tmp_path / "file" / "folder"
    _, warnings = run(USE_HALF, below, half_module)
    assert len(warnings) == 1
    assert is_about(warnings[0], below)


@pytest.mark.slow
def test_where_every_folder_is_read_only_the_code_is_compiled(tmp_path, half_module):
    read_only = (
        "import errno, tempfile\n"
        "def refused(*arguments, **named):\n"
        "    raise OSError(errno.EROFS, 'Read-only file system')\n"
        "tempfile.TemporaryFile = refused\n"
    )
    printed, warnings = run(read_only + USE_HALF, tmp_path, half_module)
    assert printed == "0"
    assert len(warnings) == 1
    assert is_about(warnings[0], tmp_path)


RAISED = """
import sys

import pytest

with pytest.raises(RuntimeWarning, match="NUMBA_CACHE_DIR"):
"""
"""Begins what raises the warning, which is said once: what follows is silent."""


@pytest.mark.slow
def test_a_warning_that_is_an_error_leaves_the_compiler_whole(tmp_path):
    """It is raised in the midst of compiling: of a kernel that another kernel calls."""
    raised = RAISED + "    from sklearn_robust.losses import rho\n    rho(1.0, -2.0)\n"
    printed, warnings = run(
        FAILING_OPEN + raised + RHO, tmp_path, "ENOSPC", "w", filters="error::RuntimeWarning"
    )
    assert (printed, warnings) == ("0", [])


@pytest.mark.slow
def test_a_warning_of_a_folder_that_is_an_error_leaves_the_compiler_whole(tmp_path, half_module):
    """It is raised before anything is loaded."""
    (tmp_path / "file").touch()
    raised = (
        RAISED + "    sys.path.insert(0, sys.argv[-1])\n    from half import half\n    half(1)\n"
    )
    below = tmp_path / "file" / "folder"
    _, warnings = run(raised + USE_HALF, below, half_module, filters="error::RuntimeWarning")
    assert warnings == []


RACE = """
import multiprocessing

def race(barrier, number):
    from half import half
    barrier.wait()
    # Half of them begin with the other signature, and take the same file for it.
    values = [half(x) for x in ((3, 3.0) if number % 2 else (3.0, 3))]
    assert values == [1.5, 1.5]


warnings.simplefilter("error")
fork = multiprocessing.get_context("fork")
for _ in range(2):
    shutil.rmtree(sys.argv[2], ignore_errors=True)
    barrier = fork.Barrier(8)
    processes = [fork.Process(target=race, args=(barrier, number)) for number in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 8
    as_new(sys.argv[2])
    print(as_new(sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_eight_processes_that_start_at_once_keep_code_for_the_next(tmp_path, half_module):
    printed, _ = run(NEW_PROCESS + RACE, tmp_path / "race", half_module, tmp_path / "race")
    assert printed.splitlines() == ["([1.5, 1.5, 2.5], 2, [])"] * 2
