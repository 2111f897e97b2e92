/**
 * What the figures were measured on.
 * @module
 */

import { cpus } from "node:os";
import { freshFolder, outFolder, removeFolder, runBench } from "./arms.ts";
import { figure } from "./comparison.ts";

/** Lines for the report: processors, memory, kernel, runtime, disk, and how busy the machine was before. */
export async function describeMachine(): Promise<string[]> {
  const processors = cpus();
  const memory = Deno.systemMemoryInfo().total / 2 ** 30;
  // Before the disk is measured, which is load itself.
  const [busy] = Deno.loadavg();
  return [
    `machine: ${processors.length} x ${processors[0]?.model.trim() ?? "unknown processor"}, ` +
    `${memory.toFixed(0)} GiB, ${Deno.build.os} ${Deno.osRelease()}, deno ${Deno.version.deno}`,
    `load average before the run: ${busy.toFixed(2)}`,
    `disk: ${await fileSystemOf(outFolder)}, ${await describeDisk()}`,
  ];
}

async function fileSystemOf(folder: string): Promise<string> {
  const { stdout } = await new Deno.Command("stat", { args: ["-f", "-c", "%T", folder], stdin: "null" })
    .output();
  return new TextDecoder().decode(stdout).trim() || "unknown file system";
}

async function describeDisk(): Promise<string> {
  const folder = await freshFolder();
  try {
    const rate = await runBench("arms/disk_rate.ts", [`${folder}/rate`, "5000"], 60_000) as number;
    return `${figure(rate / 1e6, " MB/s")} sustained in pieces of 1 MiB, each synced`;
  } finally {
    await removeFolder(folder);
  }
}
