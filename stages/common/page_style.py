"""The look of the pages in reports/: colours for light and dark, type, headings, what has the focus. Each page adds its own rules behind it."""

STYLE = """\
:root {
  color-scheme: light dark;
  --paper: #fbfaf6; --raised: #ffffff; --ink: #1d1c1a; --soft: #5a564f; --line: #ddd8cd; --grid: #e9e5db;
  --base: #00694c; --prompted: #a84700; --tuned: #005f9e; --gold: #5a564f;
  --mark: #ffe39f; --mark-ink: #33240a; --focus: #005fcc;
  --serif: "Iowan Old Style", "Palatino Linotype", Palatino, "Book Antiqua", Georgia, "Liberation Serif", serif;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #17181b; --raised: #1e2024; --ink: #e9e6df; --soft: #aeaaa1; --line: #383a40; --grid: #2b2d32;
    --base: #6ecfa9; --prompted: #f2a65a; --tuned: #74bdf2; --gold: #b9b5ac;
    --mark: #6b5208; --mark-ink: #fff3cf; --focus: #8cc8ff;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 6rem; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.55 var(--sans); font-variant-numeric: tabular-nums lining-nums; }
main, header, footer { max-width: 66rem; margin: 0 auto; padding: 0 clamp(1rem, 4vw, 2.5rem); }
header { padding-top: clamp(2rem, 6vw, 4rem); }
h1, h2, h3 { font-family: var(--serif); font-weight: 600; line-height: 1.2; text-wrap: balance; overflow-wrap: anywhere; margin: 0; }
h1 { font-size: clamp(2rem, 6vw, 3.1rem); letter-spacing: -0.01em; }
h2 { font-size: 1.65rem; margin-top: 4rem; padding-top: 1rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.25rem; }
p { margin: 0.7em 0; max-width: 44rem; }
a { color: inherit; text-decoration-color: var(--soft); text-underline-offset: 0.2em; }
.kicker { font-size: 0.85rem; color: var(--soft); margin: 0 0 0.6rem; }
.lede { font: 1.2rem/1.55 var(--serif); }
.soft, figcaption { color: var(--soft); font-size: 0.9rem; }
.skip { position: absolute; left: -999rem; }
.skip:focus { left: 1rem; top: 1rem; background: var(--raised); padding: 0.5rem 0.8rem; z-index: 3; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; border-radius: 2px; }
strong { font-weight: 600; }
figure { margin: 0; }
"""
