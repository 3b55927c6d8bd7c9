"use strict";
// One talk at a time, kept in this tab. The server is sent the whole talk and keeps nothing. Whatever anybody said becomes text nodes, never HTML.
const page = JSON.parse(document.getElementById("page").textContent);
const find = (id) => document.getElementById(id);
const compare = find("compare");
const place = `talk ${location.pathname}`;

const fresh = (character) => ({ character, system: null, exchanges: [] }); // as schemas/talk.schema.json has it
let talk = fresh(page.character);
let before = null; // the talk that "New talk" put away
let live = []; // answers that are coming: { at, speaker, text, stop }
let failed = []; // { at, speaker, why }
let shown = []; // which of several answers of a speaker is looked at: { at, speaker, index }
let editing = null; // { at, index, text }: the text so far

const of = (list, at, speaker) => list.find((one) => one.at === at && one.speaker === speaker);
const without = (list, at, speaker) => list.filter((one) => one.at !== at || one.speaker !== speaker);
const speakers = () => (compare?.checked ? ["base", "tuned"] : ["tuned"]);
const words = (answer) => answer.edited ?? answer.text;

function make(tag, attributes = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...inside);
  return element;
}

// The little Markdown that characters use: paragraphs, `code`, **strong** and *emphasis*. Anything else stays as it was written.
function marked(text) {
  return text.trim().split(/\n\s*\n/).map((paragraph) => make("p", {}, ...inline(paragraph, 0)));
}

