import { assert, assertEquals, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { Catalog, rowDigest } from "../../src/catalog/catalog.ts";
import { CheckpointWriter, type ListedPart } from "../../src/catalog/checkpoint.ts";
import { CatalogError, checkWhole } from "../../src/catalog/schema.ts";
import { identityKey, type IdentityMemo } from "../../src/base/identity.ts";
import { digestOf, hexesOf, hexOf, storedDigests, storedIdentity } from "../support/digests.ts";
import { tempDir } from "../support/temp.ts";

const day = 86_400_000;
const now = Date.UTC(2026, 10, 20, 12);

interface Rooms extends AsyncDisposable {
  readonly path: string;
  readonly writer: CheckpointWriter;
  readonly catalog: Catalog;
}

async function openBoth(): Promise<Rooms> {
  const dir = await tempDir();
  const path = `${dir.path}/catalog.sqlite`;
  const writer = new CheckpointWriter(path);
  const catalog = new Catalog(path);
  return {
    path,
    writer,
    catalog,
    async [Symbol.asyncDispose](): Promise<void> {
      catalog.close();
      writer.close();
      await dir[Symbol.asyncDispose]();
    },
  };
}

/** The key of an identity of project `p`. */
function p(insertId: string): string {
  return identityKey("project", "p", insertId);
}

function addIdentity(writer: CheckpointWriter, insertId: string, memo: IdentityMemo): void {
  writer.addIdentity(digestOf(writer, p(insertId)), 0, memo);
}

function part(n: number, checkpoint = 1): ListedPart {
  const partition = "traces/app=a/date=2026-11-20";
  return {
    ...{ path: `${partition}/${checkpoint}-${n}.ndjson`, partition, directory: "traces", day: "2026-11-20" },
    ...{ checkpoint, n, rows: 1, bytes: 10, writtenAt: now },
  };
}

Deno.test("CheckpointWriter.rollback() leaves nothing of a checkpoint", async () => {
  await using rooms = await openBoth();
  const { writer, catalog } = rooms;
  for (const isLast of [false, true]) {
    writer.begin(now);
    const id = writer.addPart(part(0));
    addIdentity(writer, "k", { deviceId: "d", sessionId: "s" });
    for (let i = 0; i < 150; i++) addIdentity(writer, `k${i}`, { deviceId: "d", sessionId: "s" });
    writer.addReply("r", { status: 200, contentType: "t", body: "b", at: now });
    const line = { offset: 0, length: 10, headBytes: 5, firstT: 1, lastT: 2, total: -1, replaced: 0 };
    const through = { segment: 1, offset: 20 };
    writer.addRequestLine(id, { app: "a", sid: "s", rid: "r" }, {
      ...{ ...line, through, batches: Float64Array.of(0, 281474976710655, 2 ** 40, 7), values: {} },
    });
    if (isLast) writer.commit({ checkpoint: 5, flushId: "f" });
    else writer.rollback();
    catalog.refresh();
    assertEquals(catalog.checkpoint(), isLast ? 5 : 0);
    assertEquals(storedIdentity(catalog, p("k")) !== undefined, isLast);
    assertEquals(storedDigests(catalog).length, isLast ? 151 : 0);
    assertEquals(
      catalog.reply("r"),
      isLast ? { status: 200, contentType: "t", body: "b", at: now } : undefined,
    );
    assertEquals(
      catalog.flushedBatches("a", "s", "r"),
      isLast ? new Map([[0, 281474976710655], [2 ** 40, 7]]) : undefined,
    );
    assertEquals(catalog.flushedThrough("a", "s", "r"), isLast ? through : undefined);
    assertEquals(catalog.requests.ofSession("a", "s"), isLast ? [{ rid: "r", firstT: 1 }] : []);
    assertEquals(catalog.lastFlush(), isLast ? "f" : "");
  }
});

Deno.test("CheckpointWriter.nextPartNumber() goes on where the checkpoint's parts end", async () => {
  await using rooms = await openBoth();
  const { writer } = rooms;
  writer.begin(now);
  assertEquals(writer.nextPartNumber(1), 0);
  writer.addPart(part(0));
  writer.addPart(part(6));
  writer.commit({ checkpoint: 1, flushId: "f" });
  assertEquals([writer.nextPartNumber(1), writer.nextPartNumber(2)], [7, 0]);
});

Deno.test("Catalog.identity() finds identities of every day, and survives a day that is dropped", async () => {
  await using rooms = await openBoth();
  const { writer, catalog } = rooms;
  for (let i = 0; i < 4; i++) {
    writer.begin(now + i * day);
    addIdentity(writer, `k${i}`, { deviceId: `d${i}`, sessionId: "" });
    writer.commit({ checkpoint: i + 1, flushId: `${i}` });
  }
  catalog.refresh();
  assertEquals([0, 1, 2, 3].map((i) => storedIdentity(catalog, p(`k${i}`))?.deviceId), [
    "d0",
    "d1",
    "d2",
    "d3",
  ]);
  writer.begin(now);
  assertEquals(writer.forgetIdentities("2026-11-22"), 2);
  writer.commitAsIs();
  // No refresh: this is what the main thread meets when the worker is quicker.
  assertEquals([0, 1, 2, 3].map((i) => storedIdentity(catalog, p(`k${i}`))?.deviceId), [
    undefined,
    undefined,
    "d2",
    "d3",
  ]);
  assertEquals(storedDigests(catalog), hexesOf(catalog, [p("k3"), p("k2")]));
});

Deno.test("Catalog.identityDigests() may be paused while the worker writes and drops", async () => {
  await using rooms = await openBoth();
  const { writer, catalog } = rooms;
  for (let i = 0; i < 2; i++) {
    writer.begin(now + i * day);
    for (let k = 0; k < 5000; k++) addIdentity(writer, `${i}/${k}`, { deviceId: "", sessionId: "" });
    writer.commit({ checkpoint: i + 1, flushId: `${i}` });
  }
  const chunks = catalog.identityDigests();
  const seen = new Set<string>();
  const see = (words: Int32Array): void => {
    for (let at = 0; at < words.length; at += 4) seen.add(hexOf(words, at));
  };
  for (let i = 0; i < 10; i++) see(chunks.next().value!);
  writer.begin(now);
  assertEquals(writer.forgetIdentities("2026-11-21"), 1);
  writer.commitAsIs();
  for (const words of chunks) see(words);
  const wanted = Array.from({ length: 5000 }, (_, k) => p(`1/${k}`));
  assertEquals([...seen].sort(), hexesOf(catalog, wanted).sort());
});

Deno.test("Catalog.identity() tells digests apart that differ in one bit of one word", async () => {
  await using rooms = await openBoth();
  const { writer, catalog } = rooms;
  const memoOf = (i: number): IdentityMemo => ({ deviceId: `d${i}`, sessionId: "" });
  const digests = Array.from({ length: 129 }, (_, bit) => {
    const digest = digestOf(catalog, p("k"));
    if (bit < 128) digest[bit >> 5] ^= 1 << (bit & 31);
    return digest;
  });
  writer.begin(now);
  digests.slice(1).forEach((digest, i) => writer.addIdentity(digest, 0, memoOf(i + 1)));
  writer.commit({ checkpoint: 1, flushId: "f" });
  catalog.refresh();
  digests.forEach((digest, i) => assertEquals(catalog.identity(digest, 0), i === 0 ? undefined : memoOf(i)));
});

Deno.test("Catalog.isReplayed() knows the rows of a rebuild until the next checkpoint", async () => {
  await using rooms = await openBoth();
  const { writer, catalog } = rooms;
  const line = new TextEncoder().encode('{"id":1}\n');
  writer.begin(now);
  writer.addReplayedRow(rowDigest(line));
  writer.setCheckpoint(3);
  writer.commitAsIs();
  catalog.refresh();
  assertEquals(catalog.checkpoint(), 3);
  assert(catalog.isReplayed(line));
  assert(catalog.isReplayed(line.subarray(0, -1)));
  assert(!catalog.isReplayed(new TextEncoder().encode('{"id":2}\n')));
  writer.begin(now);
  writer.commit({ checkpoint: 4, flushId: "f" });
  assert(!catalog.isReplayed(line));
});

Deno.test("openForWriting() refuses what is no catalog, and says which", async () => {
  await using dir = await tempDir();
  const reasonOf = (path: string): string => {
    const error = assertThrows(() => new CheckpointWriter(path), CatalogError);
    assert(!error.message.includes(dir.path), error.message);
    return error.reason;
  };
  await Deno.writeTextFile(`${dir.path}/text`, "no database ".repeat(1000));
  assertEquals(reasonOf(`${dir.path}/text`), "unreadable");

  const foreign = new DatabaseSync(`${dir.path}/foreign`);
  foreign.exec("CREATE TABLE theirs (a)");
  foreign.close();
  assertEquals(reasonOf(`${dir.path}/foreign`), "unreadable");

  new CheckpointWriter(`${dir.path}/newer`).close();
  const newer = new DatabaseSync(`${dir.path}/newer`);
  newer.exec("PRAGMA user_version = 99");
  newer.close();
  assertEquals(reasonOf(`${dir.path}/newer`), "newer");
  assertThrows(() => new Catalog(`${dir.path}/newer`), CatalogError);
  assertThrows(() => new Catalog(`${dir.path}/missing`), CatalogError);
  assertEquals(reasonOf(`${dir.path}/no/folder`), "unreadable");
});

Deno.test("identities that share a chunk or a day are told apart, and a day is forgotten as a whole", async () => {
  await using rooms = await openBoth();
  const { writer, catalog } = rooms;
  const days = [Date.UTC(2026, 10, 19), Date.UTC(2026, 10, 20)];
  const keys = ["even", "odd", ...Array.from({ length: 1_000 }, (_, i) => `key ${i}`)];
  for (const [day, now] of days.entries()) {
    writer.begin(now);
    for (const key of keys.filter((_, i) => i % 2 === day)) {
      addIdentity(writer, key, { deviceId: `d ${key}`, sessionId: `s ${day}` });
    }
    writer.commit({ checkpoint: day + 2, flushId: String(day) });
  }
  catalog.refresh();
  for (const [i, key] of keys.entries()) {
    assertEquals(storedIdentity(catalog, p(key)), { deviceId: `d ${key}`, sessionId: `s ${i % 2}` });
  }
  assertEquals(storedIdentity(catalog, p("key 1000")), undefined);
  assertEquals(storedDigests(catalog).sort(), hexesOf(catalog, keys.map(p)).sort());
  writer.begin(days[1]);
  assertEquals(writer.forgetIdentities("2026-11-20"), 1);
  writer.commitAsIs();
  catalog.refresh();
  assertEquals([storedIdentity(catalog, p("even")), storedIdentity(catalog, p("odd"))?.sessionId], [
    undefined,
    "s 1",
  ]);
});

Deno.test("openForWriting() takes identities over that an older version kept as texts", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/catalog.sqlite`;
  new CheckpointWriter(path).close();
  const old = new DatabaseSync(path);
  old.exec("DELETE FROM meta WHERE name = 'identity_secret'; PRAGMA user_version = 5");
  const keyOf = (day: number, i: number): string => p(`${day}/${i}"é`);
  for (const day of [20, 21]) {
    old.exec(`
      CREATE TABLE identity_chunks_202611${day} (id INTEGER PRIMARY KEY, identities TEXT NOT NULL);
      CREATE TABLE identity_hashes_202611${day} (
        hash INTEGER NOT NULL, chunk INTEGER NOT NULL, PRIMARY KEY (hash, chunk)
      ) WITHOUT ROWID;
    `);
    const insert = old.prepare(`INSERT INTO identity_chunks_202611${day} (identities) VALUES (?)`);
    for (let chunk = 0; chunk < 70; chunk++) {
      const values = Array.from({ length: 5 }, (_, i) => [keyOf(day, chunk * 5 + i), `d${i}`, `s${day}`]);
      insert.run(JSON.stringify(values.flat()));
    }
  }
  old.close();
  const writer = new CheckpointWriter(path);
  const catalog = new Catalog(path);
  try {
    assertEquals(storedDigests(catalog).length, 700);
    for (const [day, i] of [[20, 0], [20, 349], [21, 0], [21, 349], [21, 123]]) {
      const memo = { deviceId: `d${i % 5}`, sessionId: `s${day}` };
      assertEquals(storedIdentity(catalog, keyOf(day, i)), memo);
    }
    assertEquals(storedIdentity(catalog, keyOf(20, 350)), undefined);
    writer.begin(now);
    assertEquals(writer.forgetIdentities("2026-11-22"), 2);
    writer.commitAsIs();
    catalog.refresh();
    assertEquals(storedDigests(catalog), []);
  } finally {
    catalog.close();
    writer.close();
  }
});

