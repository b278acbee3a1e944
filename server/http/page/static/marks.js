/** Marks in both texts: the doubts about a translation, the words that the model was unsure of, and the quality. */

import { on, state } from "./state.js";
import { shown } from "./target.js";
import { mirrored } from "./source.js";
import { spanAt } from "./text.js";

const UNSURE = Math.log(0.25);
/** Log probability below which a word is marked: the model gave it less than one chance in four. */

const WORDS = {
  FIGURE_DIFFERS: "A figure differs",
  SPAN_LOST: "Something that should stay as it is was lost",
  REPEATS: "Words are repeated",
  UNTRANSLATED: "This may not be translated",
  WRONG_LANGUAGE: "This may be in the wrong language",
  MUCH_SHORTER: "Something may have been left out",
  MUCH_LONGER: "Something may have been made up",
  CUT_OFF: "The translation was cut off",
  UNKNOWN_CHARACTERS: "A character could not be written",
};

const find = (id) => document.getElementById(id);

/** Marks spans of the translation and of the source; names are those of the stylesheet's ::highlight(). */
export function mark(name, { source = [], target = [] }) {
  if (!globalThis.CSS?.highlights) return;
  const ranges = [...source.map((span) => rangeOf(mirrored, span)), ...target.map((span) => rangeOf(shown, span))];
  if (ranges.some(Boolean)) CSS.highlights.set(name, new Highlight(...ranges.filter(Boolean)));
  else CSS.highlights.delete(name);
}

/** The range of a span of a text node; null if the node has no such place, or none at all. */
export function rangeOf(node, [begin, end]) {
  if (!node.isConnected || begin >= end || end > node.length) return null;
  const range = document.createRange();
  range.setStart(node, begin);
  range.setEnd(node, end);
  return range;
}

/** What is said of the words at an offset of the translation. */
export function remarksAt(result, offset) {
  const isIn = ([begin, end]) => begin <= offset && offset < end;
  const remarks = result.warnings.filter((one) => isIn(one.target)).map((one) => describe(one));
  if (spanAt(result.unsure, offset)) remarks.push("The model was unsure of this word");
  const term = result.terms.find((one) => one.span && isIn(one.span));
  if (term) remarks.push(`A term: “${term.source}”`);
  return remarks;
}

const describe = (warning) => WORDS[warning.kind.replace("WARNING_KIND_", "")] ?? "There may be a mistake";

/** The spans of the words whose least likely piece is below `UNSURE`. */
export function unsureWords(text, pieces = [], logProbs = []) {
  const words = [];
  pieces.forEach((piece, place) => {
    if (!words.length || piece.startsWith("▁")) words.push(0);
    words[words.length - 1] = Math.min(words.at(-1), logProbs[place] ?? 0);
  });
  const spans = Array.from(text.matchAll(/\S+/g), (found) => [found.index, found.index + found[0].length]);
  return spans.length === words.length ? spans.filter((_, place) => words[place] < UNSURE) : [];
}

export function startMarks() {
  on("result", show);
  on("text", () => {
    mark("doubt", {});
    mark("unsure", {});
  });
  const list = find("doubt-list");
  find("doubts").addEventListener("click", () => {
    const { left, top } = find("doubts").getBoundingClientRect();
    list.showPopover();
    list.style.setProperty("left", `${Math.max(8, Math.min(left, document.body.clientWidth - list.offsetWidth - 12))}px`);
    list.style.setProperty("top", `${Math.max(8, top - list.offsetHeight - 8)}px`);
  });
}

function show(result) {
  const isComplete = Boolean(result?.isComplete);
  const warnings = isComplete ? result.warnings : [];
  const missed = isComplete ? result.terms.filter((one) => !one.span && one.reason) : [];
  if (isComplete && result.text === state.text) {
    mark("doubt", { source: warnings.map((one) => one.source), target: warnings.map((one) => one.target) });
    mark("unsure", { target: result.unsure });
  } else {
    mark("doubt", {});
    mark("unsure", {});
  }
  find("quality").textContent = isComplete ? describeQuality(result) : "";
  const count = warnings.length + missed.length;
  find("doubts").hidden = !count;
  if (!count && find("doubt-list").matches(":popover-open")) find("doubt-list").hidePopover();
  find("doubts").textContent = count === 1 ? "1 doubt" : `${count} doubts`;
  find("doubt-list").replaceChildren(
    ...warnings.map((one) => item(describe(one), excerpt(result, one))),
    ...missed.map((one) => item(`The term “${one.source}” is missing`, one.reason)),
  );
}

function describeQuality({ isApproved, isUnchanged, quality }) {
  if (isApproved) return "An approved translation";
  return isUnchanged || quality === undefined ? "" : `Estimated quality ${Math.round(100 * quality)} %`;
}

function excerpt(result, { source, target }) {
  const words = result.stable.slice(...target) || result.text.slice(...source);
  return words.length > 80 ? `${words.slice(0, 79)}…` : words;
}

function item(title, words) {
  const [line, small] = [document.createElement("li"), document.createElement("small")];
  small.textContent = words;
  line.append(`${title}: `, small);
  return line;
}
