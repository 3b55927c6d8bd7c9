"""A small OpenAI-compatible endpoint on 127.0.0.1 that answers as a test wishes and remembers what it was asked."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Reply:
    """What the endpoint sends back: a status, a body (JSON, or bytes as they are), headers; `delay` seconds later.

    `hang_up` sends nothing; `cut` resets the connection after so many bytes of the body; `drip` waits so many seconds before each of its bytes.
    """

    body: dict | bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    hang_up: bool = False
    cut: int | None = None
    drip: float = 0.0


def completion(text: str, finish: str = "stop", prompt_tokens: int = 10, completion_tokens: int = 5) -> dict:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": prompt_tokens + completion_tokens}
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "stub", "choices": [choice], "usage": usage}


@dataclass
class Request:
    """One request as it came: when, beside how many others (itself included); header names in lower case."""

    path: str
    headers: dict[str, str]
    body: dict
    at: float
    at_once: int


class Endpoint:
    """`with Endpoint(answer) as stub`: `answer(body, count)` gives the Reply to the `count`th request (from 1) with this body.

    With `certificate`, a PEM file of a certificate and its key, it speaks TLS.
    """

    def __init__(self, answer: Callable[[dict, int], Reply], certificate: Path | None = None):
        self.requests: list[Request] = []
        self.connections = 0
        now, seen, lock, stub = set(), Counter(), threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers["Content-Length"]))
                body = json.loads(sent)
                with lock:
                    seen[sent] += 1
                    count = seen[sent]
                    now.add(self)
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    stub.requests.append(Request(self.path, headers, body, time.monotonic(), len(now)))
                reply = answer(body, count)
                time.sleep(reply.delay)
                with lock:
                    now.discard(self)
                if reply.hang_up:
                    self.close_connection = True
                    return
                data = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                self.send_response(reply.status)
                for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if reply.cut is not None:
                    self.wfile.write(data[: reply.cut])
                    # To close with a linger time of 0 is a reset (socket(7)).
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.close_connection = True
                elif reply.drip:
                    for byte in data:
                        time.sleep(reply.drip)
                        self.wfile.write(bytes([byte]))
                else:
                    self.wfile.write(data)

            do_CONNECT = do_GET = do_POST

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 64
            daemon_threads = True

            def get_request(self) -> tuple[socket.socket, tuple]:
                stub.connections += 1
                return super().get_request()

            def handle_error(self, *_: object) -> None:
                """A client that went away is what some tests want."""

        self.server = Server(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.port}/v1"

    @property
    def most_at_once(self) -> int:
        return max(request.at_once for request in self.requests)

    def close(self) -> None:
        """Stop listening: from now on connections are refused."""
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self) -> Endpoint:
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
