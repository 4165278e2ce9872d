"""`python -m holdfast.train` is one more process of a training; only its lead starts it."""

import sys

from holdfast.train.follower import main

sys.exit(main())
