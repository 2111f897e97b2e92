/**
 * What a user agent says of the device (contract `track`, section 3).
 * @module
 */

import { UAParser } from "ua-parser-js";

/** Device columns of an event. `device` is `server` when nothing is recognised; then all others are "". */
export interface DeviceColumns {
  readonly os: string;
  readonly osVersion: string;
  readonly browser: string;
  readonly browserVersion: string;
  readonly device: string;
  readonly brand: string;
  readonly model: string;
}

const server: DeviceColumns = {
  os: "",
  osVersion: "",
  browser: "",
  browserVersion: "",
  device: "server",
  brand: "",
  model: "",
};

const singleToken = /^[^/\s]+\/[\d.]+$/;
const maxKnown = 1_000;
/** What follows says nothing more, and would be remembered. */
const maxCharacters = 1_024;

/** Parses user agents and remembers the last thousand. */
export class UserAgents {
  readonly #known = new Map<string, DeviceColumns>();

  /** The columns for a user agent. */
  describe(userAgent: string): DeviceColumns {
    const known = userAgent.slice(0, maxCharacters);
    const hit = this.#known.get(known);
    if (hit !== undefined) return hit;
    const columns = parse(known);
    if (this.#known.size >= maxKnown) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(known, columns);
    return columns;
  }
}

function parse(userAgent: string): DeviceColumns {
  if (userAgent === "" || singleToken.test(userAgent)) return server;
  const { os, browser, device } = new UAParser(userAgent).getResult();
  if (!os.name && !browser.name && !device.vendor && !device.model) return server;
  return {
    os: os.name ?? "",
    osVersion: os.version ?? "",
    browser: browser.name ?? "",
    browserVersion: browser.version ?? "",
    device: device.type ?? deviceOf(userAgent),
    brand: device.vendor ?? "",
    model: device.model ?? "",
  };
}

/** The kind of device by the words in its user agent, where its model is not known. */
function deviceOf(userAgent: string): string {
  if (/tablet|ipad/i.test(userAgent)) return "tablet";
  return /mobi|android|iphone|ipod/i.test(userAgent) ? "mobile" : "desktop";
}
