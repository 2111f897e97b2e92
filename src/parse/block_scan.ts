/**
 * The scanner's rules applied to whole blocks by vector instructions, three times as fast as byte by byte.
 * @module
 */

import { blockScanWasm } from "./block_scan_wasm.ts";

/** Largest block, in bytes. */
export const mostBlockBytes = 65536;

/** In {@link Block.notes} and {@link Block.stops}: a Unicode escape came by. */
export const unicodeNote = 1;
/** The same for a line break between tokens. */
export const lineBreakNote = 2;

/** A stretch of bytes that has been scanned ahead. */
export interface Block {
  readonly from: number;
  readonly end: number;
  /** Where to stop: (place - from) * 4 + notes on the bytes since the stop before. */
  readonly stops: Uint32Array;
  /** How many of them have been used. */
  used: number;
  /** Brackets open at the end, above the floor. */
  readonly depth: number;
  readonly isInString: boolean;
  readonly isAfterBackslash: boolean;
  /** Notes on the bytes after the last stop. */
  readonly notes: number;
}

/** Where the scan stands when a block begins. */
export interface BlockStart {
  /** Brackets open above the floor. */
  depth: number;
  /** How many may be. */
  maxDepth: number;
  isInString: boolean;
  isAfterBackslash: boolean;
}

interface Kernel {
  readonly memory: WebAssembly.Memory;
  readonly endDepth: WebAssembly.Global;
  readonly endState: WebAssembly.Global;
  scan(length: number, maxDepth: number, startDepth: number, startState: number): number;
}

// As in block_scan.as. The memory holds nothing from one call to the next.
const input = 1024;
const output = 131072;
const space = 0x20;
const kernel = loadKernel();
const memory = new Uint8Array(kernel?.memory.buffer ?? new ArrayBuffer(0));

/** Undefined where the machine has no vector instructions. */
function loadKernel(): Kernel | undefined {
  const bytes = Uint8Array.fromBase64(blockScanWasm);
  if (!WebAssembly.validate(bytes)) return undefined;
  return new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as unknown as Kernel;
}

/** Can blocks be scanned on this machine? */
export function canScanBlocks(): boolean {
  return kernel !== undefined;
}

/**
 * Scans `bytes[from, end)`, at most {@link mostBlockBytes}, up to its end, a closing bracket on the floor or a bracket
 * that is one too deep.
 */
export function scanBlock(bytes: Uint8Array, from: number, end: number, start: BlockStart): Block {
  const { scan, endDepth, endState } = kernel!;
  const length = end - from;
  memory.set(bytes.subarray(from, end), input);
  memory.fill(space, input + length, input + length + 64);
  const startState = (start.isInString ? 1 : 0) + (start.isAfterBackslash ? 2 : 0);
  const count = scan(length, Math.min(start.maxDepth, 0x7fffffff), start.depth, startState);
  const state = endState.value;
  return {
    from,
    end,
    stops: new Uint32Array(memory.buffer, output, count).slice(),
    used: 0,
    depth: endDepth.value,
    isInString: (state & 1) !== 0,
    isAfterBackslash: (state & 2) !== 0,
    notes: state >> 2,
  };
}
