"""``python -m xclr_lightning``."""

import sys

from xclr_lightning.cli import main

if __name__ == "__main__":
    sys.exit(main())
