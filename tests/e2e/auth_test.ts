/**
 * Who may send: credentials of dialect `track` (contract, 1.3 and P13), and a port that is closed by default.
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { scryptSync } from "node:crypto";
import { type Daemon, runWeir, startDaemon } from "../support/daemon.ts";
import { type Reply, send } from "../support/http.ts";
import { tempDir } from "../support/temp.ts";
import { event, storedEvents } from "./track_requests.ts";

type Headers = Record<string, string>;

const id = (n: number): string => `00000000-0000-4000-8000-00000000000${n}`;
const plainSecret = "sec_0123456789abcdef0123";
const hashedSecret = "sec_fedcba98765432100000";
const salt = "00112233445566778899aabbccddeeff";
const secretHash = `${salt}.${scryptSync(hashedSecret, salt, 32).toString("hex")}`;

const auth = {
  enabled: true,
  clients: [
    { id: id(1), secret: plainSecret, project: "plain" },
    { id: id(2), secret_hash: secretHash, project: "hashed" },
    { id: id(3), project: "browser", cors_origins: ["https://shop.example", "https://*.sub.example"] },
    { id: id(4), project: "open", ignore_cors_and_secret: true },
  ],
  apps: [{ id: "checkout", secret: "the app's secret" }],
};

/** How one row may be sent. */
const routes: Record<string, (daemon: Daemon, row: unknown, headers: Headers) => Promise<Reply>> = {
  "/track": (daemon, row, headers) => send(`${daemon.url}/track`, row, { headers }),
  "/track/batch": (daemon, row, headers) => send(`${daemon.url}/track/batch`, { events: [row] }, { headers }),
  "/track as a batch": (daemon, row, headers) =>
    send(`${daemon.url}/track`, { type: "batch", payload: [row] }, { headers }),
  "a stream": (daemon, row, headers) =>
    send(`${daemon.url}/track/batch`, JSON.stringify(row), {
      headers: { ...headers, "content-type": "application/x-ndjson" },
    }),
};

const client = (n: number, secret?: string): Headers => ({
  "openpanel-client-id": id(n),
  ...(secret === undefined ? {} : { "openpanel-client-secret": secret }),
});

/** Headers that are let in, with the project that their rows belong to. */
const admitted: [string, Headers, string][] = [
  ["a secret", client(1, plainSecret), "plain"],
  ["a secret, by the older names", { "mixan-client-id": id(1), "mixan-client-secret": plainSecret }, "plain"],
  ["a secret that is known by its hash", client(2, hashedSecret), "hashed"],
  ["an origin", { ...client(3), origin: "https://shop.example" }, "browser"],
  ["an origin with www and a slash", { ...client(3), origin: "http://www.shop.example/" }, "browser"],
  ["an origin below a pattern", { ...client(3), origin: "https://a.b.sub.example" }, "browser"],
  ["the id alone, where that is enough", client(4), "open"],
];

/** Headers that are not, with what is said of them. */
const refused: [string, Headers, string][] = [
  ["nothing", {}, "Missing client id"],
  ["an id of another form", { "openpanel-client-id": "shop" }, "Client ID must be a valid UUIDv4"],
  [
    "an id in capitals",
    { "openpanel-client-id": id(1).replace("4000", "ABCD") },
    "Client ID must be a valid UUIDv4",
  ],
  ["an unknown id", client(9, plainSecret), "Invalid client id"],
  ["no secret", client(1), "Invalid cors or secret"],
  ["a wrong secret", client(1, "sec_wrong"), "Invalid cors or secret"],
  ["a secret of another client", client(1, hashedSecret), "Invalid cors or secret"],
  ["a wrong secret against a hash", client(2, plainSecret), "Invalid cors or secret"],
  ["the hash itself", client(2, secretHash), "Invalid cors or secret"],
  ["an empty secret", client(1, ""), "Invalid cors or secret"],
  ["no origin", client(3), "Invalid cors or secret"],
  [
    "an origin that only begins alike",
    { ...client(3), origin: "https://shop.example.evil.example" },
    "Invalid cors or secret",
  ],
  [
    "an origin that only ends alike",
    { ...client(3), origin: "https://evilshop.example" },
    "Invalid cors or secret",
  ],
  [
    "an origin that a pattern only seems to fit",
    { ...client(3), origin: "https://evilsub.example" },
    "Invalid cors or secret",
  ],
  ["a pattern's own domain", { ...client(3), origin: "https://sub.example" }, "Invalid cors or secret"],
  ["an origin of another client", { ...client(1), origin: "https://shop.example" }, "Invalid cors or secret"],
];

