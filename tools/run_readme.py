"""Run the examples of the README with the package that is installed, as a new user would.

Call it as ``python -I tools/run_readme.py``, so that the folder of the source is not on the path.
It fails if an example prints anything else than the README says, or if the package is not an
installed one.
"""

import contextlib
import io
import re
import sys
from pathlib import Path

import sklearn_robust

ROOT = Path(__file__).parents[1]


def main():
    """Run the blocks one after the other, and compare what they print."""
    place = Path(sklearn_robust.__file__)
    if ROOT / "sklearn_robust" in place.parents:
        sys.exit(f"The package is not installed, but read from {place.parent}.")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    names = {}
    for code, expected in re.findall(r"```python\n(.*?)```\s*```text\n(.*?)```", text, re.DOTALL):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, names)
        print(printed.getvalue())
        if printed.getvalue().split() != expected.split():
            sys.exit("The README says instead:\n" + expected)
    print(f"The README's examples ran with sklearn_robust {sklearn_robust.__version__} in {place}")


if __name__ == "__main__":
    main()
