"""What a costly stage would take, before it takes anything.

    python -m tools.plan synthesize     # requests, tokens, dollars, where a cap would stop it, time, and what so many chats are good for
    python -m tools.plan train          # steps, tokens, padding, memory against what the machine has, time; fails where it cannot fit
    python -m tools.plan answer         # requests, tokens and time, as params.yaml has it and with every prompt; what a visitor elsewhere costs

Nothing is sent, nothing is trained and nothing answered.
"""

from __future__ import annotations

import argparse

from stages.common.errors import run
from tools.plan.answer import answer
from tools.plan.synthesize import synthesize
from tools.plan.train import train


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.plan", description=(__doc__ or "").partition("\n")[0])
    stages = parser.add_subparsers(dest="stage", required=True, metavar="STAGE")
    stages.add_parser("synthesize", help="requests, tokens, dollars and time of the teacher")
    training = stages.add_parser("train", help="steps, tokens, memory and time of the training")
    training.add_argument("--gpu", type=float, metavar="GIB", help="plan for a GPU of so much memory (24 for an RTX 4090), which need not be here")
    training.add_argument("--gpus", type=int, default=1, metavar="N", help="so many of them")
    stages.add_parser("answer", help="requests, tokens and time of the arms' answers")
    asked = parser.parse_args()
    if asked.stage == "synthesize":
        synthesize()
    elif asked.stage == "answer":
        answer()
    else:
        train(asked.gpu, asked.gpus)


if __name__ == "__main__":
    run(main)
