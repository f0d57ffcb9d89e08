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
