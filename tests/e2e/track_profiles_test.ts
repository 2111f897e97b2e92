/**
 * Profiles and groups as state (contract `track`, 4.3 and Decision 9; cases P16 and S13): read at once, written as
 * rows, exact over kills and rebuilds.
 * @module
 */

import { assertEquals } from "@std/assert";
import { type Daemon, runWeir, startDaemon } from "../support/daemon.ts";
import { send } from "../support/http.ts";
import { readRows } from "../support/parts.ts";
import { tempDir } from "../support/temp.ts";
import { event, flush, postBatch, postOne } from "./track_requests.ts";

type Row = Record<string, unknown>;

const step = (type: "increment" | "decrement", property: string, value: number, profileId = "u"): Row => ({
  type,
  payload: { profileId, property, value },
});
const identify = (payload: Row): Row => ({ type: "identify", payload: { profileId: "u", ...payload } });

/** A profile or group as the daemon answers it; undefined when it knows none. */
async function read(daemon: Daemon, kind: "profiles" | "groups", id: string): Promise<Row | undefined> {
  const { status, json } = await send(
    `${daemon.url}/v1/projects/default/${kind}/${encodeURIComponent(id)}`,
    undefined,
    { method: "GET" },
  );
  if (status === 404) return undefined;
  assertEquals(status, 200);
  return json as Row;
}

const propertiesOf = async (daemon: Daemon, id = "u"): Promise<unknown> =>
  (await read(daemon, "profiles", id))?.properties;

Deno.test("P16: an event and an identify are one row and one profile", async () => {
  await using daemon = await startDaemon();
  const reply = await postBatch(daemon, [
    event("seen"),
    identify({ firstName: "Ada", email: "ada@example.com", properties: { plan: "pro" } }),
  ]);
  assertEquals(reply, { accepted: 2, rejected: [] });
  await flush(daemon);
  const events = await readRows(daemon.dataDir, "events");
  assertEquals(events.filter(({ name }) => name === "seen").length, 1);
  const [profile, ...more] = await readRows(daemon.dataDir, "profiles");
  assertEquals(more, []);
  const { kind, id, version, is_external, first_name, email, properties } = profile;
  assertEquals({ kind, id, version, is_external, first_name, email, properties }, {
    ...{ kind: "profile", id: "u", version: 1, is_external: true, first_name: "Ada" },
    ...{ email: "ada@example.com", properties: { plan: "pro" } },
  });
  assertEquals(await read(daemon, "profiles", "u"), profile);
});

Deno.test("S13: steps are taken in the order of the batch, on profiles that nobody knew", async () => {
  await using daemon = await startDaemon();
  const { status } = await postOne(daemon, step("increment", "a.b", 1));
  assertEquals(status, 200);
  await postBatch(daemon, [step("increment", "a.b", 1), step("decrement", "a.b", 5)]);
  assertEquals(await propertiesOf(daemon), { a: { b: -3 } });
  await postBatch(daemon, [
    identify({ properties: { a: { b: 10 } } }),
    step("increment", "a.b", 0.1),
    identify({ properties: { c: "" } }),
    step("increment", "a.b", 0.2),
    { type: "assign_group", payload: { profileId: "u", groupIds: ["g1"] } },
    { type: "group", payload: { id: "g1", type: "company", name: "Acme", properties: { size: 3 } } },
    { type: "group", payload: { id: "g1", type: "company", name: "Acme", properties: { size: 3 } } },
  ]);
  const profile = await read(daemon, "profiles", "u");
  assertEquals([profile?.properties, profile?.groups], [{ a: { b: 10.3 }, c: "" }, ["g1"]]);
  const group = await read(daemon, "groups", "g1");
  assertEquals([group?.name, group?.properties, group?.version], ["Acme", { size: 3 }, 1]);
  assertEquals(await read(daemon, "profiles", "nobody"), undefined);
});

Deno.test("Operations count in the order in which they came, whatever day they speak of", async () => {
  await using daemon = await startDaemon({ config: { flush: { interval_ms: 3_600_000 } } });
  const told = (daysAgo: number, a: number): Row =>
    identify({
      properties: { __timestamp: new Date(Date.now() - daysAgo * 86_400_000).toISOString(), a, [`d${a}`]: 1 },
    });
  await postBatch(daemon, [told(3, 1), told(0, 2), told(2, 3), told(0, 4), told(3, 5)]);
  const before = await read(daemon, "profiles", "u");
  await flush(daemon);
  const after = await read(daemon, "profiles", "u");
  assertEquals((after?.properties as Row).a, 5);
  assertEquals(after, before);
  const [{ version, created_at, updated_at }] = await readRows(daemon.dataDir, "profiles");
  assertEquals(version, 5);
  // Heard of by an event of three days ago; the latest that is known of it happened today.
  assertEquals(
    [created_at, updated_at].map((at) => Math.round((Date.now() - Date.parse(at as string)) / 86_400_000)),
    [
      ...[3, 0],
    ],
  );
});

