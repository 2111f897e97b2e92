/**
 * Runs every block of the docs that is marked "sh run" the way a reader would, one after the other a page, against
 * a daemon that listens elsewhere than the page says.
 */

import { assert, assertEquals } from "@std/assert";
import { type Fence, fences } from "../../docs/markdown.ts";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { filesBelow } from "../support/parts.ts";
import { type TempDir, tempDir } from "../support/temp.ts";

const root = new URL("../../", import.meta.url).pathname;

interface Ran {
  readonly code: number;
  readonly output: string;
}

/** Runs one block with bash, in a folder where `data` is the daemon's; curl fails on an error status. */
async function runBlock(block: Fence, { daemon, home }: { daemon: Daemon; home: TempDir }): Promise<Ran> {
  const address = (url: string): string => new URL(url).host;
  const script = block.text
    .replaceAll("127.0.0.1:7400", address(daemon.url))
    .replaceAll("127.0.0.1:7401", address(daemon.adminUrl));
  const command = new Deno.Command("bash", {
    args: ["-euo", "pipefail", "-c", script],
    cwd: home.path,
    env: { HOME: home.path, CURL_HOME: home.path },
    stdin: "null",
  });
  const { code, stdout, stderr } = await command.output();
  return { code, output: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

async function startForBlocks(home: TempDir): Promise<Daemon> {
  await Deno.writeTextFile(`${home.path}/.curlrc`, "fail\nshow-error\n");
  return await startDaemon({ dataDir: `${home.path}/data` });
}

Deno.test("every sh block of the docs that is marked run works", async (test) => {
  const files = [...await filesBelow(root.slice(0, -1), "docs"), "README.md"];
  let ran = 0;
  for (const page of files.filter((file) => file.endsWith(".md"))) {
    const blocks = fences(await Deno.readTextFile(root + page))
      .filter(({ language, words }) => language === "sh" && words.includes("run"));
    if (blocks.length === 0) continue;
    await using home = await tempDir();
    await using daemon = await startForBlocks(home);
    for (const block of blocks) {
      await test.step(`${page}:${block.line}`, async () => {
        const { code, output } = await runBlock(block, { daemon, home });
        assertEquals(code, 0, output);
        ran++;
      });
    }
  }
  assert(ran > 0, "No page has a block that is marked run");
});

Deno.test("a block with an error status or a failing command does not pass", async () => {
  await using home = await tempDir();
  await using daemon = await startForBlocks(home);
  const block = (text: string): Fence => ({ language: "sh", words: ["run"], text, line: 1 });
  const codeOf = async (text: string): Promise<number> =>
    (await runBlock(block(text), { daemon, home })).code;
  assertEquals(await codeOf("curl -s http://127.0.0.1:7401/healthz/ready"), 0);
  assertEquals(await codeOf("curl -s http://127.0.0.1:7400/no-such-route"), 22);
  assertEquals(await codeOf("false | cat\necho done"), 1);
});
