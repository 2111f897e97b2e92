/**
 * Hides what must not be shown.
 * @module
 */

import type { Config } from "./schema.ts";

/** Stands where a secret was. */
export const maskText = "********";

/** A copy that may be shown: secrets, their hashes, and the credentials in `redis.url` are masked. */
export function maskSecrets(config: Config): Config {
  const copy = structuredClone(config);
  for (const owner of [...copy.auth.clients, ...copy.auth.apps]) {
    if (owner.secret !== undefined) owner.secret = maskText;
    if (owner.secret_hash !== undefined) owner.secret_hash = maskText;
  }
  copy.redis.url = maskUrl(copy.redis.url);
  return copy;
}

/** An address without its password, in the user part and in the query. */
export function maskUrl(url: string): string {
  // The last @ ends the user part: a password that is not percent-encoded may hold others.
  const bare = url.replace(/^([a-z][a-z0-9+.-]*:\/\/)([^/?#]*)@/i, (_, scheme: string, user: string) => {
    const colon = user.indexOf(":");
    return `${scheme}${colon < 0 ? user : `${user.slice(0, colon)}:${maskText}`}@`;
  });
  return bare.replace(/([?&](?:password|pass|auth|token|secret)=)[^&#]*/gi, `$1${maskText}`);
}
