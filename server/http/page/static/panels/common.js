/** What several panels need: names of languages, files, times. */

import { make } from "./dom.js";
import { state } from "../state.js";

/** A language's name, or its code if it has none. */
export function nameOfLanguage(code) {
  const found = state.languages.find((one) => one.code === code);
  const select = document.getElementById("target");
  return [...select.options].find((one) => one.value === code)?.text ?? found?.name ?? code;
}

/** Lets the browser keep a file. */
export function saveFile(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** A size in words: "3 kB". */
export function sizeOf(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** A time in words: the hour today, the day before. */
export function timeOf(milliseconds) {
  const [time, now] = [new Date(milliseconds), new Date()];
  const isToday = time.toDateString() === now.toDateString();
  return isToday ? time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) : time.toLocaleDateString();
}

/** Puts a text on the clipboard, and says so on the button that was pressed. */
export async function copyText(text, button) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "The browser does not allow it";
  }
  setTimeout(() => (button.textContent = label), 1500);
}
