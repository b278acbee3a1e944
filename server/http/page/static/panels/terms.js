/** The panel of terms: words whose translation is given. They belong to a target language, and the browser keeps them. */

import { nameOfLanguage, saveFile } from "./common.js";
import { make, makeButton } from "./dom.js";
import { emptyRow, faultOf, MAX_TERMS, readTable, termsOf, writeTable } from "./terms-table.js";
import { on, recall, remember, state } from "../state.js";
import { contribute, retranslate } from "../translating.js";

const PAUSE_MS = 350;
const MAX_FILE_BYTES = 1_000_000;

let rows = [];
let timer = 0;

const keyOf = (target) => `terms.${target}`;

/** The source language: chosen, detected, or the first that translates into the target. */
const sourceLanguage = () =>
  (state.source !== "auto" && state.source) ||
  state.result?.source ||
  state.languages.find((one) => one.targets.includes(state.target))?.code ||
  "source";

export function start(body, details) {
  const content = make("tbody");
  const count = make("span", { class: "panel-count" });
  const note = make("p", { class: "panel-note", role: "status" });
  const heads = [make("th", { scope: "col" }), make("th", { scope: "col" })];
  details.querySelector("summary").append(count);

  const changed = () => {
    const filled = rows.filter((row) => row.source.trim() || row.target.trim());
    remember(keyOf(state.target), filled.length ? filled : null);
    showCount();
    clearTimeout(timer);
    timer = setTimeout(retranslate, PAUSE_MS);
  };
  const showCount = () => {
    const number = termsOf(rows).length;
    count.textContent = number ? `${number}` : "";
  };
  const load = () => {
    rows = clean(recall(keyOf(state.target), []));
    draw();
  };
  const draw = () => {
    heads[0].textContent = "In the text";
    heads[1].textContent = `In ${nameOfLanguage(state.target)}`;
    content.replaceChildren(...rows.map(makeRow));
    addEmpty();
    showCount();
    showOutcomes();
  };
  const addEmpty = () => {
    const last = rows.at(-1);
    if (rows.length < MAX_TERMS && (!last || last.source.trim() || last.target.trim())) {
      rows.push(emptyRow());
      content.append(makeRow(rows.at(-1)));
    }
  };
  const makeRow = (row) => {
    const fault = make("span", { class: "term-state" });
    const edit = (name) => (event) => {
      row[name] = event.target.value;
      fault.textContent = faultOf(row);
      addEmpty();
      changed();
    };
    const source = make("input", { type: "text", dir: "auto", spellcheck: "false", "aria-label": "Word in the text", value: row.source, on: { input: edit("source") } });
    const target = make("input", { type: "text", dir: "auto", spellcheck: "false", "aria-label": "Its translation", value: row.target, disabled: row.isKept, on: { input: edit("target") } });
    const keep = make("input", { type: "checkbox", "aria-label": "Keep it as it is", checked: row.isKept });
    keep.addEventListener("change", () => {
      row.isKept = target.disabled = keep.checked;
      fault.textContent = faultOf(row);
      changed();
    });
    const remove = makeButton("×", () => {
      const line = remove.closest("tr");
      const next = line.nextElementSibling ?? line.previousElementSibling;
      rows.splice(rows.indexOf(row), 1);
      line.remove();
      addEmpty();
      (next ?? content.lastElementChild)?.querySelector("input").focus();
      changed();
    }, { class: "quiet", "aria-label": "Remove this term", title: "Remove this term" });
    fault.textContent = faultOf(row);
    const line = make("tr", {}, make("td", {}, source), make("td", {}, target), make("td", { class: "keep" }, keep), make("td", { class: "outcome" }, fault), make("td", {}, remove));
    line.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing || event.target.tagName !== "INPUT") return;
      event.preventDefault();
      line.nextElementSibling?.querySelector("input").focus();
    });
    line.row = row;
    return line;
  };
  const showOutcomes = () => {
    const found = new Map((state.result?.isComplete ? state.result.terms : []).map((one) => [one.source.toLowerCase(), one]));
    for (const line of content.children) {
      const fault = faultOf(line.row);
      const outcome = found.get(line.row.source.trim().toLowerCase());
      const words = fault || (outcome ? (outcome.reason ? outcome.reason : "used") : "");
      const place = line.querySelector(".term-state");
      if (place.textContent !== words) place.textContent = words;
      place.classList.toggle("fault", Boolean(fault || outcome?.reason));
    }
  };
  const read = async (file) => {
    if (!file) return;
    try {
      if (file.size > MAX_FILE_BYTES) throw new Error("The file is too large for a table of terms.");
      rows = clean(readTable(await file.text(), sourceLanguage(), state.target));
      note.textContent = `${rows.length} terms were loaded from ${file.name}.`;
      draw();
      changed();
    } catch (error) {
      note.textContent = error.message;
    }
  };
  const file = make("input", { type: "file", accept: ".tsv,.txt,text/tab-separated-values", class: "hidden", tabindex: -1, "aria-label": "File of terms" });
  file.addEventListener("change", () => read(file.files[0]).then(() => (file.value = "")));
  const save = () => {
    const table = writeTable(rows, sourceLanguage(), state.target);
    saveFile(new Blob([table], { type: "text/tab-separated-values" }), `terms-${sourceLanguage()}-${state.target}.tsv`);
  };
  body.replaceChildren(
    make("p", { class: "panel-intro", text: "Words whose translation you know. They count at once, also for documents, and stay in this browser. Several forms have | between them." }),
    make(
      "div",
      { class: "terms-scroll" },
      make("table", { class: "terms" }, make("thead", {}, make("tr", {}, ...heads, make("th", { scope: "col", class: "keep", text: "Keep" }), make("th", { scope: "col", class: "outcome", text: "State" }), make("th", {}, make("span", { class: "hidden", text: "Remove" })))), content),
    ),
    make("p", { class: "buttons" }, makeButton("Load TSV", () => file.click()), makeButton("Save TSV", save), makeButton("Remove all", () => {
      rows = [];
      draw();
      changed();
    }, { class: "quiet" })),
    file,
    note,
  );
  contribute((request) => {
    const terms = termsOf(rows);
    if (terms.length) request.terms = terms;
  });
  load();
  on("target", load);
  on("translated", showOutcomes);
  if (termsOf(rows).length && state.text.trim()) retranslate();
}

/** Rows as the browser has kept them, whatever they are. */
function clean(kept) {
  if (!Array.isArray(kept)) return [];
  return kept
    .filter((row) => typeof row?.source === "string" && typeof row?.target === "string")
    .slice(0, MAX_TERMS)
    .map(({ source, target, isKept }) => ({ source, target, isKept: isKept === true }));
}