Deno.test("A step of what is no number is refused, and one that hides behind its own batch is counted", async () => {
  await using daemon = await startDaemon();
  await postOne(daemon, identify({ properties: { plan: "pro", deep: { er: 1 } } }));
  for (const property of ["plan", "deep", "plan.tier"]) {
    const { status, json } = await postOne(daemon, step("increment", property, 1));
    const { code, message } = json as Row;
    assertEquals([status, code, message], [400, "validation", "Property value is not a number"]);
  }
  const { accepted } = await postBatch(daemon, [
    identify({ properties: { level: "high" } }),
    step("increment", "level", 1),
  ]);
  assertEquals(accepted, 2);
  await flush(daemon);
  assertEquals(await propertiesOf(daemon), { plan: "pro", deep: { er: 1 }, level: "high" });
  const { text } = await send(`${daemon.adminUrl}/metrics`, undefined, { method: "GET" });
  assertEquals(
    /^weir_ignored_operations_total\{reason="not_a_number"\} (\d+)$/m.exec(text)?.[1],
    "1",
  );
});

Deno.test("Concurrent steps all count, over flushes and kills, and a rebuild of the catalog", async () => {
  await using scratch = await tempDir();
  const dataDir = `${scratch.path}/data`;
  await using daemon = await startDaemon({ dataDir, config: { flush: { interval_ms: 50 } } });
  let acknowledged = 0, sent = 0;
  const sender = async (): Promise<void> => {
    for (let i = 0; i < 25; i++) {
      sent++;
      const { status } = i % 2 === 0
        ? await postOne(daemon, step("increment", "n", 1))
        : await send(`${daemon.url}/track/batch`, { events: [step("increment", "n", 1)] });
      if (status === 200 || status === 202) acknowledged++;
    }
  };
  for (let life = 0; life < 4; life++) {
    const before = acknowledged;
    const senders = Array.from({ length: 8 }, () => sender().catch(() => undefined));
    while (acknowledged < before + 60) await new Promise((resolve) => setTimeout(resolve, 2));
    await daemon.kill9();
    await Promise.all(senders);
    // One start flushes at once, the next keeps what it read back in memory.
    const interval_ms = life % 2 === 0 ? 3_600_000 : 50;
    await daemon.restart({ config: { flush: { interval_ms } } });
    const { n } = await propertiesOf(daemon) as { n: number };
    // What was not acknowledged may have been stored all the same.
    if (n < acknowledged || n > sent) throw new Error(`${n} counted, ${acknowledged} told, ${sent} sent`);
    acknowledged = sent = n;
  }
  await daemon.stop();
  const rows = await readRows(dataDir, "profiles");
  const last = rows.sort((a, b) => Number(a.version) - Number(b.version)).at(-1)!;
  assertEquals(last.properties, { n: acknowledged });
  const operations = await readRows(dataDir, "operations");
  assertEquals(operations.length, acknowledged);

  await Deno.remove(`${dataDir}/catalog.sqlite`);
  assertEquals((await runWeir(["reindex", "--data-dir", dataDir])).code, 0);
  await daemon.restart();
  await postOne(daemon, step("increment", "n", 1));
  assertEquals(await propertiesOf(daemon), { n: acknowledged + 1 });
  assertEquals((await read(daemon, "profiles", "u"))?.version, acknowledged + 1);
});

Deno.test("A flush that is cut off after its files were named counts nothing twice, even where the catalog is lost", async () => {
  for (const isLost of [false, true]) {
    await using scratch = await tempDir();
    const dataDir = `${scratch.path}/data`;
    const config = { flush: { interval_ms: 3_600_000 } };
    await using daemon = await startDaemon({ dataDir, config });
    await postBatch(daemon, [step("increment", "n", 1), step("increment", "n", 1)]);
    await flush(daemon);
    await daemon.restart({ config, env: { WEIR_FAULTS: "flush.renamed:pause" } });
    await postBatch(daemon, [step("increment", "n", 1), step("increment", "m", 5)]);
    send(`${daemon.adminUrl}/flush`, undefined, { method: "POST" }).catch(() => undefined);
    await daemon.waitForLog("fault point reached: flush.renamed");
    await daemon.kill9();
    if (isLost) await Deno.remove(`${dataDir}/catalog.sqlite`);
    await daemon.restart({ config });
    assertEquals(await propertiesOf(daemon), { n: 3, m: 5 }, `lost: ${isLost}`);
    await postOne(daemon, step("increment", "n", 1));
    await flush(daemon);
    assertEquals(await propertiesOf(daemon), { n: 4, m: 5 }, `lost: ${isLost}`);
    assertEquals((await readRows(dataDir, "operations")).length, 5);
  }
});
