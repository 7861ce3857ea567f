"""How the documents become a site: `make docs`. Each page stays plain Markdown, to be read on a code host as well."""

import gc
import sys
from importlib import metadata
from pathlib import Path

# Documents are large trees that stay: a fifth of the time went into looking for garbage.
gc.set_threshold(100_000, 20, 100)
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))
sys.path.insert(0, str(HERE.parent / "examples"))

project = "imgstore"
author = "the authors of imgstore"
version = release = metadata.version("imgstore-backends")
root_doc = "index"
exclude_patterns = ["_ext", "pictures"]
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "oslo_config.sphinxext",
    "stevedore.sphinxext",
    "markdown_pages",
    "driver_hooks",
    "error_table",
    "source_listing",
    "docstrings",
    "example_links",
    "law_tests",
]

# Links to headings are checked, those of pages that are included among them.
myst_heading_anchors = 4
myst_ref_domains = ["std", "py"]

# In docstrings quotes mean text of Python: b"" is not b””.
smartquotes = False

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
default_role = "code"
python_use_unqualified_type_names = True
add_module_names = False
toc_object_entries = False

html_theme = "furo"
html_title = f"imgstore {release}"
html_static_path = ["_static"]
html_css_files = ["imgstore.css"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "a11y-high-contrast-light"
