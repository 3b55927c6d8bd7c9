"use strict";
// Shows the answers that all filters let through. Without this script all of them stand there, and no filter.
const form = document.querySelector(".filters");
const prompts = form.elements.prompts;
const answers = form.elements.answers;
const characters = form.elements.characters; // there only if several characters were asked
const exchanges = [...document.querySelectorAll(".exchange")];

function apply() {
  let shown = 0;
  for (const exchange of exchanges) {
    const { set, kind, character, state } = exchange.dataset;
    const asked = !prompts.value || prompts.value === set || prompts.value === kind;
    const answered = !answers.value || state.split(" ").includes(answers.value);
    const spoken = !characters?.value || characters.value === character;
    exchange.hidden = !(asked && answered && spoken);
    shown += exchange.hidden ? 0 : 1;
  }
  form.elements.shown.value = shown === exchanges.length ? `All ${shown} conversations` : `${shown} of ${exchanges.length} conversations`;
  document.querySelector(".none-left").hidden = shown > 0;
}

form.hidden = false;
form.addEventListener("change", apply);
form.addEventListener("submit", (event) => event.preventDefault());
apply();
