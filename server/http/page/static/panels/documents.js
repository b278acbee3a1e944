/** The panel of documents: files that are dropped or chosen, how far they are, and their translations. */

import { call, send } from "../api.js";
import { on, state } from "../state.js";
import { describeRequest } from "../translating.js";
import { nameOfLanguage, saveFile, sizeOf } from "./common.js";
import { make, makeButton } from "./dom.js";

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 2000;
const KEPT = "dragoman.documents"; // in this tab, so that it survives a reload

let documents = [];

export async function start(body, details) {
  const list = make("ul", { class: "documents" });
  const note = make("p", { class: "panel-note", role: "status" });
  const choose = make("input", { type: "file", multiple: true, class: "hidden", tabindex: -1, "aria-label": "Documents to translate" });
  const formats = make("span", { class: "drop-formats" });
  const into = make("span");
  const drop = make(
    "div",
    { class: "drop" },
    makeButton("Choose documents", () => choose.click(), { class: "primary" }),
    make("span", { class: "drop-words" }, "or drop them here. ", into),
    formats,
  );

  const take = (files) => {
    details.open = true;
    for (const file of files) {
      const entry = { name: file.name, size: file.size, target: state.target, state: "sending", progress: 0, message: "", file };
      documents.unshift(entry);
      list.prepend(makeEntry(entry));
      run(entry, file);
    }
    showEmpty();
  };
  const showEmpty = () => (list.hidden = !documents.length);
  const makeEntry = (entry) => {
    const about = make("span", { class: "document-about", role: "status" });
    const bar = make("progress", { max: 1, "aria-label": `Progress of ${entry.name}` });
    const download = makeButton("Download", () => {
      if (entry.state === "done") {
        fetchResult(entry, note);
        return;
      }
      Object.assign(entry, { state: "sending", target: state.target, progress: 0, message: "", id: "" });
      entry.show();
      run(entry, entry.file);
    });
    const remove = makeButton("×", () => {
      entry.isRemoved = true;
      entry.sending?.abort();
      if (entry.id) call("DELETE", addressOf(entry)).catch(() => {});
      documents = documents.filter((one) => one !== entry);
      line.remove();
      keep();
      showEmpty();
    }, { class: "quiet", "aria-label": `Remove ${entry.name}`, title: "Remove; a translation under way ends" });
    const line = make("li", {}, make("span", { class: "document-name", dir: "auto", text: entry.name }), about, bar, make("span", { class: "document-buttons" }, download, remove));
    entry.show = () => {
      about.textContent = describe(entry);
      about.classList.toggle("fault", entry.state === "error");
      const isRunning = ["sending", "queued", "translating"].includes(entry.state);
      bar.classList.toggle("idle", !isRunning);
      if (entry.state === "translating" && entry.progress) bar.value = entry.progress;
      else if (isRunning) bar.removeAttribute("value");
      else bar.value = entry.state === "done" ? 1 : 0;
      const mayRetry = entry.state === "error" && Boolean(entry.file);
      download.disabled = entry.state !== "done" && !mayRetry;
      download.textContent = mayRetry ? "Try again" : "Download";
    };
    entry.show();
    return line;
  };

  choose.addEventListener("change", () => {
    take(choose.files);
    choose.value = "";
  });
  startDropping(drop, take);
  body.replaceChildren(
    make("p", { class: "panel-intro", text: "The translation looks like the document: headings, tables, links and tags stay where they belong. Your terms count." }),
    drop,
    choose,
    note,
    list,
  );
  const showTarget = () => (into.textContent = state.target ? `They are translated into ${nameOfLanguage(state.target)}.` : "");
  on("target", showTarget);
  showTarget();
  documents = readKept();
  list.append(...documents.map(makeEntry));
  showEmpty();
  for (const entry of documents) if (entry.state !== "done" && entry.state !== "error") watch(entry);
  try {
    const settings = await call("GET", "/frontend/settings");
    formats.textContent = settings.supportedFilesFormat.map((one) => one.slice(1)).join(", ");
    choose.accept = settings.supportedFilesFormat.join(",");
  } catch {
    // without the list all files can be chosen
  }
}

