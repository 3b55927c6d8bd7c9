"""What a dead child's status and last words are taken for; the words are those of real deaths."""

from __future__ import annotations

import pytest

from stages.train.autopsy import cause, last_error

ROOM = 10 << 30
TORCH = (
    "[rank0]: RuntimeError: [enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 4398046511104 bytes. Error code 12 (Cannot allocate memory)"
)
CUDA = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.96 GiB. GPU 0 has a total capacity of 23.64 GiB of which 1.02 GiB is free."
ACCELERATE = "subprocess.CalledProcessError: Command '['/x/bin/python', '-m', 'axolotl.cli.train', 'axolotl.yaml']' died with <Signals.SIGKILL: 9>."
TORCHRUN = (
    "torch.distributed.elastic.multiprocessing.errors.ChildFailedError:\n  exitcode  : -9 (pid: 4242)\n  traceback : Signal 9 (SIGKILL) received by PID 4242"
)


@pytest.mark.parametrize(
    ("status", "said", "found"),
    [
        (137, "", "killed by the kernel (SIGKILL), most likely for want of memory (training held up to 512 MiB)"),
        (-9, "", "killed by the kernel"),
        (1, ACCELERATE, "killed by the kernel"),
        (1, TORCHRUN, "killed by the kernel"),
        (1, TORCH, "the machine's memory is full (training held up to 512 MiB and wanted 4194304 MiB more)"),
        (1, "Traceback\nMemoryError", "the machine's memory is full (training held up to 512 MiB and wanted more)"),
        (134, "terminate called after throwing an instance of 'std::bad_alloc'", "the machine's memory is full"),
        (1, CUDA, "the GPU's memory is full (it wanted 1.96 GiB more)"),
        (1, "OSError: [Errno 28] No space left on device", "the disk is full (10240 MiB are free)"),
        (1, "safetensors_rust.SafetensorError: Error while serializing: I/O error: No space left on device (os error 28)", "the disk is full"),
        (1, "OSError: Not enough disk space. Needed: Unknown size (download: Unknown size)", "the disk is full"),
        (1, "safetensors_rust.SafetensorError: Error while deserializing header: invalid header length", "cannot be read (Error while deserializing header"),
    ],
)
def test_a_death_is_said_in_one_sentence(status: int, said: str, found: str) -> None:
    told = cause(status, f"step 3\n{said}\n", ROOM, 512 << 20)
    assert told is not None and found in told and "\n" not in told


def test_a_disk_without_room_is_the_cause_whatever_the_log_could_still_say() -> None:
    assert "the disk is full (0 MiB are free)" in str(cause(1, "", 4096, 0))


@pytest.mark.parametrize("told", [cause(137, "", ROOM, 0), cause(1, TORCH, ROOM, 0), cause(1, CUDA, ROOM, 0)])
def test_want_of_memory_names_what_to_lower(told: str) -> None:
    assert all(name in told for name in ("micro_batch_size", "sequence_len", "gradient_checkpointing: true"))


@pytest.mark.parametrize("status", [0, 1, 143])
@pytest.mark.parametrize("said", ["", "ValueError: something else", "loss 2.5, MemoryErrors: 0", "exitcode  : -15 (pid: 3)"])
def test_of_another_death_nothing_is_made_up(status: int, said: str) -> None:
    assert cause(status, said, ROOM, 0) is None


def test_the_last_exception_is_told_but_for_a_launchers() -> None:
    trainer = "Traceback (most recent call last):\n  File ...\nValueError: adamw_torhc is not a valid OptimizerNames\n"
    assert last_error(f"KeyError: 'x'\n{trainer}{ACCELERATE}\n") == "ValueError: adamw_torhc is not a valid OptimizerNames"
    assert last_error(f"[rank1]: torch.cuda.CudaError: no device\n{TORCHRUN}\n") == "torch.cuda.CudaError: no device"
    assert last_error(f"loss 2.5, MemoryErrors: 0\nwarning: an Error: is not one\n{ACCELERATE}") is None


REPORT = """
Root Cause (first observed failure):
[0]:
  time      : 2026-11-27_03:22:58
  host      : localhost
  rank      : 3 (local_rank: 1)
  exitcode  : {status} (pid: 11537){signal}
  error_file: <N/A>
"""


def test_torchruns_report_says_which_process_was_killed() -> None:
    told = cause(1, REPORT.format(status=-9, signal=" (SIGKILL)"), ROOM, 512 << 20)
    assert told is not None and told.startswith("its process 3, and with it the others, was killed by the kernel (SIGKILL)")
    assert cause(1, REPORT.format(status=1, signal=""), ROOM, 512 << 20) is None


GONE = "[rank0]: RuntimeError: [gloo/transport/tcp/pair.cc:553] Connection closed by peer [10.0.0.2]:42161. This is typically caused by"


def test_a_host_that_is_gone_is_named_by_the_others() -> None:
    told = cause(1, GONE + REPORT.format(status=1, signal=""), ROOM, 512 << 20, hosts=2)
    assert told is not None and told.startswith("the training processes at 10.0.0.2 are gone")
    assert cause(1, GONE + REPORT.format(status=1, signal=""), ROOM, 512 << 20) is None, "on one host the log has the reason itself"
