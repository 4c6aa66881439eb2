"""``python -m memotions_hf`` is the ``memotions`` command."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