Deno.test("openForWriting() takes over where identities are, which an older version kept in an index", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/catalog.sqlite`;
  const keys = Array.from({ length: 3_000 }, (_, i) => `key ${i}`);
  const first = new CheckpointWriter(path);
  for (let i = 0; i < 2; i++) {
    first.begin(now + i * day);
    for (const key of keys.filter((_, k) => k % 2 === i)) {
      addIdentity(first, key, { deviceId: `d ${key}`, sessionId: "" });
    }
    first.commit({ checkpoint: i + 1, flushId: `${i}` });
  }
  first.close();
  const old = new DatabaseSync(path);
  for (const day of ["20261120", "20261121"]) {
    old.exec(`
      DROP TABLE identity_runs_${day};
      DROP TABLE identity_words_${day};
      CREATE TABLE identity_places_${day} (
        word INTEGER NOT NULL, chunk INTEGER NOT NULL, PRIMARY KEY (word, chunk)
      ) WITHOUT ROWID;
    `);
    const insert = old.prepare(`INSERT OR IGNORE INTO identity_places_${day} VALUES (?, ?)`);
    for (const { id, digests } of old.prepare(`SELECT id, digests FROM identity_digests_${day}`).all()) {
      const bytes = new DataView((digests as Uint8Array<ArrayBuffer>).slice().buffer);
      for (let at = 0; at < bytes.byteLength; at += 16) insert.run(bytes.getUint32(at, true), id);
    }
  }
  old.exec("PRAGMA user_version = 6");
  old.close();
  const writer = new CheckpointWriter(path);
  const catalog = new Catalog(path);
  try {
    for (const key of keys) assertEquals(storedIdentity(catalog, p(key))?.deviceId, `d ${key}`);
    assertEquals(storedIdentity(catalog, p("key 3000")), undefined);
    writer.begin(now);
    assertEquals(writer.forgetIdentities("2026-11-22"), 2);
    writer.commitAsIs();
    catalog.refresh();
    assertEquals(storedIdentity(catalog, p("key 0")), undefined);
  } finally {
    catalog.close();
    writer.close();
  }
});

Deno.test("checkWhole() refuses a catalog that lost the key of its identities", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/catalog.sqlite`;
  new CheckpointWriter(path).close();
  checkWhole(path);
  const database = new DatabaseSync(path);
  database.exec("DELETE FROM meta WHERE name = 'identity_secret'");
  database.close();
  const error = assertThrows(() => checkWhole(path), CatalogError);
  assertEquals(error.reason, "unreadable");
});
