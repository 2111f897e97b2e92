/**
 * Dialect `backend` from outside: what it refuses, and whom (contract, section 7, case 11).
 * @module
 */

import { assertEquals } from "@std/assert";
import { startDaemon } from "../support/daemon.ts";
import { send } from "../support/http.ts";
import { path, post, tracesOf } from "./backend_client.ts";

Deno.test("Contract case 11: what is no body of entries is refused with the original's form of error", async () => {
  await using daemon = await startDaemon({ config: { backend: { max_body_bytes: 100_000 } } });
  const url = `${daemon.url}${path}/backend`;
  const table: [string, number][] = [
    ["[", 400],
    ["[]", 400],
    [`{"entries":{}}`, 400],
    ["", 400],
    [`{"entries":[{"rid":"R","trace":"${" ".repeat(100_000)}[1]"}]}`, 413],
    [`{"entries":[{"rid":"R","trace":"[1]"}`, 400],
  ];
  for (const [body, status] of table) {
    const reply = await send(url, body);
    const { ok, statusCode, message, code } = reply.json as Record<string, unknown>;
    assertEquals([reply.status, statusCode, ok], [status, status, false], body.slice(0, 50));
    assertEquals([typeof message, typeof code], ["string", "string"]);
  }
  for (const body of ["{}", `{"entries":null}`]) {
    const { status, json } = await send(url, body);
    assertEquals([status, json], [201, { ok: true, accepted: 0, rejected: [] }]);
  }
  const refused = await post(daemon, [{ rid: "R", trace: "{" }, {}]);
  assertEquals(refused.status, 422);
  assertEquals((refused.json as { ok: boolean }).ok, false);
  assertEquals((await tracesOf(daemon)).items, []);
  for (const sid of ["a b", "%2e%2e%2fx", "a".repeat(129), "é"]) {
    const { status } = await send(`${daemon.url}/v1/sessions/${sid}/backend`, { entries: [] });
    assertEquals(status, 400, sid);
    assertEquals((await send(`${daemon.url}/v1/sessions/${sid}/traces`)).status, 400, sid);
  }
});

Deno.test("Contract case 11: with auth on, only the right secret writes or reads, and apps see only their own", async () => {
  const app = (id: string): unknown => ({ id, secret: `${id}-secret-0123456789` });
  await using daemon = await startDaemon({
    config: { auth: { enabled: true, apps: [app("shop"), app("mail")] } },
  });
  const headersOf = (id: string, secret = `${id}-secret-0123456789`): Record<string, string> => ({
    "x-app-id": id,
    "x-app-secret": secret,
  });
  const entry = { rid: "R", trace: "[1]" };
  for (const headers of [{}, headersOf("shop", "wrong"), headersOf("nobody"), { "x-app-id": "shop" }]) {
    const { status, json } = await post(daemon, [entry], headers);
    assertEquals([status, (json as { message: string }).message], [403, "Forbidden resource"]);
    const read = await send(`${daemon.url}${path}/traces`, undefined, { headers });
    assertEquals(read.status, 403);
  }
  const malformed = await send(`${daemon.url}${path}/backend`, "[", { headers: headersOf("shop", "wrong") });
  assertEquals(malformed.status, 400);
  assertEquals((await post(daemon, [entry], headersOf("shop"))).status, 201);
  assertEquals((await tracesOf(daemon, headersOf("shop"))).items.length, 1);
  assertEquals((await tracesOf(daemon, headersOf("mail"))).items, []);
});
