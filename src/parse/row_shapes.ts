/**
 * Rows parsed by their shapes. Most rows of a body have the same keys in the same order, and to read these and to make
 * an object member by member is more than half of the work of `JSON.parse`. So a kernel of vector instructions compares
 * a row with the shapes of rows before it and, where one fits, leaves the values only; `JSON.parse` reads the values of
 * all rows as one list; and each row is made of its values by an expression.
 *
 * The verdict stays that of `JSON.parse`. What stands between the values is, byte for byte, what stood in a row that was
 * JSON. A value begins where the kernel says, and where it ends JSON leaves no choice, so that the list is JSON exactly
 * when each value is.
 * @module
 */

import { type RowShape, shapeOf } from "./row_shape.ts";
import { rowShapesWasm } from "./row_shapes_wasm.ts";
import { decodeUtf8 } from "./utf8.ts";

/** What the compiled module has, besides its constants. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  strip(rowCount: number, shapeCount: number): number;
  fits(shape: number, row: number): number;
}

/** Consecutive rows, a comma and white space between two. */
export interface ParsableRows {
  readonly bytes: Uint8Array;
  readonly count: number;
  start(i: number): number;
  end(i: number): number;
}

/** With fewer rows, calling the kernel costs more than it saves. */
const leastRows = 4;
/** So that rows of ever other shapes cost little more than without any: learning one takes as long as 50 rows. */
const rowsPerShape = 256;
const mostCredit = 16 * rowsPerShape;
/** Calls left out, at most, after shapes were of no use for long. */
const longestPause = 16;

const module = loadModule();
/** Places and sizes, as row_shapes.as names them; none where it cannot run. */
const c = readConstants();

/** Undefined where the machine has no vector instructions. */
function loadModule(): WebAssembly.Module | undefined {
  const bytes = Uint8Array.fromBase64(rowShapesWasm);
  return WebAssembly.validate(bytes) ? new WebAssembly.Module(bytes) : undefined;
}

function instantiate(module: WebAssembly.Module): Exports {
  return new WebAssembly.Instance(module).exports as unknown as Exports;
}

function readConstants(): Readonly<Record<string, number>> {
  const known: Record<string, number> = {};
  for (const [name, value] of Object.entries(module === undefined ? {} : instantiate(module))) {
    if (value instanceof WebAssembly.Global) known[name] = Number(value.value);
  }
  return known;
}

/** The shapes of rows that were parsed before, and a kernel that knows them. */
export class RowShapes {
  readonly #exports: Exports | undefined = module && instantiate(module);
  readonly #bytes = new Uint8Array(this.#exports?.memory.buffer ?? new ArrayBuffer(0));
  readonly #ints = new Int32Array(this.#bytes.buffer);
  readonly #shapes: RowShape[] = [];
  /** By shape, the call in which it was last of use. */
  readonly #lastUse: number[] = [];
  #calls = 0;
  /** Rows for which no shape has been learnt. */
  #credit = mostCredit;
  /** Calls in a row in which they were of no use, and how many are left out for that. */
  #misses = 0;
  #pause = 0;

  /**
   * The rows' values; undefined where parsing them by their shapes would gain nothing.
   *
   * @throws SyntaxError when some row is no JSON
   */
  parse(rows: ParsableRows): unknown[] | undefined {
    const { count } = rows;
    const start = rows.start(0);
    const size = rows.end(count - 1) - start;
    if (this.#exports === undefined || count < leastRows || count > c.mostRows || size > c.mostBytes) {
      return undefined;
    }
    this.#credit = Math.min(this.#credit + count, mostCredit);
    this.#calls++;
    if (this.#pause > 0) {
      this.#pause--;
      return undefined;
    }
    this.#bytes.set(rows.bytes.subarray(start, start + size), c.input);
    for (let i = 0; i < count; i++) {
      this.#ints[(c.rowPlaces >> 2) + 2 * i] = rows.start(i) - start;
      this.#ints[(c.rowPlaces >> 2) + 2 * i + 1] = rows.end(i) - start;
    }
    const end = this.#exports.strip(count, this.#shapes.length);
    const values = this.#build(JSON.parse(decodeUtf8(this.#bytes, c.output - 1, end)) as unknown[], count);
    const isMiss = this.#shapeNumbers(count).every((number) => number < 0);
    if (!isMiss) this.#misses = 0;
    if (this.#credit >= rowsPerShape) this.#learn(values);
    else if (isMiss) this.#pause = Math.min(++this.#misses, longestPause);
    return values;
  }

  #shapeNumbers(count: number): Int32Array {
    return this.#ints.subarray(c.rowShapes >> 2, (c.rowShapes >> 2) + count);
  }

  #build(values: readonly unknown[], count: number): unknown[] {
    const numbers = this.#shapeNumbers(count);
    const rows = new Array<unknown>(count);
    let at = 0;
    for (let i = 0; i < count; i++) {
      const number = numbers[i];
      if (number < 0) rows[i] = values[at++];
      else {
        const shape = this.#shapes[number];
        rows[i] = shape.build(values, at);
        at += shape.valueCount;
        this.#lastUse[number] = this.#calls;
      }
    }
    return rows;
  }

  /** Learns the shape of one of the rows that have none, if any. */
  #learn(rows: readonly unknown[]): void {
    const numbers = this.#shapeNumbers(rows.length);
    // Not always the first: that one may have a shape that cannot be learnt.
    const from = this.#calls % rows.length;
    const later = numbers.indexOf(-1, from);
    const row = later >= 0 ? later : numbers.indexOf(-1);
    if (row < 0) return;
    this.#credit -= rowsPerShape;
    for (const hasSpaces of [false, true]) {
      const shape = shapeOf(rows[row], { hasSpaces });
      if (shape === undefined || !this.#lay(shape) || !this.#exports!.fits(c.mostShapes, row)) continue;
      const number = this.#shapes.length < c.mostShapes
        ? this.#shapes.length
        : this.#lastUse.indexOf(Math.min(...this.#lastUse));
      const laid = placeOf(c.mostShapes);
      this.#bytes.copyWithin(placeOf(number), laid, laid + c.shapeBytes);
      this.#shapes[number] = shape;
      this.#lastUse[number] = this.#calls;
      return;
    }
  }

  /** Lays a shape in behind the others, as row_shapes.as has it; false when it is too large. */
  #lay({ pieces, valueCount }: RowShape): boolean {
    const end = placeOf(c.mostShapes + 1);
    let at = placeOf(c.mostShapes);
    this.#ints[at >> 2] = valueCount;
    at += 4;
    for (const piece of pieces) {
      const next = at + 4 + Math.ceil(piece.length / 16) * 16;
      if (next > end) return false;
      this.#ints[at >> 2] = piece.length;
      this.#bytes.set(piece, at + 4);
      at = next;
    }
    return true;
  }
}

function placeOf(shape: number): number {
  return c.shapes + shape * c.shapeBytes;
}

/** The process's own. It knows nothing but keys, of a bounded number of rows, and never which rows these were. */
export const rowShapes = new RowShapes();
