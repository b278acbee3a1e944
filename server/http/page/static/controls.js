/** Languages, swap, clear, undo, copy, theme and keys; choices are remembered. */

import { call } from "./api.js";
import { emit, on, recall, remember, state, update } from "./state.js";
import { countCodePoints, directionOf } from "./text.js";

const find = (id) => document.getElementById(id);
const MAX_STEPS = 100;
const steps = [];
let isStepLast = false; // and nothing was typed since

/** Replaces the text and perhaps languages, as one step that Undo takes back. */
export function setText(text, { source = state.source, target = state.target } = {}) {
  const before = { text: state.text, source: state.source, target: state.target };
  keepStep(() => show(before));
  show({ text, source, target });
}

/** Notes a step that has been taken. back: takes it back. */
export function keepStep(back) {
  steps.push(back);
  if (steps.length > MAX_STEPS) steps.shift();
  isStepLast = true;
  find("undo").disabled = false;
}

/** Starts the controls, with the choices that were remembered. */
export function startControls() {
  const [source, target] = [find("source"), find("target")];
  update({ languages: readLanguages() });
  const address = new URLSearchParams(location.search);
  const chosen = address.get("source") ?? recall("source", "auto");
  update({ source: has(source, chosen) ? chosen : "auto" });
  const own = navigator.languages.map((one) => one.split("-")[0]).find((one) => has(target, one));
  const into = address.get("target") ?? recall("target", own ?? "");
  update({ target: has(target, into) ? into : target.value });
  showLanguages();

  source.addEventListener("change", () => choose({ source: source.value }));
  target.addEventListener("change", () => choose({ target: target.value }));
  find("swap").addEventListener("click", swap);
  find("clear").addEventListener("click", clear);
  find("undo").addEventListener("click", undo);
  find("copy").addEventListener("click", copy);
  find("translator").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", press);
  find("text").addEventListener("input", () => (isStepLast = false));
  startTheme();

  on("result", showLanguages);
  on("translated", turn);
  on("text", showButtons);
  on("server", (server) => server === "up" && refreshLanguages());
  on("fault", showNotice);
  on("server", showNotice);
  on("result", showNotice);
  update({ text: find("text").value });
  showButtons();
}

function readLanguages() {
  const sources = [...find("source").options].filter((one) => one.value !== "auto");
  return sources.map((one) => ({ code: one.value, name: one.text, targets: one.dataset.targets.split(" ") }));
}

async function refreshLanguages() {
  let found;
  try {
    found = await call("GET", "/languages");
  } catch {
    return;
  }
  const names = new Map(found.map((one) => [one.code, one.name]));
  const languages = found
    .map((one) => ({ ...one, targets: one.targets.filter((code) => code !== one.code) }))
    .filter((one) => one.targets.length);
  const byName = (a, b) => names.get(a).localeCompare(names.get(b));
  const targets = [...new Set(languages.flatMap((one) => one.targets))].sort(byName);
  const sources = languages.map((one) => one.code).sort(byName);
  const option = (code) => new Option(names.get(code), code);
  find("source").replaceChildren(find("source").options[0], ...sources.map(option));
  find("target").replaceChildren(...targets.map(option));
  update({ languages });
  if (!has(find("source"), state.source)) update({ source: "auto" });
  if (!has(find("target"), state.target)) update({ target: targets[0] ?? "" });
  showLanguages();
}

const has = (select, code) => [...select.options].some((one) => one.value === code);
const nameOf = (code) => [...find("target").options, ...find("source").options].find((one) => one.value === code)?.text ?? code;

/** The codes of the languages that translate into one. */
const sourcesOf = (target) => state.languages.filter((one) => one.targets.includes(target)).map((one) => one.code);

/** Changes a language; the other one gives way if no model translates between the two. */
function choose(changes) {
  let { source, target } = { ...state, ...changes };
  const targets = state.languages.find((one) => one.code === source)?.targets;
  if (targets && !targets.includes(target)) {
    if (changes.source) target = targets.includes(state.source) ? state.source : targets[0];
    else source = sourcesOf(target).includes(state.target) ? state.target : "auto";
  }
  update({ source, target });
  remember("source", source);
  remember("target", target);
  showLanguages();
}

/** Turns to another language if the text is in the target language, and nobody has chosen that one. */
function turn(result) {
  if (!result.isUnchanged || recall("target") !== null) return;
  const other = state.languages.find((one) => one.code === result.source)?.targets[0];
  if (other) update({ target: other });
  showLanguages();
}

