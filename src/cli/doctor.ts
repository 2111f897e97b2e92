/**
 * `weir doctor`: is this machine fit for a daemon, and is the one on it well?
 * @module
 */

import { systemClock } from "../base/clock.ts";
import { loadConfig } from "../config/load.ts";
import {
  checkClock,
  checkDaemon,
  checkDataDir,
  checkDisk,
  checkPermissions,
  checkQuarantine,
  checkRedis,
  checkVersions,
  type Finding,
} from "./doctor_checks.ts";
import {
  configFlagsOf,
  configFlagSpecs,
  describeFlags,
  type FlagSpecs,
  parseFlags,
  reportFailure,
} from "./flags.ts";
import type { CliIo } from "./io.ts";

const flagSpecs = {
  json: { text: "One JSON object a finding" },
  config: configFlagSpecs.config,
  port: configFlagSpecs.port,
  "admin-port": configFlagSpecs["admin-port"],
  "data-dir": configFlagSpecs["data-dir"],
} as const satisfies FlagSpecs;

const usage = `Usage: weir doctor [flags]

Looks at versions, permissions, the disk under data_dir, the clock, Redis where it is
configured, and the daemon where one runs. It changes nothing: the one file that it
writes to time the disk it removes.

Exit code: 0 when nothing is wrong, 1 when something is, 64 and 78 for a wrong command
line or configuration.

${describeFlags(flagSpecs)}`;

const marks = { ok: "ok  ", warn: "warn", fail: "FAIL" } as const;

/** Runs the verb. */
export async function doctorVerb(args: string[], io: CliIo): Promise<number> {
  try {
    const { values, on } = parseFlags(args, flagSpecs);
    if (on.has("help")) {
      io.stdout(usage);
      return 0;
    }
    const { config } = loadConfig({ args: configFlagsOf(values), env: io.env });
    const checks: (() => Finding[] | Promise<Finding[]>)[] = [
      checkVersions,
      checkPermissions,
      () => checkDataDir(config.data_dir),
      () => checkQuarantine(config.data_dir),
      () => checkDisk(config),
      () => checkClock(config.data_dir, systemClock),
      () => checkRedis(config.redis.url),
      () => checkDaemon(config),
    ];
    let isWell = true;
    for (const check of checks) {
      for (const finding of await check()) {
        isWell &&= finding.state !== "fail";
        io.stdout(on.has("json") ? JSON.stringify(finding) + "\n" : lineOf(finding));
      }
    }
    return isWell ? 0 : 1;
  } catch (error) {
    return reportFailure(error, io);
  }
}

function lineOf({ check, state, text }: Finding): string {
  return `${marks[state]}  ${check.padEnd(12)}  ${text}\n`;
}
