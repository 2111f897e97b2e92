/**
 * Every setting of the daemon: name, type, limits, default and meaning. This is the one source; types, the
 * defaults, config/schema.json and the docs table are made from it.
 * @module
 */

import { isIP } from "node:net";
import type { z } from "zod";
import { logLevels } from "../base/log.ts";
import {
  boolean,
  choice,
  entry,
  integer,
  isAddressRange,
  isHost,
  list,
  maxSpanMs,
  optionalText,
  requiredText,
  section,
  size,
  textField,
  type TextRule,
  timer,
} from "./fields.ts";

const kiB = 1024;
const miB = 1024 ** 2;
const giB = 1024 ** 3;
/** Beyond any machine, and far below 2^53. */
const maxBytes = 2 ** 50;
const minuteMs = 60_000;
const dayMs = 86_400_000;

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const host: TextRule = { wanted: "an IP address or a host name, without a port", test: isHost };
const name: TextRule = { wanted: "a text of 1 to 200 characters", minLength: 1, maxLength: 200 };
const secret: TextRule = { wanted: "a text of 1 to 1024 characters", minLength: 1, secret: true };
const secretHash: TextRule = {
  wanted: "salt and scrypt key as hex with a dot between them, 32 and 64 digits",
  pattern: /^[0-9a-f]{32}\.[0-9a-f]{64}$/,
  secret: true,
};
const path: TextRule = {
  wanted: "a path of 1 to 4096 characters",
  test: (value) => !value.includes("\0"),
  minLength: 1,
  maxLength: 4096,
};
const addressRange = requiredText("An IP address, or a range such as 10.0.0.0/8", {
  wanted: "an IP address, or a range such as 10.0.0.0/8",
  test: isAddressRange,
});
const address = requiredText("An IP address", {
  wanted: "an IP address",
  test: (value) => isIP(value) !== 0,
});
const origin = requiredText("An origin: https://example.com, https://*.example.com, or * for every origin", {
  wanted: "an origin such as https://example.com or https://*.example.com, or *",
  pattern: /^\S{1,300}$/,
});

const server = section("Where instrumentation sends to", {
  host: textField(
    "Address the daemon listens on. Any address but loopback needs auth.enabled",
    { ...host, fallback: "127.0.0.1" },
  ),
  port: integer("TCP port; 0 takes a free one", { min: 0, max: 65_535, fallback: 7400 }),
  trusted_proxies: list(
    "Peers whose headers about the client's address are believed",
    { item: addressRange, fallback: ["127.0.0.0/8", "::1/128"] },
  ),
  cors_origins: list(
    "Origins whose pages may read replies; * stands for every origin",
    { item: origin, fallback: ["*"] },
  ),
});

const admin = section("Health, metrics and flush on demand", {
  host: textField("Address of the admin listener; loopback only", { ...host, fallback: "127.0.0.1" }),
  port: integer("TCP port of the admin listener; 0 takes a free one", {
    min: 0,
    max: 65_535,
    fallback: 7401,
  }),
});

const limits = section("What one request and all of them together may take", {
  max_in_flight_bytes: size(
    "Bytes of bodies and records held by requests that are not answered; past it 503",
    { min: kiB, max: maxBytes, fallback: 128 * miB },
  ),
  max_in_flight_requests: integer("Requests that are not answered; past it 503", {
    min: 1,
    max: 1_000_000,
    fallback: 4096,
  }),
  admission_wait_ms: timer("A request for which there is no room waits so long, unread, before its 503", {
    min: 0,
    fallback: 2_000,
  }),
  stall_timeout_ms: timer("A body that sends no byte for this long is given up (408)", { fallback: 30_000 }),
  body_timeout_ms: timer("A body that takes longer than this as a whole is given up (408)", {
    fallback: 600_000,
  }),
  max_depth: integer("Nesting of arrays and objects in a body", { min: 1, max: 4096, fallback: 128 }),
  max_row_bytes: size("Bytes of one row", { min: 1, max: giB, fallback: 8 * miB }),
  max_envelope_bytes: size("Bytes of a body around its rows", { min: 16, max: 16 * miB, fallback: 64 * kiB }),
  window_rows: integer("Rows that are validated and dispatched together", { min: 1, max: 50, fallback: 50 }),
  window_bytes: size("A window closes early at this size", { min: 1, max: 256 * kiB, fallback: 256 * kiB }),
});

