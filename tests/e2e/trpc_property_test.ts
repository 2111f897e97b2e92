/**
 * For any body: what the real server accepts as it is reaches it byte for byte.
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import superjson from "superjson";
import { startDaemon } from "../support/daemon.ts";
import { send } from "../support/http.ts";
import { type ServerKind, serverKinds, startFetchServer } from "../trpc/servers.ts";

const seed = 20_260_720;

const keys = fc.constantFrom("0", "1", "2", "00", "-1", "input", "path", "json", "meta", "a");
const leaf = fc.oneof(
  fc.jsonValue({ maxDepth: 1 }),
  fc.constantFrom<unknown>(null, 0, "echo", "echoToo", [], {}, { input: 1 }, { json: 1 }),
);
/** Values in which the words that matter come often. */
const value = fc.letrec<{ node: unknown }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    leaf,
    fc.dictionary(keys, tie("node"), { maxKeys: 3 }),
    fc.array(tie("node"), { maxLength: 3 }),
  ),
})).node;
/** What clients send, in the forms of section 1, mixed with what they do not. */
const body = fc.oneof(
  value,
  fc.record({ "0": value }),
  fc.record({ "0": value, "1": value }),
  fc.record({ "0": fc.record({ json: value }), "1": fc.record({ json: value }) }),
  value.map((input) => superjson.serialize(input)),
  value.map((input) => ({ 0: superjson.serialize(input) })),
);
const address = fc.constantFrom("/echo", "/echo?batch=1", "/echo,echoToo?batch=1");
/** Spaces that mean nothing, so that the same value is not the same bytes. */
const spaces = fc.constantFrom("", " ", "\n\t ");

/** Keys that a server passes over in silence: with them the data is refused instead (contract `trpc`, 4.4). */
function hasLostKeys(sent: unknown, calls: number): boolean {
  if (typeof sent !== "object" || sent === null || Array.isArray(sent)) return false;
  return Object.keys(sent).some((key) => !/^(0|[1-9]\d*)$/.test(key) || Number(key) >= calls);
}

for (const kind of serverKinds) {
  Deno.test(`any body that server ${nameOf(kind)} accepts is forwarded with identical bytes`, async () => {
    await using upstream = startFetchServer(kind);
    await using daemon = await startDaemon({
      config: {
        trpc: { routes: [{ prefix: "/t", upstream: upstream.url, ...kind }] },
      },
    });
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(address, body, spaces, async (path, sent, space) => {
        const text = `${space}${JSON.stringify(sent, null, space)}`;
        const direct = await send(upstream.url + path, text);
        if (direct.status !== 200) return;
        upstream.arrived.length = 0;
        const through = await send(`${daemon.url}/t${path}`, text);
        const calls = path.startsWith("/echo,") ? 2 : 1;
        if (path.includes("batch") && hasLostKeys(sent, calls)) return assertEquals(through.status, 400);
        accepted++;
        assertEquals(upstream.arrived.map(({ body }) => new TextDecoder().decode(body)), [text]);
        assertEquals([through.status, through.text], [200, direct.text]);
      }),
      { seed, numRuns: 400 },
    );
    assert(accepted > 40, `Only ${accepted} bodies were accepted: the property says nothing`);
  });
}

function nameOf({ version, transformer }: ServerKind): string {
  return `${version}${transformer === "superjson" ? " with superjson" : ""}`;
}
