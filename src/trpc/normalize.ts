/**
 * The body or the `input` parameter of a tRPC call, made into the one form that a tRPC server takes. What the server
 * would take as it is stays as it is, to the byte (contract `trpc`, section 4).
 * @module
 */

import type { TrpcCall, TrpcVersion } from "./call.ts";
import { isObject, membersOf, objectText, type Piece, readPiece } from "./json_pieces.ts";
import { splitSuperjsonBatch } from "./superjson_batch.ts";

/** The reply header that tells what was done to an input, its steps parted by commas. */
export const normalizedHeader = "weir-trpc-normalized";

/** What both ends of a client and its server have agreed on for values beyond JSON. */
export type Transformer = "none" | "superjson";

/**
 * Whether `{"input": X}` and `{"path": p, "input": X}` around one input stand for X. `auto` opens them where no tRPC
 * client sends them, and everywhere for legacy clients.
 */
export type EnvelopePolicy = "never" | "always" | "auto";

/** How inputs are judged. */
export interface TrpcRules {
  /** @default "none" */
  readonly transformer?: Transformer;
  /** Major version of the server. @default 11 */
  readonly version?: TrpcVersion;
  /** For all procedures, or asked for each by its name. @default "auto" */
  readonly envelope?: EnvelopePolicy | ((path: string) => EnvelopePolicy);
  /** Do hand-written clients that put envelopes around inputs call this server? @default false */
  readonly legacyClients?: boolean;
}

/** One thing that was done to an input. */
export type TrpcStep =
  | "array"
  | "reordered"
  | "input"
  | "bare"
  | "envelope"
  | "superjson"
  | "split"
  | "empty"
  | "decoded";

/** What is to become of an input. */
export type TrpcVerdict =
  | { readonly action: "unchanged" }
  | { readonly action: "normalized"; readonly text: string; readonly steps: readonly TrpcStep[] }
  /** `reason` is for the caller: it names the shape, and quotes nothing of it. */
  | { readonly action: "refused"; readonly code: "BAD_REQUEST" | "PARSE_ERROR"; readonly reason: string };

const unchanged: TrpcVerdict = { action: "unchanged" };

/** Why an input cannot be understood. */
class Refusal extends Error {
  override readonly name = "Refusal";
}

/**
 * Judges one input. Pure: same arguments, same verdict.
 *
 * @param text JSON text of the body, or of the decoded `input` parameter. "" where there is none.
 */
