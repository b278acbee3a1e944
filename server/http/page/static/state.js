/** What is chosen, typed and translated, and the events of it. */

export const state = {
  text: "",
  source: "auto",
  target: "",
  languages: [],
  result: null,
  busy: false,
  fault: null,
  server: "up",
};

const listeners = new Map();

/** Calls `listener` with the value whenever `name` changes, or with what `emit` sends. Returns a function that ends it. */
export function on(name, listener) {
  if (!listeners.has(name)) listeners.set(name, new Set());
  listeners.get(name).add(listener);
  return () => listeners.get(name).delete(listener);
}

/** Sends an event. A listener that fails does not keep the others from it. */
export function emit(name, value) {
  for (const listener of [...(listeners.get(name) ?? [])]) {
    try {
      listener(value);
    } catch (error) {
      console.error(error);
    }
  }
}

/** Changes values of the state, and then sends an event for each that is different. */
export function update(changes) {
  const changed = Object.keys(changes).filter((name) => state[name] !== changes[name]);
  Object.assign(state, changes);
  for (const name of changed) emit(name, state[name]);
}

const PREFIX = "dragoman.";

/** A choice that the browser remembers; `fallback` if there is none, or if it keeps nothing. */
export function recall(name, fallback = null) {
  try {
    const kept = localStorage.getItem(PREFIX + name);
    return kept === null ? fallback : JSON.parse(kept);
  } catch {
    return fallback;
  }
}

/** Remembers a choice, or forgets it if the value is null. */
export function remember(name, value) {
  try {
    if (value === null) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // a browser that keeps nothing
  }
}
