/**
 * Units and kinds of values that several sections share.
 * @module
 */

import { isIP } from "node:net";
import { isAddressRange, isHost, requiredText, type TextRule } from "../fields.ts";

/** Bytes. */
export const kiB = 1024;
/** Bytes. */
export const miB = 1024 ** 2;
/** Bytes. */
export const giB = 1024 ** 3;
/** Beyond any machine, and far below 2^53. */
export const maxBytes = 2 ** 50;
/** One minute in ms. */
export const minuteMs = 60_000;
/** One day in ms. */
export const dayMs = 86_400_000;

/** Where a listener listens. */
export const host: TextRule = { wanted: "an IP address or a host name, without a port", test: isHost };
/** What names somebody or something. */
export const name: TextRule = { wanted: "a text of 1 to 200 characters", minLength: 1, maxLength: 200 };
/** A path that must be given. */
export const path: TextRule = {
  wanted: "a path of 1 to 4096 characters",
  test: (value) => !value.includes("\0"),
  minLength: 1,
  maxLength: 4096,
};
/** A path, or nothing. */
export const optionalPath: TextRule = {
  wanted: "empty, or a path of at most 4096 characters",
  test: (value) => !value.includes("\0"),
  maxLength: 4096,
};
/** One address. */
export const address = requiredText("An IP address", {
  wanted: "an IP address",
  test: (value) => isIP(value) !== 0,
});
/** One address or many. */
export const addressRange = requiredText("An IP address, or a range such as 10.0.0.0/8", {
  wanted: "an IP address, or a range such as 10.0.0.0/8",
  test: isAddressRange,
});
/** Where a page comes from. */
export const origin = requiredText(
  "An origin: https://example.com, https://*.example.com, or * for every origin",
  {
    wanted: "an origin such as https://example.com or https://*.example.com, or *",
    pattern: /^\S{1,300}$/,
  },
);
