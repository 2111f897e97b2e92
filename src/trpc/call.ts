/**
 * What the address of a request asks of a tRPC server: which procedures, as a batch or not.
 * @module
 */

/** Major version of the server's `@trpc/server`. */
export type TrpcVersion = 10 | 11;

/** One HTTP request as the server will understand its address. */
export interface TrpcCall {
  /** Names of the procedures, in the order of the batch; exactly one where it is no batch. */
  readonly paths: readonly string[];
  readonly isBatch: boolean;
}

/**
 * Reads an address the way the server does.
 *
 * @param path What follows the endpoint, as sent, with or without slashes around it.
 * @param search The query as sent, with or without its question mark.
 */
export function readCall(path: string, search: string, { version }: { version: TrpcVersion }): TrpcCall {
  // A name may be escaped; without either, there is nothing to find.
  const mayBatch = search.includes("batch") || search.includes("%");
  const isBatch = mayBatch && isBatchQuery(new URLSearchParams(search), version);
  const name = decoded(trimSlashes(path));
  return { paths: isBatch ? name.split(",") : [name], isBatch };
}

/** Version 11 wants the first value to be exactly 1; version 10 takes any that is not empty. */
function isBatchQuery(query: URLSearchParams, version: TrpcVersion): boolean {
  const value = query.get("batch");
  return version === 11 ? value === "1" : value !== null && value !== "";
}

function trimSlashes(path: string): string {
  const start = path.startsWith("/") ? 1 : 0;
  const end = path.length > start && path.endsWith("/") ? path.length - 1 : path.length;
  return path.slice(start, end);
}

/** A text with broken escapes names no procedure: the server says so. */
function decoded(path: string): string {
  if (!path.includes("%")) return path;
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
