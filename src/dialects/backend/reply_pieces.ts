/**
 * Replies that are sent as they are made.
 * @module
 */

import type { ByteWriter } from "../../base/byte_writer.ts";

/** So many bytes are gathered before they are sent. */
export const pieceBytes = 65_536;

/** What has gathered, if that is enough to be sent. */
export function* piecesOf(out: ByteWriter): Generator<Uint8Array, void, undefined> {
  if (out.length < pieceBytes) return;
  yield out.view().slice();
  out.truncate(0);
}

/** A reply with these bytes as its body. */
export function streamedReply(
  pieces: AsyncIterable<Uint8Array>,
  contentType = "application/json; charset=utf-8",
): Response {
  return new Response(ReadableStream.from(pieces), { headers: { "content-type": contentType } });
}
