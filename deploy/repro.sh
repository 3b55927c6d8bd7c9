#!/bin/sh
# What a GPU machine does, in the project's folder, with the pipeline's environment on PATH: `sh deploy/repro.sh`, or with `train` as its argument.
set -e
until="${1:-evaluate}"

# --pull fetches what an earlier run has made, from `dvc remote`; --allow-missing leaves there what no stage needs. So curate and
# synthesize, which people and a paid teacher take part in, do not run; filter and split take seconds, and run where the base model is new.
dvc repro --pull --allow-missing "$until"

# merge computes in float32, 32 GB for a model of 8B: on the processor, since few GPUs have room for it.
if [ "$until" = evaluate ]; then
    CUDA_VISIBLE_DEVICES="" dvc repro --pull --allow-missing merge
fi
