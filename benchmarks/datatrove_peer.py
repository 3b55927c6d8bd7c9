"""What datatrove makes of a file of texts, on one core: its MinHash deduplication in four steps and its Gopher repetition filter.

Run by `benchmarks.filter_scale --peer` with the interpreter of an environment that has benchmarks/datatrove.txt, as
`python datatrove_peer.py FOLDER N_GRAMS BUCKETS HASHES`: reads FOLDER/texts/*.jsonl (`id` and `text`), writes FOLDER/kept/ and FOLDER/peer.json, the seconds of
each step. Words are those of datatrove's own tokenizer for English, a blank spaCy pipeline, which downloads nothing.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before numpy counts the cores

from datatrove.executor import LocalPipelineExecutor  # noqa: E402
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature  # noqa: E402
from datatrove.pipeline.dedup.minhash import MinhashConfig  # noqa: E402
from datatrove.pipeline.filters import GopherRepetitionFilter  # noqa: E402
from datatrove.pipeline.readers import JsonlReader  # noqa: E402
from datatrove.pipeline.writers.jsonl import JsonlWriter  # noqa: E402
from datatrove.utils.word_tokenizers import load_word_tokenizer  # noqa: E402


def main() -> None:
    folder, config = Path(sys.argv[1]), MinhashConfig(*map(int, sys.argv[2:5]))
    texts, signatures, buckets, clusters = (str(folder / name) for name in ("texts", "signatures", "buckets", "clusters"))
    load_word_tokenizer("eng").word_tokenize("Loads the tokenizer, which nobody times.")
    steps = {
        "gopher": ([JsonlReader(texts), GopherRepetitionFilter()], 1),
        "signatures": ([JsonlReader(texts), MinhashDedupSignature(signatures, config)], 1),
        "buckets": ([MinhashDedupBuckets(signatures, buckets, config=config)], config.num_buckets),  # a task a bucket, one after the other
        "cluster": ([MinhashDedupCluster(buckets, clusters, config)], 1),
        "filter": ([JsonlReader(texts), MinhashDedupFilter(clusters), JsonlWriter(str(folder / "kept"), compression=None)], 1),
    }
    seconds = {}
    for name, (pipeline, tasks) in steps.items():
        began = time.monotonic()
        LocalPipelineExecutor(pipeline, tasks=tasks, workers=1, logging_dir=str(folder / "logs" / name)).run()
        seconds[name] = time.monotonic() - began
    (folder / "peer.json").write_text(json.dumps(seconds))


if __name__ == "__main__":
    main()