/** Sends a file, and then asks until it is translated. */
async function run(entry, file) {
  const form = new FormData();
  const request = describeRequest("");
  form.append("targetLanguageCode", entry.target);
  if (request.sourceLanguageCode) form.append("sourceLanguageCode", request.sourceLanguageCode);
  if (request.terms) form.append("terms", JSON.stringify(request.terms));
  form.append("file", file, file.name);
  entry.sending = new AbortController();
  try {
    const response = await send("POST", "/v1/documents", form, { signal: entry.sending.signal });
    const { id, key, state: found } = await response.json();
    Object.assign(entry, { id, key, state: found });
  } catch (error) {
    if (error.name === "AbortError") return;
    Object.assign(entry, { state: "error", message: error.status === 413 ? "It is too large for this server." : error.message });
  }
  entry.show();
  keep();
  if (entry.id) watch(entry);
}

async function watch(entry) {
  for (let pause = FIRST_PAUSE_MS; ["queued", "translating"].includes(entry.state); pause = Math.min(1.5 * pause, LONGEST_PAUSE_MS)) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    if (entry.isRemoved) return;
    try {
      const found = await call("GET", addressOf(entry));
      Object.assign(entry, { state: found.state, progress: found.progress, message: found.message ?? "" });
    } catch (error) {
      if (error.status === 404) Object.assign(entry, { state: "error", message: "The server has deleted it." });
      else if (error.status && error.status !== 429 && error.status !== 503) Object.assign(entry, { state: "error", message: error.message });
    }
    entry.show();
  }
  keep();
}

async function fetchResult(entry, note) {
  note.textContent = "";
  try {
    const response = await send("GET", addressOf(entry, "/result"));
    saveFile(await response.blob(), translatedName(entry.name, entry.target));
  } catch (error) {
    if (error.status === 404) Object.assign(entry, { state: "error", message: "The server has deleted it." });
    note.textContent = error.status === 404 ? "" : error.message;
    entry.show();
  }
}

const addressOf = (entry, rest = "") => `/v1/documents/${entry.id}${rest}?key=${entry.key}`;

/** report.docx becomes report.de.docx. */
export function translatedName(name, target) {
  const place = name.lastIndexOf(".");
  return place > 0 ? `${name.slice(0, place)}.${target}${name.slice(place)}` : `${name}.${target}`;
}

function describe({ state: found, size, target, progress, message }) {
  const into = `into ${nameOfLanguage(target)}`;
  if (found === "error") return message || "It could not be translated.";
  const words = { sending: "being sent", queued: "waits", translating: progress ? `${Math.round(100 * progress)} %` : "being translated", done: "done" };
  return `${sizeOf(size)}, ${into}, ${words[found] ?? found}`;
}

/** Files may be dropped anywhere on the page. */
function startDropping(drop, take) {
  let depth = 0;
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  const mark = (isOver) => drop.classList.toggle("over", isOver);
  document.addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault()); // else the browser opens it
  document.addEventListener("dragenter", (event) => hasFiles(event) && mark(++depth > 0));
  document.addEventListener("dragleave", (event) => hasFiles(event) && mark(--depth > 0));
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth = 0;
    mark(false);
    take(event.dataTransfer.files);
  });
}

function keep() {
  const kept = documents.filter((one) => one.id).map(({ id, key, name, size, target, state: found, message }) => ({ id, key, name, size, target, state: found, message }));
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(kept));
  } catch {
    // a browser that keeps nothing
  }
}

function readKept() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT)) ?? [];
    return kept.filter((one) => one.id && one.key && one.name).map((one) => ({ ...one, progress: 0 }));
  } catch {
    return [];
  }
}