function showLanguages() {
  const { result, source, target } = state;
  const auto = find("source").options[0];
  const isKnown = source === "auto" && result?.source && state.text.trim();
  const label = isKnown ? nameFound(result.source) : "Detect the language";
  if (auto.text !== label) auto.text = label;
  find("source").value = source;
  find("target").value = target;
  const from = source === "auto" ? result?.source : source;
  find("swap").disabled = !from || !sourcesOf(from).includes(target);
  find("text").dir = directionOf(source);
  find("mirror").dir = directionOf(source);
  if (source === "auto") {
    find("text").removeAttribute("lang");
  } else {
    find("text").lang = source;
  }
}

const nameFound = (code) =>
  matchMedia("(max-width: 30rem)").matches ? `Auto: ${nameOf(code)}` : `${nameOf(code)} (detected)`;

function swap() {
  const { result, source, target } = state;
  const from = source === "auto" ? result?.source : source;
  if (!from || find("swap").disabled) return;
  const text = result?.isComplete ? result.stable : state.text;
  setText(text, { source: target, target: from });
}

function clear() {
  if (!state.text) return;
  setText("");
  find("text").focus();
}

function undo() {
  const back = steps.pop();
  find("undo").disabled = !steps.length;
  back?.();
}

function show({ text, source, target }) {
  find("text").value = text;
  const isNew = source !== state.source || target !== state.target;
  if (isNew) {
    remember("source", source);
    remember("target", target);
  }
  Object.assign(state, { source, target }); // without an event of their own: one translation, not three
  state.text = text;
  emit("text", text);
  showLanguages();
}

async function copy() {
  const text = state.result?.stable;
  if (!text) return;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const range = document.createRange(); // without HTTPS there is no clipboard
    range.selectNodeContents(find("translation"));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    document.execCommand("copy");
  }
  say("Copied.");
  find("copy").textContent = "Copied";
  setTimeout(() => (find("copy").textContent = "Copy"), 1500);
}

/** Says something to those who hear the page. */
export function say(words) {
  find("announcement").textContent = words;
}

function press(event) {
  if (event.defaultPrevented || event.isComposing) return;
  const inText = document.activeElement === find("text");
  const isBare = !event.altKey && !event.ctrlKey && !event.metaKey && !event.shiftKey;
  const isAlt = event.altKey && !event.ctrlKey && !event.metaKey;
  const isUndo = (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "z";
  if (isAlt && event.code === "KeyS") swap();
  else if (isAlt && event.code === "KeyC") copy();
  else if (isBare && event.key === "Escape" && inText && state.text) clear();
  else if (isUndo && steps.length && isStepLast && (inText || !isField(document.activeElement))) undo();
  else return;
  event.preventDefault();
}

const isField = (element) => element?.matches("input, textarea, select") ?? false;

function showButtons() {
  const length = countCodePoints(state.text);
  const most = Number(document.body.dataset.maxLength);
  find("clear").disabled = !state.text;
  find("count").textContent = length ? `${length.toLocaleString("en")} / ${most.toLocaleString("en")}` : "";
  find("count").classList.toggle("over", length > most);
  find("copy").disabled = !state.text.trim();
}

function showNotice() {
  const notice = find("notice");
  const { fault, server, result } = state;
  notice.classList.toggle("fault", server === "down" || Boolean(fault));
  if (server === "down") {
    notice.textContent = "The server does not answer. The page goes on when it does.";
  } else if (fault) {
    notice.textContent = fault.message;
    if (fault.status === 401 || fault.status === 403) addButton("Enter a token", () => find("open-access").click());
  } else if (result?.isUnchanged) {
    notice.textContent = `The text is in ${nameOf(result.source)} already.`;
    const other = state.languages.find((one) => one.code === result.source)?.targets[0];
    if (other) addButton(`Translate into ${nameOf(other)}`, () => choose({ target: other }));
  } else {
    notice.textContent = "";
  }
}

function addButton(label, act) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = label;
  button.addEventListener("click", act);
  find("notice").append(button);
}

const THEMES = ["system", "light", "dark"];

function startTheme() {
  const button = find("theme");
  find("top-tools").hidden = false;
  const apply = (theme) => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    const words = theme === "system" ? "as the system" : theme;
    button.setAttribute("aria-label", `Colours: ${words}`);
    button.title = `Colours: ${words}`;
  };
  apply(recall("theme", "system"));
  button.addEventListener("click", () => {
    const theme = THEMES[(THEMES.indexOf(recall("theme", "system")) + 1) % THEMES.length];
    remember("theme", theme === "system" ? null : theme);
    apply(theme);
  });
}
