"""`python -m tools.pictures`: draws the README's two pictures, the pipeline as dvc.yaml has it now and the losses of the last training.

Writes docs/pipeline.svg and docs/loss.svg. The same inputs give the same bytes, so git shows a changed picture only where the pipeline
or the training changed.
"""

from __future__ import annotations

from stages.common.errors import run
from stages.common.files import write_text
from stages.common.params import read_yaml
from tools.pictures import loss, pipeline


def main() -> None:
    write_text("docs/pipeline.svg", pipeline.draw(read_yaml("dvc.yaml")))
    print("docs/pipeline.svg")
    write_text("docs/loss.svg", loss.draw(loss.read_series(loss.TRAINING, "loss"), loss.read_series(loss.VALIDATION, "eval_loss")))
    print("docs/loss.svg")


if __name__ == "__main__":
    run(main)