Deno.test("P13: only who is known may send, and its rows go to its own project", async (t) => {
  await using daemon = await startDaemon({ config: { auth } });
  const expected: string[] = [];
  for (const [route, post] of Object.entries(routes)) {
    for (const [name, headers, project] of admitted) {
      await t.step(`${route}: ${name}`, async () => {
        const { status, text } = await post(daemon, event(name), headers);
        assert(status === 200 || status === 202, text);
        expected.push(project);
      });
    }
    for (const [name, headers, message] of refused) {
      await t.step(`${route}: ${name}`, async () => {
        const reply = await post(daemon, event(`not ${name}`), headers);
        assertEquals([reply.status, reply.json], [401, {
          error: "Unauthorized",
          status: 401,
          code: "unauthorized",
          message: `Ingestion: ${message}`,
          retryable: false,
        }]);
      });
    }
  }

  await t.step("credentials in the body", async () => {
    const body = { clientId: id(1), clientSecret: plainSecret };
    const single = await send(`${daemon.url}/track`, { ...event("in the body"), ...body });
    assertEquals(single.status, 200, single.text);
    const batch = await send(`${daemon.url}/track/batch`, { events: [event("in the body")], ...body });
    assertEquals(batch.status, 202, batch.text);
    expected.push("plain", "plain");
    const wrong = await send(`${daemon.url}/track/batch`, {
      events: [event("no")],
      ...body,
      clientSecret: "guess",
    });
    assertEquals([wrong.status, (wrong.json as { message: string }).message], [
      401,
      "Ingestion: Invalid cors or secret",
    ]);
  });

  await t.step("a bad body is told before bad credentials", async () => {
    for (
      const [path, body] of [["/track", "{"], ["/track/batch", '{"events":['], [
        "/track/batch",
        '{"events":[]}',
      ]]
    ) {
      assertEquals((await send(daemon.url + path, body, { headers: client(1, "guess") })).status, 400);
    }
  });

  await t.step("entries of a backend need their app's secret", async () => {
    const entries = { entries: [{ rid: "R1", trace: [1] }] };
    const post = (headers: Headers): Promise<Reply> =>
      send(`${daemon.url}/v1/sessions/S1/backend`, entries, { headers });
    assertEquals((await post({ "x-app-id": "checkout", "x-app-secret": "the app's secret" })).status, 201);
    for (
      const headers of [{}, { "x-app-id": "checkout" }, { "x-app-id": "checkout", "x-app-secret": "guess" }]
    ) {
      assertEquals((await post(headers as Headers)).status, 403);
    }
  });

  const stored = (await storedEvents(daemon)).map(({ project_id: project }) => project as string);
  assertEquals(stored.sort(), expected.sort());
});

Deno.test("No secret and nothing of a body is ever in a log line or an error", async () => {
  await using daemon = await startDaemon({ config: { auth, log: { level: "debug" } } });
  const mark = "hush-hush";
  const hidden = [plainSecret, hashedSecret, secretHash, "the app's secret", "guessed-secret", mark];
  const replies: Reply[] = [];
  for (const post of Object.values(routes)) {
    for (
      const headers of [client(1, plainSecret), client(2, hashedSecret), client(1, "guessed-secret"), {}]
    ) {
      replies.push(
        await post(daemon, event(mark), headers),
        await post(daemon, event(`../${mark}`), headers),
      );
    }
  }
  const headers = client(1, plainSecret);
  const bodies = [
    `{"events":[{"${mark}`,
    `"${mark}"`,
    `{"${mark}":NaN}`,
    `{"events":"${mark}"}`,
    `[${mark}]`,
  ];
  for (
    const path of ["/track", "/track/batch", "/v1/sessions/S1/backend", `/${mark}`, `/track?${mark}=${mark}`]
  ) {
    for (const body of bodies) replies.push(await send(daemon.url + path, body, { headers }));
    replies.push(await send(daemon.url + path, "x", { headers: { ...headers, "content-encoding": mark } }));
    replies.push(await send(daemon.url + path, "x", { headers: { ...headers, "content-type": mark } }));
    replies.push(
      await send(daemon.url + path, undefined, { headers: { ...headers, "request-id": `{${mark}}` } }),
    );
  }
  replies.push(
    await send(`${daemon.url}/v1/sessions/S1/backend`, { entries: [{ rid: mark, trace: `[${mark}` }] }, {
      headers: { "x-app-id": "checkout", "x-app-secret": "the app's secret" },
    }),
  );
  assert(replies.some(({ status }) => status === 401) && replies.some(({ status }) => status === 400));
  assertEquals(await daemon.stop(), 0);
  const lines = daemon.logs().map((line) => JSON.stringify(line));
  assert(lines.length > 20);
  for (const text of [...lines, ...replies.map(({ text }) => text)]) {
    for (const secret of hidden) assert(!text.includes(secret), `${secret} is in ${text}`);
    assert(!text.includes(daemon.dataDir), text);
  }
});

Deno.test("Without auth the daemon listens on loopback only, or does not start", async (t) => {
  await using home = await tempDir();
  const serve = (env: Headers): ReturnType<typeof runWeir> =>
    runWeir(["serve", "--port", "0", "--admin-port", "0", "--data-dir", `${home.path}/data`], { env });
  for (const host of ["0.0.0.0", "::", "192.0.2.1", "example.com"]) {
    await t.step(`server.host ${host}`, async () => {
      const { code, stdout, stderr } = await serve({ WEIR_SERVER__HOST: host });
      assertEquals([code, stdout], [78, ""]);
      assertMatch(stderr, /server\.host.*auth\.enabled/);
    });
  }
  await t.step("the admin listener stays on loopback in any case", async () => {
    const { code, stderr } = await serve({ WEIR_ADMIN__HOST: "0.0.0.0" });
    assertEquals(code, 78);
    assertMatch(stderr, /admin\.host/);
  });
  await t.step("auth without anybody who may send is no way out", async () => {
    const { code, stderr } = await serve({ WEIR_SERVER__HOST: "0.0.0.0", WEIR_AUTH__ENABLED: "true" });
    assertEquals(code, 78);
    assertMatch(stderr, /auth/);
  });
  await t.step("nothing was made on disk", () => {
    assertEquals([...Deno.readDirSync(home.path)], []);
  });
  await t.step("with auth it may listen everywhere", async () => {
    await using daemon = await startDaemon({
      config: { server: { host: "0.0.0.0" }, auth },
      until: "spawned",
    });
    const { address } = await daemon.waitForLog("Listening");
    const url = `http://${(address as string).replace("0.0.0.0", "127.0.0.1")}/track`;
    assertEquals((await send(url, event("far"))).status, 401);
    assertEquals((await send(url, event("far"), { headers: client(4) })).status, 200);
  });
});
