// The review page works without this file. It saves what is typed and takes keys.
"use strict";

{
  const form = document.getElementById("review-form");
  const state = document.getElementById("save-state");
  const version = form.elements.namedItem("version");
  const PAUSE_MS = 3000;
  let timer = 0;
  let isLeaving = false;

  const save = async () => {
    timer = 0;
    if (isLeaving) return;
    const sent = new FormData(form);
    sent.append("autosave", "1");
    try {
      const answer = await fetch(form.action, { method: "POST", body: sent, redirect: "error" });
      const told = await answer.json();
      if (answer.ok) version.value = told.version;
      state.textContent = answer.ok ? told.text : `${form.dataset.saves} ${told.text}`;
    } catch {
      state.textContent = form.dataset.saves;
      timer = setTimeout(save, 5 * PAUSE_MS);
    }
  };

  if (form.dataset.saves) {
    form.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(save, PAUSE_MS);
    });
    form.addEventListener("submit", () => {
      isLeaving = true;
      clearTimeout(timer);
    });
  }

  const groupWithoutScore = () =>
    [...form.querySelectorAll("fieldset")].find((one) => !one.querySelector("input:checked"));

  const score = (digit) => {
    const group = document.activeElement.closest("#review-form fieldset") || groupWithoutScore();
    const choice = group && group.querySelector(`input[type=radio][value="${digit}"]`);
    if (!choice) return false;
    choice.checked = true;
    choice.focus();
    choice.dispatchEvent(new Event("input", { bubbles: true }));
    return true;
  };

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("textarea, select, input:not([type=radio])");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = document.getElementById("next-review");
    const button = form.querySelector("button[name=save]");
    if (/^[0-9]$/.test(event.key) && score(event.key)) event.preventDefault();
    else if (event.key === "s" && button) button.click();
    else if (event.key === "n" && next) next.click();
  });
}
