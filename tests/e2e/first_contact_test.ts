/**
 * What somebody meets who has just cloned the repository: the daemon without a configuration, the command that it
 * proposes, the file that comes of it; and what the port says to everything that is no request of ours.
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { TextLineStream } from "@std/streams";
import { startDaemon } from "../support/daemon.ts";
import { ownEnv, repositoryRoot, startFlags } from "../support/daemon_process.ts";
import { openRaw, send } from "../support/http.ts";
import { readRows } from "../support/parts.ts";
import { tempDir } from "../support/temp.ts";
import { event, storedNames } from "./track_requests.ts";

Deno.test("The daemon starts without a configuration, and the command that it proposes stores a row", async () => {
  await using home = await tempDir();
  const daemon = new Deno.Command(Deno.execPath(), {
    // Other ports than the usual ones, which may be taken.
    args: [...await startFlags(), `${repositoryRoot}main.ts`, "serve", "--port", "0", "--admin-port", "0"],
    cwd: home.path,
    clearEnv: true,
    env: ownEnv(),
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const lines = daemon.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
  let welcome = "";
  for await (const line of lines.values({ preventCancel: true })) {
    welcome += line + "\n";
    if (line.includes("-d '")) break;
  }
  assertMatch(
    welcome,
    /^Weir listens on http:\/\/127\.0\.0\.1:\d+ and writes to \.\/data\. Try:\n\n {2}curl /,
  );
  const command = welcome.slice(welcome.indexOf("curl"));
  const { stdout } = await new Deno.Command("bash", { args: ["-c", command], stdin: "null" }).output();
  assertMatch(new TextDecoder().decode(stdout), /^\{"deviceId":"me","sessionId":"[\w-]{22}"\}$/);

  daemon.kill("SIGTERM");
  await lines.cancel();
  assertEquals((await daemon.status).code, 0);
  const [row, ...others] = await readRows(`${home.path}/data`, "events");
  const { kind, project_id: project, name, device_id: device } = row;
  assertEquals([kind, project, name, device, others], ["event", "default", "hello", "me", []]);
});

Deno.test("The port answers everything that is no request of ours with a 4xx, and goes on", async (t) => {
  await using daemon = await startDaemon();
  const { host } = new URL(daemon.url);
  const row = JSON.stringify(event("hush"));
  const request = (target: string, method = "POST", more = ""): string =>
    `${method} ${target} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\n${more}` +
    `content-length: ${row.length}\r\n\r\n${row}`;
  let served = 0;
  const exchange = async (text: string): Promise<{ status?: number; code?: string; headers?: Headers }> => {
    using connection = await openRaw(daemon.url);
    await connection.write(text);
    await connection.closeWrite();
    const reply = await connection.readReply();
    assertEquals((await send(`${daemon.url}/track`, event("served"))).status, 200);
    served++;
    return { status: reply?.status, code: (reply?.json as { code?: string })?.code, headers: reply?.headers };
  };

  const unknown = [
    ...[
      "/",
      "/nowhere",
      "/track/",
      "//track",
      "/TRACK",
      "/track/batch/x",
      "/track/../track",
      "/track/..%2ftrack",
    ],
    ...["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/track%00", "/healthz", "/metrics", "/flush"],
    ...["/__proto__", "/constructor", "/v2/sessions", "/v1/sessions//backend", "/v1/sessions/a/b/backend"],
    ...["/v1/sessions/S1/backend/../../../../etc/passwd", "/data/catalog.sqlite", "/.git/config"],
  ];
  for (const target of unknown) {
    await t.step(`404 for ${target}`, async () => {
      for (const method of ["GET", "POST", "DELETE"]) {
        const { status, code } = await exchange(request(target, method));
        assertEquals([status, code], [404, "not_found"]);
      }
    });
  }

  for (
    const [target, allow] of [["/track", "POST"], ["/track/batch", "POST"], [
      "/v1/sessions/S1/backend",
      "POST",
    ], ["/v1/sessions/S1/traces", "GET, HEAD"]]
  ) {
    await t.step(`405 for other methods on ${target}`, async () => {
      const methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW", "post"];
      for (const method of methods.filter((method) => !allow.split(", ").includes(method))) {
        const { status, code, headers } = await exchange(request(target, method));
        assertEquals([status, code, headers?.get("allow")], [405, "method_not_allowed", allow], method);
      }
    });
  }

  await t.step("HEAD is GET without a body, where there is a GET", async () => {
    assertEquals(
      (await send(`${daemon.url}/v1/sessions/S1/traces`, undefined, { method: "HEAD" })).status,
      200,
    );
    const { status, text } = await send(`${daemon.url}/track`, undefined, { method: "HEAD" });
    assertEquals([status, text], [405, ""]);
  });

  const sids = [
    "..%2f..%2fetc",
    "a%00b",
    "a%2fb",
    "%ff",
    "%",
    "a%20b",
    "é",
    "a".repeat(129),
    "%2e%2e%2f",
    "a;b",
    "~",
  ];
  for (const sid of sids) {
    await t.step(`400 for the session ${sid.slice(0, 20)}`, async () => {
      const { status, code } = await exchange(request(`/v1/sessions/${sid}/backend`));
      assertEquals([status, code], [400, "invalid_path"]);
    });
  }

  const nonsense = [
    ...[
      "hello\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01\x00",
      "GET\r\n\r\n",
      "POST /track HTTP/9.9\r\n\r\n",
      "\r\n\r\n\r\n",
    ],
    ...[
      request("/track", "POST", "x y: 1\r\n"),
      request("/track", "POST", "x: a\u0001b\r\n"),
      request("/a b"),
    ],
    ...[request(`/${"a".repeat(100_000)}`), request("*"), request("/track", "")],
  ];
  for (const text of nonsense) {
    await t.step(`no answer, or 400, to ${JSON.stringify(text.slice(0, 30))}`, async () => {
      const { status } = await exchange(text);
      assert(status === undefined || status === 400, `status is ${status}`);
    });
  }

  assertEquals(await storedNames(daemon), Array(served).fill("served"));
  assertEquals(await readRows(daemon.dataDir, "traces"), []);
  const told = daemon.logs().filter((line) =>
    line.level === "error" || JSON.stringify(line).includes("passwd")
  );
  assertEquals(told, []);
});

Deno.test("Pages of other origins may send, and read replies where they are allowed to", async (t) => {
  const origins = ["https://shop.example", "https://*.sub.example"];
  const ask = (url: string, method: string, headers: Record<string, string>): ReturnType<typeof send> =>
    send(`${url}/track`, method === "POST" ? event("page") : undefined, { method, headers });
  const preflightHeaders = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "x-a, content-type",
  };

  await t.step("everybody, unless the configuration says otherwise", async () => {
    await using daemon = await startDaemon();
    const preflight = await ask(daemon.url, "OPTIONS", {
      origin: "https://any.example",
      ...preflightHeaders,
    });
    const name = (header: string): string | null => preflight.headers.get(`access-control-${header}`);
    assertEquals([preflight.status, preflight.text], [204, ""]);
    assertEquals([name("allow-origin"), name("allow-methods"), name("allow-headers"), name("max-age")], [
      ...["*", "GET,HEAD,POST", "x-a, content-type", "604800"],
    ]);
    const reply = await ask(daemon.url, "POST", { origin: "https://any.example" });
    assertEquals([reply.status, reply.headers.get("access-control-allow-origin")], [200, "*"]);
    const refused = await send(`${daemon.url}/track`, "{", { headers: { origin: "https://any.example" } });
    assertEquals([refused.status, refused.headers.get("access-control-allow-origin")], [400, "*"]);
    const plain = await ask(daemon.url, "POST", {});
    assertEquals(plain.headers.get("access-control-allow-origin"), null);
    assertEquals((await ask(daemon.url, "OPTIONS", {})).status, 204);
  });

  await t.step("those of server.cors_origins alone", async () => {
    await using daemon = await startDaemon({ config: { server: { cors_origins: origins } } });
    const allowedFor = async (origin: string): Promise<(string | null)[]> => {
      const replies = [
        await ask(daemon.url, "OPTIONS", { origin, ...preflightHeaders }),
        await ask(daemon.url, "POST", { origin }),
      ];
      return replies.map(({ headers }) => headers.get("access-control-allow-origin"));
    };
    for (const origin of ["https://shop.example", "https://a.sub.example"]) {
      assertEquals(await allowedFor(origin), [origin, origin]);
    }
    for (
      const origin of [
        "https://evilshop.example",
        "https://shop.example.evil.example",
        "https://sub.example",
        "null",
      ]
    ) {
      assertEquals(await allowedFor(origin), [null, null], origin);
    }
  });
});
