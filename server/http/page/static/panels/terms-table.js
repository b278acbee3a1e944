/** Pure functions on terms: as rows of the table, as the contract has them, and as tab-separated text.
 *
 * A row is {source, target, isKept}; target has forms with "|" between them. In text a kept term's target is "=". */

export const MAX_TERMS = 1000;
const MAX_LENGTH = 200;
const LANGUAGE = /^[a-z]{2,3}([-_][a-z0-9]{2,8})*$/i;
const OTHER_COLUMNS = new Set(["case", "note", "comment", "description"]);

export const emptyRow = () => ({ source: "", target: "", isKept: false });

/** Why a row does not count, in words; empty if it does. An empty row says nothing. */
export function faultOf(row) {
  const [source, target] = [row.source.trim(), row.target.trim()];
  if (!source) return target ? "Give the word in the text." : "";
  if (!row.isKept && !formsOf(row).length) return "Give its translation, or keep it as it is.";
  if ([source, ...formsOf(row)].some((form) => form.length > MAX_LENGTH)) return `At most ${MAX_LENGTH} characters.`;
  return "";
}

const formsOf = (row) => row.target.split("|").map((form) => form.trim()).filter(Boolean);

/** The rows that count, as terms of a request. */
export function termsOf(rows) {
  return rows
    .filter((row) => row.source.trim() && !faultOf(row))
    .slice(0, MAX_TERMS)
    .map((row) => {
      const source = row.source.trim();
      return row.isKept ? { source, doNotTranslate: true } : { source, targets: formsOf(row) };
    });
}

/** Rows as a table whose first line names the languages; `dragoman translate --terms` reads it. */
export function writeTable(rows, source, target) {
  const clean = (text) => text.replace(/\s+/g, " ").trim();
  const lines = rows
    .filter((row) => row.source.trim() && !faultOf(row))
    .map((row) => `${clean(row.source)}\t${row.isKept ? "=" : clean(row.target)}`);
  return [`${source}\t${target}`, ...lines, ""].join("\n");
}

/** The rows of a table. If its first line names languages, the columns of these two count; otherwise the first two.
 * Throws an Error in words. */
export function readTable(text, source, target) {
  const lines = text.replace(/^\ufeff/, "").split(/\r\n|\r|\n/).map((line) => line.split("\t").map((cell) => cell.trim()));
  const filled = lines.filter((cells) => cells.some(Boolean));
  if (!filled.length) throw new Error("The file has no terms.");
  let [from, to] = [0, 1];
  const first = filled[0].map((cell) => cell.toLowerCase());
  if (first.length > 1 && first.every((cell) => LANGUAGE.test(cell) || OTHER_COLUMNS.has(cell) || !cell)) {
    filled.shift();
    from = columnOf(first, source) ?? first.findIndex((cell) => cell && !OTHER_COLUMNS.has(cell) && !isSame(cell, target));
    to = columnOf(first, target);
    if (to === undefined || from < 0) throw new Error(`The file has no column for ${target}: its first line names ${first.join(", ")}.`);
  }
  if (filled.some((cells) => cells.length < 2)) throw new Error("Each line must have two columns with a tab between them.");
  if (filled.length > MAX_TERMS) throw new Error(`The file has ${filled.length} terms, but at most ${MAX_TERMS} go with a text.`);
  return filled.map((cells) => toRow(cells[from] ?? "", cells[to] ?? "")).filter((row) => row.source);
}

function toRow(source, target) {
  if (source === "=") return { source: target, target: "", isKept: true };
  return { source, target: target === "=" ? "" : target, isKept: target === "=" };
}

const primary = (code) => code.toLowerCase().split(/[-_]/)[0];
const isSame = (one, other) => Boolean(one && other) && primary(one) === primary(other);

function columnOf(names, language) {
  const place = names.findIndex((name) => !OTHER_COLUMNS.has(name) && isSame(name, language));
  return place < 0 ? undefined : place;
}
