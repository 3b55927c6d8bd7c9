"""One way to fail: a sentence for the person who made the mistake, exit status 1, no traceback."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Callable

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
# What moves a terminal's cursor, sets its title or its clipboard (C0 but tab and line end, DEL, C1), what turns the order of letters around (Unicode's
# bidirectional controls), other line ends, letters that nobody sees (tags), and halves of surrogate pairs, which cannot be printed at all.
COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\U000e0000-\U000e007f]")


class UserError(Exception):
    """A mistake in the input, the parameters or the machine. The message says where, what was found, what was expected."""


def printable(text: str) -> str:
    """A text that others wrote, for a terminal: what a terminal would obey stands there as Python writes it, `\\x1b` or `\\u202e`."""
    return COMMANDS.sub(lambda found: ascii(found[0])[1:-1], text)


def run(stage: Callable[[], None]) -> None:
    """Run a stage's main function; a UserError, or a file that the machine refuses, becomes one line on stderr and exit status 1, Ctrl-C status 130."""
    try:
        stage()
    except UserError as error:
        print(printable(f"error: {error}"), file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        if error.filename is None:
            raise
        where = error.filename2 or error.filename  # of a copy the second is what was written
        said = f"the disk is full ({error.strerror}): make room on it and run again" if error.errno in DISK_FULL else error.strerror
        print(printable(f"error: {where}: {said}"), file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
