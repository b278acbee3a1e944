/** Keeps `state.result` the translation of `state.text`. */

import { ApiError, events } from "./api.js";
import { emit, on, state, update } from "./state.js";
import { unsureWords } from "./marks.js";
import { fromCodePoints } from "./text.js";

const MAX_ALIGNED = 2000;
/** Characters of texts whose alignment is asked for at once; that of longer ones comes sentence by sentence. */

const SHORT = 400;
/** Characters up to which every keystroke is translated at once. */

const LONGEST_WAIT_MS = 400;
/** Longest pause after a keystroke in a long text. */

const MAX_ATTEMPTS = 4;

const [PLAIN, DETAILED, ALIGNED] = [0, 1, 2];
/** How much is asked for beside a translation. Of a long text the server refuses the alignment, and through a pivot all. */

const contributions = [];
const plainDirections = new Set(); // those that have no details
let running = null;
let timer = 0;
let milliseconds = 60; // of the last long translation

/** Calls `change` with the body of each request of a translation, to which it may add fields. */
export function contribute(change) {
  contributions.push(change);
}

const direction = () => `${state.source} ${state.target}`;

/** The body of POST /v1/translateLive for a text, without the alignment. */
export function describeRequest(text) {
  const request = {
    text,
    targetLanguageCode: state.target,
    returnOptions: { pieces: true, tokenLogProbs: true, sentences: true },
  };
  if (plainDirections.has(direction())) delete request.returnOptions;
  if (state.source) request.sourceLanguageCode = state.source;
  for (const change of contributions) change(request);
  return request;
}

/** Translates the text as it is now. */
export function retranslate() {
  clearTimeout(timer);
  running?.abort();
  running = null;
  if (!state.text.trim() || !state.target) {
    update({ result: null, fault: null, busy: false });
    return;
  }
  running = new AbortController();
  run(running);
}

/** Starts to keep the result up to date. */
export function startTranslating() {
  on("text", soon);
  on("source", retranslate);
  on("target", retranslate);
  on("token", retranslate);
  on("server", (server) => {
    if (server === "up" && (state.fault || state.busy)) retranslate();
  });
}

function soon() {
  clearTimeout(timer);
  if (state.text.length <= SHORT) {
    retranslate();
    return;
  }
  running?.abort();
  timer = setTimeout(retranslate, Math.min(milliseconds, LONGEST_WAIT_MS));
}

async function run(controller) {
  const begin = performance.now();
  const { text } = state;
  let details = plainDirections.has(direction()) ? PLAIN : text.length <= MAX_ALIGNED ? ALIGNED : DETAILED;
  update({ busy: true });
  for (let attempt = 1; ; attempt++) {
    try {
      await translate(text, controller, details);
      break;
    } catch (error) {
      if (controller.signal.aborted) return;
      if (details !== PLAIN && error.code === "INVALID_ARGUMENT") {
        details--;
        continue;
      }
      if (!(error instanceof ApiError)) throw error;
      const mayRetry = (error.status === 429 || error.status === 503) && attempt < MAX_ATTEMPTS;
      update({ fault: error });
      if (!mayRetry) {
        update({ busy: false });
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 1000 * (error.retryAfter || attempt)));
      if (controller.signal.aborted) return;
    }
  }
  if (details === PLAIN) plainDirections.add(direction());
  if (text.length > SHORT) milliseconds = performance.now() - begin;
  update({ busy: false, fault: null });
  emit("translated", state.result);
}

async function translate(text, controller, details) {
  const request = describeRequest(text);
  if (details === ALIGNED) request.returnOptions.alignment = true;
  if (details === PLAIN) delete request.returnOptions;
  const result = {
    text,
    source: state.source === "auto" ? "" : state.source,
    target: state.target,
    wasDetected: state.source === "auto",
    isUnchanged: false,
    stable: "",
    unstable: "",
    isComplete: false,
    request,
  };
  for await (const message of events("/v1/translateLive", request, { signal: controller.signal })) {
    if (controller.signal.aborted) return;
    const { started, translation } = message;
    if (started) {
      result.source ||= started.sourceLanguageCode ?? "";
      Object.assign(result, { model: started.model ?? "", revision: started.revision ?? "" });
    }
    if (translation?.error) throw new ApiError(translation.error.message, { status: 400 });
    if (translation) complete(result, translation);
    else Object.assign(result, { stable: message.stableText ?? "", unstable: message.unstableText ?? "" });
    if (!translation && !message.stableText && !message.unstableText) continue; // the old translation stays meanwhile
    state.result = result;
    emit("result", result);
  }
  if (!result.isComplete) throw new ApiError("The server ended without a translation.", { status: 503 });
}

/** Adds to a result what its last message brings. */
export function complete(result, translation) {
  const hypothesis = translation.hypotheses?.[0] ?? {};
  Object.assign(result, {
    translation,
    hypothesis,
    isComplete: true,
    isAligned: Boolean(hypothesis.alignment?.length), // there is none of a long text, nor if some words stayed as they are
    isUnchanged: Boolean(translation.alreadyInTargetLanguage),
    isApproved: Boolean(translation.approved),
    source: translation.detectedLanguageCode || result.source,
    model: translation.model || result.model,
    revision: translation.revision || result.revision,
    stable: hypothesis.text ?? "",
    unstable: "",
  });
  Object.assign(result, details(hypothesis, result.text));
}

/** What a hypothesis says about itself, with JavaScript's offsets. source: the text that it translates. */
export function details(hypothesis, source) {
  const target = hypothesis.text ?? "";
  const inSource = fromCodePoints(source);
  const inTarget = fromCodePoints(target);
  const span = (found, convert) => [convert(found?.begin ?? 0), convert(found?.end ?? 0)];
  const both = (pair) => ({ source: span(pair.source, inSource), target: span(pair.target, inTarget) });
  return {
    alignment: (hypothesis.alignment ?? []).map(both),
    sentences: (hypothesis.sentences ?? []).map(both),
    warnings: (hypothesis.warnings ?? []).map((one) => ({ kind: one.kind ?? "", ...both(one) })),
    terms: (hypothesis.terms ?? []).map((one) => ({
      source: one.source ?? "",
      target: one.target ?? "",
      span: one.span ? span(one.span, inTarget) : null,
      reason: one.reason ?? "",
    })),
    unsure: unsureWords(target, hypothesis.pieces, hypothesis.tokenLogProbs),
    quality: hypothesis.quality,
  };
}
