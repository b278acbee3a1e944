/** Draws what the network computes between a sentence and its translation. Also part of the page of `dragoman explain`. */

import { groupMatrix, groupPieces, meanOf, percent, product } from "./attention-words.js";
import { make, makeButton, makeSelect, makeSvg } from "./dom.js";

const KINDS = [
  ["cross", "The translation looks at the text"],
  ["encoder", "The text looks at itself"],
  ["decoder", "The translation looks at itself"],
];

const ROLES = {
  query: "What a word is looking for: this word's query is compared with the key of every word.",
  key: "What a word can be found by: the better it fits the query, the more this word is looked at.",
  value: "What a word has to say: the values of all words, each as much as it is looked at, make the result.",
};

const MAX_SEEN = 6;

/** What a reader has chosen; kept from one sentence to the next. layer -1: the last. head -1: the mean of all. */
export const firstChoice = () => ({ kind: "cross", layer: -1, head: -1, byWord: true });

/** Shows an explanation in an element.
 *
 * data: the answer of /v1/attention. choice: see `firstChoice`; is changed. loadVectors: (kind, layer, head) to a promise
 * of {queries, keys, values}, which may fail. */
export function showAttention(root, data, choice, loadVectors) {
  const view = { data, choice, loadVectors, row: null, column: null };
  const kinds = KINDS.filter(([kind]) => data[kind].length).map(([kind, label]) => [
    kind,
    data.sourcePieces.length ? label : "The text looks at itself", // of a language model
  ]);
  if (!kinds.some(([kind]) => kind === choice.kind)) choice.kind = kinds[0][0];
  view.controls = make("div", { class: "attention-controls" });
  view.matrix = make("div", { class: "attention-matrix", tabindex: 0, role: "group", "aria-label": "Attention by word" });
  view.said = make("p", { class: "attention-said", role: "status" });
  view.side = make("div", { class: "attention-side" });
  const left = make("div", { class: "attention-left" }, view.matrix, view.said, makeLegend());
  root.replaceChildren(view.controls, make("div", { class: "attention-view" }, left, view.side));
  drawControls(view, kinds);
  draw(view);
}

function drawControls(view, kinds) {
  const { data, choice } = view;
  const layers = data[choice.kind];
  if (choice.layer >= layers.length) choice.layer = -1;
  const heads = layers.at(choice.layer);
  if (choice.head >= heads.length) choice.head = -1;
  const change = (changes) => {
    Object.assign(choice, changes);
    if (changes.kind || "byWord" in changes) view.row = null; // other rows
    drawControls(view, kinds);
    draw(view);
  };
  const numbers = (count) => Array.from({ length: count }, (_, place) => [String(place), String(place + 1)]);
  const layer = choice.layer < 0 ? layers.length - 1 : choice.layer;
  const focused = [...view.controls.querySelectorAll("select")].indexOf(document.activeElement);
  view.controls.replaceChildren(
    makeSelect("Attention", kinds, choice.kind, (kind) => change({ kind, layer: -1 })),
    makeSelect("Layer", numbers(layers.length), String(layer), (value) => change({ layer: Number(value) })),
    makeSelect("Head", [["-1", "mean of all"], ...numbers(heads.length)], String(choice.head), (value) =>
      change({ head: Number(value) }),
    ),
    makeSelect("By", [["true", "word"], ["false", "piece"]], String(choice.byWord), (value) =>
      change({ byWord: value === "true" }),
    ),
  );
  view.controls.querySelectorAll("select")[focused]?.focus();
}

