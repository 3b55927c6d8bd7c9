"""What tests ask of an HTML page, and a real browser to open it in."""

from __future__ import annotations

import re
import shutil
import subprocess
from base64 import b64encode
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser
from pathlib import Path


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(html: str) -> list[tuple[str, dict[str, str | None]]]:
    """(tag, attributes) of each element, in order."""
    parser = Elements()
    parser.feed(html)
    return parser.found


def words_of(html: str) -> str:
    """What the page says, without its elements."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def loads_nothing(html: str) -> None:
    """Fails where anything could come from outside, or run."""
    for tag, attributes in elements(html):
        assert tag not in {"link", "img", "iframe", "object", "embed", "base"}, tag
        assert not {"src", "srcset", "style", "action", "background"} & set(attributes), (tag, attributes)
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        assert (attributes.get("href") or "#").startswith("#"), attributes
    assert not re.search(r"url\(|@import", html)


def runs_nothing(html: str) -> None:
    """Fails where the page has a script, or where its policy lets anything but its own one style sheet in."""
    (policy,) = [a["content"] for tag, a in elements(html) if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy"]
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "script" not in {tag for tag, _ in elements(html)}


def chromium() -> str:
    """The browser. Fails the test where there is none: a skip would hide that the page was never opened."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert found, "no chromium on the PATH: apt-get install chromium (.ci/run does), or leave these tests out with -m 'not browser'"
    return found


def opened(html: str, folder: Path, fragment: str = "") -> str:
    """The page's DOM as text, after Chromium has loaded it and run what may run."""
    path = folder / "page.html"
    path.write_text(html, encoding="utf-8")
    switches = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"
    run = subprocess.run(
        [chromium(), *switches.split(), f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=2000", "--dump-dom", path.as_uri() + fragment],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def widths(inner: str, folder: Path) -> tuple[int, int]:
    """(width of the window, width of what the page wants) on a screen of 400 pixels; `inner` must post both to its parent."""
    (folder / "inner.html").write_text(inner, encoding="utf-8")
    outer = """<!doctype html><title>waiting</title><script>addEventListener("message", (e) => { document.title = e.data.join(" "); });</script>
<iframe src="inner.html" style="width: 400px; height: 900px; border: 0"></iframe>"""
    width, scroll = map(int, re.search(r"<title>(\d+) (\d+)</title>", opened(outer, folder)).groups())
    return width, scroll
