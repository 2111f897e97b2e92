/**
 * Sends one long NDJSON body and reads the verdicts while it goes out. Arguments: url of the daemon, bytes to
 * send at least. Prints a {@link StreamResult} as JSON.
 * @module
 */

import { clientId, ndjsonLines } from "./bodies.ts";

/** What came of one body. */
export interface StreamResult {
  readonly status: number;
  readonly bytes: number;
  readonly events: number;
  /** As the verdicts say. */
  readonly accepted: number;
  readonly seconds: number;
}

const linesPerPiece = 200;

/** Sends pieces of whole lines, with a Content-Length, until `leastBytes` are out. */
async function streamEvents(url: string, leastBytes: number): Promise<StreamResult> {
  const piece = ndjsonLines(linesPerPiece, Date.now());
  const pieces = Math.ceil(leastBytes / piece.length);
  const { hostname, port, host } = new URL(url);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  const start = performance.now();
  const verdicts = readVerdicts(connection);
  const head = `POST /track/batch HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n` +
    `content-type: application/x-ndjson\r\nopenpanel-client-id: ${clientId}\r\ncontent-length: ${
      pieces * piece.length
    }\r\n\r\n`;
  await writeAll(connection, new TextEncoder().encode(head));
  for (let i = 0; i < pieces; i++) await writeAll(connection, piece);
  return {
    ...await verdicts,
    bytes: pieces * piece.length,
    events: pieces * linesPerPiece,
    seconds: (performance.now() - start) / 1000,
  };
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

/** Adds up what the verdict lines accept, until the daemon closes the connection. */
async function readVerdicts(connection: Deno.Conn): Promise<{ status: number; accepted: number }> {
  const buffer = new Uint8Array(256 * 1024);
  const decoder = new TextDecoder();
  let status = 0;
  let text = "";
  let lines = "";
  let accepted = 0;
  for (let size = await connection.read(buffer); size !== null; size = await connection.read(buffer)) {
    text += decoder.decode(buffer.subarray(0, size), { stream: true });
    if (status === 0) {
      const headEnd = text.indexOf("\r\n\r\n");
      if (headEnd < 0) continue;
      status = Number(text.match(/^HTTP\/1\.1 (\d{3})/)?.[1]);
      text = text.slice(headEnd + 4);
    }
    const { body, rest } = takeChunks(text);
    text = rest;
    const whole = (lines + body).split("\n");
    lines = whole.pop()!;
    for (const line of whole) accepted += Number(line.match(/^\{"through":\d+,"accepted":(\d+)/)?.[1] ?? 0);
  }
  return { status, accepted };
}

/** The content of the whole chunks at the beginning of a chunked body in ASCII, and what comes behind them. */
function takeChunks(text: string): { body: string; rest: string } {
  let body = "";
  let at = 0;
  for (;;) {
    const sizeEnd = text.indexOf("\r\n", at);
    const size = sizeEnd < 0 ? NaN : parseInt(text.slice(at, sizeEnd), 16);
    const end = sizeEnd + 2 + size;
    if (!(size > 0 && end + 2 <= text.length)) return { body, rest: text.slice(at) };
    body += text.slice(sizeEnd + 2, end);
    at = end + 2;
  }
}

if (import.meta.main) {
  const [url, leastBytes] = Deno.args;
  const result = await streamEvents(url, Number(leastBytes));
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(result)));
}
