"""The names of the columns that an estimator in a pipeline gets."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline

from ..callers import level_of_caller


def column_names(model, steps, *, tell=True) -> tuple[str, ...]:
    """Return the names of a model's columns; the steps of a pipeline may give them.

    The columns of a step that does not name them are called by its name and their number. One
    warning names all such steps, if there is something to ``tell``.

    Parameters
    ----------
    model : RobustLinearModel
    steps : list of (str, estimator)
        Those before the model, in their order.
    """
    known = getattr(model, "feature_names_in_", None)
    if known is not None:
        return tuple(map(str, known))
    naming = _Naming()
    names = naming.through(steps, None, model.n_features_in_)
    if naming.unnamed and tell:
        listed = ", ".join(f"{step!r} ({kind})" for step, kind in naming.unnamed.items())
        first = next(iter(naming.unnamed))
        warnings.warn(
            f"These steps do not name their columns: {listed}. The columns are called "
            f"{first}__x0 and so on; a FunctionTransformer names them with "
            'feature_names_out="one-to-one".',
            UserWarning,
            stacklevel=level_of_caller(),
        )
    return tuple(map(str, names))


@dataclass
class _Naming:
    """Names of columns, and the steps that do not name theirs."""

    unnamed: dict[str, str] = field(default_factory=dict)

    def through(self, steps, names, n_out):
        """Return the names after some steps, of which the last has ``n_out`` columns."""
        for k, (step, transformer) in enumerate(steps):
            last = k + 1 == len(steps)
            known = None if last else getattr(steps[k + 1][1], "feature_names_in_", None)
            if known is not None:  # the next step has seen the names
                names = known
                continue
            size = n_out if last else getattr(steps[k + 1][1], "n_features_in_", None)
            names = self.after(step, transformer, names, size)
        if n_out is not None and (names is None or len(names) != n_out):
            names = [f"x{k}" for k in range(n_out)]
        return names

    def after(self, step, transformer, names, n_out):
        """Return the names of the columns after one step."""
        if transformer in ("passthrough", None):
            return names
        given = getattr(transformer, "feature_names_in_", names)
        try:
            found = list(transformer.get_feature_names_out(given))
            if n_out is None or len(found) == n_out:
                return found
        except (AttributeError, ValueError):  # of this step, or of a part of it
            pass
        if given is None:  # numbers are all the names there were
            return None
        if isinstance(transformer, Pipeline):
            return self.through(transformer.steps, given, n_out)
        if isinstance(transformer, ColumnTransformer):
            return self._of_columns(transformer, given, n_out)
        if isinstance(transformer, FeatureUnion) and (found := self._of_union(transformer, given)):
            return found
        self.unnamed[step] = type(transformer).__name__
        return [f"{step}__x{k}" for k in range(n_out)] if n_out is not None else None

    def _of_columns(self, transformer, given, n_out):
        """Return the names of a ColumnTransformer, of which a part does not name its columns."""
        if given is None:
            given = [f"x{k}" for k in range(transformer.n_features_in_)]
        names = [f"x{k}" for k in range(transformer.n_features_in_ if n_out is None else n_out)]
        for part, of, columns in transformer.transformers_:
            place = transformer.output_indices_[part]
            size = place.stop - place.start
            if size == 0:
                continue
            chosen = _chosen(given, columns)
            found = chosen if of == "passthrough" else self.after(part, of, chosen, size)
            if transformer.verbose_feature_names_out:
                own = f"{part}__"
                found = [name if str(name).startswith(own) else f"{own}{name}" for name in found]
            names[place] = found
        return names

    def _of_union(self, union, given):
        """Return the names of a FeatureUnion; None if the sizes of its parts are not known."""
        names: list[str] = []
        for part, of in union.transformer_list:
            if of == "drop":
                continue
            found = self.after(part, of, given, None)
            if found is None:
                return None
            names += [f"{part}__{name}" for name in found]
        return names


def _chosen(given, columns):
    """Return the names of the columns that a part of a ColumnTransformer gets."""
    if isinstance(columns, slice):
        if isinstance(columns.start, str) or isinstance(columns.stop, str):
            known = list(given)
            first = 0 if columns.start is None else known.index(columns.start)
            last = len(known) if columns.stop is None else known.index(columns.stop) + 1
            return known[first:last]
        return list(given)[columns]
    if isinstance(columns, str):
        return [columns]
    columns = list(columns) if hasattr(columns, "__iter__") else [columns]
    if columns and all(type(of).__name__ in ("bool", "bool_") for of in columns):
        return [name for name, kept in zip(given, columns, strict=True) if kept]
    return [of if isinstance(of, str) else given[of] for of in columns]