const journal = section("Segments that hold rows until they are flushed", {
  segment_bytes: size("A segment of this size is followed by the next one", {
    min: kiB,
    max: 2 * giB,
    fallback: 64 * miB,
  }),
  max_held_bytes: size(
    "Bytes of segments that are not flushed; past it 503 until a flush has made room",
    { min: kiB, max: maxBytes, fallback: giB },
  ),
});

const index = section("What is held in memory about rows that are not flushed", {
  max_requests: integer("Open trace requests; past it the oldest are flushed early", {
    min: 1,
    max: 100_000_000,
    fallback: 1_000_000,
  }),
  max_bytes: size("Estimated memory; past it the oldest are flushed early", {
    min: kiB,
    max: maxBytes,
    fallback: 512 * miB,
  }),
});

const traces = section("Requests made of trace batches", {
  idle_ms: timer("A request for which nothing came for this long is written as it is", { fallback: 30_000 }),
});

const flush = section("Writing parts", {
  interval_ms: timer("Time between two flushes", { fallback: 10_000 }),
  journal_bytes: size("A flush starts early once the journal holds this much", {
    min: 1,
    max: maxBytes,
    fallback: 64 * miB,
  }),
  compression: choice("How parts are compressed", { words: ["none", "gzip", "zstd"], fallback: "none" }),
});

const retention = section("Removing old parts", {
  max_age_ms: integer("Parts older than this are removed; 0 keeps them", {
    min: 0,
    max: maxSpanMs,
    fallback: 0,
  }),
  max_bytes: size("The oldest parts are removed until all together are below this; 0 keeps them", {
    min: 0,
    max: maxBytes,
    fallback: 0,
  }),
  interval_ms: timer("Time between two looks at the parts", { fallback: minuteMs }),
});

const quarantine = section("What was damaged and set aside", {
  max_age_ms: integer("Files set aside longer ago are removed, but none within a day; 0 keeps them", {
    min: 0,
    max: maxSpanMs,
    fallback: 0,
  }),
  max_bytes: size("The oldest files are removed until all together are below this; 0 keeps them", {
    min: 0,
    max: maxBytes,
    fallback: 1024 * miB,
  }),
});

const identities = section("Recognising a row that was sent before", {
  keep_ms: integer("How long the identity of a row is remembered", {
    min: 0,
    max: maxSpanMs,
    fallback: 5 * dayMs + 30 * minuteMs,
  }),
});

const idempotency = section("Recognising a request that was sent before, by its Idempotency-Key", {
  keep_ms: integer("How long a reply is kept for a repeat; 0 keeps none", {
    min: 0,
    max: maxSpanMs,
    fallback: dayMs,
  }),
});

const track = section("Analytics events", {
  max_batch_rows: integer("Events in one batch; NDJSON has no limit", {
    min: 1,
    max: 1_000_000,
    fallback: 2000,
  }),
  max_batch_bytes: size("Bytes of one batch after decoding; past it 413", {
    min: 1,
    max: maxBytes,
    fallback: 10 * miB,
  }),
  max_event_age_ms: integer("Events older than this are refused", {
    min: 0,
    max: maxSpanMs,
    fallback: 5 * dayMs,
  }),
  max_future_ms: integer("An event further in the future than this gets its time of arrival", {
    min: 0,
    max: maxSpanMs,
    fallback: minuteMs,
  }),
  salt_keep_days: integer("Days for which the salt of device ids is kept", {
    min: 1,
    max: 3650,
    fallback: 7,
  }),
  duplicate_window_ms: integer(
    "The same event posted again by a page within this time is stored once; 0 stores both",
    { min: 0, max: 60_000, fallback: 100 },
  ),
  geo_database: textField("MaxMind file (.mmdb) with cities or countries; empty for no geo columns", {
    wanted: "empty, or a path of at most 4096 characters",
    test: (value) => !value.includes("\0"),
    maxLength: 4096,
    fallback: "",
  }),
});