function inline(text, depth) {
  const nodes = [];
  let done = 0;
  for (const hit of depth < 3 ? text.matchAll(/`([^`\n]+)`|\*\*(?=\S)([^*]+(?:\*[^*]+\*[^*]*)*)(?<=\S)\*\*|\*(?=[^\s*])([^*\n]+)(?<=\S)\*(?!\*)/g) : []) {
    nodes.push(text.slice(done, hit.index));
    if (hit[1] !== undefined) nodes.push(make("code", {}, hit[1]));
    else if (hit[2] !== undefined) nodes.push(make("strong", {}, ...inline(hit[2], depth + 1)));
    else nodes.push(make("em", {}, ...inline(hit[3], depth + 1)));
    done = hit.index + hit[0].length;
  }
  return [...nodes, text.slice(done)];
}

function keep() {
  try {
    sessionStorage.setItem(place, JSON.stringify(talk));
  } catch {
    // A browser that remembers nothing loses the talk with the page.
  }
}

function load() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(place));
    if (kept?.character in page.characters) talk = kept;
  } catch {
    // Nothing that can be read: a new talk.
  }
}

// --- what is seen ----------------------------------------------------------------------------------------------------

function draw() {
  const person = page.characters[talk.character];
  document.title = person.name;
  find("name").textContent = person.name;
  find("character").value = talk.character;
  const initials = [...person.name.matchAll(/\p{L}+/gu)].map(([word]) => word[0]);
  find("portrait").replaceChildren(
    person.picture ? make("img", { src: `picture/${talk.character}`, alt: "" }) : make("span", {}, (initials[0] ?? "?") + (initials.length > 1 ? initials.at(-1) : "")),
  );
  const greeting = person.greeting
    ? [make("section", { class: "greeting" }, make("p", { class: "who" }, person.name), make("div", { class: "said", dir: "auto" }, ...marked(person.greeting)))]
    : [];
  find("talk").replaceChildren(...greeting, ...talk.exchanges.map((_, at) => exchange(at)));
  drawState();
}

function drawState() {
  const two = talk.exchanges.some((_, at) => columns(at).length > 1);
  document.body.classList.toggle("two", two || Boolean(compare?.checked));
  find("compared").hidden = !two;
  find("send").hidden = live.length > 0;
  find("stop").hidden = !live.length;
  find("talk").setAttribute("aria-busy", String(live.length > 0));
  for (const id of ["character", "new", "save", "chats", "pairs", "tell", "own"]) find(id).disabled = live.length > 0;
}

// Draws one exchange anew; what had the focus has it again, and who was at the end of the talk stays there.
function redraw(at) {
  const old = find("talk").querySelector(`[data-at="${at}"]`);
  const focused = old?.contains(document.activeElement) ? document.activeElement.dataset.do : null;
  const follow = atEnd();
  const element = exchange(at);
  if (old) old.replaceWith(element);
  else find("talk").append(element);
  if (focused) (element.querySelector(`[data-do="${CSS.escape(focused)}"]`) ?? find("words")).focus();
  drawState();
  if (follow) toEnd();
}

const atEnd = () => innerHeight + scrollY >= document.documentElement.scrollHeight - 80;
const toEnd = () => scrollTo(0, document.documentElement.scrollHeight);

const columns = (at) => ["base", "tuned"].filter((speaker) => latest(at, speaker) >= 0 || of(live, at, speaker) || of(failed, at, speaker));

// The place of a speaker's answer that is looked at, -1 for none.
function latest(at, speaker) {
  const { answers, taken } = talk.exchanges[at];
  const chosen = of(shown, at, speaker)?.index;
  if (chosen !== undefined) return chosen;
  if (answers[taken]?.speaker === speaker) return taken;
  return answers.findLastIndex((one) => one.speaker === speaker);
}

function exchange(at) {
  const { asked } = talk.exchanges[at];
  const last = at === talk.exchanges.length - 1;
  const found = columns(at);
  return make("section", { class: "exchange", "data-at": String(at) },
    make("div", { class: "asked" },
      make("p", { class: "who" }, "You"),
      make("div", { class: "said", dir: "auto" }, make("p", {}, asked))),
    last && !live.length ? make("div", { class: "tools taking" }, tool("take", "Take back", () => takeBack(at))) : "",
    make("div", { class: found.length > 1 ? "answers two" : "answers" }, ...found.map((speaker) => column(at, speaker, found.length > 1))));
}

function column(at, speaker, several) {
  const coming = of(live, at, speaker), wrong = of(failed, at, speaker);
  const index = latest(at, speaker), answer = talk.exchanges[at].answers[index];
  const taken = !coming && index === talk.exchanges[at].taken;
  const name = make("p", { class: "who" }, page.characters[talk.character].name, several ? make("span", { class: `arm ${speaker}` }, speaker) : "");
  const element = make("article", { class: `answer${taken ? " taken" : ""}`, "data-speaker": speaker }, name);
  if (coming) {
    element.append(make("div", { class: "said caret", dir: "auto" }, ...marked(coming.text)));
    return element;
  }
  if (editing?.at === at && editing.index === index) element.append(editor(at, index));
  else if (answer) element.append(make("div", { class: "said", dir: "auto" }, ...marked(words(answer))), ...remarks(answer), tools(at, speaker, index, several));
  if (wrong) element.append(make("p", { class: "failed", role: "alert" }, wrong.why), ...(answer ? [] : [make("div", { class: "tools" }, again(at, speaker))]));
  return element;
}

function remarks(answer) {
  const told = [
    answer.edited != null ? "edited" : null,
    answer.finish === "length" && answer.edited == null ? "cut off: the answer reached its token limit" : null,
    answer.finish === "stopped" && answer.edited == null ? "stopped" : null,
  ].filter(Boolean);
  return told.length ? [make("p", { class: "note" }, told.join(", "))] : [];
}

function tool(name, label, act, attributes = {}) {
  return make("button", { type: "button", class: "tool", "data-do": name, onclick: act, ...attributes }, label);
}

function thumb(direction, at, index) {
  const drawn = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  drawn.setAttribute("viewBox", "0 0 20 20");
  drawn.setAttribute("aria-hidden", "true");
  path.setAttribute("d", page.thumb);
  drawn.append(path);
  const answer = talk.exchanges[at].answers[index];
  const label = direction === "up" ? "Good answer" : "Poor answer";
  return tool(`${direction} ${index}`, drawn, () => {
    answer.thumb = answer.thumb === direction ? null : direction;
    changed(at);
  }, { class: `tool ${direction}`, "aria-pressed": String(answer.thumb === direction), "aria-label": label, title: label });
}

function again(at, speaker) {
  return tool(`again ${speaker}`, "Try again", () => ask(at, [speaker]));
}

function tools(at, speaker, index, several) {
  const { answers, taken } = talk.exchanges[at];
  const own = answers.flatMap((one, n) => (one.speaker === speaker ? [n] : []));
  const where = own.indexOf(index);
  const last = at === talk.exchanges.length - 1; // what an earlier answer was is what the later ones answer to: it can be looked at and not exchanged
  const step = (by) => () => {
    shown = [...without(shown, at, speaker), { at, speaker, index: own[where + by] }];
    if (last && answers[taken].speaker === speaker) talk.exchanges[at].taken = own[where + by];
    changed(at);
  };
  const turn = (name, sign, by, label) => tool(`${name} ${speaker}`, sign, step(by), { "aria-label": label, disabled: !(where + by in own) });
  return make("div", { class: "tools" },
    thumb("up", at, index), thumb("down", at, index),
    tool(`edit ${index}`, "Edit", () => { editing = { at, index }; redraw(at); document.querySelector("#edit").focus(); }),
    last && !live.length ? again(at, speaker) : "",
    ...(own.length > 1 ? [turn("earlier", "\u2039", -1, "Earlier answer"), `${where + 1} of ${own.length}`, turn("later", "\u203a", 1, "Later answer")] : []),
    several && last ? tool(`go ${speaker}`, index === taken ? "The talk goes on with this" : "Go on with this", () => { talk.exchanges[at].taken = index; changed(at); },
      { "aria-pressed": String(index === taken) }) : "");
}

function editor(at, index) {
  const answer = talk.exchanges[at].answers[index];
  const field = make("textarea", { id: "edit", rows: "6", "aria-label": "The answer as it should be", maxlength: "100000" });
  field.value = editing.text ?? words(answer);
  field.addEventListener("input", () => { editing.text = field.value; });
  const close = (done) => {
    const text = field.value.trim();
    if (done && text) answer.edited = text === answer.text ? null : text;
    editing = null;
    changed(at);
    find("talk").querySelector(`[data-at="${at}"] [data-do="edit ${index}"]`)?.focus();
  };
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape" || (event.key === "Enter" && (event.ctrlKey || event.metaKey))) {
      event.preventDefault();
      event.stopPropagation();
      close(event.key === "Enter");
    }
  });
  return make("div", {}, field, make("p", { class: "buttons" },
    make("button", { type: "button", class: "main", "data-do": "done", onclick: () => close(true) }, "Keep this"),
    make("button", { type: "button", "data-do": "cancel", onclick: () => close(false) }, "Cancel")));
}

function changed(at) {
  keep();
  redraw(at);
}

function say(text, ...more) {
  find("status").replaceChildren(text, ...more);
}

// --- what is done ----------------------------------------------------------------------------------------------------

async function post(path, body, signal) {
  const response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal });
  if (!response.ok) throw new Error((await response.json().catch(() => ({}))).error ?? `the chat answered with status ${response.status}`);
  return response;
}

// fetch says "Failed to fetch" where nobody listens any more.
const why = (error) => (error instanceof TypeError ? "the chat has ended: start it again" : error.message);

function ask(at, whom) {
  failed = failed.filter((one) => one.at !== at || !whom.includes(one.speaker));
  const sent = { ...talk, exchanges: talk.exchanges.slice(0, at + 1) };
  const body = JSON.parse(JSON.stringify(sent));
  live = [...live, ...whom.map((speaker) => ({ at, speaker, text: "", stop: new AbortController() }))];
  redraw(at);
  return Promise.all(whom.map((speaker) => answer(body, of(live, at, speaker))));
}

async function answer(body, coming) {
  const { at, speaker } = coming;
  let finish = null, wrong = null, waiting = 0;
  const show = () => {
    waiting = 0;
    const said = find("talk").querySelector(`[data-at="${at}"] [data-speaker="${speaker}"] .caret`);
    const follow = atEnd();
    said?.replaceChildren(...marked(coming.text));
    if (follow) toEnd();
  };
  try {
    const response = await post("answer", { talk: body, speaker }, coming.stop.signal);
    const lines = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (let part = await lines.read(); !part.done; part = await lines.read()) {
      const whole = (rest + part.value).split("\n");
      rest = whole.pop();
      for (const line of whole) {
        const told = JSON.parse(line);
        coming.text += told.text ?? "";
        finish = told.finish ?? finish;
        wrong = told.error ?? wrong;
      }
      waiting ||= requestAnimationFrame(show);
    }
    if (!finish && !wrong) wrong = "the answer broke off";
  } catch (error) {
    if (error.name === "AbortError") finish = "stopped";
    else wrong = why(error);
  }
  cancelAnimationFrame(waiting);
  live = live.filter((one) => one !== coming);
  if (wrong) failed = [...failed, { at, speaker, why: wrong }];
  else if (coming.text.trim()) take(at, { speaker, text: coming.text.trim(), finish, edited: null, thumb: null });
  else failed = [...failed, { at, speaker, why: "stopped before the first word" }];
  changed(at);
}

// The talk goes on with the newest answer of whom it went on with; at first that is tuned.
function take(at, answer) {
  const one = talk.exchanges[at];
  const first = !one.answers.some((other) => other.speaker === answer.speaker);
  if (!one.answers.length || one.answers[one.taken].speaker === answer.speaker || (first && answer.speaker === "tuned")) one.taken = one.answers.length;
  one.answers.push(answer);
  shown = without(shown, at, answer.speaker);
}

function takeBack(at) {
  const { asked } = talk.exchanges[at];
  forget(at);
  talk.exchanges.pop();
  keep();
  draw();
  if (!find("words").value.trim()) find("words").value = asked;
  find("words").focus();
}

function forget(at) {
  [failed, shown] = [failed, shown].map((list) => list.filter((one) => one.at !== at));
  editing = null;
}

function send() {
  const asked = find("words").value.trim();
  if (!asked || live.length) return;
  const last = talk.exchanges.length - 1;
  if (last >= 0 && !talk.exchanges[last].answers.length) {
    forget(last);
    talk.exchanges.pop(); // it was never answered
  }
  talk.exchanges.push({ asked, answers: [], taken: 0 });
  find("words").value = "";
  say("");
  draw();
  toEnd();
  keep();
  ask(talk.exchanges.length - 1, speakers());
}

function begin(character) {
  before = talk.exchanges.length ? talk : null;
  talk = fresh(character);
  [failed, shown, editing] = [[], [], null];
  keep();
  draw();
  find("prompt").open = false;
  say("", ...(before ? [make("button", { type: "button", class: "plain", onclick: bringBack }, "Bring the last talk back")] : []));
  scrollTo(0, 0);
  find("words").focus();
}

function bringBack() {
  talk = before;
  [failed, shown, editing] = [[], [], null];
  keep();
  draw();
  say("");
  toEnd();
}

async function showPrompt() {
  find("whose").textContent = talk.system === null ? "This is the card's." : "This is yours, in place of the card's.";
  try {
    find("system").value = (await (await post("told", { talk })).json()).told;
  } catch (error) {
    find("whose").textContent = why(error);
  }
}

function tell(system) {
  talk.system = system;
  keep();
  showPrompt();
}

// --- consent, and what needs it --------------------------------------------------------------------------------------

const KEPT = {
  save: ["Save for training", "Save", "The talk, with its answers as they stand now, is put into data/gold of this project, from where others of the project read it; the next dvc repro trains on it."],
  chats: ["Export chat", "Export", "You get a ShareGPT file of this talk, with its answers as they stand now."],
  pairs: ["Export pairs", "Export", "You get a file of chosen and rejected answers: each edit over what it was made of, each thumb up over each thumb down to the same words."],
};
let kind = "save";

async function consentTo(what) {
  try {
    const { why_not } = await (await post("keepable", { talk, kind: what })).json();
    if (why_not) return say(why_not);
  } catch (error) {
    return say(why(error));
  }
  kind = what;
  const [title, button, meaning] = KEPT[kind];
  find("what").textContent = title;
  find("agree").textContent = button;
  find("meaning").textContent = `${meaning} Leave out what names a living person.`;
  find("refused").textContent = "";
  find("may").checked = false; // asked each time
  allow();
  say("");
  find("ask").showModal();
}

function allow() {
  find("agree").disabled = !(find("may").checked && find("user").value.trim() && find("license").value.trim());
}

async function agree(event) {
  event.preventDefault();
  if (event.submitter?.id !== "agree" && find("agree").disabled) return;
  const given = { talk, consent: find("may").checked, user: find("user").value, license: find("license").value.trim() };
  try {
    if (kind === "save") {
      const { path, line, why_not } = await (await post("save", given)).json();
      say(`Saved: ${path}:${line}. ${why_not ? `${why_not}: put it in, or the run passes the talk over.` : "dvc repro trains on it."}`);
    } else {
      const { name, text } = await (await post("export", { ...given, kind })).json();
      const address = URL.createObjectURL(new Blob([text], { type: "application/jsonl" }));
      make("a", { href: address, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(address), 60000);
      say(`Exported: ${name}`);
    }
    find("ask").close();
  } catch (error) {
    find("refused").textContent = why(error);
  }
}

find("say").addEventListener("submit", (event) => { event.preventDefault(); send(); });
find("words").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    send();
  }
});
const stop = () => live.forEach((one) => one.stop.abort());
find("stop").addEventListener("click", () => { stop(); find("words").focus(); });
addEventListener("keydown", (event) => { if (event.key === "Escape" && !find("ask").open) stop(); });
find("new").addEventListener("click", () => begin(talk.character));
find("character").addEventListener("change", (event) => begin(event.target.value));
compare?.addEventListener("change", drawState);
find("prompt").addEventListener("toggle", () => { if (find("prompt").open) showPrompt(); });
find("tell").addEventListener("click", () => { if (find("system").value.trim()) tell(find("system").value.trim()); });
find("own").addEventListener("click", () => tell(null));
for (const what of Object.keys(KEPT)) find(what).addEventListener("click", () => consentTo(what));
for (const id of ["may", "user", "license"]) find(id).addEventListener("input", allow);
find("consent").addEventListener("submit", agree);
find("cancel").addEventListener("click", () => find("ask").close());
load();
if (compare) compare.checked = true;
draw();
if (talk.exchanges.length) toEnd();
find("words").focus();
