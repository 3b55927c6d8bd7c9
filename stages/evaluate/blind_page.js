"use strict";
// One pair after another. What is said is kept in this browser under the page's hash, so that another run's page begins anew. Answers are only ever set as text.
const page = JSON.parse(document.getElementById("page").textContent);
const place = `dramatis-${page.page}`;
const find = (id) => document.getElementById(id);
const sliders = [...document.querySelectorAll("input[type=range]")];
const choices = [...document.querySelectorAll("input[type=radio]")];
const digits = sliders.length ? Array.from({ length: sliders[0].max - sliders[0].min + 1 }, (_, n) => String(Number(sliders[0].min) + n)) : [];

let state = { rater: "", at: 0, ratings: [] }; // ratings[n] is of item n: { preferred, "a-voice": 4, ... }, perhaps not whole

function load() {
  try {
    const kept = JSON.parse(localStorage.getItem(place));
    if (kept && Array.isArray(kept.ratings)) state = kept;
    localStorage.setItem(place, JSON.stringify(state));
  } catch {
    find("forgets").hidden = false;
  }
}

function keep() {
  try {
    localStorage.setItem(place, JSON.stringify(state));
  } catch {
    // Said at the beginning: this browser remembers nothing.
  }
}

function rating(at = state.at) {
  return (state.ratings[at] ??= {});
}

const whole = (one) => Boolean(one?.preferred) && sliders.every((slider) => one[slider.name]);
const done = () => page.items.filter((_, at) => whole(state.ratings[at])).length;

function only(id) {
  for (const part of ["start", "rate", "end"]) find(part).hidden = part !== id;
  scrollTo(0, 0);
}

function say(element, text) {
  element.textContent = text.trim() ? text : "(no words)";
  element.classList.toggle("none", !text.trim());
  element.scrollTop = 0;
  // What scrolls must be reachable without a mouse.
  if (element.scrollHeight > element.clientHeight + 1) element.tabIndex = 0;
  else element.removeAttribute("tabindex");
}

function showScore(slider) {
  const score = rating()[slider.name];
  slider.value = score ?? 3;
  slider.parentElement.classList.toggle("unset", !score);
  slider.nextElementSibling.value = score ?? "–";
  if (score) slider.removeAttribute("aria-valuetext");
  else slider.setAttribute("aria-valuetext", "not given yet");
}

function show() {
  const item = page.items[state.at];
  only("rate");
  find("to").textContent = `Said to ${item.name}:`;
  say(find("prompt"), item.prompt);
  for (const side of ["a", "b"]) say(find(`text-${side}`), item[side].text);
  sliders.forEach(showScore);
  for (const choice of choices) choice.checked = rating().preferred === choice.value;
  find("where").textContent = `Pair ${state.at + 1} of ${page.items.length}`;
  find("done").value = done();
  find("back").disabled = state.at === 0;
  find("next").textContent = state.at + 1 === page.items.length ? "Finish" : "Next";
  find("missing").textContent = "";
  find("to").focus({ preventScroll: true });
}

function score(slider, value) {
  rating()[slider.name] = Number(value);
  showScore(slider);
  find("missing").textContent = "";
  keep();
}

function prefer(value) {
  rating().preferred = value;
  for (const choice of choices) choice.checked = choice.value === value;
  find("missing").textContent = "";
  keep();
}

function next() {
  const one = rating();
  const open = sliders.filter((slider) => !one[slider.name]);
  if (!whole(one)) {
    find("missing").textContent = open.length ? `${open.length} of ${sliders.length} scores are not given yet.` : "Say which answer you prefer.";
    (open[0] ?? choices[0]).focus();
    return;
  }
  if (state.at + 1 < page.items.length) {
    state.at += 1;
    keep();
    show();
  } else {
    finish();
  }
}

function result() {
  const side = (one, item, name) => ({
    id: item[name].id,
    ...Object.fromEntries(sliders.filter((slider) => slider.name.startsWith(`${name}-`)).map((slider) => [slider.name.slice(2), one[slider.name]])),
  });
  const ratings = page.items.flatMap((item, at) => {
    const one = state.ratings[at];
    return whole(one) ? [{ a: side(one, item, "a"), b: side(one, item, "b"), preferred: one.preferred }] : [];
  });
  return `${JSON.stringify({ format: "dramatis-rating-1", answers: page.answers, page: page.page, rater: state.rater, ratings }, null, 1)}\n`;
}

function finish() {
  const text = result();
  const count = done();
  only("end");
  find("finished").textContent =
    count === page.items.length ? `All ${count} pairs are rated.` : `${count} of ${page.items.length} pairs are rated. You can go on with the others later.`;
  find("save").href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  find("save").download = `ratings-${page.page.slice(0, 8)}-${state.rater.replace(/[^\p{L}\p{N}]+/gu, "-")}.json`;
  find("ratings").value = text;
  find("copied").textContent = "";
  find("thanks").focus({ preventScroll: true });
}

for (const slider of sliders) {
  slider.addEventListener("input", () => score(slider, slider.value));
  slider.addEventListener("pointerup", () => score(slider, slider.value)); // a tap on the middle, where the slider is already, is no input and no click
}
for (const choice of choices) choice.addEventListener("change", () => prefer(choice.value));

document.addEventListener("keydown", (event) => {
  if (find("rate").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
  const focused = document.activeElement;
  if (digits.includes(event.key)) {
    const slider = sliders.includes(focused) ? focused : sliders.find((one) => !rating()[one.name]);
    if (!slider) return;
    score(slider, event.key);
    (sliders[sliders.indexOf(slider) + 1] ?? choices.find((one) => one.checked) ?? choices[0]).focus();
  } else if (event.key === " " && sliders.includes(focused)) {
    score(focused, focused.value);
  } else if (event.key === "Enter" && focused?.tagName !== "BUTTON") {
    next();
  } else {
    const choice = choices.find((one) => one.dataset.key === event.key.toLowerCase());
    if (!choice) return;
    prefer(choice.value);
    choice.focus();
  }
  event.preventDefault();
});

find("start").addEventListener("submit", (event) => {
  event.preventDefault();
  state.rater = find("rater").value.trim();
  keep();
  show();
});
find("rate").addEventListener("submit", (event) => {
  event.preventDefault();
  next();
});
find("back").addEventListener("click", () => {
  state.at -= 1;
  keep();
  show();
});
find("stop").addEventListener("click", () => {
  if (done()) finish();
  else find("missing").textContent = "Nothing is rated yet.";
});
find("onward").addEventListener("click", show);
find("copy").addEventListener("click", async () => {
  find("ratings").select();
  try {
    await navigator.clipboard.writeText(find("ratings").value);
    find("copied").textContent = "Copied.";
  } catch {
    find("copied").textContent = "The text is selected: copy it with the keyboard or the menu.";
  }
});

load();
if (!page.items.length) {
  only("end");
} else if (state.rater) {
  if (done() === page.items.length) finish();
  else show();
} else {
  only("start");
  find("rater").focus({ preventScroll: true });
}
