/**
 * The lean side of HTTP/1.1 that the load generator speaks: one request at a time on a kept connection, replies
 * with Content-Length or chunked. It looks at the status and skips the body.
 * @module
 */

/** What a reply said, besides its body. */
export interface ReplyHead {
  status: number;
  /** Did it carry Retry-After? */
  retryAfter: boolean;
  /** Must the connection be closed? */
  close: boolean;
}

const headerEnd = 0x0d0a0d0a;

/** A connection that is opened again after the peer closed it. */
export class HttpConnection {
  readonly #hostname: string;
  readonly #port: number;
  readonly #buffer = new Uint8Array(64 * 1024);
  readonly #reply: ReplyHead = { status: 0, retryAfter: false, close: false };
  #connection: Deno.TcpConn | undefined;
  /** Bytes of all replies, heads included. */
  receivedBytes = 0;

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.#hostname = hostname;
    this.#port = Number(port);
  }

  /**
   * Sends one whole request and reads its reply to the end. The result is valid until the next call.
   * @throws Deno's network errors; the connection is closed then
   */
  async exchange(request: Uint8Array): Promise<ReplyHead> {
    this.#connection ??= await this.#open();
    try {
      const size = request.length;
      let sent = await this.#connection.write(request);
      while (sent < size) sent += await this.#connection.write(request.subarray(sent));
      await this.#readReply(this.#connection);
    } catch (error) {
      this.close();
      throw error;
    }
    if (this.#reply.close) this.close();
    return this.#reply;
  }

  close(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  async #open(): Promise<Deno.TcpConn> {
    const connection = await Deno.connect({ hostname: this.#hostname, port: this.#port });
    connection.setNoDelay(true);
    return connection;
  }

  async #readReply(connection: Deno.TcpConn): Promise<void> {
    const buffer = this.#buffer;
    let filled = 0;
    let bodyStart = -1;
    while (bodyStart < 0) {
      const size = await connection.read(filled === 0 ? buffer : buffer.subarray(filled));
      // A buffer that is full before the head ends reads 0 bytes.
      if (size === null || size === 0) {
        throw new Deno.errors.UnexpectedEof("The peer closed before a whole reply head came");
      }
      this.receivedBytes += size;
      bodyStart = findHeadEnd(buffer, Math.max(0, filled - 3), filled + size);
      filled += size;
    }
    const length = this.#readHead(bodyStart);
    if (length >= 0) await this.#skip(connection, length - (filled - bodyStart));
    else await this.#skipChunks(connection, filled);
  }

  /** Reads status and the headers that matter; returns Content-Length, or -1 where the body is chunked. */
  #readHead(end: number): number {
    const buffer = this.#buffer;
    const reply = this.#reply;
    reply.status = (buffer[9] - 48) * 100 + (buffer[10] - 48) * 10 + (buffer[11] - 48);
    reply.retryAfter = reply.close = false;
    let length = 0;
    // Lines start after each line feed; the first letter says whether a line can matter: c, r or t.
    for (let at = buffer.indexOf(0x0a) + 1; at < end - 2; at = buffer.indexOf(0x0a, at) + 1) {
      const letter = buffer[at] | 0x20;
      if (letter !== 0x63 && letter !== 0x72 && letter !== 0x74) continue;
      const line = asciiLine(buffer, at);
      if (line.startsWith("content-length:")) length = Number(line.slice(15));
      else if (line.startsWith("transfer-encoding:")) length = -1;
      else if (line.startsWith("retry-after:")) reply.retryAfter = true;
      else if (line.startsWith("connection:")) reply.close = line.includes("close");
    }
    return length;
  }

  async #skip(connection: Deno.TcpConn, left: number): Promise<void> {
    while (left > 0) {
      const size = await connection.read(this.#buffer);
      if (size === null) throw new Deno.errors.UnexpectedEof("The peer closed inside a reply body");
      this.receivedBytes += size;
      left -= size;
    }
  }

  /** The last chunk is empty and has no trailers here, so a chunked body ends with these five bytes. */
  async #skipChunks(connection: Deno.TcpConn, filled: number): Promise<void> {
    let tail = lastBytes("", this.#buffer.subarray(0, filled));
    while (!tail.endsWith("0\r\n\r\n")) {
      const size = await connection.read(this.#buffer);
      if (size === null) throw new Deno.errors.UnexpectedEof("The peer closed inside a reply body");
      this.receivedBytes += size;
      tail = lastBytes(tail, this.#buffer.subarray(0, size));
    }
  }
}

function findHeadEnd(buffer: Uint8Array, from: number, end: number): number {
  for (let at = buffer.indexOf(0x0d, from); at >= 0 && at + 3 < end; at = buffer.indexOf(0x0d, at + 1)) {
    const word = (buffer[at] << 24 | buffer[at + 1] << 16 | buffer[at + 2] << 8 | buffer[at + 3]) >>> 0;
    if (word === headerEnd) return at + 4;
  }
  return -1;
}

function asciiLine(buffer: Uint8Array, start: number): string {
  let line = "";
  for (let at = start; buffer[at] !== 0x0d; at++) line += String.fromCharCode(buffer[at]);
  return line.toLowerCase();
}

function lastBytes(before: string, bytes: Uint8Array): string {
  const end = bytes.length >= 5 ? bytes.subarray(-5) : bytes;
  return (before + String.fromCharCode(...end)).slice(-5);
}
