/** Pure functions on texts. Offsets are JavaScript's, in UTF-16, unless a name says code points. */

const RIGHT_TO_LEFT = new Set(["ar", "arc", "ckb", "dv", "fa", "he", "ks", "ps", "sd", "ug", "ur", "yi"]);

/** "rtl" or "ltr" for a language; "auto" if it is not known. */
export function directionOf(language) {
  if (!language || language === "auto") return "auto";
  const [primary, ...rest] = language.toLowerCase().split(/[-_]/);
  if (rest.includes("arab") || rest.includes("hebr")) return "rtl";
  return RIGHT_TO_LEFT.has(primary) && !rest.includes("latn") ? "rtl" : "ltr";
}

/** A function from an offset in code points to an offset in UTF-16. */
export function fromCodePoints(text) {
  if (!/[\ud800-\udbff]/.test(text)) return (offset) => offset;
  const places = [];
  for (let place = 0; place < text.length; place += text.codePointAt(place) > 0xffff ? 2 : 1) places.push(place);
  places.push(text.length);
  return (offset) => places[Math.min(offset, places.length - 1)];
}

/** The number of code points of a text. */
export function countCodePoints(text) {
  let count = text.length;
  for (let place = 0; place < text.length; place++) {
    const unit = text.charCodeAt(place);
    if (unit >= 0xd800 && unit < 0xdc00 && text.charCodeAt(place + 1) >= 0xdc00) count--;
  }
  return count;
}

const WORD = /[\p{L}\p{N}\p{M}]+(?:['’][\p{L}\p{N}\p{M}]+)*/gu;

/** The [begin, end] of each word of a text, also in languages that write none apart. */
export function wordsOf(text, language) {
  if (!Intl.Segmenter) return Array.from(text.matchAll(WORD), (found) => [found.index, found.index + found[0].length]);
  const found = [];
  for (const { segment, index, isWordLike } of segmenterOf(language).segment(text)) {
    if (isWordLike) found.push([index, index + segment.length]);
  }
  return found;
}

function segmenterOf(language) {
  try {
    return new Intl.Segmenter(language || undefined, { granularity: "word" });
  } catch {
    return new Intl.Segmenter(undefined, { granularity: "word" }); // a tag that the browser does not take
  }
}

/** The first of some ascending spans that contains an offset, or null. */
export function spanAt(spans, offset) {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (spans[middle][1] <= offset) low = middle + 1;
    else high = middle;
  }
  const found = spans[low];
  return found && found[0] <= offset && offset < found[1] ? found : null;
}

/** Whether two spans share a character. */
export const overlap = ([begin, end], [otherBegin, otherEnd]) => begin < otherEnd && otherBegin < end;

/** The plain text of a document's body: blocks become paragraphs, line breaks lines, cells are divided by tabs. */
export function textOfNode(root) {
  let text = "";
  const lineBreak = (count) => {
    text = text.replace(/[ \t]+$/, "");
    const present = /\n*$/.exec(text)[0].length;
    if (text) text += "\n".repeat(Math.max(0, count - present));
  };
  const visit = (node) => {
    if (node.nodeType === Node.TEXT_NODE) {
      const words = node.data.replace(/[ \t\r\n\f]+/g, " ");
      text += /(^|\s)$/.test(text) ? words.trimStart() : words;
      return;
    }
    if (node.nodeType !== Node.ELEMENT_NODE || /^(script|style|template|head|title)$/i.test(node.tagName)) return;
    const tag = node.tagName.toLowerCase();
    if (tag === "br") {
      text = `${text.replace(/[ \t]+$/, "")}\n`;
      return;
    }
    const isParagraph = /^(p|h[1-6]|blockquote|ul|ol|table|pre|section|article|figure|hr)$/.test(tag);
    const isLine = /^(div|li|tr|dt|dd|header|footer|address|main|nav|aside|form|fieldset)$/.test(tag);
    if (isParagraph || isLine) lineBreak(isParagraph ? 2 : 1);
    if (/^(td|th)$/.test(tag) && node.previousElementSibling) text += "\t";
    for (const child of node.childNodes) visit(child);
    if (isParagraph || isLine) lineBreak(isParagraph ? 2 : 1);
  };
  visit(root);
  return text.trim();
}
