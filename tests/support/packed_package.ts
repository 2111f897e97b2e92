/**
 * The package as npm users have it: packed, and installed under the name `weir`.
 * @module
 */

import { repositoryRoot } from "./daemon_process.ts";

/** Packs clients and middlewares into `folder`/node_modules/weir. @throws Error when it cannot be packed */
export async function installPackage(folder: string): Promise<void> {
  const tarball = `${folder}/weir.tgz`;
  await run(Deno.execPath(), [
    ...["pack", "--quiet", "--config", "src/pack.json", "--allow-dirty", "--no-source-maps"],
    ...["--output", tarball],
  ]);
  const target = `${folder}/node_modules/weir`;
  await Deno.mkdir(target, { recursive: true });
  await run("tar", ["-xzf", tarball, "-C", target, "--strip-components=1"]);
  await Deno.remove(tarball);
}

async function run(command: string, args: string[]): Promise<void> {
  const child = new Deno.Command(command, { args, cwd: repositoryRoot, stdin: "null" });
  const { success, stderr } = await child.output();
  if (!success) throw new Error(`Cannot pack: ${command}: ${new TextDecoder().decode(stderr)}`);
}
