/**
 * The kernel that turns rows into records (`kernel/*.as`), its memory, and what it knows of devices, names and
 * senders.
 *
 * All senders of the process share one, because memory for each would come to too much. It knows nothing but what was
 * computed before, by sender, and is thrown away when its tables are full.
 * @module
 */

import type { SessionTally } from "../../base/session_tally.ts";
import type { Session } from "../../sessions/session.ts";
import { eventKernelWasm } from "./event_kernel_wasm.ts";
import type { Whereabouts } from "./whereabouts.ts";

/** What the compiled module has, besides its constants. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  writeRows(first: number, last: number, given: number): number;
  writeList(start: number, most: number, given: number): number;
  seal(end: number): void;
  clearGuesses(): void;
  addKey(start: number, size: number, code: number): number;
  allocate(bytes: number): number;
  addDevice(sender: number, start: number, size: number): number;
  addName(sender: number, start: number, size: number): number;
  clear(seed: bigint): void;
}

/** A device of a sender, and the session that its last event fell into. */
export interface Device {
  readonly where: Whereabouts;
  readonly session: Session | undefined;
  /** Do its events come to a live session? */
  readonly isLive: boolean;
  /** Times from `since` on and before `until` have the same device id and session. */
  readonly since: number;
  readonly until: number;
  /** The session's referrer, as the kernel has it. */
  referrer: string;
  /** Of the unit written last. */
  tally: SessionTally | undefined;
  /** The run in which it was last used. */
  run: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const texts = [
  '","id":"',
  '","insert_id":"',
  '","profile_id":"',
  ',"path":"',
  ',"origin":"',
  ',"query":"',
  ',"hash":"',
];

/** Keys that mean something, and their codes in reader.as. */
const keyCodes: Readonly<Record<string, number>> = {
  type: 1,
  payload: 2,
  insertId: 3,
  name: 4,
  properties: 5,
  profileId: 6,
  __timestamp: 7,
  __deviceId: 8,
  __path: 9,
  __referrer: 10,
  __insertId: 11,
  $insert_id: 11,
};
/** Members that change how a row is treated, in ways that the schema knows and the kernel does not. */
const rareKeys: Readonly<Record<number, readonly string[]>> = {
  /** Not among properties. */
  12: ["clientId", "clientSecret", "messageId", "groups"],
  13: [
    "path",
    "referrer",
    "__ip",
    "__identify",
    "__bot",
    "__bot_reasons",
    "__revenue",
    "__os",
    "__osVersion",
    "__browser",
    "__browserVersion",
    "__device",
    "__brand",
    "__model",
  ],
};

/** Classes of bytes in URLs, as in page.as: in hosts, in paths, in queries, letters. */
const byteClasses: readonly (readonly [bytes: string, bits: number])[] = [
  ["abcdefghijklmnopqrstuvwxyz", 1 | 2 | 4 | 8],
  ["ABCDEFGHIJKLMNOPQRSTUVWXYZ", 2 | 4],
  ["0123456789-.", 1 | 2 | 4],
  ["/_~,;=&+@$!*():", 2 | 4],
  ["?%", 4],
];

const module = loadModule();
/** Places, sizes and codes of the kernel, as layout.as and main.as name them; none where it cannot run. */
export const kernelConstants: Readonly<Record<string, number>> = readConstants();
const c = kernelConstants;

/** Undefined where the machine has no vector instructions. */
function loadModule(): Exports | undefined {
  const bytes = Uint8Array.fromBase64(eventKernelWasm);
  if (!WebAssembly.validate(bytes)) return undefined;
  return new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as unknown as Exports;
}

function readConstants(): Record<string, number> {
  const known: Record<string, number> = {};
  for (const [name, value] of Object.entries(module ?? {})) {
    if (value instanceof WebAssembly.Global) known[name] = Number(value.value);
  }
  return known;
}

/** The kernel with its memory. Whoever uses it does so from one question to the next without a pause. */
export class EventKernel {
  /** The memory; it never grows. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly ints: Int32Array;
  readonly floats: Float64Array;
  /** By slot. */
  readonly devices: Device[] = [];
  /** Changes when the tables are emptied. */
  generation = 0;
  /** What was known of a device before this is to be looked at again. */
  epoch = 0;
  /** Number of the last run. */
  run = 0;
  readonly exports: Exports;
  /** Takes the text of an id. */
  readonly idText: Uint8Array;
  /** Takes the columns of a page. */
  readonly page: Uint8Array<ArrayBuffer>;
  #senders = 0;

  constructor(exports: Exports) {
    this.exports = exports;
    const buffer = exports.memory.buffer as ArrayBuffer;
    this.bytes = new Uint8Array(buffer);
    this.ints = new Int32Array(buffer);
    this.floats = new Float64Array(buffer);
    this.idText = this.bytes.subarray(c.idText, c.idText + 36);
    this.page = this.bytes.subarray(c.page, c.page + c.mostPageBytes);
    this.#layConstants();
    this.clear();
  }

  /** A number that no other sender has. */
  nextSender(): number {
    return ++this.#senders;
  }

  /** Empties the tables. */
  clear(): void {
    // The seed is secret: nobody can choose devices that are hard to find.
    this.exports.clear(crypto.getRandomValues(new BigUint64Array(1))[0]);
    this.devices.length = 0;
    this.generation++;
  }

