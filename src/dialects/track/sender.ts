/**
 * What is the same for all rows of a sender: project, device, and the columns made from both.
 * @module
 */

import type { IdSource } from "../../base/ids.ts";
import type { Config } from "../../config/schema.ts";
import { deviceId } from "../../sessions/device_id.ts";
import type { SaltStore } from "../../sessions/salts.ts";
import { isLiveAt, joinSession, sessionIdAt } from "../../sessions/live_sessions.ts";
import type { SessionBook } from "../../sessions/session_book.ts";
import { bucketTimes, sessionBucket } from "../../sessions/session_id.ts";
import type { ClientCredentials, ClientGrant, ClientRules } from "../authority.ts";
import type { Inbound, Services } from "../dialect.ts";
import type { Geo, GeoColumns } from "../geo.ts";
import { type Bot, botOf, botReasons } from "./bots.ts";
import { EventWriter } from "./event_writer.ts";
import type { Located } from "./whereabouts.ts";
import type { DeviceColumns, UserAgents } from "./user_agent.ts";

const dayMs = 86_400_000;
/** Finds the sender of a request that comes with these credentials. @throws WeirError `unauthorized` */
export type SenderOf = (
  inbound: Inbound,
  services: Services,
  credentials: ClientCredentials,
) => Sender | Promise<Sender>;

/** Devices remembered; past it all are forgotten. */
const maxKnown = 1_024;
/** Characters of a header that every row carries: a row must not be much larger than it was sent. */
const maxSdkCharacters = 100;

/** What senders are made with. */
export interface SenderOptions {
  readonly config: Config;
  readonly salts: SaltStore;
  readonly sessions: SessionBook;
  readonly ids: IdSource;
  readonly device: DeviceColumns;
  readonly geo: Geo;
}

/** Columns that an event may say better than its user agent does (contract `track`, 1.5). */
const overrides = {
  __os: "os",
  __osVersion: "os_version",
  __browser: "browser",
  __browserVersion: "browser_version",
  __device: "device",
  __brand: "brand",
  __model: "model",
} as const;

/** What an event says of where it belongs. */
export interface NamedByEvent {
  readonly explicit?: string;
  readonly ip?: string;
  readonly profileId?: string;
  /** Is it an event? Other rows begin no session, and keep none alive. @default true */
  readonly isEvent?: boolean;
}

/** A sender: everybody let in alike, with the same user agent, address and SDK. */
export class Sender {
  readonly project: string;
  readonly isServer: boolean;
  /** What guards its rows; undefined when nothing does, or a secret verified. */
  readonly guard: SenderGuard | undefined;
  /** Must each of its rows be looked at by the guards? */
  readonly isSuspect: boolean;
  /** Profiles whose events are refused; undefined when there are none. */
  readonly blockedProfileIds: ReadonlySet<string> | undefined;
  /** JSON members, each with a leading comma, that every row of the request carries. */
  readonly columns: string;
  /** Writes events of the common shape. */
  readonly events: EventWriter;
  readonly #userAgent: string;
  readonly #ip: string;
  readonly #columns: Columns;
  readonly #geo: Geo;
  readonly #droppedEvents: ReadonlySet<string>;
  readonly #salts: SaltStore;
  readonly #book: SessionBook;
  readonly #timeoutMs: number;
  readonly #hashed = new Map<string, string>();

