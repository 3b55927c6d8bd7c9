"""A small OpenAI-compatible server on 127.0.0.1 that streams what a test wishes, remembers what it was asked, and notices who goes away."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Said = Iterable[str | float | dict]
"""Pieces of an answer; a float waits so many seconds, a dict is an event as it is, {"status": 400, ...} in front refuses the request with this message."""


class Model:
    """`with Model(say) as model`: `say(body)` gives what is Said to a request with this body."""

    def __init__(self, say: Callable[[dict], Said], names: tuple[str, ...] = ("tuned", "base"), finish: str = "stop"):
        self.say, self.finish = say, finish
        self.requests: list[dict] = []
        self.headers: list[dict[str, str]] = []
        self.gone = threading.Event()
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                model.headers.append({name.lower(): value for name, value in self.headers.items()})
                self.reply(200, {"object": "list", "data": [{"id": name, "object": "model", "created": 1, "owned_by": "us"} for name in names]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                model.requests.append(body)
                pieces = iter(model.say(body))
                first = next(pieces, "")
                if isinstance(first, dict) and "status" in first:
                    self.reply(first["status"], {"error": {"message": first["message"], "type": "x", "code": first["status"]}})
                    return
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()  # HTTP/1.0: the end of the connection is the end of the answer
                try:
                    for piece in (first, *pieces):
                        if isinstance(piece, float):
                            self.wait(piece)
                        else:
                            self.event(piece if isinstance(piece, dict) else {"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]})
                    if model.finish:
                        self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": model.finish}]})
                        self.wfile.write(b"data: [DONE]\n\n")
                except OSError:
                    model.gone.set()

            def wait(self, seconds: float) -> None:
                """Comments keep the line alive, so that it is noticed when nobody listens any more."""
                until = time.monotonic() + seconds
                while time.monotonic() < until:
                    self.wfile.write(b": wait\n\n")
                    time.sleep(0.05)

            def event(self, told: dict) -> None:
                self.wfile.write(b"data: " + json.dumps({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", **told}).encode() + b"\n\n")

            def reply(self, status: int, told: dict) -> None:
                content = json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Model:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def echo(body: dict) -> list[str]:
    """The model's name and the last words it heard, in pieces."""
    return [f"{body['model']} heard: ", *(f"{word} " for word in body["messages"][-1]["content"].split())]
