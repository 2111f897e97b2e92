/**
 * Settings of sessions, Redis, stopping and log lines.
 * @module
 */

import { logLevels } from "../../base/log.ts";
import { choice, integer, section, textField, timer } from "../fields.ts";
import { minuteMs } from "./rules.ts";

/** Section `sessions`. */
export const sessions = section("Sessions of analytics events", {
  timeout_ms: timer("A live session ends this long after its last event", { fallback: 30 * minuteMs }),
  backlog_close_ms: timer("A session of old events closes once nothing came for it for this long", {
    fallback: 5 * minuteMs,
  }),
  max_open: integer("Sessions that are open; past it those that would end first end early", {
    min: 1,
    max: 10_000_000,
    fallback: 200_000,
  }),
});

/** Section `redis`. */
export const redis = section("Sharing sessions and identities between daemons", {
  url: textField("Address of Redis, redis:// or rediss://; empty for a daemon by itself", {
    wanted: "empty, or an address that begins with redis:// or rediss://",
    pattern: /^$|^rediss?:\/\/\S+$/,
    secret: true,
    fallback: "",
  }),
  prefix: textField("Begins the name of every key, so that several installations can share one Redis", {
    wanted: "1 to 64 letters, digits, _, - and .",
    pattern: /^[\w.-]{1,64}$/,
    fallback: "weir",
  }),
  on_outage: choice(
    "While Redis is away: continue with local decisions and reconcile them later, or reject with 503",
    { words: ["continue", "reject"], fallback: "continue" },
  ),
});

/** Section `shutdown`. */
export const shutdown = section("Stopping", {
  grace_ms: timer("Time that requests in flight have to end after SIGTERM or SIGINT", {
    min: 0,
    fallback: 10_000,
  }),
});

/** Section `log`. */
export const log = section("Log lines, on standard error", {
  level: choice("The quietest kind of line that is still wanted", { words: logLevels, fallback: "info" }),
  format: choice("One JSON object a line, or readable lines for people", {
    words: ["json", "pretty"],
    fallback: "json",
  }),
});
