/**
 * Identities that an older version of the catalog holds as texts, taken over as digests; and an index of their first
 * words, taken over as runs.
 * @module
 */

import type { DatabaseSync } from "node:sqlite";
import { digestWords, IdentityHash, identitySecretBytes } from "../base/identity_hash.ts";
import { IdentityWriter } from "./identities.ts";
import { RunWriter } from "./identity_runs.ts";

/** Values of one identity in an old chunk: key, device id, session id. */
const stride = 3;
const chunksPerPage = 64;
const placesPerRun = 500_000;

/** In the old index: the digest with this first word is in this chunk. */
interface Place {
  readonly word: number;
  readonly chunk: number;
}

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

/** Replaces indexes of first words by runs. To be called within a transaction. */
export function sortPlaces(database: DatabaseSync): void {
  const names = database.prepare(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'identity_places_[0-9]*'",
  ).all() as unknown as { name: string }[];
  for (const { name } of names) {
    sortPlacesOf(name.slice(-8), database);
    database.exec(`DROP TABLE ${name}`);
  }
}

function sortPlacesOf(day: string, database: DatabaseSync): void {
  const runs = new RunWriter(database, day);
  const page = database.prepare(
    `SELECT word, chunk FROM identity_places_${day} WHERE (word, chunk) > (?, ?) ORDER BY word, chunk LIMIT ${placesPerRun}`,
  );
  for (let after: Place = { word: -1, chunk: 0 };;) {
    const places = page.all(after.word, after.chunk) as unknown as Place[];
    if (places.length === 0) return;
    runs.add({
      words: Uint32Array.from(places, ({ word }) => word),
      chunks: Uint32Array.from(places, ({ chunk }) => chunk),
    });
    after = places[places.length - 1];
  }
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
