import { assert, assertEquals, assertRejects } from "@std/assert";
import { scryptSync } from "node:crypto";
import { WeirError } from "../../src/base/errors.ts";
import { type ClientConfig, type Config, configSchema } from "../../src/config/schema.ts";
import { ConfiguredAuthority, originFits } from "../../src/receive/auth.ts";
import { type HandClock, handClock } from "./serve_body.ts";

const id = "0a1b2c3d-0000-4000-8000-00000000000a";
const other = "0a1b2c3d-0000-4000-8000-00000000000b";
const secret = "sec_0123456789abcdef0123";
const salt = "00112233445566778899aabbccddeeff";

/** What `auth.clients[].secret_hash` holds for a secret. */
function hashOf(text: string): string {
  return `${salt}.${scryptSync(text, salt, 32).toString("hex")}`;
}

interface Rig {
  authority: ConfiguredAuthority;
  clock: HandClock;
  auth: Config["auth"];
}

function rig(client: Partial<ClientConfig> = {}, apps: Partial<Config["auth"]["apps"][number]>[] = []): Rig {
  const { auth } = configSchema.parse({
    auth: { enabled: true, clients: [{ id, project: "shop", ...client }], apps },
  });
  const clock = handClock();
  const made: Rig = { authority: new ConfiguredAuthority(() => made.auth, clock), clock, auth };
  return made;
}

/** What a client is answered: its project, or the message. */
async function ask(
  { authority }: Rig,
  sent: { id?: string; secret?: string; origin?: string },
): Promise<string> {
  try {
    const sentWhole = { id: sent.id, secret: sent.secret, origin: sent.origin };
    return (await authority.admitClient(sentWhole)).project;
  } catch (error) {
    assert(error instanceof WeirError && error.code === "unauthorized" && error.status === 401);
    return error.message;
  }
}

Deno.test("admitClient() refuses in the contract's words", async () => {
  const made = rig({ secret });
  const cases: [{ id?: string; secret?: string; origin?: string }, string][] = [
    [{}, "Ingestion: Missing client id"],
    [{ secret }, "Ingestion: Missing client id"],
    [{ id: "" }, "Ingestion: Missing client id"],
    [{ id: "shop" }, "Ingestion: Client ID must be a valid UUIDv4"],
    [{ id: id.toUpperCase() }, "Ingestion: Client ID must be a valid UUIDv4"],
    [{ id: `${id}\n` }, "Ingestion: Client ID must be a valid UUIDv4"],
    [{ id: ` ${id}` }, "Ingestion: Client ID must be a valid UUIDv4"],
    [{ id: other, secret }, "Ingestion: Invalid client id"],
    [{ id }, "Ingestion: Invalid cors or secret"],
    [{ id, secret: "" }, "Ingestion: Invalid cors or secret"],
    [{ id, secret: secret + "x" }, "Ingestion: Invalid cors or secret"],
    [{ id, secret: secret.slice(1) }, "Ingestion: Invalid cors or secret"],
    [{ id, origin: "https://shop.example" }, "Ingestion: Invalid cors or secret"],
  ];
  for (const [sent, message] of cases) assertEquals(await ask(made, sent), message, JSON.stringify(sent));
  assertEquals(await ask(made, { id, secret }), "shop");
});

Deno.test("admitClient() takes a client by secret, by hash, by origin, or as it is configured", async () => {
  const origins = ["https://shop.example"];
  assertEquals(await ask(rig({ secret_hash: hashOf(secret) }), { id, secret }), "shop");
  assertEquals(
    await ask(rig({ secret_hash: hashOf("other") }), { id, secret }),
    "Ingestion: Invalid cors or secret",
  );
  assertEquals(await ask(rig({ secret: "old", secret_hash: hashOf(secret) }), { id, secret }), "shop");
  assertEquals(await ask(rig({ cors_origins: origins }), { id, origin: origins[0] }), "shop");
  assertEquals(
    await ask(rig({ cors_origins: origins, secret }), { id, origin: "https://other.example", secret }),
    "shop",
  );
  assertEquals(await ask(rig({ cors_origins: ["*"] }), { id, origin: "null" }), "shop");
  assertEquals(await ask(rig({ cors_origins: ["*"] }), { id }), "Ingestion: Invalid cors or secret");
  assertEquals(await ask(rig({ ignore_cors_and_secret: true }), { id, secret: "wrong" }), "shop");
});

Deno.test("admitClient() follows a reload of the configuration at once", async () => {
  const made = rig({ secret_hash: hashOf(secret) });
  assertEquals(await ask(made, { id, secret }), "shop");
  made.auth = rig({ secret_hash: hashOf("new"), project: "new" }).auth;
  assertEquals(await ask(made, { id, secret }), "Ingestion: Invalid cors or secret");
  assertEquals(await ask(made, { id, secret: "new" }), "new");
});

