// The pages work without this file. It only saves two annoyances.
"use strict";

// A second press of a button within a second is a slip of the finger, not a second wish.
document.addEventListener("submit", (event) => {
  const form = event.target;
  const now = Date.now();
  if (now - Number(form.dataset.sentAt || 0) < 1000) {
    event.preventDefault();
    return;
  }
  form.dataset.sentAt = String(now);
});

// Buttons with data-copies="ID" put the text of that element on the clipboard.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copies]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copies);
  await navigator.clipboard.writeText(source.textContent.trim());
  button.querySelector("[data-word]").textContent = button.dataset.copied;
});

for (const button of document.querySelectorAll("[data-copies]")) button.hidden = !navigator.clipboard;

// Forms with data-autosave="ADDRESS" are saved a few seconds after the last letter. The answer has
// the new version; where somebody else saved meanwhile, the form says so and stops.
for (const form of document.querySelectorAll("form[data-autosave]")) {
  const state = form.querySelector("[data-autosave-state]");
  let timer = 0;
  let stopped = false;
  const save = async () => {
    let reply;
    try {
      reply = await fetch(form.dataset.autosave, {
        method: "POST",
        body: new FormData(form),
        headers: { "X-Autosave": "1" },
      });
    } catch {
      state.textContent = state.dataset.failed;
      return;
    }
    if (reply.ok && !reply.redirected) {
      form.elements.version.value = (await reply.json()).version;
      state.textContent = state.dataset.saved;
    } else {
      stopped = reply.status === 409;
      state.textContent = stopped ? state.dataset.elsewhere : state.dataset.failed;
    }
  };
  form.addEventListener("input", () => {
    clearTimeout(timer);
    if (!stopped) timer = setTimeout(save, 3000);
  });
  form.addEventListener("submit", () => clearTimeout(timer));
}
