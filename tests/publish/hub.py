"""A hub on loopback that takes a model as huggingface.co does, by its own protocol: make a repository, ask how to send, send large files (LFS), commit."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Hub:
    """What it knows and has, and what it was asked for."""

    url: str = ""
    tokens: dict[str, bool] = field(default_factory=lambda: {"hf_mine": True, "hf_reads": False})
    """The tokens that it knows, and whether each may write."""
    repositories: dict[str, dict] = field(default_factory=dict)
    """Of each its `private`, its `files` by name and how many `commits` it has."""
    blobs: dict[str, bytes] = field(default_factory=dict)
    """Large files that have arrived, by SHA-256, whether committed or not."""
    sent: list[str] = field(default_factory=list)
    """The SHA-256 of each large file that was sent, once for each time."""
    agents: set[str] = field(default_factory=set)
    before_blob: Callable[[], None] = lambda: None
    """Called when a large file begins to arrive."""
    says: dict[str, tuple[int, dict | str]] = field(default_factory=dict)
    """What it answers, status and body, to a path that ends so, whoever asks."""


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def answer(self, status: int, body: dict | str | None = None) -> None:
        content = body.encode() if isinstance(body, str) else json.dumps(body or {}).encode()
        error = body.get("error", "") if isinstance(body, dict) else ""
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), "X-Error-Message": error}.items():
            self.send_header(name, value)
        try:
            self.end_headers()
            self.wfile.write(content)
        except ConnectionError:  # whoever asked is gone
            self.close_connection = True

    def content(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def handle_request(self) -> None:
        path, hub = self.path.partition("?")[0], self.hub
        hub.agents.add(self.headers.get("User-Agent", ""))
        if self.command == "PUT":  # to the store, whose address is the permission
            hub.before_blob()
            body = self.content()
            oid = hashlib.sha256(body).hexdigest()
            assert path == f"/store/{oid}", "a large file came with other bytes than it was announced with"
            hub.blobs[oid] = body
            hub.sent.append(oid)
            return self.answer(200)
        body = self.content()
        for end, (status, words) in hub.says.items():
            if path.endswith(end):
                return self.answer(status, words)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in hub.tokens:
            return self.answer(401, {"error": "Invalid username or password."})
        if self.command == "POST" and not hub.tokens[token]:
            return self.answer(403, {"error": f"You don't have the rights, {token}"})
        name = "/".join(path.removeprefix("/api/models/").lstrip("/").removesuffix(".git/info/lfs/objects/batch").split("/")[:2])
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            if name in hub.repositories:
                return self.answer(409, {"error": "You already created this model repo", "url": f"{hub.url}/{name}"})
            hub.repositories[name] = {"private": asked["visibility"] == "private", "files": {}, "commits": 0}
            return self.answer(200, {"url": f"{hub.url}/{name}"})
        if path == "/api/validate-yaml":
            return self.answer(200, {"errors": [], "warnings": []})
        if name not in hub.repositories:
            return self.answer(404, {"error": "Repository not found"})
        found = hub.repositories[name]
        if path == f"/api/models/{name}":
            return self.answer(200, {"id": name, "private": found["private"], "siblings": [{"rfilename": one} for one in found["files"]]})
        if path == f"/api/models/{name}/preupload/main":
            files = [
                {"path": one["path"], "uploadMode": "lfs" if one["path"].endswith((".safetensors", ".gguf")) else "regular", "shouldIgnore": False}
                for one in json.loads(body)["files"]
            ]
            return self.answer(200, {"files": files})
        if path == f"/{name}.git/info/lfs/objects/batch":
            objects = [
                {"oid": one["oid"], "size": one["size"]}
                | ({} if one["oid"] in hub.blobs else {"actions": {"upload": {"href": f"{hub.url}/store/{one['oid']}"}}})
                for one in json.loads(body)["objects"]
            ]
            return self.answer(200, {"transfer": "basic", "objects": objects})
        if path == f"/api/models/{name}/commit/main":
            for line in map(json.loads, body.splitlines()):
                value = line["value"]
                match line["key"]:
                    case "file":
                        found["files"][value["path"]] = base64.b64decode(value["content"])
                    case "lfsFile":
                        found["files"][value["path"]] = hub.blobs[value["oid"]]
                    case "deletedFile":
                        del found["files"][value["path"]]
            found["commits"] += 1
            return self.answer(200, {"success": True, "commitOid": "a" * 40, "commitUrl": f"{hub.url}/{name}/commit/{'a' * 40}", "hookOutput": ""})
        return self.answer(404, {"error": path})

    do_GET = do_POST = do_PUT = handle_request

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running() -> Iterator[Hub]:
    """A hub that answers until the block ends."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
