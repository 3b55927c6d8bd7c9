"""Why a training process died: from its exit status, its last words and the machine's state to one sentence."""

from __future__ import annotations

import re

FULL = 1 << 20  # bytes; with less room a log cannot even say so
MIB = 1 << 20
LESS = "lower micro_batch_size (and raise gradient_accumulation_steps), lower sequence_len, or set gradient_checkpointing: true"

# A launcher ends with a status of its own and says its worker's: accelerate in the first way, torchrun in the second.
KILLED = re.compile(r"died with <Signals\.SIGKILL: 9>|exitcode\s*:\s*-9\b|Signal 9 \(SIGKILL\)")
# torchrun's report on one of several.
WORKER = re.compile(r"rank +: (\d+) .*\n +exitcode +: -9\b")
# gloo's, on a host that is there no more; on one host the log has the reason itself.
GONE = re.compile(r"Connection (?:closed|reset) by peer \[(.+?)\]")
NO_ROOM = re.compile(r"No space left on device|Disk quota exceeded|Not enough disk space")  # the last is `datasets`'
GPU_MEMORY = re.compile(r"CUDA out of memory\. Tried to allocate ([\d.]+ \w+)")
# torch's allocator, which names bytes; Python's and C++'s own.
MEMORY = re.compile(r"can't allocate memory: you tried to allocate (\d+) bytes|^MemoryError|std::bad_alloc|Cannot allocate memory", re.MULTILINE)
WEIGHTS = re.compile(r"(?:SafetensorError|safetensors_rust\.SafetensorError): (.*)")


# A launcher's own error says no more than that its worker had one.
ERROR = re.compile(r"^(?:\[rank\d+\]: )?((?:\w+\.)*\w*(?:Error|Exception): .+)$", re.MULTILINE)
LAUNCHERS = ("CalledProcessError", "ChildFailedError")


def last_error(said: str) -> str | None:
    """The last exception of a log, in one line; None where there is none but a launcher's."""
    return next((line for line in reversed(ERROR.findall(said)) if line.partition(":")[0].rpartition(".")[2] not in LAUNCHERS), None)


def cause(status: int, said: str, free: int, used: int, hosts: int = 1) -> str | None:
    """One sentence on why a child died, or None where nothing known is to be seen.

    `status`: its exit status; `said`: the end of its log; `free`: bytes left on the disk where it worked; `used`: the most bytes of memory that its
    processes held, as far as was seen; `hosts`: how many train together.
    """
    if free < FULL or NO_ROOM.search(said):
        return f"the disk is full ({free // MIB} MiB are free): make room on it, or set DRAMATIS_STATE to a folder on another"
    if found := GPU_MEMORY.search(said):
        return f"the GPU's memory is full (it wanted {found[1]} more): {LESS}; adapter: qlora holds the base in a quarter"
    if found := MEMORY.search(said):
        wanted = f"wanted {int(found[1]) // MIB} MiB more" if found[1] else "wanted more"
        return f"the machine's memory is full (training held up to {used // MIB} MiB and {wanted}): {LESS}"
    if status in (137, -9) or KILLED.search(said):
        who = f"its process {found[1]}, and with it the others," if (found := WORKER.search(said)) else "it"
        return f"{who} was killed by the kernel (SIGKILL), most likely for want of memory (training held up to {used // MIB} MiB): {LESS}"
    if hosts > 1 and (found := GONE.search(said)):
        return f"the training processes at {found[1]} are gone: that host's stage says why; start every host again"
    if found := WEIGHTS.search(said):
        return f"a weight file of the base model cannot be read ({found[1].strip()}): bring it anew with `dvc repro --force base`"
    return None
