"use strict";
// Shows the answers that both filters let through. Without this script all of them stand there, and no filter.
const form = document.querySelector(".filters");
const prompts = form.elements.prompts;
const answers = form.elements.answers;
const exchanges = [...document.querySelectorAll(".exchange")];

function apply() {
  let shown = 0;
  for (const exchange of exchanges) {
    const { set, kind, state } = exchange.dataset;
    const asked = !prompts.value || prompts.value === set || prompts.value === kind;
    const answered = !answers.value || state.split(" ").includes(answers.value);
    exchange.hidden = !(asked && answered);
    shown += exchange.hidden ? 0 : 1;
  }
  form.elements.shown.value = shown === exchanges.length ? `All ${shown} prompts` : `${shown} of ${exchanges.length} prompts`;
  document.querySelector(".none-left").hidden = shown > 0;
}

form.hidden = false;
form.addEventListener("change", apply);
form.addEventListener("submit", (event) => event.preventDefault());
apply();