function draw(view) {
  const { data, choice } = view;
  const heads = data[choice.kind].at(choice.layer);
  const [rowPieces, columnPieces] = {
    encoder: [data.sourcePieces, data.sourcePieces],
    decoder: [data.written, data.read],
    cross: [data.written, data.sourcePieces],
  }[choice.kind];
  const [rows, columns] = [groupPieces(rowPieces, choice.byWord), groupPieces(columnPieces, choice.byWord)];
  const weights = groupMatrix(choice.head < 0 ? meanOf(heads) : heads[choice.head], rows, columns);
  Object.assign(view, { rows, columns, weights });
  const table = make("table");
  table.style.setProperty("--columns", columns.length);
  const head = make("tr", {}, make("td"));
  columns.forEach((column) => head.append(make("th", { scope: "col", class: column.isSpecial ? "special" : "" }, make("span", { text: column.label }))));
  table.append(make("thead", {}, head));
  const content = make("tbody");
  rows.forEach((row, place) => {
    const label = makeButton(row.label, () => chooseWord(view, place), { tabindex: -1, "aria-pressed": "false" });
    const line = make("tr", {}, make("th", { scope: "row", class: row.isSpecial ? "special" : "" }, label));
    columns.forEach((_, key) => {
      const cell = make("td", { data: { row: place, column: key } });
      cell.style.setProperty("--weight", weights[place][key].toFixed(3));
      line.append(cell);
    });
    content.append(line);
  });
  table.append(content);
  const cellOf = (event) => event.target.closest?.("td[data-row]");
  table.addEventListener("pointerover", (event) => {
    const cell = cellOf(event);
    if (cell) say(view, Number(cell.dataset.row), Number(cell.dataset.column));
  });
  table.addEventListener("pointerleave", () => say(view, view.row, view.column));
  table.addEventListener("click", (event) => {
    const cell = cellOf(event);
    if (cell) chooseWord(view, Number(cell.dataset.row), Number(cell.dataset.column));
  });
  view.matrix.onkeydown = (event) => press(view, event);
  view.matrix.replaceChildren(table);
  const first = rows.findIndex((row) => !row.isSpecial);
  chooseWord(view, view.row !== null && view.row < rows.length ? view.row : Math.max(first, 0));
}

/** Arrow keys go from word to word. */
function press(view, event) {
  const steps = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[event.key];
  if (!steps) return;
  event.preventDefault();
  const row = (view.row + steps[0] + view.rows.length) % view.rows.length;
  const column = steps[1] ? (view.column + steps[1] + view.columns.length) % view.columns.length : undefined;
  chooseWord(view, row, column);
}

/** column: the word that is looked at; by default the one that is looked at most. */
function chooseWord(view, row, column) {
  const weights = view.weights[row];
  view.row = row;
  view.column = column ?? weights.indexOf(Math.max(...weights));
  const lines = view.matrix.querySelectorAll("tbody tr");
  lines.forEach((line, place) => {
    line.classList.toggle("chosen", place === row);
    line.querySelector("button").setAttribute("aria-pressed", String(place === row));
    line.querySelectorAll("td").forEach((cell, key) => cell.classList.toggle("chosen", place === row && key === view.column));
  });
  view.matrix.querySelectorAll("thead th").forEach((cell, key) => cell.classList.toggle("chosen", key === view.column));
  reveal(view.matrix, lines[row]?.querySelectorAll("td")[view.column]);
  say(view, row, view.column);
  drawSide(view);
}

/** Scrolls the matrix, not the page, so that a cell is seen. */
function reveal(matrix, cell) {
  if (!cell || matrix.scrollWidth <= matrix.clientWidth) return;
  const label = cell.parentElement.firstElementChild.offsetWidth;
  const [begin, end] = [cell.offsetLeft - label, cell.offsetLeft + cell.offsetWidth];
  if (begin < matrix.scrollLeft) matrix.scrollLeft = begin;
  else if (end > matrix.scrollLeft + matrix.clientWidth) matrix.scrollLeft = end - matrix.clientWidth;
}

function say(view, row, column) {
  const [from, to] = [view.rows[row], view.columns[column]];
  const words = `“${from.label}” looks at “${to.label}”: ${percent(view.weights[row][column])}`;
  if (view.said.textContent !== words) view.said.textContent = words;
}

