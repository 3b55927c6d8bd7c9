"""Whether to trust a judge: its scores beside people's, or the win rate of published judgments.

    python -m tools.judge_check data/ratings            # what `python -m tools.ratings import` took in, beside data/judged/judgments.jsonl
    python -m tools.judge_check scores.csv              # item,aspect,human,judge
    python -m tools.judge_check --preferences FILE      # AlpacaEval's annotations (JSON): win rate and standard error, as its leaderboard has them

Reads files and asks nobody.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from stages.common.errors import UserError, run
from tools.judge_check import agreement, leaderboard, raters, tables


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.judge_check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("ratings", nargs="?", type=Path, metavar="RATINGS", help="a folder of ratings, or a CSV file with the columns item,aspect,human,judge")
    what.add_argument("--preferences", type=Path, metavar="FILE", help="a JSON list or JSONL of objects with a preference from 1 to 2, or null")
    chosen = parser.parse_args()
    if chosen.preferences:
        try:
            print(leaderboard.table(leaderboard.win_rate(leaderboard.read(chosen.preferences))))
        except ValueError as problem:
            raise UserError(f"{chosen.preferences}: {problem}") from None
        return
    rated = raters.read(chosen.ratings) if chosen.ratings.is_dir() else tables.read(chosen.ratings)
    if not rated:
        raise UserError(f"{chosen.ratings}: nothing that both people and the judge rated")
    print(agreement.report(rated))


if __name__ == "__main__":
    run(main)
