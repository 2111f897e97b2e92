/**
 * Which upstream a path belongs to.
 * @module
 */

import { X509Certificate } from "node:crypto";
import { describeError } from "../base/log.ts";
import type { Config } from "../config/schema.ts";
import type { EnvelopePolicy, TrpcRules } from "./normalize.ts";
import { Upstream } from "./upstream.ts";

/** One route as it is configured. */
export type TrpcRouteConfig = Config["trpc"]["routes"][number];

/** One route, with its way to the upstream. */
export interface TrpcRoute {
  readonly config: TrpcRouteConfig;
  readonly rules: Required<Pick<TrpcRules, "transformer" | "version">> & TrpcRules;
  readonly upstream: Upstream;
  /** Host and port, for the Host header. */
  readonly upstreamHost: string;
  /** What stands before the rest of the path on the upstream. */
  readonly base: string;
}

/** A path on its way. */
export interface RoutedPath {
  readonly route: TrpcRoute;
  /** What follows the prefix, as sent. */
  readonly rest: string;
}

/**
 * Makes the routes; the longest prefix comes first.
 * @throws Error that names the setting, when a `ca_file` holds no certificate
 */
export function openRoutes(configs: readonly TrpcRouteConfig[]): TrpcRoute[] {
  return configs.map(openRoute).sort((a, b) => b.config.prefix.length - a.config.prefix.length);
}

/** The route whose prefix the path is, or begins with before a slash. */
export function findRoute(routes: readonly TrpcRoute[], path: string): RoutedPath | undefined {
  for (const route of routes) {
    const { prefix } = route.config;
    if (!path.startsWith(prefix)) continue;
    if (path.length === prefix.length || path[prefix.length] === "/") {
      return { route, rest: path.slice(prefix.length) };
    }
  }
  return undefined;
}

function openRoute(config: TrpcRouteConfig): TrpcRoute {
  const origin = new URL(config.upstream);
  const policies = new Map<string, EnvelopePolicy>(
    config.procedures.map(({ path, envelope }) => [path, envelope]),
  );
  return {
    config,
    rules: {
      transformer: config.transformer,
      version: config.version === 10 ? 10 : 11,
      envelope: (path) => policies.get(path) ?? config.envelope,
      legacyClients: config.legacy_clients,
    },
    upstream: new Upstream(origin, { caCerts: config.ca_file === "" ? [] : [readCaFile(config)] }),
    upstreamHost: origin.host,
    // An address without any path keeps the path as it is; one with a path, be it "/", takes the prefix's place.
    base: /^https?:\/\/[^/]+$/.test(config.upstream) ? config.prefix : origin.pathname.replace(/\/$/, ""),
  };
}

/** What is wrong with the file shows at the start, not with the first request. */
function readCaFile({ ca_file: path, prefix }: TrpcRouteConfig): string {
  try {
    const text = Deno.readTextFileSync(path);
    new X509Certificate(text);
    return text;
  } catch (error) {
    const reason = describeError(error);
    throw new Error(
      `Cannot start: ca_file of the route ${prefix} must be a PEM file with certificates: ${reason}`,
      { cause: error },
    );
  }
}
