"""`python -m callprint` is the command `callprint`."""

import sys

from callprint.cli import main

sys.exit(main())
