/** Which rows of a long list are in sight, when every row has the same height. */

/** Rows `first..last` are drawn; `before` and `after` are the pixels that stand for the rest. */
export interface Window {
  first: number;
  last: number;
  before: number;
  after: number;
}

// Rows drawn beyond each edge, so that a fast scroll shows no blank.
const MARGIN = 8;

export function windowOf(rows: number, rowHeight: number, top: number, height: number): Window {
  const reach = Math.max(0, rows * rowHeight - height);
  const from = Math.min(Math.max(0, top), reach);
  const first = Math.max(0, Math.floor(from / rowHeight) - MARGIN);
  const last = Math.min(rows, Math.ceil((from + height) / rowHeight) + MARGIN);
  return { first, last, before: first * rowHeight, after: (rows - last) * rowHeight };
}

/** How far to scroll so that a row is whole in sight; `top` itself when it already is. */
export function scrollTo(index: number, rowHeight: number, top: number, height: number): number {
  const start = index * rowHeight;
  if (start < top) return start;
  if (start + rowHeight > top + height) return start + rowHeight - height;
  return top;
}
