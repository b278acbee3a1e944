/** The pane of the source: what is typed, pasted and marked in it. */

import { on, update } from "./state.js";
import { textOfNode } from "./text.js";

const text = document.getElementById("text");
const mirror = document.getElementById("mirror");

/** The node behind the text field that holds the same text in the same places; ranges of it are marked. */
export const mirrored = mirror.appendChild(document.createTextNode(""));

/** Reads the document of a paste; the browser allows it to this function alone. */
const policy = globalThis.trustedTypes?.createPolicy("dragoman-paste", { createHTML: (html) => html });

export function startSource() {
  text.addEventListener("input", () => update({ text: text.value }));
  text.addEventListener("paste", paste);
  on("text", (value) => {
    mirrored.data = value;
  });
}

/** A program that puts only HTML on the clipboard: its text, with its paragraphs. */
function paste(event) {
  const data = event.clipboardData;
  const html = data?.getData("text/html");
  if (!html || data.getData("text/plain")) return;
  event.preventDefault();
  const page = new DOMParser().parseFromString(policy ? policy.createHTML(html) : html, "text/html");
  document.execCommand("insertText", false, textOfNode(page.body)); // keeps the browser's own undo
}
