/**
 * SIGHUP: a running daemon takes over what may change, all of it or nothing.
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Daemon, type LogLine, startDaemon } from "../support/daemon.ts";
import { send } from "../support/http.ts";
import { tempDir } from "../support/temp.ts";
import { event, storedNames } from "./track_requests.ts";

/** A daemon whose configuration file the test may write anew. */
class Reloadable implements AsyncDisposable {
  readonly daemon: Daemon;
  readonly #file: string;
  readonly #dispose: () => Promise<void>;

  constructor(daemon: Daemon, file: string, dispose: () => Promise<void>) {
    this.daemon = daemon;
    this.#file = file;
    this.#dispose = dispose;
  }

  static async start(config: string): Promise<Reloadable> {
    const home = await tempDir();
    const file = `${home.path}/weir.yaml`;
    await Deno.writeTextFile(file, config);
    const daemon = await startDaemon({ args: ["--config", file] });
    return new Reloadable(daemon, file, async () => {
      await daemon[Symbol.asyncDispose]();
      await home[Symbol.asyncDispose]();
    });
  }

  /** Writes the file (or removes it), sends the signal, and gives the line that tells what came of it. */
  async reload(
    config: string | undefined,
    { signals = 1, told = "Configuration " }: { signals?: number; told?: string } = {},
  ): Promise<LogLine> {
    const from = this.daemon.logs().length;
    if (config === undefined) await Deno.remove(this.#file);
    else await Deno.writeTextFile(this.#file, config);
    for (let i = 0; i < signals; i++) this.daemon.signal("SIGHUP");
    return await this.daemon.waitForLog(({ message }) => message.startsWith(told), { from });
  }

  /** The status of a batch of so many rows. */
  async statusOf(rows: number): Promise<number> {
    const events = Array.from({ length: rows }, () => event("row"));
    return (await send(`${this.daemon.url}/track/batch`, { events })).status;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#dispose();
  }
}

Deno.test("SIGHUP applies settings that may change, and says which", async (t) => {
  await using house = await Reloadable.start("track:\n  max_batch_rows: 3\n");
  const { daemon } = house;

  await t.step("a limit", async () => {
    assertEquals([await house.statusOf(3), await house.statusOf(4)], [202, 400]);
    const { message, key } = await house.reload("track:\n  max_batch_rows: 5\n");
    assertEquals([message, key], ["Configuration reloaded", ["track.max_batch_rows"]]);
    assertEquals([await house.statusOf(5), await house.statusOf(6)], [202, 400]);
  });

  await t.step("the log level, and what must wait for a restart", async () => {
    const from = daemon.logs().length;
    const quiet = "log:\n  level: warn\nflush:\n  compression: zstd\n";
    const { message, key } = await house.reload(quiet, { told: "Some settings need a restart" });
    assertEquals([message, key], ["Some settings need a restart", ["flush.compression"]]);
    assertEquals((await send(`${daemon.url}/track`, "{")).status, 400);
    assertEquals((await house.reload("log:\n  level: info\n")).key, ["log.level"]);
    assertEquals((await send(`${daemon.url}/track`, "[")).status, 400);
    await daemon.waitForLog("Request refused", { from });
    await daemon.stop();
    const told = daemon.logs().slice(from).filter(({ message }) => message === "Request refused");
    assertEquals(told.length, 1);
    await daemon.restart();
  });

  await t.step("settings that are left out go back to their defaults", async () => {
    await house.reload("track:\n  max_batch_rows: 2\n");
    assertEquals((await house.reload("")).key, ["track.max_batch_rows"]);
    assertEquals(await house.statusOf(2_000), 202);
  });

  await t.step("many signals at once do no harm", async () => {
    await house.reload("track:\n  max_batch_rows: 2\n", { signals: 20 });
    assertEquals([await house.statusOf(2), await house.statusOf(3)], [202, 400]);
  });
});

Deno.test("SIGHUP with a file that is not valid changes nothing and names each mistake's place", async (t) => {
  await using house = await Reloadable.start("track:\n  max_batch_rows: 3\n");
  const bad: [string, string | undefined, RegExp][] = [
    [
      "a wrong value and an unknown key",
      "track:\n  max_batch_rows: 9\n  max_bach_bytes: 1\nlimits:\n  max_depth: 0\n",
      /weir\.yaml:3:3 .*max_bach_bytes.*max_batch_bytes.*weir\.yaml:5:14 limits\.max_depth/,
    ],
    ["no YAML", "track:\n  max_batch_rows: [9\n", /weir\.yaml:\d+:\d+/],
    ["settings that do not go together", "track:\n  max_batch_rows: 9\nauth:\n  enabled: true\n", /auth/],
    [
      "a variable that is not set",
      "track:\n  max_batch_rows: 9\ndata_dir: ${WEIR_TEST_UNSET:?say where}\n",
      /say where/,
    ],
    ["no file", undefined, /weir\.yaml/],
  ];
  for (const [name, config, text] of bad) {
    await t.step(name, async () => {
      const { message, level, error } = await house.reload(config);
      assertEquals([message, level], ["Configuration not reloaded: it is not valid", "error"]);
      assertMatch(error as string, text);
      assert(!(error as string).includes("/"), error as string);
      assertEquals([await house.statusOf(3), await house.statusOf(4)], [202, 400]);
    });
  }
  await t.step("a mended one is applied", async () => {
    assertEquals((await house.reload("track:\n  max_batch_rows: 4\n")).message, "Configuration reloaded");
    assertEquals([await house.statusOf(4), await house.statusOf(5)], [202, 400]);
  });
});

Deno.test("SIGHUP changes who may send, and loses nothing that is on its way", async () => {
  const id = "00000000-0000-4000-8000-000000000001";
  const configOf = (secret: string): string =>
    JSON.stringify({ auth: { enabled: true, clients: [{ id, project: "shop", secret }] } });
  await using house = await Reloadable.start(configOf("sec_first"));
  const { daemon } = house;
  const post = async (name: string, secret: string): Promise<number> => {
    const headers = { "openpanel-client-id": id, "openpanel-client-secret": secret };
    return (await send(`${daemon.url}/track`, event(name), { headers })).status;
  };
  assertEquals([await post("one", "sec_first"), await post("no", "sec_second")], [200, 401]);

  let sent = 0;
  let reloading = true;
  const sender = (async () => {
    while (reloading) {
      const secret = sent % 2 === 0 ? "sec_first" : "sec_second";
      if (await post(`during ${sent}`, secret) === 200) sent++;
    }
  })();
  for (const secret of ["sec_second", "sec_first", "sec_second", "sec_first", "sec_second"]) {
    await house.reload(configOf(secret));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  reloading = false;
  await sender;
  assertEquals([await post("no", "sec_first"), await post("two", "sec_second")], [401, 200]);
  assert(sent > 1, `${sent} rows were taken meanwhile`);
  const during = Array.from({ length: sent }, (_, i) => `during ${i}`);
  assertEquals(await storedNames(daemon), ["one", "two", ...during].sort());
  assert(!JSON.stringify(daemon.logs()).includes("sec_"));
});
