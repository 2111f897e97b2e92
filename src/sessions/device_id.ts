/**
 * Device ids of clients that name none (contract `track`, 2.2).
 * @module
 */

import { createHash } from "node:crypto";

/** What a device is told apart by. */
export interface DeviceTraits {
  readonly userAgent: string;
  readonly ip: string;
  readonly project: string;
  /** Of the day on which the event happened. */
  readonly salt: string;
}

/** SHAKE256 over user agent, ip, project and salt: 16 bytes as 32 hex digits. */
export function deviceId(traits: DeviceTraits): string {
  return createHash("shake256", { outputLength: 16 })
    .update(`${traits.userAgent}:${traits.ip}:${traits.project}:${traits.salt}`)
    .digest("hex");
}
