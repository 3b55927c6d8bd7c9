"""One way to fail: a sentence for the person who made the mistake, exit status 1, no traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable


class UserError(Exception):
    """A mistake in the input, the parameters or the machine. The message says where, what was found, what was expected."""


def run(stage: Callable[[], None]) -> None:
    """Run a stage's main function; a UserError, or a file that the machine refuses, becomes one line on stderr and exit status 1, Ctrl-C status 130."""
    try:
        stage()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        if error.filename is None:
            raise
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
