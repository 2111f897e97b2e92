/**
 * Rows of the common shape: from their bytes to the bytes of their file, without a value being built. What is not of
 * that shape is none of its business; row_kernel.as says what is.
 * @module
 */

import { decodeUtf8 } from "../../parse/utf8.ts";
import { rowKernelWasm } from "./row_kernel_wasm.ts";

/** What a row holds that counts. */
export interface PlainRow {
  /** As sent; not empty. */
  readonly fileName: string;
  /** As sent; undefined when none was, or an empty one. */
  readonly directory: string | undefined;
  /** The file's content. */
  readonly bytes: Uint8Array;
}

interface Kernel {
  readonly memory: WebAssembly.Memory;
  readonly input: WebAssembly.Global;
  readonly output: WebAssembly.Global;
  readonly mostInputBytes: WebAssembly.Global;
  readonly nameStart: WebAssembly.Global;
  readonly nameEnd: WebAssembly.Global;
  readonly directoryStart: WebAssembly.Global;
  readonly directoryEnd: WebAssembly.Global;
  readRow(size: number): number;
}

// Its memory holds nothing from one call to the next.
const kernel = loadKernel();
const memory = new Uint8Array(kernel?.memory.buffer ?? new ArrayBuffer(0));
const input = kernel?.input.value ?? 0;
const output = kernel?.output.value ?? 0;
const mostInputBytes = kernel?.mostInputBytes.value ?? 0;

/** Undefined where the machine has no vector instructions. */
function loadKernel(): Kernel | undefined {
  const bytes = Uint8Array.fromBase64(rowKernelWasm);
  if (!WebAssembly.validate(bytes)) return undefined;
  return new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as unknown as Kernel;
}

/**
 * Reads the row `bytes[start, end)`, which is UTF-8 without white space around it.
 * @returns undefined when it is not of the common shape, or no JSON
 */
export function readPlainRow(bytes: Uint8Array, start: number, end: number): PlainRow | undefined {
  const length = end - start;
  if (kernel === undefined || length > mostInputBytes) return undefined;
  memory.set(bytes.subarray(start, end), input);
  const size = kernel.readRow(length);
  if (size < 0) return undefined;
  const { nameStart, nameEnd, directoryStart, directoryEnd } = kernel;
  const textOf = (from: WebAssembly.Global, to: WebAssembly.Global): string =>
    decodeUtf8(memory, from.value, to.value);
  return {
    fileName: textOf(nameStart, nameEnd),
    directory: directoryStart.value === 0 ? undefined : textOf(directoryStart, directoryEnd) || undefined,
    bytes: memory.slice(output, output + size),
  };
}
