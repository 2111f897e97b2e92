/**
 * What is the same for all rows of one request: project, device of the sender, and the columns made from both.
 * @module
 */

import type { Config } from "../../config/schema.ts";
import { deviceId } from "../../sessions/device_id.ts";
import type { SaltStore } from "../../sessions/salts.ts";
import { bucketTimes, sessionBucket, sessionId } from "../../sessions/session_id.ts";
import type { Inbound } from "../dialect.ts";
import type { DeviceColumns } from "./user_agent.ts";

const dayMs = 86_400_000;

/** A device and the session that an event of it belongs to. */
export interface Whereabouts {
  readonly deviceId: string;
  /** "" where the contract gives no session (Decision 6). */
  readonly sessionId: string;
}

/** The sender of one request. */
export class Sender {
  readonly project: string;
  readonly isServer: boolean;
  /** JSON members, each with a leading comma, that every row of the request carries. */
  readonly columns: string;
  readonly #userAgent: string;
  readonly #ip: string;
  readonly #salts: SaltStore;
  readonly #timeoutMs: number;
  readonly #hashed = new Map<string, string>();
  readonly #sessions = new Map<string, Map<number, Whereabouts>>();

  constructor(
    project: string,
    inbound: Inbound,
    options: { config: Config; salts: SaltStore; device: DeviceColumns },
  ) {
    const { device, config, salts } = options;
    this.project = project;
    this.#userAgent = inbound.headers.get("user-agent") ?? "unknown/1.0";
    this.#ip = inbound.clientIp;
    this.#salts = salts;
    this.#timeoutMs = config.sessions.timeout_ms;
    this.isServer = device.device === "server";
    this.columns = columnsOf({
      sdk_name: inbound.headers.get("openpanel-sdk-name") ?? "",
      sdk_version: inbound.headers.get("openpanel-sdk-version") ?? "",
      os: device.os,
      os_version: device.osVersion,
      browser: device.browser,
      browser_version: device.browserVersion,
      device: device.device,
      brand: device.brand,
      model: device.model,
    });
  }

  /**
   * The device and session of an event.
   * @param explicit Device that the event names (`__deviceId`), if any.
   * @param ip Address that the event names (`__ip`), if any.
   */
  locate(time: number, arrivedAt: number, named: { explicit?: string; ip?: string }): Whereabouts {
    const device = named.explicit ?? this.#hashedDevice(time, arrivedAt, named.ip ?? this.#ip);
    const hasSession = named.explicit !== undefined || !this.isServer;
    const bucket = hasSession ? sessionBucket(time, this.#timeoutMs) : NaN;
    let buckets = this.#sessions.get(device);
    if (buckets === undefined) this.#sessions.set(device, buckets = new Map());
    let found = buckets.get(bucket);
    if (found === undefined) {
      found = { deviceId: device, sessionId: hasSession ? sessionId(this.project, device, bucket) : "" };
      buckets.set(bucket, found);
    }
    return found;
  }

  /** The times around `time` for which {@link locate} answers the same. */
  steadySpan(time: number, isExplicit: boolean): { since: number; until: number } {
    const times = bucketTimes(sessionBucket(time, this.#timeoutMs), this.#timeoutMs);
    if (isExplicit) return times;
    const midnight = Math.floor(time / dayMs) * dayMs;
    return { since: Math.max(times.since, midnight), until: Math.min(times.until, midnight + dayMs) };
  }

  #hashedDevice(time: number, arrivedAt: number, ip: string): string {
    const salt = this.#salts.of(time, arrivedAt);
    const key = salt + ip;
    let id = this.#hashed.get(key);
    if (id === undefined) {
      id = deviceId({ userAgent: this.#userAgent, ip, project: this.project, salt });
      this.#hashed.set(key, id);
    }
    return id;
  }
}

/** `__deviceId` as a device; undefined when it is none: a text of 1 to 64 characters once trimmed. */
export function explicitDevice(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  const trimmed = value.trim();
  return trimmed.length >= 1 && trimmed.length <= 64 ? trimmed : undefined;
}

function columnsOf(columns: Record<string, string>): string {
  return Object.entries(columns)
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `,${JSON.stringify(name)}:${JSON.stringify(value)}`)
    .join("");
}
