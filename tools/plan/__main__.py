"""What a costly stage would take, before it takes anything.

    python -m tools.plan synthesize     # requests, tokens, dollars, where a cap would stop it, time, and what so many chats are good for
    python -m tools.plan train          # steps, tokens, padding, memory against what the machine has, time; fails where it cannot fit
    python -m tools.plan answer         # requests, tokens and time, as params.yaml has it and with every prompt; what a visitor elsewhere costs

Nothing is sent, nothing is trained and nothing answered.
"""

from __future__ import annotations

import argparse
import math

from stages.common.errors import run
from tools.plan.answer import answer
from tools.plan.synthesize import synthesize
from tools.plan.train import train


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.plan", description=(__doc__ or "").partition("\n")[0])
    stages = parser.add_subparsers(dest="stage", required=True, metavar="STAGE")
    stages.add_parser("synthesize", help="requests, tokens, dollars and time of the teacher")
    training = stages.add_parser("train", help="steps, tokens, memory and time of the training")
    training.add_argument("--gpu", type=positive, metavar="GIB", help="plan for a GPU of so much memory (24 for an RTX 4090), which need not be here")
    training.add_argument("--gpus", type=at_least_one, metavar="N", help="so many of them; 1 unless said")
    training.add_argument("--card", metavar="NAME", help="as nvidia-smi calls it, for its measured rate: 'RTX 4090'")
    stages.add_parser("answer", help="requests, tokens and time of the arms' answers")
    asked = parser.parse_args()
    if asked.stage == "train" and asked.gpu is None and (asked.gpus or asked.card):
        parser.error("--gpus and --card say more of the GPU of --gpu GIB; without it the plan is for this machine")
    if asked.stage == "synthesize":
        synthesize()
    elif asked.stage == "answer":
        answer()
    else:
        train(asked.gpu, asked.gpus or 1, asked.card or "GPU")


def positive(said: str) -> float:
    """A finite number above 0. Raises ValueError for anything else."""
    if not 0 < (value := float(said)) < math.inf:
        raise ValueError(said)
    return value


def at_least_one(said: str) -> int:
    """A whole number from 1. Raises ValueError for anything else."""
    if (value := int(said)) < 1:
        raise ValueError(said)
    return value


if __name__ == "__main__":
    run(main)
