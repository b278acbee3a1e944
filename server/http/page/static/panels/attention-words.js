/** Pure functions on pieces and matrices: words of pieces, and attention by word. */

const SPECIAL = /^<(?!0x[0-9A-F]{2}>).+>$|^__.+__$/;
const PUNCTUATION = /^[\p{P}\p{S}]+$/u;
const UNSPACED = /^[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u31ff\u3400-\u9fff\uac00-\ud7af\uf900-\uffdc]/;

/** Whether a piece stands for no text, such as the end of a sentence. */
export const isSpecial = (piece) => SPECIAL.test(piece);

/** Groups of pieces: [{label, begin, end, isSpecial}], one for each word, or for each piece. */
export function groupPieces(pieces, byWord) {
  const groups = [];
  pieces.forEach((piece, place) => {
    const last = groups.at(-1);
    const continues = byWord && last && !last.isSpecial && !last.isClosed && !begins(piece);
    const text = piece.replaceAll("▁", " ");
    if (continues) {
      last.label += text;
      last.end = place + 1;
      return;
    }
    const special = isSpecial(piece);
    groups.push({ label: text, begin: place, end: place + 1, isSpecial: special, isClosed: PUNCTUATION.test(piece) });
  });
  for (const group of groups) {
    const isInside = !byWord && !group.isSpecial && !group.isClosed && !group.label.startsWith(" ") && group.begin > 0;
    group.label = group.isSpecial ? nameOfSpecial(group.label) : isInside ? `·${group.label}` : group.label.trim() || "␣";
  }
  return groups;
}

function begins(piece) {
  return piece.startsWith("▁") || isSpecial(piece) || PUNCTUATION.test(piece) || UNSPACED.test(piece);
}

function nameOfSpecial(piece) {
  if (/^<\/s>$|^<eos>$/i.test(piece)) return "end";
  if (/^<s>$|^<bos>$|^<pad>$/i.test(piece)) return "start";
  const tag = /^<2(.+)>$/.exec(piece);
  return tag ? `into ${tag[1]}` : piece;
}

/** The mean of the matrices of all heads. */
export function meanOf(heads) {
  return heads[0].map((row, query) => row.map((_, key) => heads.reduce((sum, head) => sum + head[query][key], 0) / heads.length));
}

/** A matrix by group: what a group looks at is the mean of its pieces, what is seen of a group is the sum. */
export function groupMatrix(matrix, rows, columns) {
  return rows.map((row) =>
    columns.map((column) => {
      let sum = 0;
      for (let query = row.begin; query < row.end; query++) {
        for (let key = column.begin; key < column.end; key++) sum += matrix[query][key];
      }
      return sum / (row.end - row.begin);
    }),
  );
}

/** Σ a b */
export const product = (a, b) => a.reduce((sum, value, place) => sum + value * b[place], 0);

/** A share in words: "63 %", "0.4 %". */
export function percent(share) {
  if (share >= 0.0995) return `${Math.round(100 * share)} %`;
  return share < 0.0005 ? "0 %" : `${(100 * share).toFixed(1)} %`;
}
