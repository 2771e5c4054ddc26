"""Results that print as tables."""

from __future__ import annotations

import html
from collections import namedtuple
from dataclasses import replace
from typing import Any, ClassVar, cast


class Table:
    """A result whose columns are arrays of one shape, with a line for every element.

    ``table[name]`` is a line, with the columns as its fields; ``table[name, column]`` is one of its
    numbers, and ``table[[name, other]]`` the table of some lines. ``table.loc[...]`` is the same.

    A subclass has ``names``, the labels of the lines, and ``targets``, the labels of a leading axis
    of the arrays, or None without this axis.
    """

    _columns: ClassVar[dict[str, str]]
    """The attributes that are columns, with the formats of their numbers."""
    _label: ClassVar[str]
    """The name of the index of the data frame."""
    names: tuple[str, ...]
    targets: tuple[str, ...] | None

    @property
    def _index_names(self) -> list[str]:
        """The names of the levels of the data frame's index."""
        return [self._label]

    @property
    def _caption(self) -> str:
        """The text below the table."""
        raise NotImplementedError

    @property
    def loc(self):
        """The table itself, whose brackets select lines, as those of a data frame's ``loc``."""
        return self

    def __getitem__(self, key):
        if isinstance(key, tuple):
            name, column = key
            if column not in self._columns:
                raise KeyError(f"{column!r} is none of the columns {list(self._columns)}.")
            return getattr(self[name], column)
        if isinstance(key, list):
            return self._some([self._number(name) for name in key])
        line = namedtuple("Line", self._columns)  # type: ignore[misc]
        number = self._number(key)
        return line(*(getattr(self, column)[..., number][()] for column in self._columns))

    def _number(self, name) -> int:
        if name not in self.names:
            raise KeyError(f"{name!r} is none of the names {list(self.names)}.")
        return self.names.index(name)

    def _some(self, numbers):
        """Return the table of some lines, by their numbers."""
        parts = {column: getattr(self, column)[..., numbers] for column in self._columns}
        names = tuple(self.names[number] for number in numbers)
        return replace(cast(Any, self), names=names, **parts)

    def to_frame(self):
        """Return the columns as a pandas DataFrame.

        Returns
        -------
        pandas.DataFrame
            Indexed by the names; for 2-D y by target and name.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError("to_frame needs pandas: pip install pandas.") from error
        labels = self._index_names
        rows = [name if len(labels) > 1 else (name,) for name in self.names]
        if self.targets is not None:
            labels = ["target", *labels]
            rows = [(target, *row) for target in self.targets for row in rows]
        if len(labels) > 1:
            index = pd.MultiIndex.from_tuples(rows, names=labels)
        else:
            index = pd.Index(self.names, name=labels[0])
        return pd.DataFrame(
            {name: getattr(self, name).ravel() for name in self._columns}, index=index
        )

    def _lines(self):
        """Return the table as lists of text, the header first."""
        labels = [[str(name)] for name in self.names]
        if self.targets is not None:
            labels = [[target, str(name)] for target in self.targets for name in self.names]
        n_labels = 1 if self.targets is None else 2
        columns = [getattr(self, name).ravel() for name in self._columns]
        header = [""] * n_labels + list(self._columns)
        lines = [
            label + [f.format(value) for f, value in zip(self._columns.values(), of, strict=True)]
            for label, of in zip(labels, zip(*columns, strict=True), strict=True)
        ]
        return [header, *lines]

    def __repr__(self):
        lines = self._lines()
        n_labels = len(lines[0]) - len(self._columns)
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = "\n".join(
            "  ".join(
                f"{cell:<{width}}" if k < n_labels else f"{cell:>{width}}"
                for k, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in lines
        )
        return f"{text}\n({self._caption})"

    def _repr_html_(self):
        def row(tag, line):
            cells = (f"<{tag}>{html.escape(cell)}</{tag}>" for cell in line)
            return f"<tr>{''.join(cells)}</tr>"

        header, *body = self._lines()
        rows = row("th", header) + "".join(row("td", line) for line in body)
        return f"<table><caption>{html.escape(self._caption)}</caption>{rows}</table>"