function drawSide(view) {
  const { data, choice, rows, columns, weights, row, column } = view;
  const word = rows[row];
  const isWritten = choice.kind !== "encoder";
  const seen = weights[row].map((weight, key) => [columns[key].label, weight]).sort((a, b) => b[1] - a[1]).slice(0, MAX_SEEN);
  const parts = [
    make("h2", { text: `“${word.label}”` }),
    make("h3", { text: isWritten ? "While it is written, it looks at" : "It looks at" }),
    makeRanking(seen),
  ];
  if (isWritten) {
    const ranked = data.next[word.begin].map(({ piece, probability }) => [groupPieces([piece], true)[0].label, probability]);
    parts.push(make("h3", { text: word.end - word.begin > 1 ? "How it could have begun here" : "What could have come here" }));
    parts.push(makeRanking(ranked.slice(0, MAX_SEEN)));
  }
  const vectors = make("div", { class: "attention-vectors" });
  parts.push(make("h3", { text: "Query, key, value" }), vectors);
  view.side.replaceChildren(...parts);
  drawVectors(view, vectors, word, columns[column]);
}

function makeRanking(entries) {
  const list = make("ol", { class: "attention-ranking" });
  for (const [label, share] of entries) {
    const bar = make("span", { class: "bar", "aria-hidden": "true" });
    bar.style.setProperty("--share", share.toFixed(4));
    list.append(make("li", {}, make("span", { class: "label", text: label }), bar, make("span", { class: "number", text: percent(share) })));
  }
  return list;
}

async function drawVectors(view, place, word, other) {
  const { choice, data } = view;
  const notes = Object.entries(ROLES).map(([role, sentence]) => {
    const name = role === "query" ? `of “${word.label}”` : `of “${other.label}”`;
    const bars = make("div", { class: "bars" });
    return [role, bars, make("div", {}, make("p", {}, make("b", { text: role[0].toUpperCase() + role.slice(1) }), ` ${name}. ${sentence}`), bars)];
  });
  const sum = make("p", { class: "attention-sum" });
  place.replaceChildren(...notes.map(([, , note]) => note), sum);
  if (choice.head < 0) {
    sum.textContent = "Choose a head to see its numbers.";
    return;
  }
  const layer = choice.layer < 0 ? data[choice.kind].length - 1 : choice.layer;
  let vectors;
  try {
    vectors = await view.loadVectors(choice.kind, layer, choice.head);
  } catch (error) {
    sum.textContent = error.message;
    return;
  }
  if (!place.isConnected) return; // another word was chosen meanwhile
  const [query, key] = [vectors.queries[word.begin], vectors.keys[other.begin]];
  const found = { query, key, value: vectors.values[other.begin] };
  for (const [role, bars] of notes) bars.replaceChildren(makeBars(found[role], role));
  const scaled = !data.scoring; // a Transformer's
  const score = product(query, key) / (scaled ? Math.sqrt(query.length) : 1);
  const weight = data[choice.kind][layer][choice.head][word.begin][other.begin];
  const isPart = word.end - word.begin > 1 || other.end - other.begin > 1;
  const scored = data.scoring === "additive" ? "The score of query and key" : `Query · key${scaled ? ` ÷ √${query.length}` : ""} = ${score.toFixed(2)}, which`;
  sum.textContent =
    `${scored} among all becomes ${percent(weight)}` +
    (isPart ? ", for the first pieces of these words." : ".");
}

/** Numbers as bars around a line. */
function makeBars(numbers, role) {
  const [width, half] = [4, 16];
  const largest = Math.max(...numbers.map(Math.abs), 1e-6);
  const svg = makeSvg("svg", {
    viewBox: `0 0 ${numbers.length * width} ${2 * half}`,
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": `${numbers.length} numbers of the ${role}, from ${Math.min(...numbers)} to ${Math.max(...numbers)}`,
  });
  svg.append(makeSvg("line", { x1: 0, x2: numbers.length * width, y1: half, y2: half }));
  numbers.forEach((number, place) => {
    const size = Math.max((Math.abs(number) / largest) * half, 0.4);
    svg.append(makeSvg("rect", { class: number < 0 ? "below" : "above", x: place * width + 0.5, y: number < 0 ? half : half - size, width: width - 1, height: size }));
  });
  return svg;
}

function makeLegend() {
  return make("p", { class: "attention-legend", "aria-hidden": "true" }, "0 %", make("span", { class: "scale" }), "100 %");
}
