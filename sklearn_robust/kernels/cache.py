"""The compiled code on disk: a fit runs whatever is wrong with it.

numba reads and writes the files. What it does not do, and what is done here: an error of reading or
writing is caught and said in one warning; and code is checked before it is run, because machine
code that is damaged ends the process instead of raising an exception.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
import pickle
import warnings
from pathlib import Path
from typing import Any

from numba import config
from numba.core.caching import FunctionCache, NullCache
from numba.core.serialize import dumps

_ANOTHER = (
    "Set the environment variable NUMBA_CACHE_DIR to a folder that can be read and written to keep "
    "the code of later processes there."
)
_LOGGER = logging.getLogger("sklearn_robust")
_warned = False
"""Whether this process has had its one warning about the cache."""
_said = False
"""Whether this process has been told that it compiles."""


def _say_that_it_compiles(folder):
    """Log, once in a process, why it takes seconds.

    A log, not a warning: nothing is wrong, and where warnings are errors a first fit must run.
    """
    global _said
    if not _said:
        _said = True
        _LOGGER.warning(
            "Compiling what is used for the first time; later processes read it from %s. Other "
            "parts compile when they are first used; `python -m sklearn_robust.warm_up` compiles "
            "all of them.",
            folder,
        )


def _warn(what):
    """Issue the one warning of this process about the cache."""
    global _warned
    if not _warned:
        # Set first: where a filter makes the warning an error, the next fit must run.
        _warned = True
        warnings.warn(f"{what} {_ANOTHER}", RuntimeWarning, stacklevel=2)


def cache_of(function):
    """Return the cache of a function that is going to be compiled.

    Parameters
    ----------
    function : function
        What the dispatcher compiles, its ``py_func``.

    Returns
    -------
    FunctionCache or NullCache
        The second where no folder can be written.
    """
    try:
        return _GuardedCache(function)
    except (OSError, RuntimeError):  # numba's answer where it finds no folder is a RuntimeError
        return _NoCache(function)


class _GuardedCache(FunctionCache):
    """numba's cache of one function, whose failures are warnings.

    A warning may be an error for the user. So it is issued where that leaves the dispatcher whole:
    before anything is loaded, or after the function is compiled and can be called.
    """

    def __init__(self, function):
        super().__init__(function)
        checked: Any = _CheckedFiles(self._cache_file)
        self._cache_file = checked
        self._unread = None

    def load_overload(self, sig, target_context):
        """Return the code for a signature, or None where there is none that can be read."""
        self._warn_of_another_folder()
        kept = None
        try:
            kept = super().load_overload(sig, target_context)
        except Exception as error:
            self._unread = error
        if kept is None:
            _say_that_it_compiles(Path(self.cache_path).parent)
        return kept

    def save_overload(self, sig, data):
        """Keep what was compiled for a signature, in place of what could not be read."""
        unread, self._unread = self._unread, None
        try:
            super().save_overload(sig, data)
        except Exception as error:
            _warn(
                f"Compiled code cannot be kept in {self.cache_path} ({_named(error)}): every "
                "process compiles anew, which may take many seconds."
            )
        if unread is not None:
            _warn(
                f"Compiled code in {self.cache_path} could not be read ({_named(unread)}) and was "
                "compiled anew."
            )

    def _warn_of_another_folder(self):
        """Warn where numba passed over the folder it was told to use, which it does silently."""
        asked = _asked_folder()
        # Newer versions of numba can be told to look elsewhere first, which is then no failure.
        chosen = getattr(config, "CACHE_LOCATOR_CLASSES", "")
        if asked and not chosen and Path(asked) not in Path(self.cache_path).parents:
            _warn(
                f"Compiled code cannot be kept in {asked}, which NUMBA_CACHE_DIR names: it is kept "
                f"in {self.cache_path}."
            )


class _NoCache(NullCache):
    """What stands for a cache where no folder can be written."""

    def __init__(self, function):
        self._beside = Path(inspect.getfile(function)).parent / "__pycache__"

    def save_overload(self, sig, cres):
        """Keep nothing, and say so."""
        asked = f"{_asked_folder()}, " if _asked_folder() else ""
        _warn(
            f"Compiled code cannot be kept in {asked}{self._beside} or the user's cache folder: "
            "every process compiles anew, which may take many seconds."
        )


class _CheckedFiles:
    """The files of numba's cache of one function; what is read is what was written for that key.

    numba's index can name another's code: two processes that write at once may take the same file
    for two signatures, and where the disk is full a new index may name the file of an older
    version of the package.
    """

    def __init__(self, files):
        self._files = files

    def load(self, key):
        """Return what is kept under a key, None where nothing is; raise where it is damaged."""
        kept = self._files.load(key)
        if kept is None:
            return None
        name, digest, content = kept
        if name != _name(key):
            return None
        if digest != hashlib.sha256(content).digest():
            raise ValueError("the file is damaged")
        return pickle.loads(content)

    def save(self, key, data):
        """Keep data under a key; an index that cannot be read is replaced."""
        content = dumps(data)
        kept = _name(key), hashlib.sha256(content).digest(), content
        try:
            self._files.save(key, kept)
        except OSError:  # what else is in a folder that cannot be written stays as it is
            raise
        except Exception:
            self._files.flush()
            self._files.save(key, kept)

    def flush(self):
        """Empty the index."""
        self._files.flush()


def _name(key):
    """Return what a key of numba's cache is, as bytes that are the same in every process.

    It holds the signature, the processor, and the code and the stamp of the package.
    """
    return repr(key).encode()


def _named(error):
    return f"{type(error).__name__}: {error}"


def _asked_folder():
    """Return what NUMBA_CACHE_DIR names, an empty string where it is not set."""
    return getattr(config, "CACHE_DIR", "")