  constructor(grant: ClientGrant, inbound: Inbound, options: SenderOptions) {
    const { device, config, salts, sessions, ids, geo } = options;
    this.project = grant.project;
    this.#userAgent = inbound.headers.get("user-agent") ?? "unknown/1.0";
    this.#ip = inbound.clientIp;
    this.#salts = salts;
    this.#geo = geo;
    this.#book = sessions;
    this.#timeoutMs = config.sessions.timeout_ms;
    this.#droppedEvents = grant.rules.droppedEvents;
    this.isServer = device.device === "server";
    this.guard = grant.isTrusted ? undefined : {
      bot: botOf(this.#userAgent),
      isBlockedIp: grant.rules.blockedIps.has(this.#ip),
      blockedIps: grant.rules.blockedIps,
      blockedProfileIds: grant.rules.blockedProfileIds,
      allowsRevenue: grant.rules.allowsRevenue,
    };
    this.isSuspect = this.guard?.bot !== undefined || this.guard?.isBlockedIp === true;
    this.blockedProfileIds = this.guard?.blockedProfileIds.size ? this.guard.blockedProfileIds : undefined;
    this.#columns = {
      sdk_name: inbound.headers.get("openpanel-sdk-name")?.slice(0, maxSdkCharacters),
      sdk_version: inbound.headers.get("openpanel-sdk-version")?.slice(0, maxSdkCharacters),
      os: device.os,
      os_version: device.osVersion,
      browser: device.browser,
      browser_version: device.browserVersion,
      device: device.device,
      brand: device.brand,
      model: device.model,
      bot_reasons: grant.isTrusted || this.isServer
        ? undefined
        : botReasons(this.#userAgent, inbound.headers),
      ...geo.find(this.#ip),
    };
    this.columns = columnsText(this.#columns);
    this.events = new EventWriter({
      sender: this,
      ids,
      limits: config.track,
      timeoutMs: config.sessions.timeout_ms,
    });
  }

  /** Is the event taken and not stored? */
  dropsEvent(name: string): boolean {
    return this.#droppedEvents.has(name);
  }

  /** {@link columns}, with what an event says of its device, and of the address it comes from. */
  columnsWith(properties: Readonly<Record<string, unknown>>): string {
    const ip = properties.__ip;
    const given: Record<string, string> = {};
    for (const [name, column] of Object.entries(overrides)) {
      const value = properties[name];
      if (typeof value === "string" && value !== "") given[column] = value;
    }
    if (typeof ip !== "string") {
      return Object.keys(given).length === 0 ? this.columns : columnsText({ ...this.#columns, ...given });
    }
    const place = { ...noPlace, ...this.#geo.find(ip) };
    return columnsText({ ...this.#columns, ...given, ...place });
  }

  /**
   * The device and session of an event.
   *
   * A server that names no device has no sessions of its own; a live event of it belongs to the live session of its
   * profile, if there is one (Decision 6).
   *
   * @param explicit Device that the event names (`__deviceId`), if any.
   * @param ip Address that the event names (`__ip`), if any.
   * @param profileId Profile that the event names, if any.
   */
  locate(time: number, arrivedAt: number, named: NamedByEvent): Located {
    const { explicit, ip = this.#ip, profileId } = named;
    const { project } = this;
    if (explicit === undefined && this.isServer) {
      const deviceId = this.#hashedDevice(time, arrivedAt, ip);
      const isLive = profileId !== undefined && isLiveAt({ time, arrivedAt }, this.#timeoutMs);
      const session = isLive ? this.#book.liveOfProfile(project, profileId) : undefined;
      return { where: { deviceId, sessionId: session?.id ?? "" }, session };
    }
    const deviceId = explicit ?? this.#ownDevice(time, arrivedAt, ip);
    if (named.isEvent === false) {
      const where = { deviceId, sessionId: sessionIdAt(this.#book, { project, deviceId, time, arrivedAt }) };
      return { where, session: undefined };
    }
    const session = joinSession(this.#book, { project, deviceId, time, arrivedAt });
    return { where: session.where, session };
  }

  /** The device that the sender is taken for, where an event names none. */
  deviceAt(time: number, arrivedAt: number): string {
    return this.isServer
      ? this.#hashedDevice(time, arrivedAt, this.#ip)
      : this.#ownDevice(time, arrivedAt, this.#ip);
  }

  /** Does a profile have a live session that a server's event would belong to? */
  hasLiveProfile(profileId: string): boolean {
    return this.#book.liveOfProfile(this.project, profileId) !== undefined;
  }

  /** The times around `time` for which {@link locate} answers the same, as long as a live session takes events. */
  steadySpan(time: number, of: { isExplicit: boolean; isLive: boolean }): { since: number; until: number } {
    const times = of.isLive
      ? { since: -Infinity, until: Infinity }
      : bucketTimes(sessionBucket(time, this.#timeoutMs), this.#timeoutMs);
    if (of.isExplicit) return times;
    const midnight = Math.floor(time / dayMs) * dayMs;
    return { since: Math.max(times.since, midnight), until: Math.min(times.until, midnight + dayMs) };
  }

  /** The device by the day's salt; by that of the day before where its live session goes on over midnight. */
  #ownDevice(time: number, arrivedAt: number, ip: string): string {
    const today = this.#hashedDevice(time, arrivedAt, ip);
    if (!isLiveAt({ time, arrivedAt }, this.#timeoutMs) || this.#takesLive(today, time)) return today;
    const salt = this.#salts.kept(time - dayMs);
    if (salt === undefined) return today;
    const before = this.#hashedDeviceBy(salt, ip);
    return this.#takesLive(before, time) ? before : today;
  }

  #takesLive(deviceId: string, time: number): boolean {
    return this.#book.liveOf(this.project, deviceId)?.takesLive(time, this.#timeoutMs) ?? false;
  }

  #hashedDevice(time: number, arrivedAt: number, ip: string): string {
    return this.#hashedDeviceBy(this.#salts.of(time, arrivedAt), ip);
  }

  #hashedDeviceBy(salt: string, ip: string): string {
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

/** What must be known of a sender whose rows are guarded (contract `track`, 1.3 and Decision 12). */
export interface SenderGuard {
  readonly bot: Bot | undefined;
  readonly isBlockedIp: boolean;
  readonly blockedIps: ReadonlySet<string>;
  readonly blockedProfileIds: ReadonlySet<string>;
  readonly allowsRevenue: boolean;
}

type Columns = Readonly<Record<string, string | number | undefined>>;

const noPlace: Record<keyof GeoColumns, undefined> = {
  country: undefined,
  city: undefined,
  region: undefined,
  longitude: undefined,
  latitude: undefined,
};

function columnsText(columns: Columns): string {
  return Object.entries(columns)
    .filter(([, value]) => value !== "" && value !== undefined)
    .map(([name, value]) => `,${JSON.stringify(name)}:${JSON.stringify(value)}`)
    .join("");
}

/** Together with what each of them remembers, tens of MiB at the most. */
const maxSenders = 256;
/** Headers as long as this are no client's that comes often. */
const maxKeyCharacters = 2_048;

/** Senders seen lately, so that what is computed once for each is not computed for each request. */
export class Senders {
  readonly #agents: UserAgents;
  readonly #known = new Map<string, Sender>();
  readonly #rules = new WeakMap<ClientRules, number>();
  #lastRules = 0;
  /** Senders are made from settings: another configuration, other senders. */
  #config: Config | undefined;
  #geoGeneration = NaN;

  constructor(agents: UserAgents) {
    this.#agents = agents;
  }

  /** The sender of a request that was let in. */
  find(grant: ClientGrant, inbound: Inbound, services: Omit<SenderOptions, "device">): Sender {
    const { config, salts, sessions, ids, geo } = services;
    if (config !== this.#config || geo.generation !== this.#geoGeneration) {
      this.#known.clear();
      this.#config = config;
      this.#geoGeneration = geo.generation;
    }
    const { headers, clientIp } = inbound;
    const { isTrusted } = grant;
    const userAgent = headers.get("user-agent") ?? "unknown/1.0";
    const sdkName = headers.get("openpanel-sdk-name") ?? "";
    const sdkVersion = headers.get("openpanel-sdk-version") ?? "";
    const reasons = isTrusted ? "" : botReasons(userAgent, headers);
    // No header holds a line break; a project may, and comes last.
    const key = `${this.#numberOf(grant.rules)} ${isTrusted}\n${userAgent}\n${clientIp}\n${reasons}\n` +
      `${sdkName}\n${sdkVersion}\n${grant.project}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const device = this.#agents.describe(userAgent);
    const sender = new Sender(grant, inbound, { config, salts, sessions, ids, geo, device });
    if (key.length > maxKeyCharacters) return sender;
    if (this.#known.size >= maxSenders) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(key, sender);
    return sender;
  }

  /** Two clients of one project may have rules of their own. */
  #numberOf(rules: ClientRules): number {
    const known = this.#rules.get(rules);
    if (known !== undefined) return known;
    this.#rules.set(rules, ++this.#lastRules);
    return this.#lastRules;
  }
}
