/**
 * What must hold between settings, once each of them is right by itself.
 * @module
 */

import { isIPv4, isIPv6 } from "node:net";
import { relative, resolve } from "node:path";
import type { ConfigPath } from "./issue.ts";
import type { AppConfig, ClientConfig, Config } from "./schema.ts";

/** A finding that concerns several settings. */
export interface CrossFinding {
  /** The settings it concerns; the first one is named. */
  readonly paths: readonly ConfigPath[];
  readonly message: string;
}

/** One rule: the settings it reads, and what it finds. It is left out while one of those is wrong by itself. */
interface CrossCheck {
  readonly reads: readonly string[];
  readonly find: (config: Config) => CrossFinding[];
}

const dayMs = 86_400_000;

const errorChecks: readonly CrossCheck[] = [
  { reads: ["server.port", "admin.port"], find: portsDiffer },
  { reads: ["server.host", "auth.enabled"], find: closedByDefault },
  { reads: ["admin.host"], find: adminOnLoopback },
  { reads: ["auth"], find: someoneMaySend },
  { reads: ["auth.clients"], find: ({ auth }) => duplicateIds(["auth", "clients"], auth.clients) },
  { reads: ["auth.apps"], find: ({ auth }) => duplicateIds(["auth", "apps"], auth.apps) },
  { reads: ["auth.clients"], find: ({ auth }) => auth.clients.flatMap(clientHasProof) },
  { reads: ["auth.apps"], find: ({ auth }) => auth.apps.flatMap(appHasProof) },
  { reads: ["trpc.routes"], find: ({ trpc }) => samePrefixes(trpc.routes) },
  { reads: ["trace_files.root", "data_dir"], find: traceFilesApart },
];

const warningChecks: readonly CrossCheck[] = [
  {
    reads: ["identities.keep_ms", "track.max_event_age_ms"],
    find: ({ identities, track }) =>
      when(identities.keep_ms < track.max_event_age_ms, {
        paths: [["identities", "keep_ms"], ["track", "max_event_age_ms"]],
        message:
          "Is shorter than track.max_event_age_ms: an old event that is sent again may be stored twice",
      }),
  },
  {
    reads: ["track.salt_keep_days", "track.max_event_age_ms"],
    find: ({ track }) =>
      when(track.salt_keep_days * dayMs < track.max_event_age_ms + dayMs, {
        paths: [["track", "salt_keep_days"], ["track", "max_event_age_ms"]],
        message:
          "Is too short for track.max_event_age_ms: old events get another device id than new ones had",
      }),
  },
  {
    reads: ["track.max_batch_bytes", "limits.max_in_flight_bytes"],
    find: ({ track, limits }) =>
      when(track.max_batch_bytes > limits.max_in_flight_bytes, {
        paths: [["track", "max_batch_bytes"], ["limits", "max_in_flight_bytes"]],
        message: "Is more than limits.max_in_flight_bytes: the largest batches are always refused",
      }),
  },
  {
    reads: ["backend.max_body_bytes", "limits.max_in_flight_bytes"],
    find: ({ backend, limits }) =>
      when(backend.max_body_bytes > limits.max_in_flight_bytes, {
        paths: [["backend", "max_body_bytes"], ["limits", "max_in_flight_bytes"]],
        message: "Is more than limits.max_in_flight_bytes: the largest bodies are always refused",
      }),
  },
  {
    reads: ["trace_files.max_body_bytes", "limits.max_in_flight_bytes"],
    find: ({ trace_files: files, limits }) =>
      when(files.max_body_bytes > limits.max_in_flight_bytes, {
        paths: [["trace_files", "max_body_bytes"], ["limits", "max_in_flight_bytes"]],
        message: "Is more than limits.max_in_flight_bytes: the largest bodies are always refused",
      }),
  },
  {
    reads: ["trace_files.max_file_bytes", "trace_files.max_body_bytes"],
    find: ({ trace_files: files }) =>
      when(files.max_file_bytes > files.max_body_bytes, {
        paths: [["trace_files", "max_file_bytes"], ["trace_files", "max_body_bytes"]],
        message: "Is more than trace_files.max_body_bytes: no file can be so large",
      }),
  },
  {
    reads: ["journal.segment_bytes", "journal.max_held_bytes"],
    find: ({ journal }) =>
      when(journal.segment_bytes > journal.max_held_bytes, {
        paths: [["journal", "segment_bytes"], ["journal", "max_held_bytes"]],
        message: "Is more than journal.max_held_bytes: one segment fills the journal",
      }),
  },
];

/**
 * What forbids the daemon to start.
 *
 * @param isWrong Is something at, above or below this path wrong by itself?
 */
export function findConflicts(config: Config, isWrong: (path: string) => boolean): CrossFinding[] {
  return run(errorChecks, config, isWrong);
}

