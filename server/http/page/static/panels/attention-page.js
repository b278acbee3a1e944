/** The page of `dragoman explain`: its sentences one by one, with the numbers that it holds. */

import { firstChoice, showAttention } from "./attention-view.js";
import { make, makeSelect } from "./dom.js";

const pairs = JSON.parse(document.getElementById("pairs").textContent);
const choice = firstChoice();
const picture = document.getElementById("picture");
const texts = document.getElementById("texts");

function show(place) {
  const { source, target, vectors, explanation } = pairs[place];
  const shown = [make("p", { lang: explanation.sourceLanguageCode, dir: "auto", text: source })];
  if (target) shown.push(make("p", { lang: explanation.targetLanguageCode, dir: "auto", text: target }));
  texts.replaceChildren(...shown);
  showAttention(picture, explanation, choice, async (kind, layer, head) => vectors[kind][layer][head]);
}

if (pairs.length > 1) {
  const options = pairs.map(({ source }, place) => [String(place), `${place + 1}. ${source}`]);
  document.getElementById("sentence").append(makeSelect("Sentence", options, "0", (place) => show(Number(place))));
}
show(0);
