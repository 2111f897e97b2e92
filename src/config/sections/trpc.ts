/**
 * Settings of the proxy in front of tRPC servers.
 * @module
 */

import {
  boolean,
  choice,
  entry,
  integer,
  list,
  requiredText,
  section,
  size,
  textField,
  timer,
} from "../fields.ts";
import { maxBytes, miB, name, optionalPath } from "./rules.ts";

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
    { ...optionalPath, fallback: "" },
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

/** Section `trpc`. */
export const trpc = section("tRPC servers to which requests are handed on, their bodies made canonical", {
  routes: list("Paths and their servers", { item: trpcRoute, fallback: [] }),
});

function isUpstream(value: string): boolean {
  return /^https?:\/\/[^\s/?#@]+(?:\/[^\s?#]*)?$/.test(value) && URL.canParse(value);
}
