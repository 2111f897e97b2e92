/**
 * Rows of numbers in pages of typed arrays: a million of them are no work for the garbage collector, and growing
 * copies nothing.
 * @module
 */

const rowsPerPageBits = 10;
const rowsPerPage = 1 << rowsPerPageBits;
const rowMask = rowsPerPage - 1;

/** Stands for "no row" in fields that hold the number of a row. */
export const none = -1;

/**
 * Rows with the same fields: float64 `numbers` first, then int32 `ints`. A row's number stays valid until it is
 * freed; freed rows are used again, and when all are free their memory is given back.
 */
export class Slab {
  readonly #rowWords: number;
  readonly #rowHalves: number;
  readonly #firstInt: number;
  #numbers: Float64Array[] = [];
  #ints: Int32Array[] = [];
  #free: number[] = [];
  #end = 0;

  constructor(fields: { numbers: number; ints: number }) {
    this.#rowWords = fields.numbers + Math.ceil(fields.ints / 2);
    this.#rowHalves = this.#rowWords * 2;
    this.#firstInt = fields.numbers * 2;
  }

  /** How many rows are in use. */
  get count(): number {
    return this.#end - this.#free.length;
  }

  /** Bytes of one row. */
  get rowBytes(): number {
    return this.#rowWords * 8;
  }

  /** A row whose fields hold anything. */
  allocate(): number {
    const freed = this.#free.pop();
    if (freed !== undefined) return freed;
    if (this.#end === this.#numbers.length * rowsPerPage) {
      const page = new ArrayBuffer(rowsPerPage * this.rowBytes);
      this.#numbers.push(new Float64Array(page));
      this.#ints.push(new Int32Array(page));
    }
    return this.#end++;
  }

  free(row: number): void {
    this.#free.push(row);
    if (this.#free.length < this.#end) return;
    this.#numbers = [];
    this.#ints = [];
    this.#free = [];
    this.#end = 0;
  }

  int(row: number, field: number): number {
    return this.#ints[row >>> rowsPerPageBits][(row & rowMask) * this.#rowHalves + this.#firstInt + field];
  }

  setInt(row: number, field: number, value: number): void {
    this.#ints[row >>> rowsPerPageBits][(row & rowMask) * this.#rowHalves + this.#firstInt + field] = value;
  }

  number(row: number, field: number): number {
    return this.#numbers[row >>> rowsPerPageBits][(row & rowMask) * this.#rowWords + field];
  }

  setNumber(row: number, field: number, value: number): void {
    this.#numbers[row >>> rowsPerPageBits][(row & rowMask) * this.#rowWords + field] = value;
  }
}

/** Which int fields link a row to its neighbours, and which ones of its owner hold the ends of the list. */
export interface SlabListFields {
  readonly next: number;
  readonly previous: number;
  readonly first: number;
  readonly last: number;
}

/** Doubly linked lists of the rows of one slab, each owned by a row of another. */
export class SlabLists {
  readonly #members: Slab;
  readonly #owners: Slab;
  readonly #fields: SlabListFields;

  constructor(members: Slab, owners: Slab, fields: SlabListFields) {
    this.#members = members;
    this.#owners = owners;
    this.#fields = fields;
  }

  /** Gives a new owner an empty list. */
  clear(owner: number): void {
    this.#owners.setInt(owner, this.#fields.first, none);
    this.#owners.setInt(owner, this.#fields.last, none);
  }

  /** The first row of the list, or {@link none}. */
  first(owner: number): number {
    return this.#owners.int(owner, this.#fields.first);
  }

  /** The last row of the list, or {@link none}. */
  last(owner: number): number {
    return this.#owners.int(owner, this.#fields.last);
  }

  /** The row that follows in its list, or {@link none}. */
  after(row: number): number {
    return this.#members.int(row, this.#fields.next);
  }

  /** The row before it in its list, or {@link none}. */
  before(row: number): number {
    return this.#members.int(row, this.#fields.previous);
  }

  append(owner: number, row: number): void {
    this.#link(owner, this.last(owner), row);
    this.#link(owner, row, none);
  }

  prepend(owner: number, row: number): void {
    this.#link(owner, row, this.first(owner));
    this.#link(owner, none, row);
  }

  remove(owner: number, row: number): void {
    this.#link(owner, this.before(row), this.after(row));
  }

  /** Makes two rows neighbours; {@link none} stands for the list's own end. */
  #link(owner: number, left: number, right: number): void {
    if (left === none) this.#owners.setInt(owner, this.#fields.first, right);
    else this.#members.setInt(left, this.#fields.next, right);
    if (right === none) this.#owners.setInt(owner, this.#fields.last, left);
    else this.#members.setInt(right, this.#fields.previous, left);
  }
}
