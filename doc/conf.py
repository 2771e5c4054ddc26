import sklearn_robust

project = "sklearn_robust"
author = "the sklearn_robust developers"
copyright = "2026, the sklearn_robust developers"
release = version = sklearn_robust.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "matplotlib.sphinxext.plot_directive",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
autosummary_generate = True
numpydoc_show_class_members = False
templates_path = ["_templates"]
html_theme = "pydata_sphinx_theme"
html_theme_options = {"header_links_before_dropdown": 4, "show_prev_next": False}
html_title = "sklearn_robust"
html_sidebars = {"*": [], "auto_examples/*": []}
html_show_sourcelink = False
plot_include_source = False
plot_html_show_formats = False
plot_html_show_source_link = False
plot_formats = [("png", 110)]
exclude_patterns = ["_build"]
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "ignore_pattern": "quickstart|out_of_core",
    "capture_repr": (),
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,
}
