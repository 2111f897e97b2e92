/**
 * gzip for calls whose protocol compresses each message by itself.
 * @module
 */

import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";

const pack = promisify(gzip);
const unpack = promisify(gunzip);

/** Decompresses up to the limit that the call is read with, and no byte more. */
export const gzipCompression: Compression = {
  name: "gzip",
  async compress(bytes): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await pack(bytes));
  },
  async decompress(bytes, maxBytes): Promise<Uint8Array<ArrayBuffer>> {
    if (bytes.length === 0) return new Uint8Array(0);
    try {
      return new Uint8Array(await unpack(bytes, { maxOutputLength: maxBytes }));
    } catch (error) {
      if ((error as { code?: string }).code === "ERR_BUFFER_TOO_LARGE") {
        throw new ConnectError(`message is larger than ${maxBytes} bytes`, Code.ResourceExhausted);
      }
      throw new ConnectError("decompression failed", Code.InvalidArgument);
    }
  },
};
