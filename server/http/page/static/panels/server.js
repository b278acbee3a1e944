/** The panel of the server's state: its models and its load, while somebody looks. */

import { call, send } from "../api.js";
import { on, state } from "../state.js";
import { make } from "./dom.js";

const PAUSE_MS = 3000;

export function start(body, details) {
  const facts = make("dl", { class: "facts" });
  const models = make("ul", { class: "models" });
  const note = make("p", { class: "panel-note", role: "status" });
  let timer = 0;
  let last = null;

  const look = async () => {
    clearTimeout(timer);
    if (!details.open || document.hidden) return;
    try {
      const [listed, server, metrics] = await Promise.all([call("GET", "/v1/models"), call("GET", "/v1/server"), send("GET", "/metrics").then((found) => found.text())]);
      const now = { at: performance.now(), figures: readMetrics(metrics) };
      draw(listed.models ?? [], server, now, last);
      last = now;
      note.textContent = "";
    } catch (error) {
      note.textContent = error.message;
    }
    timer = setTimeout(look, PAUSE_MS);
  };
  const draw = (listed, server, now, before) => {
    const { figures } = now;
    const slots = sum(figures, "dragoman_engine_slots");
    const active = sum(figures, "dragoman_engine_slots_active");
    const waiting = sum(figures, "dragoman_sentences_waiting");
    const done = sum(figures, "dragoman_engine_sentences_finished_total");
    const seconds = before ? (now.at - before.at) / 1000 : 0;
    const rate = before ? Math.max(0, done - sum(before.figures, "dragoman_engine_sentences_finished_total")) / seconds : 0;
    const meter = make("meter", { min: 0, max: Math.max(slots, 1), value: active, "aria-label": "Slots in use" });
    setFacts(facts, [
      ["State", state.server === "up" ? "answers" : "does not answer"],
      ["Sentences in work", `${count(active)} of ${count(slots)}`, meter],
      ["Sentences waiting", count(waiting)],
      ["Sentences a second", before ? rate.toFixed(1) : "…"],
      ["Sentences since the start", count(done)],
      ["Calls running", count(sum(figures, "dragoman_requests_in_flight"))],
      ["Longest text", `${count(Number(server.limits?.maxTextLength ?? 0))} characters`],
      ["Version", server.version || "a checkout"],
    ]);
    models.replaceChildren(...listed.map(makeModel));
  };
  details.addEventListener("toggle", look);
  document.addEventListener("visibilitychange", look);
  on("server", look);
  body.replaceChildren(facts, make("h2", { class: "panel-head", text: "Models" }), models, note);
  look();
}

function makeModel(model) {
  const pairs = (model.languagePairs ?? []).map((one) => `${one.sourceLanguageCode} → ${one.targetLanguageCode}`);
  const shown = pairs.length > 12 ? `${pairs.slice(0, 12).join(", ")} and ${pairs.length - 12} more` : pairs.join(", ");
  const scores = (model.scores ?? []).slice(0, 4).map((one) => `${one.metric} ${one.score?.toFixed(1)} ${one.languagePair ? `(${one.languagePair.sourceLanguageCode} → ${one.languagePair.targetLanguageCode})` : ""}`.trim());
  const millions = Number(model.parameterCount ?? 0) / 1e6;
  const line = make("li", {}, make("b", { text: model.name }), make("span", { text: shown }), make("span", { class: "soft", text: `${millions.toFixed(1)} million parameters, revision ${model.revision || "unknown"}` }));
  if (scores.length) line.append(make("span", { class: "soft", text: scores.join(", ") }));
  if (model.license) line.append(make("span", { class: "soft", text: `Licence: ${model.license}` }));
  return line;
}

/** Changes the facts in place, so that nothing flickers. */
function setFacts(list, facts) {
  if (list.children.length !== facts.length) {
    list.replaceChildren(...facts.map(([name]) => make("div", {}, make("dt", { text: name }), make("dd"))));
  }
  facts.forEach(([, value, more], place) => {
    const cell = list.children[place].lastElementChild;
    if (cell.firstChild?.data === value && !more) return;
    cell.replaceChildren(value, ...(more ? [more] : []));
  });
}

/** The figures of Prometheus' text, those of the same name added up over their labels. */
export function readMetrics(text) {
  const found = new Map();
  for (const line of text.split("\n")) {
    const parts = /^([a-z_]+)(?:\{.*\})? ([-+.\deENaInf]+)/.exec(line);
    if (parts && !line.startsWith("#")) found.set(parts[1], (found.get(parts[1]) ?? 0) + Number(parts[2]));
  }
  return found;
}

const sum = (figures, name) => figures.get(name) ?? 0;
const count = (number) => Math.round(number).toLocaleString("en");
