import { assertEquals } from "@std/assert";
import { startDaemon } from "../support/daemon.ts";
import { installNpm } from "../support/npm_client.ts";
import { installPackage } from "../support/packed_package.ts";
import { tempDir } from "../support/temp.ts";

const script = new URL("portable.js", import.meta.url);

/** Runs the script in a folder where the packed library is installed. */
async function runPortable(command: string, args: string[]): Promise<string> {
  await using daemon = await startDaemon();
  await using folder = await tempDir();
  await installPackage(folder.path);
  await Deno.writeTextFile(`${folder.path}/package.json`, `{"type":"module"}\n`);
  await Deno.copyFile(script, `${folder.path}/portable.js`);
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args: [...args, "portable.js", daemon.url],
    cwd: folder.path,
    stdin: "null",
    signal: AbortSignal.timeout(60_000),
  }).output();
  const output = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assertEquals(code, 0, output);
  return output.trim();
}

Deno.test("the packed client library works under Deno, and lets the program end", async () => {
  assertEquals(
    await runPortable(Deno.execPath(), ["run", "-A", "--no-config", "--node-modules-dir=manual"]),
    "ok",
  );
});

Deno.test("the packed client library works under Node, and lets the program end", async () => {
  assertEquals(await runPortable("node", []), "ok");
});

Deno.test("the packed client library works under Bun, and lets the program end", async () => {
  assertEquals(await runPortable(await findBun(), ["run"]), "ok");
});

/** The binary for this machine: what `bun` itself would link to in a script, which is not run. */
async function findBun(): Promise<string> {
  const builds = `${await installNpm(["bun@1.4.5"])}/node_modules/@oven`;
  for await (const { name } of Deno.readDir(builds)) {
    const bun = `${builds}/${name}/bin/bun`;
    const runs = await new Deno.Command(bun, { args: ["--version"], stdin: "null" }).output()
      .then(({ success }) => success, () => false);
    if (runs) return bun;
  }
  throw new Error("Bun from npm does not run on this machine");
}
