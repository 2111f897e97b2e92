/**
 * Identities that an older version of the catalog holds as texts, taken over as digests.
 * @module
 */

import type { DatabaseSync } from "node:sqlite";
import { digestWords, IdentityHash, identitySecretBytes } from "../base/identity_hash.ts";
import { IdentityWriter } from "./identities.ts";

/** Values of one identity in an old chunk: key, device id, session id. */
const stride = 3;
const chunksPerPage = 64;

/**
 * Gives the catalog the key of its digests, once and for all, and replaces tables with texts by tables with digests.
 * To be called within a transaction.
 */
export function digestIdentities(database: DatabaseSync): void {
  const secret = crypto.getRandomValues(new Uint8Array(identitySecretBytes));
  database.prepare("INSERT INTO meta VALUES ('identity_secret', ?)").run(secret);
  const hash = new IdentityHash(secret);
  const names = database.prepare(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'identity_chunks_[0-9]*'",
  ).all() as unknown as { name: string }[];
  for (const { name } of names) takeOver(name.slice(-8), { database, hash });
}

function takeOver(day: string, { database, hash }: { database: DatabaseSync; hash: IdentityHash }): void {
  const writer = new IdentityWriter(database);
  writer.begin(day);
  const page = database.prepare(
    `SELECT id, identities FROM identity_chunks_${day} WHERE id > ? ORDER BY id LIMIT ${chunksPerPage}`,
  );
  const digest = new Int32Array(digestWords);
  for (let after = -1;;) {
    const chunks = page.all(after) as unknown as { id: number; identities: string }[];
    if (chunks.length === 0) break;
    for (const { identities } of chunks) {
      const values: string[] = JSON.parse(identities);
      for (let i = 0; i < values.length; i += stride) {
        hash.digestKey(values[i], digest);
        writer.add(digest, 0, { deviceId: values[i + 1], sessionId: values[i + 2] });
      }
    }
    after = chunks[chunks.length - 1].id;
  }
  writer.finish();
  database.exec(`DROP TABLE identity_chunks_${day}; DROP TABLE identity_hashes_${day}`);
}
