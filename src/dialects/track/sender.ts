/**
 * What is the same for all rows of a sender: project, device, and the columns made from both.
 * @module
 */

import type { IdSource } from "../../base/ids.ts";
import type { Config } from "../../config/schema.ts";
import { deviceId } from "../../sessions/device_id.ts";
import type { SaltStore } from "../../sessions/salts.ts";
import { bucketTimes, sessionBucket, sessionId } from "../../sessions/session_id.ts";
import type { Inbound } from "../dialect.ts";
import { EventWriter } from "./event_writer.ts";
import type { Whereabouts } from "./whereabouts.ts";
import type { DeviceColumns, UserAgents } from "./user_agent.ts";

const dayMs = 86_400_000;
/** Devices and sessions remembered; past it all are forgotten. */
const maxKnown = 1_024;
/** Characters of a header that every row carries: a row must not be much larger than it was sent. */
const maxSdkCharacters = 100;

/** What senders are made with. */
export interface SenderOptions {
  readonly config: Config;
  readonly salts: SaltStore;
  readonly ids: IdSource;
  readonly device: DeviceColumns;
}

/** A sender: everybody with the same project, user agent, address and SDK. */
export class Sender {
  readonly project: string;
  readonly isServer: boolean;
  /** JSON members, each with a leading comma, that every row of the request carries. */
  readonly columns: string;
  /** Writes events of the common shape. */
  readonly events: EventWriter;
  readonly #userAgent: string;
  readonly #ip: string;
  readonly #salts: SaltStore;
  readonly #timeoutMs: number;
  readonly #hashed = new Map<string, string>();
  readonly #sessions = new Map<string, Whereabouts>();

  constructor(project: string, inbound: Inbound, options: SenderOptions) {
    const { device, config, salts, ids } = options;
    this.project = project;
    this.#userAgent = inbound.headers.get("user-agent") ?? "unknown/1.0";
    this.#ip = inbound.clientIp;
    this.#salts = salts;
    this.#timeoutMs = config.sessions.timeout_ms;
    this.isServer = device.device === "server";
    this.columns = columnsOf({
      sdk_name: inbound.headers.get("openpanel-sdk-name")?.slice(0, maxSdkCharacters) ?? "",
      sdk_version: inbound.headers.get("openpanel-sdk-version")?.slice(0, maxSdkCharacters) ?? "",
      os: device.os,
      os_version: device.osVersion,
      browser: device.browser,
      browser_version: device.browserVersion,
      device: device.device,
      brand: device.brand,
      model: device.model,
    });
    this.events = new EventWriter({ sender: this, ids, limits: config.track });
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
    const key = `${bucket} ${device}`;
    let found = this.#sessions.get(key);
    if (found === undefined) {
      found = { deviceId: device, sessionId: hasSession ? sessionId(this.project, device, bucket) : "" };
      if (this.#sessions.size >= maxKnown) this.#sessions.clear();
      this.#sessions.set(key, found);
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
      if (this.#hashed.size >= maxKnown) this.#hashed.clear();
      this.#hashed.set(key, id);
    }
    return id;
  }
}

function columnsOf(columns: Record<string, string>): string {
  return Object.entries(columns)
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `,${JSON.stringify(name)}:${JSON.stringify(value)}`)
    .join("");
}

/** Together with what each of them remembers, tens of MiB at the most. */
const maxSenders = 256;
/** Headers as long as this are no client's that comes often. */
const maxKeyCharacters = 2_048;

/** Senders seen lately, so that what is computed once for each is not computed for each request. */
export class Senders {
  readonly #known = new Map<string, Sender>();
  /** Senders are made from settings: another configuration, other senders. */
  #config: Config | undefined;

  /** The sender of a request of this project. */
  find(
    project: string,
    inbound: Inbound,
    options: Omit<SenderOptions, "device"> & { agents: UserAgents },
  ): Sender {
    if (options.config !== this.#config) {
      this.#known.clear();
      this.#config = options.config;
    }
    const { headers, clientIp } = inbound;
    const userAgent = headers.get("user-agent") ?? "unknown/1.0";
    const sdk = [headers.get("openpanel-sdk-name"), headers.get("openpanel-sdk-version")];
    const key = JSON.stringify([project, userAgent, clientIp, ...sdk]);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const sender = new Sender(project, inbound, { ...options, device: options.agents.describe(userAgent) });
    if (key.length > maxKeyCharacters) return sender;
    if (this.#known.size >= maxSenders) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(key, sender);
    return sender;
  }
}
