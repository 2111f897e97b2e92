/**
 * One connection to an upstream: requests written to it, replies read from it, one after the other.
 * @module
 */

import { ChunkedReader } from "./chunked.ts";
import { readReplyHead, ReplyFormatError, type ReplyHead } from "./reply_head.ts";

/** A body on its way to the upstream. */
export type RequestBody =
  | { readonly kind: "none" }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  /** `length` is announced where it is known; else chunks are sent. */
  | {
    readonly kind: "stream";
    readonly chunks: AsyncIterable<Uint8Array>;
    readonly length: number | undefined;
  };

/** The peer ended the connection where a reply or its rest was due. */
export class ConnectionClosedError extends Error {
  override readonly name = "ConnectionClosedError";
  /** Had any byte of a reply come? */
  readonly hadReply: boolean;

  constructor(hadReply: boolean, options?: ErrorOptions) {
    super("The upstream closed the connection", options);
    this.hadReply = hadReply;
  }
}

const bufferBytes = 64 * 1024;
const maxHeadBytes = 64 * 1024;
const encoder = new TextEncoder();
const latin1 = new TextDecoder("latin1");
const lastChunk = encoder.encode("0\r\n\r\n");
/** One write is cheaper than two, up to this size. */
const joinedBytes = 64 * 1024;

/**
 * Owns a socket. While it is idle a read is under way, so that a peer that closes is noticed at once.
 *
 * - `#start` to `#end` of `#buffer` is what was read and not taken.
 * - `#idleRead` is set only between two exchanges.
 */
export class UpstreamConnection {
  readonly #socket: Deno.Conn;
  #buffer = new Uint8Array(bufferBytes);
  #start = 0;
  #end = 0;
  #idleRead: Promise<number | null> | undefined;
  #isOpen = true;

  constructor(socket: Deno.Conn) {
    this.#socket = socket;
  }

