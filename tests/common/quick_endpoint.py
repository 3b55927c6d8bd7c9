"""`python -m tests.common.quick_endpoint SECONDS`: an OpenAI-compatible endpoint in a process of its own, quick enough for thousands of requests.

It answers every request with the SHA-256 of its body, SECONDS later. GET says what it saw.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
import urllib.request
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Seen:
    """Requests so far, how many of them were different, and the most at once."""

    requests: int
    different: int
    most_at_once: int


class QuickEndpoint:
    """`with QuickEndpoint(seconds) as endpoint`: the process, as long as the block runs."""

    def __init__(self, seconds: float):
        self.seconds = seconds

    def __enter__(self) -> QuickEndpoint:
        command = [sys.executable, "-m", "tests.common.quick_endpoint", str(self.seconds)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}/v1"
        return self

    def seen(self) -> Seen:
        without_proxies = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with without_proxies.open(self.url, timeout=10) as reply:
            return Seen(**json.load(reply))

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def answer_to(body: bytes) -> str:
    """What the endpoint answers."""
    return hashlib.sha256(body).hexdigest()


class _Connection(asyncio.Protocol):
    """HTTP/1.1, as far as one request at a time with a Content-Length goes."""

    seconds = 0.0
    bodies: Counter[bytes] = Counter()
    open = most = 0

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport, self.read = transport, b""

    def data_received(self, data: bytes) -> None:
        self.read += data
        head, end, body = self.read.partition(b"\r\n\r\n")
        if not end:
            return
        if head.startswith(b"GET "):
            kind = _Connection
            return self.reply({"requests": kind.bodies.total(), "different": len(kind.bodies), "most_at_once": kind.most})
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        if len(body) < length:
            return
        self.read = b""
        _Connection.bodies[hashlib.sha256(body).digest()] += 1
        _Connection.open += 1
        _Connection.most = max(_Connection.most, _Connection.open)
        choice = {"index": 0, "message": {"role": "assistant", "content": answer_to(body)}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        reply = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "stub", "choices": [choice], "usage": usage}
        asyncio.get_running_loop().call_later(self.seconds, self.answer, reply)

    def answer(self, reply: dict) -> None:
        _Connection.open -= 1
        self.reply(reply)

    def reply(self, reply: dict) -> None:
        data = json.dumps(reply).encode()
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(data), data))


async def main(seconds: float) -> None:
    _Connection.seconds = seconds
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