export function normalizeInput(text: string, call: TrpcCall, rules: TrpcRules = {}): TrpcVerdict {
  if (text === "") return call.isBatch ? { action: "normalized", text: "{}", steps: ["empty"] } : unchanged;
  let root: Piece;
  try {
    root = readPiece(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { action: "refused", code: "PARSE_ERROR", reason: "The input is not JSON" };
  }
  const work = new Normalization(call, rules);
  try {
    const made = call.isBatch ? work.batch(root) : work.item(root, 0, { isExpected: true });
    if (work.steps.size === 0) return unchanged;
    return { action: "normalized", text: made, steps: [...work.steps] };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { action: "refused", code: "BAD_REQUEST", reason: error.message };
  }
}

/** One input on its way; `steps` is what was done to it so far. */
class Normalization {
  readonly steps = new Set<TrpcStep>();
  readonly #paths: readonly string[];
  readonly #isBatch: boolean;
  readonly #rules: TrpcRules;
  readonly #isSuperjson: boolean;

  constructor({ paths, isBatch }: TrpcCall, rules: TrpcRules) {
    this.#paths = paths;
    this.#isBatch = isBatch;
    this.#rules = rules;
    this.#isSuperjson = rules.transformer === "superjson";
  }

  /** The inputs of a batch, as an object keyed by index. */
  batch(root: Piece): string {
    const { value } = root;
    const calls = this.#paths.length;
    if (Array.isArray(value)) return this.#fromArray(root);
    if (!isObject(value)) {
      throw new Refusal(`A batch must be an object keyed by index: it is ${kindOf(value)}`);
    }
    const keys = Object.keys(value);
    if (this.#isKeyed(keys)) return this.#keyed(root);
    if (this.#isSuperjson && this.#isWholeBatch(value, keys)) return this.#split(root);
    if (isEnvelope(value)) return this.#fromInput(root);
    if (keys.some((key) => /^-?\d+$/.test(key))) {
      throw new Refusal(`A batch must have no keys but the indexes 0 to ${calls - 1}, written plainly`);
    }
    if (calls > 1) {
      throw new Refusal(
        `A batch of ${calls} calls must be an object keyed by index: it is one object without indexes`,
      );
    }
    this.steps.add("bare");
    return objectText([["0", this.item(root, 0, { isExpected: false })]]);
  }

  /**
   * One input.
   * @param isExpected Does it stand where a tRPC client puts inputs? Then an envelope may be data.
   */
  item(piece: Piece, index: number, { isExpected }: { isExpected: boolean }): string {
    const { value } = piece;
    if (this.#isSuperjson && isSerialised(value)) return piece.text;
    if (!isEnvelope(value) || !this.#opens(index, isExpected)) return this.#wrapped(piece);
    if (value.path !== undefined && value.path !== this.#paths[index]) {
      // A single body can be meant for no other call: it is data that happens to look like this.
      if (!this.#isBatch) return this.#wrapped(piece);
      throw new Refusal("An item names another procedure in its path than the address does at its place");
    }
    this.steps.add("envelope");
    return this.#wrapped(membersOf(piece).get("input") as Piece);
  }

  /** As superjson wants it, where the server uses that. */
  #wrapped({ text, value }: Piece): string {
    if (!this.#isSuperjson || isSerialised(value)) return text;
    this.steps.add("superjson");
    return objectText([["json", text]]);
  }

  #keyed(root: Piece): string {
    const items = Object.entries(root.value as Record<string, unknown>);
    if (items.every(([key, value]) => this.#isReady(value, Number(key)))) return root.text;
    const members = [...membersOf(root)];
    return objectText(
      members.map(([key, piece]) => [key, this.item(piece, Number(key), { isExpected: true })]),
    );
  }

  #fromArray(root: Piece): string {
    const items = [...membersOf(root).values()];
    const calls = this.#paths.length;
    if (items.length !== calls) {
      throw new Refusal(`A batch of ${calls} calls must have as many inputs: the array has ${items.length}`);
    }
    this.steps.add("array");
    const ordered = this.#inOrder(items);
    return objectText(
      ordered.map((piece, i) => [String(i), this.item(piece, i, { isExpected: false })]),
    );
  }

  /** Items that all name their procedure go where it is called; never by position when names disagree. */
  #inOrder(items: Piece[]): Piece[] {
    const named = items.map(({ value }, i) =>
      isEnvelope(value) && this.#opens(i, false) ? value.path : undefined
    );
    if (named.every((path, i) => path === undefined || path === this.#paths[i])) return items;
    const places = new Map(named.map((path, i) => [path, i]));
    const isOneToOne = places.size === items.length && this.#paths.every((path) => places.has(path));
    if (!isOneToOne) throw new Refusal("The paths of the items are not those of the address");
    this.steps.add("reordered");
    return this.#paths.map((path) => items[places.get(path) as number]);
  }

  /** Does the server take this item of a batch as it is? */
  #isReady(value: unknown, index: number): boolean {
    if (this.#isSuperjson) return isSerialised(value);
    return !isEnvelope(value) || !this.#opens(index, true);
  }

  /** `{"input": X}` in place of the batch: X is the one input, or a batch keyed by index. */
  #fromInput(root: Piece): string {
    const { path } = root.value as { path?: string };
    const calls = this.#paths.length;
    if (path !== undefined && (calls > 1 || path !== this.#paths[0])) {
      throw new Refusal("The body names another procedure in its path than the address does");
    }
    this.steps.add("input");
    const input = membersOf(root).get("input") as Piece;
    const keys = isObject(input.value) ? Object.keys(input.value) : undefined;
    if (keys !== undefined && (keys.length > 0 || calls > 1) && this.#isKeyed(keys)) {
      return this.#keyed(input);
    }
    if (calls === 1) return objectText([["0", this.#wrapped(input)]]);
    throw new Refusal(`A batch of ${calls} calls must be keyed by index: there is one input for all of them`);
  }

  #split(root: Piece): string {
    const items = splitSuperjsonBatch(root);
    if (items === undefined) {
      throw new Refusal("The calls of a batch must share no values through superjson's meta");
    }
    this.steps.add("split");
    return objectText(items);
  }

  #isWholeBatch(value: Record<string, unknown>, keys: readonly string[]): boolean {
    const { json } = value;
    if (!isSerialised(value) || keys.some((key) => key !== "json" && key !== "meta") || !isObject(json)) {
      return false;
    }
    const inner = Object.keys(json);
    return inner.length > 0 && this.#isKeyed(inner);
  }

  /** Are all keys indexes of calls, as a client writes them? So they are of an object without keys. */
  #isKeyed(keys: readonly string[]): boolean {
    return keys.every((key) => /^(?:0|[1-9]\d{0,8})$/.test(key) && Number(key) < this.#paths.length);
  }

  #opens(index: number, isExpected: boolean): boolean {
    const { envelope = "auto", legacyClients = false } = this.#rules;
    const policy = typeof envelope === "string" ? envelope : envelope(this.#paths[index]);
    if (policy !== "auto") return policy === "always";
    // What superjson wrote has `json`, so an input without it comes from no tRPC client.
    return legacyClients || !isExpected || this.#isSuperjson;
  }
}

/** Exactly `{"input"}`, or `{"path","input"}` with a name in it: any other key means data. */
function isEnvelope(value: unknown): value is { path?: string; input: unknown } {
  if (!isObject(value) || !Object.hasOwn(value, "input")) return false;
  const keys = Object.keys(value).length;
  return keys === 1 || (keys === 2 && Object.hasOwn(value, "path") && typeof value.path === "string");
}

/** Would superjson find a value in it? */
function isSerialised(value: unknown): boolean {
  return isObject(value) && Object.hasOwn(value, "json");
}

function kindOf(value: unknown): string {
  return value === null ? "null" : `a ${typeof value}`;
}
