/**
 * What the figures were measured on.
 * @module
 */

import { cpus } from "node:os";

/** One line for the report. */
export async function describeMachine(): Promise<string> {
  const processors = cpus();
  const memory = Deno.systemMemoryInfo().total / 2 ** 30;
  return [
    `${processors.length} x ${processors[0]?.model.trim() ?? "unknown processor"}`,
    `${memory.toFixed(0)} GiB`,
    `${Deno.build.os} ${Deno.osRelease()}`,
    `file system ${await fileSystemOf(outFolder)}`,
    `deno ${Deno.version.deno}`,
  ].join(", ");
}

/** Where runs keep their data and raw figures: on the disk of the checkout, as /tmp may be memory. */
export const outFolder = new URL("./out/", import.meta.url).pathname;

async function fileSystemOf(folder: string): Promise<string> {
  const { stdout } = await new Deno.Command("stat", { args: ["-f", "-c", "%T", folder], stdin: "null" })
    .output();
  return new TextDecoder().decode(stdout).trim() || "unknown";
}
