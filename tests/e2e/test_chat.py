"""The chat with the real models of the real run, which vLLM serves: on the page in Chromium, and in the terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stages.evaluate import gate
from tests.browser import Browser
from tests.chat.served import serving

pytestmark = pytest.mark.slow
TALKS = "data/gold/sherlock-holmes.talks.jsonl"
# How often the text of each answer was seen to grow.
WATCH = """
window.grown = {};
new MutationObserver(() => {
  for (const said of document.querySelectorAll(".caret")) {
    const speaker = said.closest("[data-speaker]").dataset.speaker;
    (grown[speaker] ??= new Set()).add(said.textContent);
  }
}).observe(document.getElementById("talk"), { childList: true, subtree: true, characterData: true });
"""


def forced(clone) -> list[str]:
    """The cut-down training makes no model that the gate would let pass."""
    return [part for bound in gate.read(clone.folder / gate.FILE) if not bound.passed for part in ("--force", bound.metric)]


@pytest.mark.browser
def test_base_and_tuned_answer_side_by_side_and_a_good_talk_becomes_gold(clone, tmp_path: Path) -> None:
    with serving("--compare", *forced(clone), folder=clone.folder) as page, Browser(tmp_path / "profile", tmp_path) as browser:
        browser.call("Page.navigate", url=page.address)
        browser.until("document.readyState === 'complete' && document.getElementById('name')?.textContent === 'Sherlock Holmes'")
        browser.run(WATCH)
        browser.call("Input.insertText", text="Good evening, Mr Holmes. Somebody has taken my letters.")
        browser.press("Enter")
        browser.until("document.querySelectorAll('.answer .tools, .answer .failed').length === 2 && !document.querySelector('.caret')")
        said = browser.run(
            "Object.fromEntries([...document.querySelectorAll('.answer')].map((one) => [one.dataset.speaker, one.querySelector('.said')?.textContent]))"
        )
        assert set(said) == {"base", "tuned"} and all(said.values()) and said["base"] != said["tuned"]
        assert browser.run("grown.base.size > 2 && grown.tuned.size > 2"), "the answers came all at once"
        # 24 tokens end in the middle of a sentence: it is mended, and so may be learnt from.
        browser.run("document.querySelector('[data-speaker=tuned] [data-do^=edit]').click()")
        browser.run("document.getElementById('edit').select()")
        browser.call("Input.insertText", text="Then they were worth the taking. Who knew where they lay?")
        browser.run("document.querySelector('[data-do=done]').click()")
        browser.run("document.getElementById('save').click()")
        browser.until("document.getElementById('ask').open")
        browser.run("document.getElementById('may').click()")
        browser.run("document.getElementById('user').focus()")
        browser.call("Input.insertText", text="A. Reader")
        browser.run("document.getElementById('agree').click()")
        try:
            browser.until(f"document.getElementById('status').textContent.startsWith('Saved: {TALKS}:1.')")
            saved = json.loads((clone.folder / TALKS).read_text(encoding="utf-8"))
            assert saved["conversations"][1]["value"] == "Then they were worth the taking. Who knew where they lay?"
            assert "Running stage 'curate'" in clone.run("dvc", "repro", "--dry").stdout
        finally:
            (clone.folder / TALKS).unlink(missing_ok=True)
        assert browser.errors == []


def test_the_terminal_talks_with_the_merged_model_and_only_past_the_gate(clone) -> None:
    def chat(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tools.chat", *arguments]
        return subprocess.run(command, cwd=clone.folder, input="Good evening, Mr Holmes.\n/retry\n/quit\n", capture_output=True, text=True)

    if bounds := forced(clone):
        assert chat().stderr.startswith("error: metrics/gate.json: the model fails ")
    done = chat(*bounds)
    assert done.returncode == 0, done.stderr
    greeting, first, second = done.stdout.split("Sherlock Holmes\n")[1:]
    assert "basket chair" in greeting
    assert all(len(answer.split()) > 3 and "error:" not in answer for answer in (first, second)) and first != second
