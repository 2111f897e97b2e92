/**
 * Where events come from (contract `track`, section 3 and P12), and which device the sender is (1.6).
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { send } from "../support/http.ts";
import { city, mmdbFile } from "../support/mmdb.ts";
import { readRows } from "../support/parts.ts";
import { tempDir } from "../support/temp.ts";
import { chrome, event, flush, postBatch, postOne } from "./track_requests.ts";

type Row = Record<string, unknown>;

const file = mmdbFile({
  "203.0.113.0/24": city({
    ...{ country: "DE", city: "Köln", region: "North Rhine-Westphalia", longitude: 6.96, latitude: 50.94 },
  }),
  "198.51.100.7/32": city({
    ...{ country: "US", city: "Boston", region: "Massachusetts", longitude: -71.06, latitude: 42.36 },
  }),
  "192.0.2.128/25": { country: { iso_code: "IN" } },
});
const browser = { "user-agent": chrome, "openpanel-client-ip": "203.0.113.9" };

async function lookups(daemon: Daemon): Promise<number> {
  const { text } = await send(`${daemon.adminUrl}/metrics`);
  return Number(/^weir_geo_lookups_total (\d+)$/m.exec(text)?.[1]);
}

async function placesOf(daemon: Daemon, name: string): Promise<unknown[]> {
  await flush(daemon);
  return (await readRows(daemon.dataDir, "events")).filter((row) => row.name === name).map((row) => {
    const { country, city, region, longitude, latitude } = row;
    return [country, city, region, longitude, latitude];
  });
}

Deno.test("P12: an event is where its sender is, or where it says; one look-up each", async () => {
  await using dir = await tempDir();
  await Deno.writeFile(`${dir.path}/geo.mmdb`, file);
  await using daemon = await startDaemon({ config: { track: { geo_database: `${dir.path}/geo.mmdb` } } });
  const koeln = ["DE", "Köln", "North Rhine-Westphalia", 6.96, 50.94];
  const nowhere = Array(5).fill(undefined);
  await postBatch(daemon, Array.from({ length: 120 }, () => event("plain")), browser);
  assertEquals(await lookups(daemon), 1);
  assertEquals(await placesOf(daemon, "plain"), Array(120).fill(koeln));
  await postBatch(daemon, [
    event("named", { __ip: "198.51.100.7" }),
    event("named", { __ip: "192.0.2.200" }),
    event("named", { __ip: "8.8.8.8" }),
    event("named", { __ip: "no address" }),
    event("named"),
  ], browser);
  assert(await lookups(daemon) <= 1 + 1 + 3, `${await lookups(daemon)} look-ups`);
  assertEquals(await placesOf(daemon, "named"), [
    ["US", "Boston", "Massachusetts", -71.06, 42.36],
    ["IN", undefined, undefined, undefined, undefined],
    nowhere,
    nowhere,
    koeln,
  ]);
  const rows = await readRows(daemon.dataDir, "events");
  const sessions = new Set(rows.filter(({ name }) => name === "named").map((row) => row.session_id));
  assertEquals(sessions.size, 1);
  assert(!JSON.stringify(rows).includes("198.51.100.7"), "addresses are not stored");

  await postOne(daemon, { type: "identify", payload: { profileId: "u" } }, browser);
  const { json } = await send(`${daemon.url}/v1/projects/default/profiles/u`);
  assertEquals([(json as Row).country, (json as Row).browser], ["DE", "Chrome"]);
});

Deno.test("A geo file that cannot be used ends the start, and says nothing of where it lies", async () => {
  await using dir = await tempDir();
  await Deno.writeTextFile(`${dir.path}/geo.mmdb`, "no such thing");
  for (const name of ["geo.mmdb", "missing.mmdb"]) {
    await using daemon = await startDaemon({
      config: { track: { geo_database: `${dir.path}/${name}` } },
      until: "spawned",
    });
    assertEquals(await daemon.exit(), 1);
    const told = daemon.logs().map((line) => JSON.stringify(line)).join("\n");
    assertMatch(told, /Cannot use track\.geo_database/);
    assert(!told.includes(dir.path), told);
  }
});

Deno.test("What an event says of its device counts more than its user agent", async () => {
  await using daemon = await startDaemon();
  const said = {
    __os: "iOS",
    __osVersion: "17",
    __brand: "Apple",
    __model: "iPhone",
    __browser: "",
    __device: 5,
  };
  await postBatch(daemon, [event("said", said)], browser);
  await flush(daemon);
  const row = (await readRows(daemon.dataDir, "events")).find(({ name }) => name === "said")!;
  const { os, os_version, brand, model, browser: name, device } = row;
  assertEquals([os, os_version, brand, model, name, device], [
    "iOS",
    "17",
    "Apple",
    "iPhone",
    "Chrome",
    "desktop",
  ]);
  assertEquals(row.properties, { __deviceId: "device", ...said });
});

Deno.test("GET /track/device-id names the device and its live session", async () => {
  await using daemon = await startDaemon();
  const ask = async (headers: Record<string, string>): Promise<[number, Row]> => {
    const { status, json } = await send(`${daemon.url}/track/device-id`, undefined, { headers });
    return [status, json as Row];
  };
  const [status, before] = await ask(browser);
  assertEquals([status, before.sessionId, typeof before.message], [200, "", "string"]);
  const { json } = await postOne(daemon, { type: "track", payload: { name: "a" } }, browser);
  const { deviceId, sessionId } = json as Row;
  assertEquals(await ask(browser), [200, { deviceId, sessionId }]);
  assertEquals(before.deviceId, deviceId);
  for (const headers of [{ "user-agent": chrome }, { ...browser, "user-agent": "" }]) {
    const [refused, { code }] = await ask(headers);
    assertEquals([refused, code], [400, "validation"]);
  }
});

Deno.test("A reload takes another geo file, and keeps the one before where it cannot be read", async () => {
  await using dir = await tempDir();
  const config = `${dir.path}/weir.yaml`;
  const use = (name: string): Promise<void> =>
    Deno.writeTextFile(config, `track:\n  geo_database: ${dir.path}/${name}\n`);
  await Deno.writeFile(`${dir.path}/first.mmdb`, file);
  await Deno.writeFile(
    `${dir.path}/second.mmdb`,
    mmdbFile({ "203.0.113.0/24": { country: { iso_code: "FR" } } }),
  );
  await use("first.mmdb");
  await using daemon = await startDaemon({ args: ["--config", config] });
  const countryOf = async (name: string): Promise<unknown> => {
    await postBatch(daemon, [event(name)], browser);
    return (await placesOf(daemon, name)).map((place) => (place as unknown[])[0]);
  };
  assertEquals(await countryOf("one"), ["DE"]);
  await use("missing.mmdb");
  daemon.signal("SIGHUP");
  await daemon.waitForLog("The geo file cannot be read; the one before stays in use");
  assertEquals(await countryOf("two"), ["DE"]);
  await use("second.mmdb");
  daemon.signal("SIGHUP");
  for (let tries = 0;; tries++) {
    if ((await countryOf(`try ${tries}`) as unknown[])[0] === "FR") break;
    assert(tries < 100, "the second file is not used");
  }
});
