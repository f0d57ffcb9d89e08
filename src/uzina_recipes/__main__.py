"""Start the command line."""

import sys

from uzina_recipes.cli import main

sys.exit(main())