const backend = section("Backend trace entries", {
  max_body_bytes: size("Bytes of one body after decoding; past it 413", {
    min: 1,
    max: maxBytes,
    fallback: 20 * miB,
  }),
  max_entries: integer("Entries in one body", { min: 1, max: 1_000_000, fallback: 2000 }),
});

const traceFiles = section("Trace files: text and JSON written as they are, each to its own path", {
  root: textField("Folder of trace files; relative to data_dir", { ...path, fallback: "files" }),
  max_batch_size: integer("Files in one batch; past it 400", { min: 1, max: 100_000, fallback: 100 }),
  max_body_bytes: size("Bytes of one body after decoding; past it 413", {
    min: 1,
    max: giB,
    fallback: 20 * miB,
  }),
  max_file_bytes: size("Bytes of one file; a larger one is refused, the others of its batch are not", {
    min: 1,
    max: giB,
    fallback: 8 * miB,
  }),
  names: choice(
    "A file name with a path in it: strict refuses that file; basename takes its last segment for the name",
    { words: ["strict", "basename"], fallback: "strict" },
  ),
  max_trace_files: integer("Files kept in one directory, the oldest go first; 0 keeps all", {
    min: 0,
    max: 100_000_000,
    fallback: 0,
  }),
  max_file_age_ms: integer("Files older than this are removed; 0 keeps them", {
    min: 0,
    max: maxSpanMs,
    fallback: 0,
  }),
});

