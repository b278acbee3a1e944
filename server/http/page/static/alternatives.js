/** The menu of a word: what the search has in its place, and how the sentence then goes on. */

import { ApiError, call } from "./api.js";
import { keepStep, say } from "./controls.js";
import { emit, state } from "./state.js";
import { describeRequest, details } from "./translating.js";
import { wordsOf } from "./text.js";

const NUM_HYPOTHESES = 10;
const MOST = 8;

const menu = document.getElementById("alternatives");
const pane = document.getElementById("translation");
let asking = null;
let chosen = -1;
let choices = [];
let opened = null;

export function startAlternatives() {
  menu.addEventListener("click", (event) => {
    const option = event.target.closest('[role="option"]');
    if (option) take(Number(option.dataset.place));
  });
  menu.addEventListener("keydown", press);
  menu.addEventListener("focusout", (event) => menu.contains(event.relatedTarget) || close(false));
  document.addEventListener("pointerdown", (event) => menu.contains(event.target) || close(false));
  for (const name of ["resize", "scroll"]) addEventListener(name, () => close(false), { passive: true });
}

/** Opens the menu at a word of the translation. remarks: said above the choices. */
export async function openAlternatives(result, word, range, remarks) {
  const sentence = result.sentences.find(({ target: [begin, end] }) => begin <= word[0] && word[1] <= end);
  close(false);
  opened = { result, sentence };
  menu.replaceChildren(...remarks.map(note), note(sentence ? "Searching…" : "This word has no alternatives."));
  place(range);
  menu.focus({ preventScroll: true });
  if (!sentence) return;
  asking = new AbortController();
  const { signal } = asking;
  try {
    choices = await search(result, sentence, word, signal);
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof ApiError)) throw error;
    menu.replaceChildren(note(error.message));
    return;
  }
  if (signal.aborted) return;
  const options = choices.map(show);
  menu.replaceChildren(
    ...remarks.map(note),
    ...(options.length ? options : [note("The search has nothing else here.")]),
  );
  place(range);
  select(options.length ? 0 : -1);
  say(options.length ? `${options.length} alternatives` : "The search has nothing else here.");
}

/** What the search has instead of a word: hypotheses that begin as the sentence does and go on with another word. */
async function search(result, sentence, word, signal) {
  const [begin, end] = sentence.target;
  const prefix = result.stable.slice(begin, word[0]);
  const present = result.stable.slice(...word);
  const ask = async (more) => {
    const { text, ...request } = describeRequest(result.text.slice(...sentence.source));
    request.texts = [text];
    request.sourceLanguageCode = result.source;
    request.returnOptions = { ...request.returnOptions, alignment: true };
    const searchOptions = { ...request.searchOptions, beamSize: NUM_HYPOTHESES, nBest: NUM_HYPOTHESES, ...more };
    if (prefix.trim()) searchOptions.targetPrefix = prefix.trimEnd();
    request.searchOptions = searchOptions;
    const answer = await call("POST", "/v1/translate", request, { signal });
    const [translation] = answer.translations;
    if (translation.error) throw new ApiError(translation.error.message, { status: 400 });
    return translation.hypotheses;
  };
  const found = await ask({});
  const first = firstPiece(found, prefix, present, result.target);
  if (first) found.push(...(await ask({ suppressedPieces: [first] })));
  const byWord = new Map();
  for (const hypothesis of found.sort((one, other) => (other.score ?? 0) - (one.score ?? 0))) {
    const next = nextWord(hypothesis.text, prefix, result.target);
    if (next && next !== present && !byWord.has(next)) byWord.set(next, hypothesis);
  }
  return [...byWord].slice(0, MOST).map(([next, hypothesis]) => ({
    next,
    hypothesis,
    rest: hypothesis.text.slice(prefix.trimEnd().length).trim(),
  }));
}

/** The word with which a text goes on after a prefix; empty if the text begins otherwise. */
export function nextWord(text, prefix, language) {
  const begin = prefix.trimEnd();
  if (!text.startsWith(begin)) return "";
  const rest = text.slice(begin.length);
  const [span] = wordsOf(rest, language);
  return span && !/[.!?]\s/.test(rest.slice(0, span[0])) ? rest.slice(...span) : "";
}

/** The piece that begins the present word in a hypothesis that has it; without it the search must go on otherwise. */
function firstPiece(hypotheses, prefix, present, language) {
  const same = hypotheses.find((one) => nextWord(one.text, prefix, language) === present);
  const wanted = prefix.replace(/\s/g, "").length;
  let length = 0;
  for (const piece of same?.pieces ?? []) {
    const letters = piece.replaceAll("▁", "");
    if (length >= wanted && letters && present.startsWith(letters)) return piece;
    length += letters.length;
  }
  return "";
}