Deno.test("admitClient() hashes a secret once, right or wrong, and not again while it is used", async () => {
  const made = rig({ secret_hash: hashOf(secret) });
  const timed = async (text: string): Promise<number> => {
    const start = performance.now();
    await ask(made, { id, secret: text });
    return performance.now() - start;
  };
  for (const text of [secret, "wrong"]) {
    const first = await timed(text);
    let later = 0;
    for (let i = 0; i < 20; i++) {
      made.clock.at += 200_000;
      later += await timed(text);
    }
    assert(later < first, `${later} ms for 20 after ${first} ms`);
  }
  made.clock.at += 300_001;
  const again = await timed(secret);
  assert(again > 5, `${again} ms`);
});

Deno.test("admitClient() keeps its memory when many send wrong secrets at once", async () => {
  const made = rig({ secret_hash: hashOf(secret) });
  const before = Deno.memoryUsage().rss;
  let peak = before;
  const timer = setInterval(() => peak = Math.max(peak, Deno.memoryUsage().rss), 5);
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, i) => ask(made, { id, secret: i === 39 ? secret : `wrong ${i}` })),
  );
  clearInterval(timer);
  assertEquals(new Set(answers.slice(0, 39)), new Set(["Ingestion: Invalid cors or secret"]));
  assertEquals(answers[39], "shop");
  // One hash takes 16 MiB; all at once they would take 640.
  assert(peak - before < 200 * 1024 * 1024, `${peak - before} bytes`);
});

Deno.test("admitClient() with auth off takes the client id as the project", async () => {
  const made = rig();
  made.auth = configSchema.parse({}).auth;
  assertEquals(await ask(made, {}), "default");
  assertEquals(await ask(made, { id: "" }), "default");
  assertEquals(await ask(made, { id: "  " }), "default");
  assertEquals(await ask(made, { id: "my shop/7" }), "my shop/7");
  assertEquals(await ask(made, { id: "x".repeat(200) }), "x".repeat(200));
  for (const wrong of ["x".repeat(201), "half \ud800"]) {
    assertEquals(
      await ask(made, { id: wrong }),
      "Ingestion: Client ID must be a text of at most 200 characters",
    );
  }
});

Deno.test("admitApp() takes enabled apps whose secret fits, and says the same to all others", async () => {
  const { authority } = rig({}, [
    { id: "shop", secret },
    { id: "hashed", secret_hash: hashOf(secret) },
    { id: "off", secret, enabled: false },
    { id: "none" },
  ]);
  assertEquals(await authority.admitApp({ id: "shop", secret }), "shop");
  assertEquals(await authority.admitApp({ id: "hashed", secret }), "hashed");
  const refused = [
    ["shop", "wrong"],
    ["shop", undefined],
    ["hashed", "wrong"],
    ["off", secret],
    ["none", ""],
    [
      "none",
      secret,
    ],
    ["SHOP", secret],
    ["", secret],
    [undefined, secret],
    [undefined, undefined],
  ];
  for (const [id, secret] of refused) {
    const error = await assertRejects(
      () => authority.admitApp({ id, secret }),
      WeirError,
      "Forbidden resource",
    );
    assertEquals([error.code, error.status], ["forbidden", 403]);
  }
});

Deno.test("admitApp() with auth off takes the name that is given", async () => {
  const made = rig();
  made.auth = configSchema.parse({}).auth;
  assertEquals(await made.authority.admitApp({ id: " shop ", secret: undefined }), "shop");
  assertEquals(await made.authority.admitApp({ id: " ", secret: undefined }), "default");
  assertEquals(await made.authority.admitApp({ id: undefined, secret: undefined }), "default");
});

Deno.test("originFits() compares whole hosts; scheme, www. and a trailing slash do not count", () => {
  const fits: [string, string][] = [
    ["https://shop.example", "https://shop.example"],
    ["http://shop.example", "https://shop.example"],
    ["https://www.shop.example", "shop.example"],
    ["https://shop.example", "https://www.shop.example/"],
    ["https://SHOP.example/", "shop.Example"],
    ["http://localhost:3000", "localhost:3000"],
    ["https://a.shop.example", "*.shop.example"],
    ["https://a.b.shop.example", "https://*.shop.example"],
    ["https://www.shop.example", "*.shop.example"],
    ["capacitor://localhost", "localhost"],
    ["anything", "*"],
    ["null", "*"],
  ];
  const misses: [string, string][] = [
    ["https://evilshop.example", "shop.example"],
    ["https://shop.example.evil.com", "shop.example"],
    ["https://shopxexample", "shop.example"],
    ["https://a.shop.example", "shop.example"],
    ["https://shop.example", "*.shop.example"],
    ["https://.shop.example", "*.shop.example.org"],
    ["https://evilshop.example", "*.shop.example"],
    ["https://a.shop.example.evil.com", "*.shop.example"],
    ["https://a.shopxexample", "*.shop.example"],
    ["https://shop.example:8443", "shop.example"],
    ["null", "shop.example"],
    ["", "shop.example"],
    ["https://wwwshop.example", "shop.example"],
  ];
  for (const [origin, pattern] of fits) assert(originFits(origin, pattern), `${origin} fits ${pattern}`);
  for (const [origin, pattern] of misses) assert(!originFits(origin, pattern), `${origin} misses ${pattern}`);
});

Deno.test("originFits() is quick for a hostile origin", () => {
  const start = performance.now();
  originFits("https://" + "/".repeat(200_000) + "x", "shop.example");
  assert(performance.now() - start < 100);
});
