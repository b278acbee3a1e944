/** Hover a word, on either side, or walk over the translation with the arrow keys: its counterpart lights up. */

import { openAlternatives } from "./alternatives.js";
import { call } from "./api.js";
import { say } from "./controls.js";
import { mark, rangeOf, remarksAt } from "./marks.js";
import { mirrored } from "./source.js";
import { on, state } from "./state.js";
import { shown } from "./target.js";
import { details } from "./translating.js";
import { overlap, spanAt, wordsOf } from "./text.js";

const pane = document.getElementById("translation");
const text = document.getElementById("text");
let words = { of: null, spans: [] };
let current = null; // the word that the keys have chosen
let pointed = null;

export function startLinking() {
  pane.addEventListener("pointermove", (event) => event.pointerType !== "touch" && pointTarget(event));
  text.addEventListener("pointermove", (event) => event.pointerType !== "touch" && pointSource(event));
  for (const element of [pane, text]) element.addEventListener("pointerleave", forget);
  pane.addEventListener("click", (event) => {
    const word = targetWordAt(event);
    if (word && getSelection().isCollapsed) choose(word, true);
  });
  pane.addEventListener("keydown", press);
  pane.addEventListener("blur", (event) => event.relatedTarget?.id === "alternatives" || light(null));
  on("text", forget);
  on("result", forget);
}

/** The result, if it is that of the present text. */
const ready = () => (state.result?.isComplete && state.result.text === state.text ? state.result : null);

function wordsOfTarget() {
  const result = ready();
  if (!result || result.isUnchanged) return [];
  if (words.of !== result.stable) words = { of: result.stable, spans: wordsOf(result.stable, result.target) };
  return words.spans;
}

function forget() {
  current = pointed = null;
  light(null);
}

/** Adds the alignment of the sentence with a place, which a long text comes without, and then does `after`. */
async function align(result, side, [begin], after) {
  const isThere = (one) => one[side][0] <= begin && begin < one[side][1];
  const sentence = result.isAligned ? null : result.sentences.find(isThere);
  if (!sentence || sentence.isAligned) return;
  sentence.isAligned = true; // or about to be
  const [source, target] = [result.text.slice(...sentence.source), result.stable.slice(...sentence.target)];
  let score;
  try {
    ({ scores: [score] } = await call("POST", "/v1/score", {
      pairs: [{ source, target }],
      sourceLanguageCode: result.source,
      targetLanguageCode: result.target,
      model: result.model,
      returnOptions: { alignment: true },
      priority: "PRIORITY_INTERACTIVE",
    }));
  } catch {
    sentence.isAligned = false;
    return;
  }
  const found = details({ ...score, text: target }, source).alignment.map((pair) => ({
    source: pair.source.map((offset) => offset + sentence.source[0]),
    target: pair.target.map((offset) => offset + sentence.target[0]),
  }));
  result.alignment = [...result.alignment, ...found].sort((one, other) => one.target[0] - other.target[0]);
  if (result === ready()) after();
}

/** Marks a word of the translation, and what it comes from. */
function light(word) {
  const result = ready();
  if (word && result) align(result, "target", word, () => (word === pointed || word === current) && light(word));
  const pairs = word && result ? result.alignment.filter((one) => overlap(one.target, word)) : [];
  mark("word", { target: word ? [word] : [] });
  mark("counterpart", { source: pairs.map((one) => one.source) });
  return pairs;
}

function pointTarget(event) {
  const word = targetWordAt(event);
  if (word === pointed) return;
  pointed = word;
  pane.classList.toggle("pointed", Boolean(word));
  pane.title = word ? remarksAt(ready(), word[0]).join("; ") : "";
  light(word ?? current);
}

function pointSource(event) {
  const result = ready();
  const offset = result ? offsetAt(mirrored, text, event) : -1;
  if (offset >= 0) align(result, "source", [offset], () => pointSource(event));
  const pairs = offset < 0 ? [] : result.alignment.filter((one) => one.source[0] <= offset && offset < one.source[1]);
  const word = pairs[0]?.source ?? null;
  if (word === pointed) return;
  pointed = word;
  mark("word", { source: word ? [word] : [] });
  mark("counterpart", { target: pairs.map((one) => one.target) });
}

function targetWordAt(event) {
  const spans = wordsOfTarget();
  if (!spans.length) return null;
  const offset = offsetAt(shown, pane, event);
  return offset < 0 ? null : spanAt(spans, offset);
}

/** The offset of the character under the pointer, -1 if there is none. element: the node's, or one that lies over it. */
function offsetAt(node, element, { clientX, clientY }) {
  let found = null;
  if (document.caretPositionFromPoint) {
    const caret = document.caretPositionFromPoint(clientX, clientY);
    if (caret && (caret.offsetNode === node || caret.offsetNode === element || element.contains(caret.offsetNode))) {
      found = caret.offset;
    }
  } else if (document.caretRangeFromPoint && element !== text) {
    const range = document.caretRangeFromPoint(clientX, clientY);
    if (range?.startContainer === node) found = range.startOffset;
  }
  if (found === null) return -1;
  for (const offset of [found, found - 1]) {
    const range = rangeOf(node, [offset, offset + 1]);
    if (!range) continue;
    for (const { left, right, top, bottom } of range.getClientRects()) {
      if (left <= clientX && clientX <= right && top <= clientY && clientY <= bottom) return offset;
    }
  }
  return -1;
}

function press(event) {
  const spans = wordsOfTarget();
  if (!spans.length || event.ctrlKey || event.altKey || event.metaKey) return;
  const place = current ? spans.findIndex(([begin]) => begin === current[0]) : -1;
  const step = getComputedStyle(pane).direction === "rtl" ? -1 : 1;
  const moves = { ArrowRight: place + step, ArrowLeft: place < 0 ? 0 : place - step, Home: 0, End: spans.length - 1 };
  if (event.key in moves) {
    choose(spans[Math.max(0, Math.min(spans.length - 1, moves[event.key]))], false);
  } else if ((event.key === "Enter" || event.key === " ") && current) {
    choose(current, true);
  } else {
    return;
  }
  event.preventDefault();
}

/** Makes a word the current one; opens: also its alternatives. */
function choose(word, opens) {
  const result = ready();
  current = word;
  const pairs = light(word);
  rangeOf(shown, word)?.startContainer.parentElement.scrollIntoView({ block: "nearest" });
  const from = [...new Set(pairs.map((one) => result.text.slice(...one.source)))].join(" … ");
  const remarks = remarksAt(result, word[0]);
  say([result.stable.slice(...word), from && `from ${from}`, ...remarks].filter(Boolean).join(". "));
  if (opens) openAlternatives(result, word, rangeOf(shown, word), remarks);
}
