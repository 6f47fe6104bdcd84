/** The newest rows, in a ring of fixed size. What falls off is counted. */

export class RowBuffer<T> {
  #slots: (T | undefined)[];
  #next = 0;
  #length = 0;
  #fellOff = 0;

  constructor(readonly capacity: number) {
    if (!Number.isInteger(capacity) || capacity < 1) {
      throw new RangeError(`a buffer needs room for at least one row, not ${capacity}`);
    }
    this.#slots = new Array<T | undefined>(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** How many rows had to make room since the buffer was made. */
  get fellOff(): number {
    return this.#fellOff;
  }

  push(row: T): void {
    this.#slots[this.#next] = row;
    this.#next = (this.#next + 1) % this.capacity;
    if (this.#length < this.capacity) this.#length += 1;
    else this.#fellOff += 1;
  }

  /** Counts rows that were not even put in, because newer ones of the same message would have pushed them out. */
  skip(rows: number): void {
    this.#fellOff += rows;
  }

  /** Rows from the newest to the oldest. */
  *newestFirst(): Generator<T> {
    for (let age = 1; age <= this.#length; age += 1) {
      const slot = (this.#next - age + this.capacity) % this.capacity;
      yield this.#slots[slot] as T;
    }
  }
}