const trpcRoute = entry({
  prefix: requiredText("Path that the route begins with, such as /api/trpc; the longest one wins", {
    wanted: "a path such as /api/trpc: it begins with a slash, ends without one, and has no dot segments",
    pattern: /^(?:\/(?!\.{1,2}(?:\/|$))[\w.~!$&'()*+,;=:@-]+)+$/,
  }),
  upstream: requiredText(
    "Address of the tRPC server. Without a path the request's own is kept; a path takes the place of the prefix",
    { wanted: "an address such as http://127.0.0.1:3000, without credentials and query", test: isUpstream },
  ),
  ca_file: textField(
    "PEM file of certificates that may vouch for an https:// upstream, beside those the runtime trusts",
    { wanted: "the path of a PEM file", fallback: "" },
  ),
  transformer: choice("What client and server have agreed on for values beyond JSON", {
    words: ["none", "superjson"],
    fallback: "none",
  }),
  version: integer("Major version of the server's @trpc/server", { min: 10, max: 11, fallback: 11 }),
  legacy_clients: boolean('Hand-written clients put {"input": ..} around inputs: open it everywhere', false),
  envelope: choice('Open {"input": ..} never, always, or as legacy_clients says', {
    words: ["never", "always", "auto"],
    fallback: "auto",
  }),
  procedures: list("Procedures with an envelope of their own", {
    item: entry({
      path: requiredText("Name of the procedure, such as user.login", name),
      envelope: choice('Open {"input": ..} never, always, or as legacy_clients says', {
        words: ["never", "always", "auto"],
        fallback: "never",
      }),
    }),
    fallback: [],
  }),
  max_body_bytes: size("Bytes of one body after decoding; past it 413", {
    min: 1,
    max: maxBytes,
    fallback: 10 * miB,
  }),
  max_calls: integer("Procedures called by one batch; past it 400", { min: 1, max: 10_000, fallback: 100 }),
  timeout_ms: timer("An upstream that is silent for this long is given up (504)", { fallback: 30_000 }),
});

const trpc = section("tRPC servers to which requests are handed on, their bodies made canonical", {
  routes: list("Paths and their servers", { item: trpcRoute, fallback: [] }),
});

const testEvents = section("Test-run events", {
  max_batch_rows: integer("Events in one batch; NDJSON has no limit", {
    min: 1,
    max: 1_000_000,
    fallback: 2000,
  }),
  max_batch_bytes: size("Bytes of one batch after decoding; past it 413", {
    min: 1,
    max: maxBytes,
    fallback: 10 * miB,
  }),
  max_message_bytes: size("Bytes of one message over Connect or gRPC-Web", {
    min: 1,
    max: giB,
    fallback: 16 * miB,
  }),
  max_feeds: integer("Live feeds of runs that may be open at once; past it 503", {
    min: 0,
    max: 100_000,
    fallback: 100,
  }),
});

const sessions = section("Sessions of analytics events", {
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

const redis = section("Sharing sessions and identities between daemons", {
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

const disk = section("The disk under data_dir", {
  min_free_bytes: size("With less free space than this nothing is taken any more (503)", {
    min: 0,
    max: maxBytes,
    fallback: 64 * miB,
  }),
});

const shutdown = section("Stopping", {
  grace_ms: timer("Time that requests in flight have to end after SIGTERM or SIGINT", {
    min: 0,
    fallback: 10_000,
  }),
});

const log = section("Log lines, on standard error", {
  level: choice("The quietest kind of line that is still wanted", { words: logLevels, fallback: "info" }),
  format: choice("One JSON object a line, or readable lines for people", {
    words: ["json", "pretty"],
    fallback: "json",
  }),
});

const client = entry({
  id: requiredText("Client id, sent as openpanel-client-id", {
    wanted: "a UUID in lowercase, 8-4-4-4-12 hex digits",
    pattern: uuid,
  }),
  secret: optionalText("Secret in plain text; better is secret_hash, or ${VAR}", secret),
  secret_hash: optionalText("Secret as salt.hash: scrypt over secret and salt, 32 bytes, hex", secretHash),
  project: requiredText("Project that the client's events belong to", name),
  cors_origins: list("Origins that need no secret; https://*.example.com stands for subdomains", {
    item: origin,
    fallback: [],
  }),
  ignore_cors_and_secret: boolean("Take whoever knows the client id", false),
  allow_unsafe_revenue: boolean("Take revenue without a secret", false),
  block_ips: list("Client addresses that are refused", { item: address, fallback: [] }),
  block_profile_ids: list("Profiles that are refused", {
    item: requiredText("A profile id", name),
    fallback: [],
  }),
  drop_events: list("Names of events that are answered as taken, and not stored", {
    item: requiredText("A name of an event", name),
    fallback: [],
  }),
});

const app = entry({
  id: requiredText("App id, sent as X-App-Id", name),
  secret: optionalText("Secret in plain text; better is secret_hash, or ${VAR}", secret),
  secret_hash: optionalText("Secret as salt.hash: scrypt over secret and salt, 32 bytes, hex", secretHash),
  enabled: boolean("Refuse the app while false", true),
  sdk_token: optionalText("Token for the app's pages; /v1/sdk/bootstrap hands it to whoever names the app", {
    wanted: "a text of 1 to 200 printable ASCII characters",
    pattern: /^[\x21-\x7e]{1,200}$/,
  }),
  capture: list("Events that /v1/sdk/bootstrap tells the app's pages to capture", {
    item: requiredText("rrweb, action or net", {
      wanted: "rrweb, action or net",
      pattern: /^(?:rrweb|action|net)$/,
    }),
    fallback: ["action", "net"],
  }),
});

const auth = section("Who may send", {
  enabled: boolean("Ask for credentials. Off only where the daemon listens on loopback", false),
  clients: list("Senders of analytics events", { item: client, fallback: [] }),
  apps: list("Senders of backend trace entries", { item: app, fallback: [] }),
});

function isUpstream(value: string): boolean {
  return /^https?:\/\/[^\s/?#@]+(?:\/[^\s?#]*)?$/.test(value) && URL.canParse(value);
}

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
