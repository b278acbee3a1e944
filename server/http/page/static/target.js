/** The pane of the translation: what is stable is firm, the rest is grey. */

import { on, state } from "./state.js";
import { directionOf } from "./text.js";

const pane = document.getElementById("translation");
const stable = document.createTextNode("");
const pending = document.createElement("span");
pending.className = "pending";
const pendingText = pending.appendChild(document.createTextNode(""));

/** The node that holds the stable part; ranges of it are marked. */
export const shown = stable;

export function startTarget() {
  on("result", show);
  on("text", (text) => text.trim() || show(null));
}

function show(result) {
  pane.lang = state.target;
  pane.dir = directionOf(state.target);
  document.getElementById("copy").disabled = !result?.isComplete;
  if (!result) {
    pane.replaceChildren();
    return;
  }
  if (!stable.isConnected) pane.replaceChildren(stable, pending);
  if (stable.data !== result.stable) stable.data = result.stable;
  if (pendingText.data !== result.unstable) pendingText.data = result.unstable;
}
