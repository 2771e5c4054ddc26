"""The command that compiles everything, and what a process says that compiles."""

import os
import subprocess
import sys

import pytest
from interpreted import needs_compiler

from sklearn_robust import warm_up

FIT = """
import warnings
warnings.simplefilter("error")
import numpy as np
from sklearn_robust import RobustRegressor
X, noise = np.random.default_rng(0).normal(size=(2, 100, 3))
RobustRegressor(alpha=1.0).fit(X, X.sum(axis=1) + noise[:, 0])
RobustRegressor(alpha=1.0).fit(X, X.sum(axis=1) + noise[:, 1])
"""


def run(folder, *arguments):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder)}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


@needs_compiler
@pytest.mark.slow
def test_after_the_command_a_process_does_not_compile(tmp_path):
    cold = run(tmp_path / "cold", "-c", FIT)
    [line] = cold.stderr.splitlines()
    assert "Compiling what is used for the first time" in line
    assert str(tmp_path / "cold") in line
    folder = tmp_path / "warm"
    command = "-m", "sklearn_robust.warm_up", "--jobs", "1", "--cache-dir", str(folder), "convex"
    said = run(tmp_path / "other", *command)
    assert "1 of 1 compiled" in said.stdout
    assert str(folder) in said.stdout.splitlines()[-1]
    assert said.stderr == ""
    assert not (tmp_path / "other").exists()
    assert run(folder, "-c", FIT).stderr == ""


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match=r"--cache-dir must be a folder .*file"):
        warm_up.main(["--cache-dir", str(tmp_path / "file" / "below")])


def test_a_fit_that_does_not_exist_is_refused(capsys):
    with pytest.raises(SystemExit):
        warm_up.main(["nothing"])
    assert "default" in capsys.readouterr().err
