/**
 * Settings of the listeners, and of what a request may take.
 * @module
 */

import { integer, list, section, size, textField, timer } from "../fields.ts";
import { addressRange, giB, host, kiB, maxBytes, miB, origin } from "./rules.ts";

/** Section `server`. */
export const server = section("Where instrumentation sends to", {
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

/** Section `admin`. */
export const admin = section("Health, metrics and flush on demand", {
  host: textField("Address of the admin listener; loopback only", { ...host, fallback: "127.0.0.1" }),
  port: integer("TCP port of the admin listener; 0 takes a free one", {
    min: 0,
    max: 65_535,
    fallback: 7401,
  }),
});

/** Section `limits`. */
export const limits = section("What one request and all of them together may take", {
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
