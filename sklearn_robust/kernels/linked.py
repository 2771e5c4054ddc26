"""Functions that are compiled once, when they are first called, whichever kernels call them.

numba compiles what a kernel calls into the kernel, again for every kernel and at every level
between them, whether a branch that calls it is ever taken or not. A linked function is compiled
alone. The kernels that call it hold no more of it than its name, which stands for a cell in
memory. The cell holds the function's address, or zero as long as nothing has called it: then the
kernel asks Python to compile the function or to read it from the disk. A call passes all arguments
by value, some nanoseconds, so what is linked works on a block of rows or on a matrix.
"""

from __future__ import annotations

import ctypes
import inspect
import threading
from typing import Any

from llvmlite import binding, ir
from numba import config, types
from numba.core.ccallback import CFunc
from numba.extending import lower_builtin, type_callable

from .cache import cache_of
from .compiled import OPTIONS, stamped, uncollected

ROW = types.Array(types.float64, 1, "C", readonly=True)
"""Numbers side by side that a function reads."""
OUT = types.Array(types.float64, 1, "C")
"""Numbers side by side that it may write."""
MATRIX = types.Array(types.float64, 2, "C", readonly=True)
OUT_MATRIX = types.Array(types.float64, 2, "C")
DATA = "float64", "float32"
"""A matrix of either type: there is a function for each."""
INTEGERS = types.Array(types.int64, 1, "C", readonly=True)
NUMBER, COUNT, FLAG, VOID = types.float64, types.int64, types.boolean, types.void

_FLOATS = types.Array(types.float32, 2, "C", readonly=True)
LINKS: list[Link] = []
"""All linked functions."""
_LOCK = threading.RLock()


def linked(returned, *arguments, fastmath: Any = False):
    """Return a decorator that links a function of these types.

    It must not raise, except for want of memory where it returns an array.

    The function itself is returned, which Python can call as it is; compiled code calls what is
    made of it.
    """

    def decorate(function):
        if not getattr(config, "DISABLE_JIT", False):
            kinds = [_signature(returned, arguments, kind) for kind in DATA]
            links = [Link(function, kind, fastmath) for kind in dict.fromkeys(kinds)]
            LINKS.extend(links)
            _type(function, arguments, links)
        return function

    return decorate


def _signature(returned, arguments, kind):
    data = types.Array(getattr(types, kind), 2, "C", readonly=True)
    return returned(*(data if of is DATA else of for of in arguments))


def _type(function, arguments, links):
    """Let compiled code call the link whose types are those of the data."""

    def typed(*given):
        for link in links:
            pairs = zip(arguments, link.signature.args, given, strict=True)
            if all(own.dtype == one.dtype for of, own, one in pairs if of is DATA):
                return link.signature
        return None

    vars(typed)["__signature__"] = inspect.signature(function)
    type_callable(function)(lambda context: typed)
    for link in links:
        lower_builtin(function, *link.signature.args)(link.call)


class Link:
    """A linked function, its cell, and how compiled code calls it."""

    def __init__(self, function, signature, fastmath):
        own = "".join(f".{of.dtype}" for of in signature.args if of == _FLOATS)
        self.name = f"{function.__module__}.{function.__name__}{own}"
        self.function, self._fastmath, self.signature = stamped(function), fastmath, signature
        self._cell, self._compiled = ctypes.c_void_p(), None
        self._ask = ctypes.CFUNCTYPE(None)(self.make)
        binding.add_symbol(self.name, ctypes.addressof(self._cell))
        asked = ctypes.cast(self._ask, ctypes.c_void_p).value
        binding.add_symbol(f"{self.name}.make", asked)

    @property
    def is_made(self) -> bool:
        """Whether the function can be called."""
        return self.address != 0

    @property
    def address(self) -> int:
        """Where the function is in memory, 0 before it is made."""
        return self._cell.value or 0

    @property
    def was_read(self) -> bool:
        """Whether the function was read from the disk."""
        return self._compiled is not None and self._compiled.cache_hits > 0

    def make(self):
        """Compile the function, or read it from the disk, and fill the cell."""
        with _LOCK:
            if self.is_made:
                return
            options = {"error_model": OPTIONS["error_model"], "fastmath": self._fastmath}
            of = self.signature.args, self.signature.return_type
            made: Any = CFunc(self.function, of, {}, options)
            made._cache = cache_of(self.function)
            try:
                with uncollected():
                    made.compile()
            except Warning:  # that the code cannot be kept, an error for the user; said once
                made.compile()
                raise
            finally:
                if made.address:
                    self._compiled, self._cell.value = made, made.address

    def call(self, context, builder, signature, arguments):
        """Generate a call by the address in the cell, which is asked for where it is zero."""
        module = builder.module
        function = ir.FunctionType(
            context.get_value_type(signature.return_type),
            [context.get_value_type(of) for of in signature.args],
        )
        cell = module.globals.get(self.name) or ir.GlobalVariable(module, ir.IntType(64), self.name)
        make = module.globals.get(f"{self.name}.make") or ir.Function(
            module, ir.FunctionType(ir.VoidType(), []), f"{self.name}.make"
        )
        zero = ir.Constant(ir.IntType(64), 0)
        with builder.if_then(builder.icmp_unsigned("==", builder.load(cell), zero), likely=False):
            builder.call(make, [])
            unmade = builder.icmp_unsigned("==", builder.load(cell), zero)
            with builder.if_then(unmade, likely=False):
                said = f"{self.function.__name__} could not be compiled"
                context.call_conv.return_user_exc(builder, RuntimeError, (said,))
        address = builder.inttoptr(builder.load(cell), function.as_pointer())
        result = builder.call(address, arguments)
        if isinstance(signature.return_type, types.Array):
            data = context.make_array(signature.return_type)(context, builder, result).data
            missing = builder.icmp_unsigned("==", builder.ptrtoint(data, ir.IntType(64)), zero)
            with builder.if_then(missing, likely=False):
                context.call_conv.return_user_exc(builder, MemoryError, ())
        return result