  /**
   * Lays a text in, and notes its place and size.
   * @param note Where these are noted.
   * @returns false when the tables are full
   */
  layText(text: Uint8Array, note: number): boolean {
    const place = this.exports.allocate(text.length);
    if (place === 0) return false;
    this.bytes.set(text, place);
    this.ints[note >> 2] = place;
    this.ints[(note >> 2) + 1] = text.length;
    return true;
  }

  /** The same where one is laid already, in its place where it fits. */
  #relayText(text: Uint8Array, note: number): boolean {
    const [place, size] = [this.ints[note >> 2], this.ints[(note >> 2) + 1]];
    if (place === 0 || text.length > size) return this.layText(text, note);
    this.bytes.set(text, place);
    this.ints[(note >> 2) + 1] = text.length;
    return true;
  }

  /** Lays a stretch of rows in: `bytes[start, end)`, at most `mostInputBytes`. */
  layStretch(bytes: Uint8Array, start: number, end: number): void {
    this.bytes.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), c.input);
    this.exports.seal(c.input + end - start);
  }

  /** A member of the row that it stopped at; undefined where it is absent. */
  textOf(span: number): string | undefined {
    const start = this.ints[span >> 2];
    return start === 0 ? undefined : this.decode(start, this.ints[(span >> 2) + 1]);
  }

  /** Text in its memory. */
  decode(start: number, end: number): string {
    return decoder.decode(this.bytes.subarray(start, end));
  }

  /** The slot of the device of the row that it stopped at, which is not known; -1 when the tables are full. */
  addDevice(sender: number): number {
    const start = this.ints[c.deviceSpan >> 2];
    return this.exports.addDevice(sender, start, this.ints[(c.deviceSpan >> 2) + 1] - start);
  }

  /** Says that the name of the row that it stopped at is taken; false when the tables are full. */
  addName(sender: number, isView: boolean): boolean {
    const start = this.ints[c.nameSpan >> 2];
    const slot = this.exports.addName(sender, start, this.ints[(c.nameSpan >> 2) + 1] - start);
    if (slot < 0) return false;
    this.ints[(c.names + slot * c.nameBytes + c.viewSlot) >> 2] = isView ? 1 : 0;
    return true;
  }

  /** Fills a device's slot; false when the tables are full. */
  setDevice(slot: number, device: Device): boolean {
    const at = c.devices + slot * c.deviceBytes;
    const id = JSON.stringify(device.where.deviceId).slice(1, -1);
    const columns = `","device_id":"${id}","session_id":"${device.where.sessionId}","name":"`;
    const isLaid = this.#relayText(encoder.encode(columns), at + c.columnsSlot) &&
      this.#relayText(encoder.encode(id), at + c.idSlot) &&
      this.#relayText(encoder.encode(device.referrer), at + c.referrerSlot);
    if (!isLaid) return false;
    this.devices[slot] = device;
    this.floats[(at + c.sinceSlot) >> 3] = device.since;
    this.floats[(at + c.untilSlot) >> 3] = device.until;
    this.ints[(at + c.flagsSlot) >> 2] = (device.session === undefined ? 0 : c.hasSession) +
      (device.isLive ? c.isLive : 0);
    return true;
  }

  /**
   * Says that what is known of a device holds.
   * @param seenT The latest live event of its session.
   */
  trust(slot: number, seenT: number): void {
    const at = c.devices + slot * c.deviceBytes;
    this.floats[(at + c.seenSlot) >> 3] = seenT;
    this.ints[(at + c.epochSlot) >> 2] = this.epoch;
  }

  /** The session's referrer has changed; false when the tables are full. */
  setReferrer(slot: number, referrer: string): boolean {
    const at = c.devices + slot * c.deviceBytes;
    if (!this.#relayText(encoder.encode(referrer), at + c.referrerSlot)) return false;
    this.devices[slot].referrer = referrer;
    return true;
  }

  /** From here on, what is known of every device is to be looked at again. */
  nextEpoch(): void {
    this.ints[c.epochCall >> 2] = ++this.epoch;
  }

  /** A run begins. */
  nextRun(): void {
    this.run++;
    if (this.epoch > 2 ** 30) {
      // A slot from long ago must not look as if it had been trusted just now.
      this.clear();
      this.epoch = 0;
    }
    this.nextEpoch();
  }

  #layConstants(): void {
    for (const [bytes, bits] of byteClasses) {
      for (const byte of encoder.encode(bytes)) this.bytes[c.classes + byte] = bits;
    }
    this.bytes.fill(0xff, c.masks, c.masks + 16);
    texts.forEach((text, i) => {
      const at = c.texts + i * c.textBytes;
      this.bytes[at] = text.length;
      encoder.encodeInto(text, this.bytes.subarray(at + 1, at + c.textBytes));
    });
    this.exports.clearGuesses();
    const rare = Object.entries(rareKeys).flatMap(([code, keys]) =>
      keys.map((key) => [key, Number(code)] as const)
    );
    for (const [key, code] of [...Object.entries(keyCodes), ...rare]) {
      this.layStretch(encoder.encode(key), 0, key.length);
      if (!this.exports.addKey(c.input, key.length, code)) {
        throw new Error(`Cannot lay in the key ${key}: another one has its hash`);
      }
    }
  }
}

/** The process's own; undefined where the machine has no vector instructions. */
export const eventKernel: EventKernel | undefined = module && new EventKernel(module);
