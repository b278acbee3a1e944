/** The panel of the history: the last translations, which stay in this browser. */

import { nameOfLanguage, timeOf } from "./common.js";
import { make, makeButton } from "./dom.js";
import { setText } from "../controls.js";
import { on, recall, remember } from "../state.js";

const MAX_ENTRIES = 100;
const MAX_LENGTH = 5000; // of a text that is kept
const MAX_TOTAL = 300_000; // characters of all
const TYPING_MS = 30_000;

let entries = [];

export function start(body, details) {
  const list = make("ol", { class: "history" });
  const empty = make("p", { class: "panel-note" });
  const keeps = make("input", { type: "checkbox", checked: recall("history.on", true) });
  const clear = makeButton("Clear the history", () => {
    entries = [];
    store();
    draw();
  }, { class: "quiet" });
  entries = clean(recall("history", []));

  const draw = () => {
    if (!details.open) return;
    empty.textContent = entries.length ? "" : keeps.checked ? "Nothing was translated yet." : "No history is kept.";
    empty.hidden = Boolean(entries.length);
    clear.disabled = !entries.length;
    list.replaceChildren(...entries.map(makeEntry));
  };
  const makeEntry = (entry) => {
    const take = makeButton("", () => {
      setText(entry.text, { source: entry.source, target: entry.target });
      document.getElementById("text").focus();
      scrollTo({ top: 0 });
    }, { class: "entry", title: "Take this text up again" });
    take.append(
      make("span", { class: "entry-text", dir: "auto", text: entry.text.slice(0, 300) }),
      make("span", { class: "entry-translation", dir: "auto", lang: entry.target, text: entry.translation.slice(0, 300) }),
      make("span", { class: "entry-about", text: `${nameOfLanguage(entry.source)} → ${nameOfLanguage(entry.target)}, ${timeOf(entry.at)}` }),
    );
    const remove = makeButton("×", () => {
      entries.splice(entries.indexOf(entry), 1);
      store();
      draw();
      list.querySelector("button")?.focus();
    }, { class: "quiet", "aria-label": "Remove this entry", title: "Remove this entry" });
    return make("li", {}, take, remove);
  };
  keeps.addEventListener("change", () => {
    remember("history.on", keeps.checked ? null : false);
    if (!keeps.checked) entries = [];
    store();
    draw();
  });
  on("translated", (result) => {
    if (!keeps.checked || !result) return;
    add(result);
    store();
    draw();
  });
  addEventListener("storage", (event) => {
    if (event.key !== "dragoman.history") return; // another tab has written
    entries = clean(recall("history", []));
    draw();
  });
  details.addEventListener("toggle", draw);
  body.replaceChildren(
    make("p", { class: "panel-intro", text: `The last ${MAX_ENTRIES} translations. They stay in this browser; the server keeps none. Click one to take it up again.` }),
    make("p", { class: "history-tools" }, make("label", { class: "check" }, keeps, "Keep a history in this browser"), clear),
    empty,
    list,
  );
  draw();
}

/** Adds a translation; while somebody types, the newer text takes the older one's place. */
function add({ text, stable, source, target, isUnchanged }) {
  const entry = { text: text.trim(), translation: stable.trim(), source, target, at: Date.now() };
  if (!entry.text || !entry.translation || isUnchanged || text.length > MAX_LENGTH) return;
  const [last] = entries;
  const isTyped = last && last.target === target && entry.at - last.at < TYPING_MS && isContinued(last.text, entry.text);
  const others = entries.filter((one) => !(one.text === entry.text && one.target === target) && !(isTyped && one === last));
  entries = [entry, ...others];
}

const isContinued = (one, other) => one.startsWith(other) || other.startsWith(one);

/** Keeps the newest that fit. */
function store() {
  let total = 0;
  entries = entries.slice(0, MAX_ENTRIES).filter((entry) => (total += entry.text.length + entry.translation.length) <= MAX_TOTAL);
  remember("history", entries.length ? entries : null);
}

function clean(kept) {
  if (!Array.isArray(kept)) return [];
  const names = ["text", "translation", "source", "target"];
  return kept.filter((one) => one && names.every((name) => typeof one[name] === "string") && typeof one.at === "number").slice(0, MAX_ENTRIES);
}
