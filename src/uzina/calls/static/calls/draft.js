// Saves a section of an application while it is typed. Without this file the buttons save it.
"use strict";

const QUIET_MS = 3000;

for (const form of document.querySelectorAll("form[data-draft]")) {
  const version = form.elements.namedItem("version");
  const says = form.querySelector("[data-draft-says]");
  let timer = 0;
  let isSaving = false;
  let isStopped = false;

  const later = () => {
    window.clearTimeout(timer);
    if (!isStopped) timer = window.setTimeout(save, QUIET_MS);
  };

  const save = async () => {
    if (isSaving) return later();
    isSaving = true;
    try {
      const answer = await fetch(form.action, {
        method: "POST",
        body: new FormData(form),
        headers: { "X-Autosave": "1", Accept: "application/json" },
        redirect: "error",
      });
      tell(await answer.json());
    } catch {
      says.textContent = form.dataset.offline;
    }
    isSaving = false;
  };

  const tell = (told) => {
    if (told.state === "saved") version.value = String(told.version);
    // The page that the button leads to shows both versions: saving on would only repeat this.
    if (told.state === "conflict" || told.state === "signed_out") isStopped = true;
    says.textContent = told.state === "signed_out" ? form.dataset.signedOut : told.text;
  };

  form.addEventListener("input", later);
  form.addEventListener("change", later);
  form.addEventListener("submit", () => {
    isStopped = true;
    window.clearTimeout(timer);
  });
}
