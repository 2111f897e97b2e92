/**
 * Events that a page posts twice by accident (contract `track`, 2.5).
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { Inbound, Twin } from "../dialect.ts";
import { credentialsOf } from "./credentials.ts";

/** Types that may be the same twice; to find out which type it is, bodies that name one of them are parsed. */
const freeTypes = ["replay", "batch"];

/**
 * By what a body is known, where it comes from a page: who sends it names an origin, an address and a client.
 * @param windowMs How long it is known; 0 for not at all.
 */
export function trackTwin(body: Uint8Array, inbound: Inbound, windowMs: number): Twin | undefined {
  if (windowMs === 0 || inbound.clientIp === "" || inbound.headers.get("origin") === null) return undefined;
  const { id, secret = "", origin } = credentialsOf(inbound.headers);
  if (id === undefined) return undefined;
  if (isFree(Buffer.from(body.buffer, body.byteOffset, body.byteLength))) return undefined;
  const agent = inbound.headers.get("user-agent") ?? "";
  const sender = JSON.stringify([inbound.clientIp, origin, id, secret, agent]);
  return { key: createHash("sha256").update(sender).update(body).digest("base64"), windowMs };
}

function isFree(body: Buffer): boolean {
  if (!freeTypes.some((type) => body.includes(`"${type}"`))) return false;
  try {
    const { type } = JSON.parse(body.toString()) as { type?: unknown };
    return freeTypes.some((free) => free === type);
  } catch {
    // Its sender is told what is wrong with it, each time anew.
    return true;
  }
}
