/**
 * `expressTracing` of the packed library in Express itself, installed from npm, under Node.
 */

import { assert, assertEquals } from "@std/assert";
import { startDaemon } from "../support/daemon.ts";
import { send } from "../support/http.ts";
import { installNpm, runNode } from "../support/npm_client.ts";
import { installPackage } from "../support/packed_package.ts";
import { readRows } from "../support/parts.ts";
import { tempDir } from "../support/temp.ts";

const program = `
  import { createRequire } from "node:module";
  import { connect } from "node:net";
  import { pathToFileURL } from "node:url";
  import { expressTracing, TraceBatcher, traceOf } from "weir";
  const from = createRequire(process.env.PACKAGES + "/x.js");
  const { default: express } = await import(pathToFileURL(from.resolve("express")).href);
  const batcher = new TraceBatcher({ url: process.env.DAEMON, sessionId: "express", maxBatchEvents: 3 });
  const app = express();
  app.use(expressTracing(batcher, {
    recordHeaders: ["X-Kept"],
    skip: ({ url }) => url === "/health" || url.startsWith("/mounted/"),
  }));
  app.get("/health", (req, res) => res.send(String(req.weirTrace === undefined)));
  const orders = express.Router();
  orders.post("/:id", express.json(), (req, res) => {
    for (let i = 0; i < 7; i++) req.weirTrace.event({ i, id: req.params.id, body: req.body });
    res.status(201).json({ isTheSame: traceOf(req) === req.weirTrace });
  });
  app.use("/orders", orders);
  // Where Express cuts the path off the url.
  app.use("/mounted", expressTracing(batcher), (req, res) => res.send(req.url));
  app.get("/slow/:ms", (req, res) => {
    req.weirTrace.event({ begins: req.params.ms });
    setTimeout(() => {
      req.weirTrace.event({ ends: req.params.ms });
      res.send("done");
    }, Number(req.params.ms));
  });
  app.get("/throws", () => {
    throw new Error("of the app");
  });
  app.get("/left", (req, res) => {
    req.weirTrace.event({ left: true });
    res.once("close", () => app.emit("left"));
    app.emit("asked");
  });
  app.use((error, req, res, next) => {
    req.weirTrace.event({ type: "error", message: error.message });
    res.status(503).send("sorry");
  });
  const server = app.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address();
  const ask = async (path, init) => {
    const reply = await fetch("http://127.0.0.1:" + port + path, init);
    return [reply.status, await reply.text()];
  };
  const order = (id) => ask("/orders/" + id + "?a=1", {
    method: "POST",
    headers: {
      "content-type": "application/json", "x-bug-action-id": "A" + id, "x-kept": "k" + id, authorization: "secret",
    },
    body: JSON.stringify({ item: id }),
  });
  const replies = [await ask("/health"), await order(1)];
  // Requests beside each other keep their events apart.
  replies.push(...await Promise.all([ask("/slow/40"), ask("/slow/10"), order(2), ask("/throws"), ask("/mounted/x?b=2"), ask("/nowhere")]));
  const left = new Promise((resolve) => app.once("left", resolve));
  const socket = connect(port, "127.0.0.1", () => socket.write("GET /left HTTP/1.1\\r\\nhost: a\\r\\n\\r\\n"));
  app.once("asked", () => socket.destroy());
  await left;
  server.closeAllConnections();
  server.close();
  const { undelivered, dropped } = await batcher.stop();
  process.stdout.write(JSON.stringify({ replies, undelivered, dropped }));
`;

/** What the daemon tells of a request. */
interface Told {
  readonly request: { key: string; status: number } | null;
  readonly total: number;
  readonly complete: boolean;
  readonly batches: { batchIndex: number; trace: Record<string, unknown>[] }[];
}

for (const version of ["4.22.1", "5.1.0"]) {
  Deno.test(`expressTracing traces every request of an app of Express ${version}, under Node`, async () => {
    await using daemon = await startDaemon();
    await using project = await tempDir();
    const [packages] = await Promise.all([
      installNpm([`express@${version}`]),
      installPackage(project.path),
    ]);
    await Deno.writeTextFile(`${project.path}/program.mjs`, program);
    const { code, stdout, stderr } = await runNode(`await import("${project.path}/program.mjs")`, {
      packages: project.path,
      env: { PACKAGES: packages, DAEMON: daemon.url },
    });
    assertEquals(code, 0, stderr);
    const { replies, undelivered, dropped } = JSON.parse(stdout);
    assertEquals([undelivered, dropped], [0, 0]);
    const made = [201, `{"isTheSame":true}`];
    assertEquals(replies.slice(0, 7), [
      ...[[200, "true"], made, [200, "done"], [200, "done"], made, [503, "sorry"], [200, "/x?b=2"]],
    ]);
    assertEquals(replies[7][0], 404);

    const { json } = await send(`${daemon.url}/v1/sessions/express/traces`);
    const { items } = json as { items: { traces: Told[] }[] };
    const told = items.flatMap(({ traces }) => traces);
    assert(told.every(({ complete }) => complete), "a request is not complete");
    const shown = told.map(({ request, total, batches }) => [
      ...[request?.key, request?.status, total, batches.flatMap(({ trace }) => trace)],
    ]);
    const events = (id: number): unknown[] =>
      Array.from({ length: 7 }, (_, i) => ({ i, id: String(id), body: { item: id } }));
    const slow = (ms: number): unknown[] => [{ begins: String(ms) }, { ends: String(ms) }];
    assertEquals(
      sorted(shown),
      sorted([
        ["GET /left", 200, 1, [{ left: true }]],
        ["GET /mounted/x", 200, 1, []],
        ["GET /nowhere", 404, 1, []],
        ["GET /slow/10", 200, 1, slow(10)],
        ["GET /slow/40", 200, 1, slow(40)],
        ["GET /throws", 503, 1, [{ type: "error", message: "of the app" }]],
        ["POST /orders/1", 201, 3, events(1)],
        ["POST /orders/2", 201, 3, events(2)],
      ]),
    );

    assertEquals((await send(`${daemon.adminUrl}/flush`, undefined, { method: "POST" })).status, 200);
    const rows = await readRows(daemon.dataDir, "traces");
    const orders = rows.filter(({ method }) => method === "POST");
    assertEquals(
      sorted(orders.map(({ url, action_id, headers }) => [url, action_id, headers])),
      sorted([1, 2].map((id) => [`/orders/${id}?a=1`, `A${id}`, { "x-kept": `k${id}` }])),
    );
  });
}

function sorted(list: unknown[]): string[] {
  return list.map((each) => JSON.stringify(each)).sort();
}
