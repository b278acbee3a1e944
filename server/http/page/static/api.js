/** Calls of the server: errors in words, the token, server-sent events, and whether the server answers. */

import { emit, recall, remember, state, update } from "./state.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8000;

let token = recall("token", "");

/** A call that failed. message: in words, for people. status: HTTP's, 0 if the server did not answer. */
export class ApiError extends Error {
  constructor(message, { status = 0, code = "", field = "", retryAfter = 0 } = {}) {
    super(message);
    this.name = "ApiError";
    Object.assign(this, { status, code, field, retryAfter });
  }
}

/** The token of all calls from now on; empty for none. isKept: whether the browser keeps it. */
export function setToken(value, isKept) {
  token = value;
  remember("token", isKept && value ? value : null);
  emit("token", Boolean(value));
}

export const hasToken = () => Boolean(token);
export const keepsToken = () => Boolean(recall("token", ""));

/** The answer to a call, a Response. body: an object, sent as JSON, or FormData. Throws ApiError, or AbortError. */
export async function send(method, path, body, { signal } = {}) {
  const headers = {};
  if (token) headers.authorization = `Bearer ${token}`;
  const isForm = body instanceof FormData;
  if (body !== undefined && !isForm) headers["content-type"] = "application/json";
  const begin = performance.now();
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined || isForm ? body : JSON.stringify(body),
      signal,
      cache: "no-store",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    notice(false);
    throw new ApiError("The server does not answer. The page goes on when it does.");
  }
  notice(true);
  emit("call", { method, path, body: isForm ? null : body, status: response.status, ms: performance.now() - begin });
  if (!response.ok) throw await readError(response);
  return response;
}

/** The JSON that answers a call. */
export async function call(method, path, body, options) {
  const response = await send(method, path, body, options);
  return response.json();
}

/** The messages of server-sent events, as they come. Throws ApiError, also for an error among the events. */
export async function* events(path, body, options) {
  const response = await send("POST", path, body, options);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await read(reader);
      if (done) throw new ApiError("The connection broke before the translation was complete.");
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const { kind, data } = parseEvent(block);
        if (kind === "done") return;
        if (kind === "error") throw new ApiError(sentence(data.error?.message), data.error);
        yield data;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function read(reader) {
  try {
    return await reader.read();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    notice(false);
    throw new ApiError("The server broke off. The page goes on when it answers again.");
  }
}

/** An event's kind, "message" by default, and its data. */
export function parseEvent(block) {
  let kind = "message";
  let data = "";
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) kind = line.slice(7);
    if (line.startsWith("data: ")) data += line.slice(6);
  }
  return { kind, data: data ? JSON.parse(data) : {} };
}

async function readError(response) {
  const retryAfter = Number(response.headers.get("retry-after")) || 0;
  let found = {};
  try {
    const { error } = await response.json();
    found = typeof error === "string" ? { message: error } : error ?? {};
  } catch {
    // no JSON: a proxy's page, for example
  }
  const { status } = response;
  return new ApiError(describe(status, found, retryAfter), { ...found, status, retryAfter });
}

function describe(status, { message = "", field = "" }, retryAfter) {
  const again = retryAfter ? ` Try again in ${retryAfter} s.` : "";
  if (status === 401 || status === 403) {
    return token ? "The server does not know this access token." : "This server wants an access token.";
  }
  if (status === 413) return "The text is too long for this server.";
  if (status === 429) return `The server has too much to do, or your quota is used up.${again}`;
  if (status === 503) return `The server is busy or restarts.${again}`;
  if (!message) return `The server answered ${status}.`;
  return sentence(field && message.startsWith(`${field}: `) ? message.slice(field.length + 2) : message);
}

function sentence(message = "") {
  if (!message) return "The server failed.";
  const text = message[0].toUpperCase() + message.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

let isProbing = false;

/** Notes whether the server answers; while it does not, asks from time to time. */
function notice(isUp) {
  if (isUp) {
    update({ server: "up" });
    return;
  }
  update({ server: "down" });
  if (!isProbing) probe();
}

async function probe() {
  isProbing = true;
  for (let pause = FIRST_PAUSE_MS; state.server === "down"; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    await wait(pause);
    try {
      const response = await fetch("/readyz", { cache: "no-store" });
      if (response.ok) break;
    } catch {
      // still down
    }
  }
  isProbing = false;
  update({ server: "up" });
}

/** Waits, but not longer than until somebody looks at the page again. */
function wait(ms) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      removeEventListener("online", end);
      removeEventListener("focus", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    addEventListener("online", end);
    addEventListener("focus", end);
  });
}