  /** Can a request still be written to it? */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Watches the idle socket: one that ends, or speaks without being asked, is closed. */
  watchIdle(onClosed: () => void): void {
    const read = this.#socket.read(this.#buffer);
    const closed = (): void => {
      if (this.#idleRead !== read) return;
      this.close();
      onClosed();
    };
    this.#idleRead = read;
    read.then(closed, closed);
  }

  /** Writes a request as a whole. @throws Deno's network errors, and what `chunks` throws */
  async write(head: string, body: RequestBody): Promise<void> {
    if (body.kind === "none") return await this.#writeAll(encoder.encode(head));
    if (body.kind === "bytes") {
      const headBytes = encoder.encode(head);
      if (headBytes.length + body.bytes.length > joinedBytes) {
        await this.#writeAll(headBytes);
        return await this.#writeAll(body.bytes);
      }
      const joined = new Uint8Array(headBytes.length + body.bytes.length);
      joined.set(headBytes);
      joined.set(body.bytes, headBytes.length);
      return await this.#writeAll(joined);
    }
    await this.#writeAll(encoder.encode(head));
    for await (const chunk of body.chunks) {
      if (body.length !== undefined) await this.#writeAll(chunk);
      else if (chunk.length > 0) await this.#writeAll(asChunk(chunk));
    }
    if (body.length === undefined) await this.#writeAll(lastChunk);
  }

  /**
   * Reads the head of the reply; interim ones (1xx) are passed over.
   * @throws ConnectionClosedError, ReplyFormatError
   */
  async readHead(method: string): Promise<ReplyHead> {
    for (;;) {
      const end = await this.#findHeadEnd();
      const text = latin1.decode(this.#buffer.subarray(this.#start, end));
      this.#start = end + 4;
      const head = readReplyHead(text, { method });
      if (head.status === 101) throw new ReplyFormatError("The upstream changes the protocol unasked");
      if (head.status >= 200) return head;
    }
  }

  /** Is all of a body of this length here already? */
  holds(bytes: number): boolean {
    return this.#end - this.#start >= bytes;
  }

  /** Takes bytes that are here already, as a copy. */
  takeHeld(bytes: number): Uint8Array<ArrayBuffer> {
    const taken = this.#buffer.slice(this.#start, this.#start + bytes);
    this.#start += bytes;
    return taken;
  }

  /**
   * The body, piece by piece as it comes; a piece is the caller's own.
   * @throws ConnectionClosedError, ReplyFormatError
   */
  async *readBody({ framing }: ReplyHead): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    if (framing.kind === "none") return;
    if (framing.kind === "chunked") return yield* this.#readChunked();
    let left = framing.kind === "length" ? framing.bytes : Infinity;
    while (left > 0) {
      if (this.#start === this.#end && !await this.#fill()) {
        if (framing.kind === "close") return;
        throw new ConnectionClosedError(true);
      }
      const piece = this.takeHeld(Math.min(left, this.#end - this.#start));
      left -= piece.length;
      yield piece;
    }
  }

  /** Has the peer said nothing that no request asked for? */
  get isClean(): boolean {
    return this.#start === this.#end;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#idleRead = undefined;
    this.#socket.close();
  }

  async *#readChunked(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const reader = new ChunkedReader();
    for (;;) {
      if (this.#start === this.#end && !await this.#fill()) throw new ConnectionClosedError(true);
      const { data, used } = reader.take(this.#buffer.subarray(this.#start, this.#end));
      const pieces = data.map((piece) => piece.slice());
      this.#start += used;
      // An end that is here already is taken before the data is handed over: who reads to the end frees the connection.
      yield* pieces;
      if (reader.isDone) return;
    }
  }

  async #findHeadEnd(): Promise<number> {
    if (this.#start === this.#end) this.#start = this.#end = 0;
    let looked = this.#start;
    for (;;) {
      for (let at = this.#buffer.indexOf(0x0d, looked); at >= 0 && at + 3 < this.#end;) {
        const isEnd = this.#buffer[at + 1] === 0x0a && this.#buffer[at + 2] === 0x0d &&
          this.#buffer[at + 3] === 0x0a;
        if (isEnd) return at;
        at = this.#buffer.indexOf(0x0d, at + 1);
      }
      looked = Math.max(this.#start, this.#end - 3);
      if (this.#end - this.#start >= maxHeadBytes) {
        throw new ReplyFormatError("The head of the reply is too long");
      }
      if (this.#end === this.#buffer.length) {
        this.#buffer.copyWithin(0, this.#start, this.#end);
        looked -= this.#start;
        this.#end -= this.#start;
        this.#start = 0;
      }
      const hadBytes = this.#end > this.#start;
      if (!await this.#fill()) throw new ConnectionClosedError(hadBytes);
    }
  }

  /** Reads what comes next; false at the end of the stream. */
  async #fill(): Promise<boolean> {
    if (this.#start === this.#end) this.#start = this.#end = 0;
    let size: number | null;
    try {
      size = await this.#nextRead();
    } catch (error) {
      throw new ConnectionClosedError(this.#end > 0, { cause: error });
    }
    if (size === null) return false;
    this.#end += size;
    return true;
  }

  #nextRead(): Promise<number | null> {
    const idleRead = this.#idleRead;
    this.#idleRead = undefined;
    // The read of the idle time filled the buffer from its start, which is where the next reply begins.
    return idleRead ?? this.#socket.read(this.#buffer.subarray(this.#end));
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      at += await this.#socket.write(at === 0 ? bytes : bytes.subarray(at));
    }
  }
}

function asChunk(bytes: Uint8Array): Uint8Array {
  const head = encoder.encode(`${bytes.length.toString(16)}\r\n`);
  const chunk = new Uint8Array(head.length + bytes.length + 2);
  chunk.set(head);
  chunk.set(bytes, head.length);
  chunk.set([0x0d, 0x0a], head.length + bytes.length);
  return chunk;
}