/** What is allowed and still hardly meant. */
export function findDoubts(config: Config, isWrong: (path: string) => boolean): CrossFinding[] {
  return run(warningChecks, config, isWrong);
}

/** Does this address stay on the machine: 127.0.0.0/8, ::1 in any spelling, or localhost? */
export function isLoopback(host: string): boolean {
  if (isIPv4(host)) return host.startsWith("127.");
  if (isIPv6(host)) return !host.includes("%") && new URL(`http://[${host}]/`).hostname === "[::1]";
  return host.toLowerCase() === "localhost";
}

function run(
  checks: readonly CrossCheck[],
  config: Config,
  isWrong: (path: string) => boolean,
): CrossFinding[] {
  return checks.filter(({ reads }) => !reads.some(isWrong)).flatMap(({ find }) => find(config));
}

function when(doubtful: boolean, finding: CrossFinding): CrossFinding[] {
  return doubtful ? [finding] : [];
}

function portsDiffer({ server, admin }: Config): CrossFinding[] {
  return when(server.port === admin.port && server.port !== 0, {
    paths: [["admin", "port"], ["server", "port"]],
    message: `Must differ from server.port: current value of both is ${admin.port}`,
  });
}

/** Clients write whatever they like below the root, so nothing of the daemon's own may lie there. */
function traceFilesApart({ trace_files: { root }, data_dir: dataDir }: Config): CrossFinding[] {
  return when(!isApart(resolve(dataDir, root), resolve(dataDir)), {
    paths: [["trace_files", "root"], ["data_dir"]],
    message: "Must be files, a folder below it, or one that neither lies in data_dir nor holds it: " +
      `current value is ${JSON.stringify(root)}`,
  });
}

/** Is a folder of trace files one that the daemon has no other use for? Both paths are absolute. */
export function isApart(root: string, dataDir: string): boolean {
  const [down] = relative(dataDir, root).split("/");
  const [up] = relative(root, dataDir).split("/");
  return down === "files" || (down === ".." && up === "..");
}

/** Invariant: the port is closed by default. */
function closedByDefault({ server, auth }: Config): CrossFinding[] {
  return when(!isLoopback(server.host) && !auth.enabled, {
    paths: [["server", "host"]],
    message: "Must be a loopback address while auth.enabled is false: " +
      `current value is ${JSON.stringify(server.host)}; set auth.enabled and name a client or an app`,
  });
}

function adminOnLoopback({ admin }: Config): CrossFinding[] {
  return when(!isLoopback(admin.host), {
    paths: [["admin", "host"]],
    message: "Must be a loopback address, the admin listener asks for no credentials: " +
      `current value is ${JSON.stringify(admin.host)}`,
  });
}

function someoneMaySend({ auth }: Config): CrossFinding[] {
  return when(auth.enabled && auth.clients.length + auth.apps.length === 0, {
    paths: [["auth", "enabled"]],
    message: "Needs at least one of auth.clients or auth.apps: nobody could send anything",
  });
}

function duplicateIds(path: ConfigPath, items: readonly { id: string }[]): CrossFinding[] {
  const first = new Map<string, number>();
  return items.flatMap(({ id }, i) => {
    const before = first.get(id);
    if (before === undefined) first.set(id, i);
    return when(before !== undefined, {
      paths: [[...path, i, "id"]],
      message: `Must be given once: item ${before} of the list has the same id`,
    });
  });
}

function samePrefixes(routes: readonly { prefix: string }[]): CrossFinding[] {
  return routes.flatMap(({ prefix }, i) => {
    const before = routes.findIndex((other) => other.prefix === prefix);
    return when(before < i, {
      paths: [["trpc", "routes", i, "prefix"]],
      message: `Must be given once: item ${before} of the list has the same prefix`,
    });
  });
}

function clientHasProof(client: ClientConfig, i: number): CrossFinding[] {
  const path = ["auth", "clients", i];
  const open = client.cors_origins.length > 0 || client.ignore_cors_and_secret;
  return [
    ...oneSecret(path, client),
    ...when(client.secret === undefined && client.secret_hash === undefined && !open, {
      paths: [path],
      message: "Needs secret, secret_hash, cors_origins or ignore_cors_and_secret",
    }),
  ];
}

function appHasProof(app: AppConfig, i: number): CrossFinding[] {
  const path = ["auth", "apps", i];
  return [
    ...oneSecret(path, app),
    ...when(app.secret === undefined && app.secret_hash === undefined, {
      paths: [path],
      message: "Needs secret or secret_hash",
    }),
  ];
}

function oneSecret(path: ConfigPath, owner: { secret?: string; secret_hash?: string }): CrossFinding[] {
  return when(owner.secret !== undefined && owner.secret_hash !== undefined, {
    paths: [path],
    message: "Must have secret or secret_hash, not both",
  });
}
