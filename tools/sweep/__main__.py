"""`python -m tools.sweep METRIC --over PARAMETER`: the experiments of a commit, one metric with its interval against one parameter.

    python -m tools.sweep tuned.perplexity --over lora_r
    python -m tools.sweep tuned.perplexity --over split.train_limit      # against training chats: is another 500 worth it?

Writes reports/sweep.html and prints the same as a table. Experiments that differ in more than the parameter (seeds apart) are left out and named.
"""

from __future__ import annotations

import argparse
import signal
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.common.errors import UserError, run
from stages.common.files import write_text
from tools.sweep import experiments, page
from tools.sweep.conclusions import conclude, figure, floor
from tools.sweep.points import Sweep, shown, sweep


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.sweep", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("metric", metavar="METRIC", help="as in `dvc exp show`: tuned.perplexity; FILE:METRIC where several files have it")
    parser.add_argument("--over", required=True, metavar="PARAMETER", help="lora_r, split.train_limit, curate.use ...")
    parser.add_argument("--where", action="append", default=[], metavar="NAME=VALUE", help="only experiments with this value of another parameter")
    parser.add_argument("--more", type=int, default=500, metavar="CHATS", help="how many chats more are asked about (%(default)s)")
    parser.add_argument("--rev", default="HEAD", metavar="COMMIT", help="the commit that the experiments began from (%(default)s)")
    parser.add_argument("--out", default="reports/sweep.html", metavar="FILE")
    asked = parser.parse_args()
    if asked.more < 1:
        raise UserError(f"--more is {asked.more}; expected a number of chats, 1 or more")
    found = sweep(experiments.read(asked.rev), asked.metric, asked.over, dict(map(setting, asked.where)))
    said = conclude(found, asked.more, floor(found))
    write_text(asked.out, page.page(found, said))
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # piped into `head` it ends without a word, as other commands do
    print("\n".join([*table(found), "", said.headline, *said.sentences, asked.out]))


def setting(text: str) -> tuple[str, Any]:
    """(name, value) of NAME=VALUE, the value being YAML. Raises UserError where it is not that."""
    name, equals, value = text.partition("=")
    try:
        if name and equals:
            return name, YAML(typ="safe", pure=True).load(value)
    except YAMLError:
        pass
    raise UserError(f"--where {text}: expected NAME=VALUE, as `dvc exp run -S` takes it")


def table(found: Sweep) -> list[str]:
    """The points as lines for the terminal."""
    rows = [(found.over, "training chats", found.metric, "experiment")]
    rows += [(shown(one.value), "-" if one.chats is None else str(one.chats), figure(one), " = ".join(map(shown, one.names))) for one in found.points]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows]


if __name__ == "__main__":
    run(main)
