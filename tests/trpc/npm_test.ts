/**
 * `weir/trpc` as npm users have it: packed, installed under the name `weir`, with Express under Node.
 */

import { assertEquals } from "@std/assert";
import { installNpm, runNode } from "../support/npm_client.ts";
import { installPackage } from "../support/packed_package.ts";
import { tempDir } from "../support/temp.ts";

const packages = ["@trpc/server@11.25.2", "express@4.22.1"];

const program = `
  import { createRequire } from "node:module";
  import { pathToFileURL } from "node:url";
  const from = createRequire(process.env.PACKAGES + "/x.js");
  const load = (name) => import(pathToFileURL(from.resolve(name)).href);
  const { default: express } = await load("express");
  const { initTRPC } = await load("@trpc/server");
  const { createExpressMiddleware } = await load("@trpc/server/adapters/express");
  const { normalizeExpress } = await import("weir/trpc");
  const t = initTRPC.create();
  const input = (value) => { if (value?.a !== 1) throw new Error("not a: 1"); return value; };
  const router = t.router({
    save: t.procedure.input(input).mutation(({ input }) => input),
    find: t.procedure.input(input).query(({ input }) => input),
    nothing: t.procedure.mutation(({ getRawInput }) => getRawInput().then((raw) => String(raw))),
  });
  const app = express();
  app.use("/late", express.json());
  for (const path of ["/early", "/late"]) app.use(path, normalizeExpress(), createExpressMiddleware({ router }));
  const server = app.listen(0, "127.0.0.1", async () => {
    const origin = "http://127.0.0.1:" + server.address().port;
    const headers = { "content-type": "application/json" };
    const results = [];
    for (const path of ["/early", "/late"]) {
      for (const body of ['{"0":{"a":1}}', '[{"a":1}]', '{"input":{"a":1}}', '{"a":1}', '{"0":1,"b":2}']) {
        const reply = await fetch(origin + path + "/save?batch=1", { method: "POST", headers, body });
        results.push([reply.status, reply.headers.get("weir-trpc-normalized")]);
      }
      const none = await fetch(origin + path + "/nothing", { method: "POST", headers });
      results.push((await none.json()).result.data);
      const query = await fetch(origin + path + "/find?batch=1&input=" + encodeURIComponent('[{"a":1}]'));
      results.push(query.status);
    }
    process.stdout.write(JSON.stringify(results));
    server.closeAllConnections();
    server.close();
  });
`;

Deno.test("weir/trpc works in an npm project, under Node, with Express 4", async () => {
  const installed = await installNpm(packages);
  await using project = await tempDir();
  await installPackage(project.path);
  await Deno.writeTextFile(`${project.path}/program.mjs`, program);
  const env = { PACKAGES: installed };
  const { code, stdout, stderr } = await runNode(`await import("${project.path}/program.mjs")`, {
    packages: project.path,
    env,
  });
  assertEquals(code, 0, stderr);
  const each = [[200, null], [200, "array"], [200, "input"], [200, "bare"], [400, null], "undefined", 200];
  assertEquals(JSON.parse(stdout), [...each, ...each]);
});
