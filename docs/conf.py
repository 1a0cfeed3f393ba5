"""How Sphinx builds these pages: strictly, offline, and from the docstrings as they stand."""

import builtins
import inspect
import re
from typing import Any

import attrs

# The type checkers' environment has no Sphinx in it.
from docutils import nodes  # type: ignore[import-untyped, import-not-found, unused-ignore]
from sphinx.application import Sphinx  # type: ignore[import-not-found, unused-ignore]
from sphinx.util.nodes import make_refnode  # type: ignore[import-not-found, unused-ignore]
from sphinx.util.typing import stringify_annotation  # type: ignore[import-not-found, unused-ignore]

from apimodels_async import __version__
from apimodels_async.models import ImageInput

project = "apimodels-async"
author = "the apimodels-async authors"
copyright = "2026, the apimodels-async authors"  # noqa: A001  (Sphinx's own name)
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "demo"]

myst_enable_extensions = ["attrs_inline", "colon_fence"]
myst_heading_anchors = 3

default_role = "code"
nitpicky = True
suppress_warnings = ["ref.python"]  # a Batch is one thing with await and another without, under the same name
# Types of other packages: their documentation is elsewhere, and nothing is fetched to build this one.
nitpick_ignore_regex = [
    ("py:.*", r"(anyio|attrs|distributed|httpx|starlette|uvicorn)\..*"),
    ("py:.*", r"(asyncio|collections|datetime|enum|functools|os|pathlib|random|types|typing)\..*"),
    ("py:(class|exc)", "|".join(name for name in dir(builtins) if name[0].isalpha())),
]

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False  # the signatures have them

html_theme = "furo"
html_title = f"apimodels-async {release}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}

_PICTURE = stringify_annotation(ImageInput, "smart")


def _as_in_the_source(  # noqa: PLR0917  (Sphinx calls it)
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """What a reader of the source would see: a type alias by its name, and the defaults of attrs classes."""
    if signature is None:
        return signature, returns
    signature = signature.replace(_PICTURE, "ImageInput")
    if isinstance(obj, type) and attrs.has(obj):
        defaults = {field.name: field.default for field in attrs.fields(obj)}
        signature = re.sub(r"attr_dict\['(\w+)'\]\.default", lambda found: repr(defaults[found[1]]), signature)
        signature = signature.replace("= NOTHING", "= {}")
    return signature, returns


def _keep_colons(  # noqa: PLR0917  (as above)
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Napoleon takes words before a colon for a type; here types stand in the signatures, and words are words."""
    if what == "data" and "\n".join(lines).strip() == inspect.getdoc(type(obj)):
        lines.clear()  # a constant from another module is shown with the words of its class
    if what in {"attribute", "data", "property"}:
        lines[:0] = ["..", ""]  # an empty comment, before which no type can stand
    for at, line in enumerate(lines):
        if line == "Returns:" and at + 1 < len(lines):
            lines[at : at + 2] = [f":returns: {lines[at + 1].strip()}"]


def _find_by_last_name(app: Sphinx, env: Any, node: Any, content: Any) -> Any:
    """Docstrings name a class of this package by its last name alone."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"].rpartition(".")[2]
    found = [
        (name, entry)
        for name, entry in env.domains.python_domain.objects.items()
        if name.rpartition(".")[2] == target and not entry.aliased
    ]
    if len(found) != 1:
        return None
    name, entry = found[0]
    return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, content, name)


def _label_cells(app: Sphinx, doctree: Any, docname: str) -> None:
    """Put the head of its column before each cell: on a phone the cells of a row stand below each other."""
    for table in doctree.findall(nodes.table):
        heads = [entry.astext() for head in table.findall(nodes.thead) for entry in head.findall(nodes.entry)]
        for body in table.findall(nodes.tbody):
            for row in body.findall(nodes.row):
                for head, entry in list(zip(heads, row.children, strict=False))[1:]:
                    if head and entry.astext().strip():
                        entry.insert(0, nodes.inline(head, head, classes=["cell-label"]))


def setup(app: Sphinx) -> None:
    app.connect("doctree-resolved", _label_cells)
    app.connect("autodoc-process-signature", _as_in_the_source)
    app.connect("autodoc-process-docstring", _keep_colons, priority=400)  # napoleon comes at 500
    app.connect("missing-reference", _find_by_last_name)
