/**
 * Credentials in the headers of a request (contract `track`, 1.1).
 * @module
 */

import type { ClientCredentials } from "../authority.ts";

/** What the headers say of the sender. */
export function credentialsOf(headers: Headers): ClientCredentials {
  return {
    id: headers.get("openpanel-client-id") ?? headers.get("mixan-client-id") ?? undefined,
    secret: headers.get("openpanel-client-secret") ?? headers.get("mixan-client-secret") ?? undefined,
    origin: headers.get("origin") ?? undefined,
  };
}
