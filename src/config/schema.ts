/**
 * Every setting of the daemon: name, type, limits, default and meaning, section by section in sections/. This is the
 * one source, and the one door to it; types, the defaults, config/schema.json and the docs table are made from it.
 * @module
 */

import type { z } from "zod";
import { choice, entry, textField } from "./fields.ts";
import { auth } from "./sections/auth.ts";
import { backend, testEvents, traceFiles, track } from "./sections/dialects.ts";
import { admin, limits, server } from "./sections/listeners.ts";
import { log, redis, sessions, shutdown } from "./sections/operation.ts";
import {
  disk,
  flush,
  idempotency,
  identities,
  index,
  journal,
  quarantine,
  retention,
  traces,
} from "./sections/storage.ts";
import { trpc } from "./sections/trpc.ts";
import { path } from "./sections/rules.ts";

/** The whole configuration. Its output, with every default filled in, is {@link Config}. */
export const configSchema = entry({
  server,
  admin,
  data_dir: textField("Folder for everything that is stored; relative to the working directory", {
    ...path,
    fallback: "./data",
  }),
  durability: choice("What a 2xx promises: fsync, on the disk; write, handed to the kernel", {
    words: ["fsync", "write"],
    fallback: "fsync",
  }),
  limits,
  journal,
  index,
  traces,
  flush,
  retention,
  quarantine,
  identities,
  idempotency,
  track,
  backend,
  trace_files: traceFiles,
  trpc,
  test_events: testEvents,
  sessions,
  redis,
  disk,
  shutdown,
  log,
  auth,
});

/** Every setting with its value; the keys are those of the file. */
export type Config = z.output<typeof configSchema>;
/** One sender of analytics events. */
export type ClientConfig = Config["auth"]["clients"][number];
/** One sender of backend trace entries. */
export type AppConfig = Config["auth"]["apps"][number];

/** The configuration of a daemon that was given none; a fresh object each time. */
export function defaultConfig(): Config {
  return configSchema.parse({});
}
