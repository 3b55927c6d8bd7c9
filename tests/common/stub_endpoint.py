"""A small OpenAI-compatible endpoint on 127.0.0.1 that answers as a test wishes and remembers what it was asked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Reply:
    """What the endpoint sends back: a status, a body (JSON, or bytes as they are), headers; `delay` seconds later. `hang_up` sends nothing."""

    body: dict | bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    hang_up: bool = False


def completion(text: str, finish: str = "stop", prompt_tokens: int = 10, completion_tokens: int = 5) -> dict:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": prompt_tokens + completion_tokens}
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "stub", "choices": [choice], "usage": usage}


@dataclass
class Request:
    """One request as it came; header names in lower case."""

    path: str
    headers: dict[str, str]
    body: dict


class Endpoint:
    """`with Endpoint(answer) as stub`: `answer(body, count)` gives the Reply to the `count`th request (from 1) with this body."""

    def __init__(self, answer: Callable[[dict, int], Reply]):
        self.requests: list[Request] = []
        self.most_at_once = 0
        now, lock, stub = set(), threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    count = 1 + sum(earlier.body == body for earlier in stub.requests)
                    stub.requests.append(Request(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                    now.add(self)
                    stub.most_at_once = max(stub.most_at_once, len(now))
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
                self.wfile.write(data)

            do_CONNECT = do_GET = do_POST

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 64
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def close(self) -> None:
        """Stop listening: from now on connections are refused."""
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self) -> Endpoint:
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
