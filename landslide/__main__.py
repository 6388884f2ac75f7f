"""`python -m landslide` is the command `landslide`."""

import sys

from landslide.cli import main

if __name__ == "__main__":
    sys.exit(main())
