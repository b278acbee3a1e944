/** The panel of the attention picture: a sentence and its translation, from above or typed. */

import { call } from "../api.js";
import { setText } from "../controls.js";
import { on, state } from "../state.js";
import { firstChoice, showAttention } from "./attention-view.js";
import { make, makeButton } from "./dom.js";

const EXAMPLE = "The pink elephant tries to get into the car but it was too big.";
const PAUSE_MS = 250;

const choice = firstChoice();

export function start(body, details) {
  const source = makeField("Sentence");
  const target = makeField("Its translation");
  const note = make("p", { class: "panel-note", role: "status" });
  const picture = make("div", { class: "attention" });
  const walk = make("span", { class: "walk", hidden: true });
  const where = make("span");
  let pairs = [];
  let place = 0;
  let languages = { source: "", target: "" };
  let timer = 0;
  let controller = null;

  const show = async () => {
    clearTimeout(timer);
    controller?.abort();
    const [sourceText, targetText] = [source.input.value.trim(), target.input.value.trim()];
    if (!sourceText || !targetText) {
      note.textContent = "Type a text above, or try the example.";
      return;
    }
    controller = new AbortController();
    const { signal } = controller;
    const request = { source: sourceText, target: targetText, sourceLanguageCode: languages.source, targetLanguageCode: languages.target };
    try {
      const data = await call("POST", "/v1/attention", request, { signal });
      note.textContent = "";
      showAttention(picture, data, choice, vectorsOf(request));
    } catch (error) {
      if (error.name !== "AbortError") note.textContent = error.message;
    }
  };
  const step = (by) => {
    place = (place + by + pairs.length) % pairs.length;
    [source.input.value, target.input.value] = pairs[place];
    walk.hidden = pairs.length < 2;
    where.textContent = `Sentence ${place + 1} of ${pairs.length}`;
    clearTimeout(timer);
    timer = setTimeout(show, PAUSE_MS);
  };
  const take = () => {
    const { result } = state;
    if (!details.open || !result?.isComplete || !result.stable.trim()) return;
    pairs = pairsOf(result);
    languages = { source: result.source || state.source, target: result.target };
    place = 0;
    step(0);
  };

  walk.append(
    makeButton("‹", () => step(-1), { class: "quiet", "aria-label": "The sentence before" }),
    where,
    makeButton("›", () => step(1), { class: "quiet", "aria-label": "The next sentence" }),
  );
  const form = make(
    "form",
    { class: "attention-pair", on: { submit: (event) => (event.preventDefault(), show()) } },
    source.label,
    target.label,
    make(
      "p",
      { class: "buttons" },
      walk,
      makeButton("Try the pink elephant", () => setText(EXAMPLE, example()), { class: "quiet" }),
      make("button", { type: "submit", text: "Show" }),
    ),
  );
  body.replaceChildren(
    make("p", { class: "panel-intro", text: "A Transformer translates by looking: for each word that it writes, it weighs all words that it has read. Rows look, columns are looked at; the stronger a field's colour, the more. Choose a row, or move with the arrow keys." }),
    form,
    note,
    picture,
  );
  on("translated", take);
  details.addEventListener("toggle", take);
  if (state.result?.isComplete) take();
  else note.textContent = "Type a text above, or try the example.";
}

/** The example is English: it goes from there into the chosen language, or into the first that there is. */
function example() {
  const targets = state.languages.find((one) => one.code === "en")?.targets ?? [];
  if (!targets.length) return {};
  return { source: "en", target: targets.includes(state.target) ? state.target : targets[0] };
}

function pairsOf(result) {
  const cut = (text, [begin, end]) => text.slice(begin, end).trim();
  const found = result.sentences.map(({ source, target }) => [cut(result.text, source), cut(result.stable, target)]);
  const pairs = found.filter(([source, target]) => source && target);
  return pairs.length ? pairs : [[result.text.trim(), result.stable.trim()]];
}

/** Loads a head's vectors of a pair, each once. */
function vectorsOf(request) {
  const found = new Map();
  return (kind, layer, head) => {
    const key = `${kind} ${layer} ${head}`;
    if (!found.has(key)) {
      const loading = call("POST", "/v1/attention", { ...request, vectors: { kind, layer, head } }).then((answer) => answer.vectors);
      loading.catch(() => found.delete(key));
      found.set(key, loading);
    }
    return found.get(key);
  };
}

function makeField(name) {
  const input = make("input", { type: "text", dir: "auto", spellcheck: "false" });
  return { input, label: make("label", { class: "field" }, name, input) };
}
