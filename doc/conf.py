import importlib.util
import re
import sys
import zlib
from pathlib import Path

from matplotlib import animation
from sphinx import addnodes

import sklearn_robust

HERE = Path(__file__).parent

project = "sklearn_robust"
author = "the sklearn_robust developers"
copyright = "2026, the sklearn_robust developers"
release = version = sklearn_robust.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "matplotlib.sphinxext.plot_directive",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "inventories/README.md"]
templates_path = ["_templates"]
rst_epilog = f".. |version| replace:: {version}"

autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = True
numpydoc_xref_aliases = {
    "ndarray": "numpy.ndarray",
    "RandomState": "numpy.random.RandomState",
    "DataFrame": "pandas.DataFrame",
    "Series": "pandas.Series",
    "LinearRegression": "sklearn.linear_model.LinearRegression",
    "NotFittedError": "sklearn.exceptions.NotFittedError",
    "ConvergenceWarning": "sklearn.exceptions.ConvergenceWarning",
}
numpydoc_xref_ignore = "all"

html_theme = "pydata_sphinx_theme"
html_title = f"sklearn_robust {version}"
toc_object_entries_show_parents = "hide"
html_theme_options = {
    "header_links_before_dropdown": 7,
    "show_prev_next": False,
    "navigation_with_keys": False,
    "logo": {"text": f"sklearn_robust {version}"},
}
html_sidebars = {"index": [], "install": [], "coming_from": [], "auto_examples/*": []}
html_show_sourcelink = False
html_css_files = ["pages.css"]

# Of the 24 MB of the package, whose name cannot be imported, only this file is needed. Formulas are
# so shown without a network.
_mathjax = importlib.util.find_spec("sphinx-mathjax-offline")
html_static_path = ["_static"]
if _mathjax is not None:
    mathjax_path = "tex-svg.js"
    html_static_path.append(str(Path(_mathjax.origin).parent / "static/mathjax/tex-svg.js"))

# In examples the prompts of Python's own documentation are not copied, nor is the output.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"

plot_include_source = True
plot_html_show_formats = False
plot_html_show_source_link = False
plot_formats = [("png", 110)]
plot_template = """
{% for img in images %}
.. container:: wide-picture

   .. image:: {{ build_dir }}/{{ img.basename }}.png
      :alt: {{ caption or "The picture that the code below draws" }}
{% endfor %}

{% if source_code %}
.. dropdown:: The code of this picture
   :class-container: picture-code

   {{ source_code | indent(3) }}
{% endif %}
"""

# The player of an animation would load its icons from another site; its buttons have names.
animation.JS_INCLUDE = re.sub(r"<link[^>]*>", "", animation.JS_INCLUDE)

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "ignore_pattern": "quickstart|out_of_core",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("sklearn_robust",),
    "reference_url": {"sklearn_robust": None},
    "capture_repr": ("_repr_html_",),
    "matplotlib_animations": (True, "jshtml"),
    "thumbnail_size": (600, 420),
    "within_subsection_order": "ExampleTitleSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,
}


def _mapping():
    """Return intersphinx's mapping; the inventories are written into the folder of the build."""
    folder = HERE / "_build" / "inventories"
    folder.mkdir(parents=True, exist_ok=True)
    mapping = {}
    for source in sorted((HERE / "inventories").glob("*.txt")):
        address, *lines = source.read_text(encoding="utf-8").splitlines()
        entries = "".join(f"{n} {role} 1 {page} -\n" for n, role, page in map(str.split, lines))
        head = f"# Sphinx inventory version 2\n# Project: {source.stem}\n# Version: stable\n"
        head += "# The remainder of this file is compressed using zlib.\n"
        inventory = folder / f"{source.stem}.inv"
        inventory.write_bytes(head.encode() + zlib.compress(entries.encode()))
        mapping[source.stem] = (address, str(inventory))
    return mapping


intersphinx_mapping = _mapping()


def _link_to_defining_class(app, doctree):
    """Let [source] of an inherited method point to the class that defines it."""
    for node in doctree.findall(addnodes.desc_signature):
        found = sys.modules.get(node.get("module"))
        for part in node.get("fullname", "").split("."):
            found = getattr(found, part, None)
        own = (getattr(found, "__module__", None) or "").startswith("sklearn_robust")
        if own and hasattr(found, "__qualname__"):
            node["module"], node["fullname"] = found.__module__, found.__qualname__


def setup(app):
    """Connect what Sphinx calls before it looks for sources."""
    app.connect("doctree-read", _link_to_defining_class, priority=400)
