// Sends files in parts that survive a closed laptop. The form works without this file, for small
// files. Each part carries its SHA-256; the server finds that of the whole as it arrives.
"use strict";

(() => {
  const FILES_AT_ONCE = 2;
  const PARTS_AT_ONCE = 3;
  const LONGEST_WAIT_MS = 30000;
  const API = "/api/v1/catalogue/uploads";
  const box = document.querySelector("[data-upload]");
  if (!box) return;
  const words = box.dataset;
  const list = box.querySelector("[data-list]");
  const says = box.querySelector("[data-says]");
  const drop = box.querySelector(".uploader__drop");
  const form = box.querySelector("form");
  const token = form.elements.csrfmiddlewaretoken.value;
  const files = box.querySelector("#upload-files");
  const folder = box.querySelector("#upload-folder");
  const rows = [];
  const older = new Map();

  class Stopped extends Error {}

  // Asking ------------------------------------------------------------------------------------

  function ask(method, address, { body = null, headers = {}, row = null, sent = null } = {}) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open(method, address);
      if (address.startsWith("/")) request.setRequestHeader("X-CSRFToken", token);
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
      if (sent) request.upload.onprogress = (event) => sent(event.loaded);
      const ended = (action) => () => {
        if (row) row.requests.delete(request);
        action();
      };
      request.onload = ended(() => resolve(request));
      request.onerror = ended(() => reject(new TypeError("no connection")));
      request.onabort = ended(() => reject(new Stopped("paused")));
      if (row) row.requests.add(request);
      request.send(body);
    });
  }

  // Asks again for as long as there is no connection, or the server is down; tells what it refuses.
  async function surely(method, address, options = {}) {
    for (let wait = 1000; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
      if (options.row && options.row.isPaused) throw new Stopped("paused");
      let reply = null;
      try {
        reply = await ask(method, address, options);
      } catch (error) {
        if (error instanceof Stopped) throw error;
      }
      if (reply && reply.status < 400) return reply.responseText ? parsed(reply) : {};
      if (reply && reply.status !== 429 && reply.status < 500) throw refusal(reply);
      if (options.sent) options.sent(0);
      if (options.row) show(options.row, words.again);
      await connection(wait);
    }
  }

  function parsed(reply) {
    try {
      return JSON.parse(reply.responseText);
    } catch {
      return {};
    }
  }

  function refusal(reply) {
    const told = parsed(reply);
    const error = new Error(told.detail || words.failed);
    if (reply.status === 401 || told.code === "request.not_allowed") error.message = words.signedOut;
    const each = (told.errors || []).map((one) => one.detail).join(" ");
    if (each) error.message = each;
    return error;
  }

  function connection(wait) {
    return new Promise((resolve) => {
      const go = () => {
        clearTimeout(timer);
        removeEventListener("online", go);
        resolve();
      };
      const timer = setTimeout(go, wait);
      addEventListener("online", go);
    });
  }

  function asked(method, address, value, row) {
    const headers = { "Content-Type": "application/json" };
    return surely(method, address, { body: JSON.stringify(value), headers, row });
  }

  // Checksums ---------------------------------------------------------------------------------

  const TABLE = Uint32Array.from({ length: 256 }, (_one, start) => {
    let value = start;
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    return value >>> 0;
  });

  function crc32(bytes) {
    let value = 0xffffffff;
    for (const byte of bytes) value = TABLE[(value ^ byte) & 0xff] ^ (value >>> 8);
    return ((value ^ 0xffffffff) >>> 0).toString(16).padStart(8, "0");
  }

  const hex = (bytes) => Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("");

  // Browsers keep SHA-256 from pages that came without TLS, but for those of this machine.
  async function checksum(bytes, kind) {
    if (kind === "crc32" || !crypto.subtle) return { text: `crc32:${crc32(bytes)}`, headers: { "X-Part-CRC32": crc32(bytes) } };
    const found = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    const base64 = btoa(String.fromCharCode(...found));
    return { text: `sha256:${hex(found)}`, headers: { "Content-Digest": `sha-256=:${base64}:` } };
  }

  const piece = async (row, number) => {
    const first = (number - 1) * row.upload.part_bytes;
    return new Uint8Array(await row.file.slice(first, first + row.upload.part_bytes).arrayBuffer());
  };

  // One file ----------------------------------------------------------------------------------

  async function send(row) {
    try {
      row.state = "sending";
      show(row, words.sending);
      const known = row.upload || older.get(row.path);
      row.upload = known ? await goOn(row, known) : null;
      if (!row.upload) {
        row.upload = await asked("POST", API, { name: row.path, bytes: row.file.size, purpose: "space", space: words.space }, row);
      }
      await sendParts(row);
      show(row, words.checking);
      row.upload = await asked("POST", `${API}/${row.upload.code}/complete`, {}, row);
      while (row.upload.state === "checking") {
        await new Promise((resolve) => setTimeout(resolve, 1000));
        row.upload = await surely("GET", `${API}/${row.upload.code}`, { row });
      }
      if (row.upload.state !== "kept") throw new Error(row.upload.reason ? row.upload.reason.detail : words.failed);
      older.delete(row.path);
      end(row, "done", words.done);
    } catch (error) {
      if (error instanceof Stopped) {
        if (row.state !== "removed") {
          row.state = "paused";
          show(row, words.paused);
        }
      } else {
        end(row, "failed", error.message);
      }
    }
    next();
  }

  // Goes on with an upload that was begun before, once the file is seen to be the same.
  async function goOn(row, known) {
    let upload;
    try {
      upload = await surely("GET", `${API}/${known.code}`, { row });
    } catch (error) {
      if (error instanceof Stopped) throw error;
      return null;
    }
    if (upload.state !== "receiving") return upload.state === "kept" || upload.state === "checking" ? upload : null;
    row.upload = upload;
    if (upload.bytes !== row.file.size) throw new Error(words.changed);
    for (const part of upload.parts) {
      if (!/^(sha256|crc32):/.test(part.checksum)) continue;
      const found = await checksum(await piece(row, part.number), part.checksum.split(":")[0]);
      if (found.text.split(":")[0] === part.checksum.split(":")[0] && found.text !== part.checksum) throw new Error(words.changed);
    }
    return upload;
  }

  async function sendParts(row) {
    const upload = row.upload;
    if (upload.state !== "receiving") return;
    const there = new Map((upload.parts || []).map((part) => [part.number, part.bytes]));
    const todo = [];
    for (let number = 1; number <= upload.part_count; number += 1) if (!there.has(number)) todo.push(number);
    row.sent = new Map(there);
    progress(row);
    const work = async () => {
      while (todo.length) await sendPart(row, todo.shift());
    };
    await Promise.all(Array.from({ length: PARTS_AT_ONCE }, work));
  }

  async function sendPart(row, number) {
    const bytes = await piece(row, number);
    let address = `${API}/${row.upload.code}/parts/${number}`;
    let headers = { "Content-Type": "application/octet-stream" };
    if (row.upload.is_direct) {
      const links = await surely("GET", `${API}/${row.upload.code}/links?first=${number}&count=1`, { row });
      address = links[0].url;
    } else {
      headers = { ...headers, ...(await checksum(bytes)).headers };
    }
    const sent = (count) => {
      row.sent.set(number, Math.min(count, bytes.length));
      progress(row);
    };
    await surely("PUT", address, { body: bytes, headers, row, sent });
    sent(bytes.length);
    show(row, words.sending);
  }

  // What a person sees ------------------------------------------------------------------------

  function line(path, size) {
    const item = document.createElement("li");
    item.className = "task-list__row uploader__file";
    const name = document.createElement("span");
    name.textContent = path;
    const bar = document.createElement("progress");
    bar.max = Math.max(size, 1);
    bar.value = 0;
    bar.setAttribute("aria-label", path);
    const state = document.createElement("span");
    state.className = "task-list__state";
    const buttons = document.createElement("span");
    buttons.className = "cluster";
    item.append(name, bar, state, buttons);
    list.append(item);
    return { item, bar, state, buttons };
  }

  function button(row, word, action) {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "ds-button";
    made.dataset.variant = "tertiary";
    made.dataset.size = "sm";
    made.textContent = word;
    made.setAttribute("aria-label", `${word}: ${row.path}`);
    made.addEventListener("click", action);
    row.view.buttons.append(made);
    return made;
  }

  function show(row, text) {
    row.view.state.textContent = text;
  }

  function progress(row) {
    row.view.bar.value = Array.from(row.sent.values()).reduce((sum, one) => sum + one, 0);
  }

  function end(row, state, text) {
    row.state = state;
    row.view.item.dataset.state = state;
    if (state === "done") {
      row.view.bar.value = row.view.bar.max;
      row.view.buttons.replaceChildren();
    }
    show(row, text);
  }

  function pause(row) {
    row.isPaused = !row.isPaused;
    row.pause.textContent = row.isPaused ? words.goOn : words.pause;
    row.pause.setAttribute("aria-label", `${row.pause.textContent}: ${row.path}`);
    if (row.isPaused) {
      for (const request of [...row.requests]) request.abort();
      if (row.state === "waiting") row.state = "paused";
      if (row.state === "paused") show(row, words.paused);
    } else if (row.state === "paused" || row.state === "failed") {
      row.state = "waiting";
      show(row, words.waiting);
      next();
    }
  }

  async function remove(row) {
    row.state = "removed";
    row.isPaused = true;
    for (const request of [...row.requests]) request.abort();
    row.view.item.remove();
    rows.splice(rows.indexOf(row), 1);
    older.delete(row.path);
    if (row.upload) await ask("DELETE", `${API}/${row.upload.code}`).catch(() => {});
    next();
  }

  function next() {
    const busy = rows.filter((row) => row.state === "sending").length;
    const waiting = rows.filter((row) => row.state === "waiting").slice(0, Math.max(0, FILES_AT_ONCE - busy));
    for (const row of waiting) send(row);
    if (rows.length && rows.every((row) => row.state === "done")) {
      says.textContent = words.allSent;
      refresh();
    }
  }

  async function refresh() {
    const reply = await ask("GET", location.pathname + location.search).catch(() => null);
    if (!reply || reply.status !== 200) return;
    const page = new DOMParser().parseFromString(reply.responseText, "text/html");
    const fresh = page.querySelector("[data-files]");
    if (fresh) document.querySelector("[data-files]").replaceWith(document.importNode(fresh, true));
  }

  // What comes in -----------------------------------------------------------------------------

  function take(found) {
    const named = found.map(({ file, path }) => ({ file, path: (words.folder ? `${words.folder}/${path}` : path).normalize("NFC") }));
    const fresh = named.filter(({ path }) => !older.has(path));
    const size = fresh.reduce((sum, { file }) => sum + file.size, 0);
    if (size > Number(words.left) || fresh.length > Number(words.leftFiles)) {
      says.textContent = words.noRoom;
      return;
    }
    says.textContent = "";
    for (const { file, path } of named) {
      const begun = older.get(path);
      if (begun && begun.item) begun.item.remove();
      const row = { file, path, state: "waiting", requests: new Set(), sent: new Map(), isPaused: false, upload: null };
      row.view = line(path, file.size);
      row.pause = button(row, words.pause, () => pause(row));
      button(row, words.remove, () => remove(row));
      show(row, words.waiting);
      rows.push(row);
    }
    next();
  }

  const chosen = (input) => () => {
    const found = Array.from(input.files, (file) => ({ file, path: file.webkitRelativePath || file.name }));
    input.value = "";
    take(found);
  };

  async function walk(entry, prefix, found) {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      found.push({ file, path: prefix + entry.name });
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) return;
      for (const one of some) await walk(one, `${prefix}${entry.name}/`, found);
    }
  }

  drop.addEventListener("dragover", (event) => event.preventDefault());
  drop.addEventListener("drop", async (event) => {
    event.preventDefault();
    const entries = Array.from(event.dataTransfer.items, (one) => one.webkitGetAsEntry()).filter(Boolean);
    const found = [];
    for (const entry of entries) await walk(entry, "", found);
    take(found);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  files.addEventListener("change", chosen(files));
  folder.addEventListener("change", chosen(folder));
  box.querySelector("[data-plain]").hidden = true;
  box.querySelector("[data-drop-hint]").hidden = false;
  box.querySelector("[data-folder-choice]").hidden = !("webkitdirectory" in folder);
  addEventListener("beforeunload", (event) => {
    if (rows.some((row) => row.state === "sending")) event.preventDefault();
  });

  // What was begun before, here or in another window, and waits for its file.
  ask("GET", API).then((reply) => {
    if (reply.status !== 200) return;
    for (const upload of parsed(reply)) {
      const isHere = upload.space === words.space && upload.purpose === "space" && upload.state === "receiving";
      if (!isHere || rows.some((row) => row.path === upload.name)) continue;
      const view = line(upload.name, upload.bytes);
      view.state.textContent = words.choose;
      const row = { path: upload.name, view, requests: new Set(), state: "older", upload };
      older.set(upload.name, { code: upload.code, item: view.item });
      button(row, words.remove, () => remove({ ...row, isPaused: true }));
    }
  }, () => {});
})();
