"""Sphinx's configuration for the documentation site, which ``make docs`` builds in build/site.

The site loads nothing from the network: Furo brings its own style sheets, and Sphinx's search runs in the browser.
"""

from sphinx.application import Sphinx

import vtctap

project = "vtctap"
author = "vtctap maintainers"
project_copyright = "vtctap maintainers, GPL-2.0-or-later"
release = vtctap.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
source_suffix = {".md": "markdown", ".myst": "markdown", ".rst": "restructuredtext"}
"""Sphinx alone reads .myst pages. The .md pages are also installed with the package and read as plain text."""

myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True}
add_module_names = False
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"vtctap {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False

_ROOT_PAGES = {"CONTRIBUTING": "contributing", "CHANGELOG": "changes", "SECURITY": "security"}
"""The pages in the repository's root, and the pages in ``docs`` that include them."""


def _link(app: Sphinx, page: str, source: list[str]) -> None:
    """Rewrites links to pages in the repository's root as links to the pages that include them."""
    for name, here in _ROOT_PAGES.items():
        source[0] = source[0].replace(f"](../{name}.md)", f"]({here}.myst)")


def setup(app: Sphinx) -> None:
    """Registers :func:`_link` with Sphinx, which calls this function."""
    app.connect("source-read", _link)
