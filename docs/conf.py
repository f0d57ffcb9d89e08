"""Sphinx: the documentation, with the reference made from the code at each build."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import made  # noqa: E402 - beside this file

project = "Uzina"
author = "The Uzina team"
copyright = "2026, the Uzina team. EUPL-1.2"  # noqa: A001 - Sphinx's name

extensions = ["myst_parser"]
myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "decisions/README.md"]
suppress_warnings = ["myst.strikethrough"]

html_theme = "furo"
html_title = "Uzina"
html_show_sphinx = False
html_copy_source = False

made.write(HERE / "reference" / "made")
