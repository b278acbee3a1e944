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

let last = ""; // the newest complete translation

export function startTarget() {
  on("result", show);
  on("text", (text) => text.trim() || show(null));
  on("busy", (busy) => pane.setAttribute("aria-busy", String(busy)));
}

function show(result) {
  pane.lang = state.target;
  pane.dir = directionOf(state.target);
  document.getElementById("copy").disabled = !result?.isComplete;
  if (!result) {
    last = "";
    pane.replaceChildren();
    pane.style.removeProperty("min-height");
    return;
  }
  if (result.isComplete) last = result.stable;
  if (!stable.isConnected) pane.replaceChildren(stable, pending);
  if (stable.data !== result.stable) stable.data = result.stable;
  const unstable = withoutCollapse(result);
  if (pendingText.data !== unstable) pendingText.data = unstable;
  if (result.isComplete) pane.style.removeProperty("min-height");
}

/**
 * The unstable part to show. As long as a new translation repeats the last one, the rest of that stays in its place, and
 * when it departs from it, at least the room does: the page does not jump while a changed text is translated again.
 */
function withoutCollapse({ stable: firm, unstable, isComplete }) {
  if (isComplete) return "";
  const begun = firm + unstable;
  if (last.startsWith(begun)) return last.slice(firm.length);
  if (!pane.style.minHeight) pane.style.setProperty("min-height", `${pane.offsetHeight}px`);
  return unstable;
}