function show({ next, rest }, number) {
  const [option, word, small] = ["div", "b", "small"].map((tag) => document.createElement(tag));
  const place = rest.indexOf(next);
  option.role = "option";
  option.id = `alternative-${number}`;
  option.dataset.place = number;
  word.textContent = rest.slice(0, place + next.length);
  small.textContent = rest.slice(place + next.length);
  small.dir = word.dir = "auto";
  option.lang = state.target;
  option.append(word, small);
  return option;
}

function note(words) {
  const line = document.createElement("p");
  line.textContent = words;
  line.setAttribute("role", "presentation");
  return line;
}

function place(range) {
  if (!menu.matches(":popover-open")) menu.showPopover();
  const { left, bottom, top } = range.getBoundingClientRect();
  menu.style.setProperty("left", "8px"); // its width depends on the room to its right
  const { offsetWidth, offsetHeight } = menu;
  const isBelow = bottom + offsetHeight + 8 < innerHeight || top < offsetHeight;
  menu.style.setProperty("left", `${Math.max(8, Math.min(left, document.body.clientWidth - offsetWidth - 12))}px`);
  menu.style.setProperty("top", `${isBelow ? bottom + 6 : top - offsetHeight - 6}px`);
}

function select(number) {
  chosen = number;
  menu.querySelectorAll('[role="option"]').forEach((option, place) => {
    option.setAttribute("aria-selected", String(place === number));
    if (place === number) option.scrollIntoView({ block: "nearest" });
  });
  if (number < 0) menu.removeAttribute("aria-activedescendant");
  else menu.setAttribute("aria-activedescendant", `alternative-${number}`);
}

function press(event) {
  const last = choices.length - 1;
  if (event.key === "ArrowDown") select(Math.min(last, chosen + 1));
  else if (event.key === "ArrowUp") select(Math.max(0, chosen - 1));
  else if (event.key === "Enter" && chosen >= 0) take(chosen);
  else if (event.key === "Escape" || event.key === "Tab") close(true);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function close(refocuses) {
  asking?.abort();
  asking = null;
  choices = [];
  opened = null;
  if (!menu.matches(":popover-open")) return;
  menu.hidePopover();
  if (refocuses) pane.focus({ preventScroll: true });
}

/** Puts a choice in the place of its sentence. */
function take(number) {
  const { result, sentence } = opened;
  const { hypothesis } = choices[number];
  close(true);
  keepStep(() => setResult(result));
  setResult(splice(result, sentence, hypothesis));
}

function setResult(result) {
  state.result = result;
  emit("result", result);
  emit("translated", result);
}

/** A result with another hypothesis of one sentence. */
export function splice(result, sentence, hypothesis) {
  const [[sourceBegin, sourceEnd], [begin, end]] = [sentence.source, sentence.target];
  const found = details(hypothesis, result.text.slice(sourceBegin, sourceEnd));
  const longer = hypothesis.text.length - (end - begin);
  const shift = (span, more) => [span[0] + more, span[1] + more];
  const isOutside = (one) => one.target[1] <= begin || one.target[0] >= end;
  const moved = (one) => (one.target[0] >= end ? { ...one, target: shift(one.target, longer) } : one);
  const placed = (one) => ({ ...one, source: shift(one.source, sourceBegin), target: shift(one.target, begin) });
  const join = (name) => {
    const all = [...result[name].filter(isOutside).map(moved), ...found[name].map(placed)];
    return all.sort((one, other) => one.target[0] - other.target[0]);
  };
  const isElsewhere = ([first, last]) => last <= begin || first >= end;
  const move = (span) => (span[0] >= end ? shift(span, longer) : span);
  const terms = result.terms.filter((one) => one.span && isElsewhere(one.span));
  return {
    ...result,
    stable: result.stable.slice(0, begin) + hypothesis.text + result.stable.slice(end),
    alignment: join("alignment"),
    warnings: join("warnings"),
    sentences: [
      ...result.sentences.filter((one) => one !== sentence).map(moved),
      { source: sentence.source, target: [begin, begin + hypothesis.text.length], isAligned: true },
    ].sort((one, other) => one.target[0] - other.target[0]),
    unsure: [...result.unsure.filter(isElsewhere).map(move), ...found.unsure.map((one) => shift(one, begin))].sort(
      (one, other) => one[0] - other[0],
    ),
    terms: [
      ...terms.map((one) => ({ ...one, span: move(one.span) })),
      ...found.terms.map((one) => (one.span ? { ...one, span: shift(one.span, begin) } : one)),
    ],
    quality: result.sentences.length === 1 ? found.quality : result.quality,
    isEdited: true,
  };
}
