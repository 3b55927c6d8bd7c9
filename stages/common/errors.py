"""One way to fail: a sentence for the person who made the mistake, exit status 1, no traceback."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


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
        where = error.filename2 or error.filename  # of a copy the second is what was written
        said = f"the disk is full ({error.strerror}): make room on it and run again" if error.errno in DISK_FULL else error.strerror
        print(f"error: {where}: {said}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
