/**
 * Credentials, checked against auth.* of the configuration (contract `track`, 1.3; contract `backend`, 1).
 * @module
 */

import { createHash, scrypt, timingSafeEqual } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { WeirError } from "../base/errors.ts";
import type { Config } from "../config/schema.ts";
import {
  type AppCredentials,
  type Authority,
  type BrowserGrant,
  type ClientCredentials,
  type ClientGrant,
  type ClientRules,
  noRules,
} from "../dialects/authority.ts";

type Client = Config["auth"]["clients"][number];
type Secrets = Pick<Client, "secret" | "secret_hash">;

const clientIdForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** How long a secret that is not used need not be hashed again, in ms. */
const keepVerdictMs = 300_000;
const maxVerdicts = 10_000;
/** As for names in the configuration. */
const maxNameCharacters = 200;

/** Was a secret the right one? */
interface Verdict {
  readonly isRight: Promise<boolean>;
  /** Monotonic ms. */
  until: number;
}

/** Checks credentials against the configuration as it stands. */
export class ConfiguredAuthority implements Authority {
  readonly #auth: () => Config["auth"];
  readonly #clock: Clock;
  /** By digest of id, stored hash and secret. */
  readonly #verdicts = new Map<string, Verdict>();
  readonly #rules = new WeakMap<Client, ClientRules>();
  /** Hashes are computed one at a time: each takes 16 MiB and tens of ms, and anybody may ask for one. */
  #hashing: Promise<unknown> = Promise.resolve();

  constructor(auth: () => Config["auth"], clock: Clock) {
    this.#auth = auth;
    this.#clock = clock;
  }

  admitClient(credentials: ClientCredentials): ClientGrant | Promise<ClientGrant> {
    const { id, secret } = credentials;
    const auth = this.#auth();
    if (auth.enabled) return this.#admitKnown(findClient(auth, id), credentials);
    return { project: projectNamed(id), isTrusted: secret !== undefined, rules: noRules };
  }

  async #admitKnown(client: Client, { secret, origin }: ClientCredentials): Promise<ClientGrant> {
    const { project } = client;
    const rules = this.#rulesOf(client);
    if (secret !== undefined && await this.#verify(client.id, secret, client)) {
      return { project, isTrusted: true, rules };
    }
    const isOpen = client.ignore_cors_and_secret ||
      (origin !== undefined && client.cors_origins.some((pattern) => originFits(origin, pattern)));
    if (isOpen) return { project, isTrusted: false, rules };
    throw unauthorized("Invalid cors or secret");
  }

  async admitReader({ id, secret, origin }: ClientCredentials, project: string): Promise<void> {
    const auth = this.#auth();
    if (!auth.enabled) {
      // Any page that is open on this machine could ask.
      if (origin !== undefined) {
        throw new WeirError("forbidden", "Pages cannot read while auth.enabled is false");
      }
      return;
    }
    const client = findClient(auth, id);
    if (secret === undefined || !await this.#verify(client.id, secret, client)) {
      throw unauthorized("Invalid secret");
    }
    if (client.project !== project) throw new WeirError("forbidden", "The client is not of this project");
  }

  async admitApp({ id, secret }: AppCredentials): Promise<string> {
    const auth = this.#auth();
    if (!auth.enabled) return id?.trim() || "default";
    const app = auth.apps.find((candidate) => candidate.id === id);
    if (app?.enabled && secret !== undefined && await this.#verify(app.id, secret, app)) return app.id;
    throw new WeirError("forbidden", "Forbidden resource");
  }

  async admitBrowser(credentials: AppCredentials): Promise<string> {
    const { id, token } = credentials;
    const app = token === undefined
      ? undefined
      : this.#auth().apps.find(({ enabled, sdk_token: known }) =>
        enabled && known !== undefined && sameText(token, known)
      );
    if (app !== undefined && (id === undefined || id === app.id)) return app.id;
    return await this.admitApp(credentials);
  }

  browserGrant(appId: string | undefined): BrowserGrant | undefined {
    const app = this.#auth().apps.find(({ id, enabled }) => enabled && id === appId);
    return app?.sdk_token === undefined ? undefined : { token: app.sdk_token, capture: app.capture };
  }

  #rulesOf(client: Client): ClientRules {
    const known = this.#rules.get(client);
    if (known !== undefined) return known;
    const rules: ClientRules = {
      blockedIps: new Set(client.block_ips),
      blockedProfileIds: new Set(client.block_profile_ids),
      droppedEvents: new Set(client.drop_events),
      allowsRevenue: client.allow_unsafe_revenue,
    };
    this.#rules.set(client, rules);
    return rules;
  }

  #verify(id: string, secret: string, stored: Secrets): boolean | Promise<boolean> {
    if (stored.secret !== undefined && sameText(secret, stored.secret)) return true;
    const { secret_hash: hash } = stored;
    if (hash === undefined) return false;
    const digest = createHash("sha256").update(JSON.stringify([id, hash, secret])).digest("base64");
    const now = this.#clock.monotonic();
    const known = this.#verdicts.get(digest);
    if (known !== undefined && known.until > now) {
      known.until = now + keepVerdictMs;
      return known.isRight;
    }
    const isRight = this.#hashing.then(() => matchesHash(secret, hash));
    this.#hashing = isRight.catch(() => this.#verdicts.delete(digest));
    this.#verdicts.delete(digest);
    if (this.#verdicts.size >= maxVerdicts) this.#verdicts.delete(this.#verdicts.keys().next().value!);
    this.#verdicts.set(digest, { isRight, until: now + keepVerdictMs });
    return isRight;
  }
}

/**
 * Does an Origin header fit a pattern? Scheme, `www.` and trailing slash do not count; `*.foo.com` stands for
 * every host below foo.com, and for nothing else; a lone `*` fits every origin.
 */
export function originFits(origin: string, pattern: string): boolean {
  if (pattern === "*") return true;
  const host = hostOf(origin);
  const wanted = hostOf(pattern);
  if (!wanted.startsWith("*.")) return withoutWww(host) === withoutWww(wanted);
  return host.endsWith(wanted.slice(1)) && host.length > wanted.length - 1;
}

function hostOf(text: string): string {
  return text.toLowerCase().replace(/^[a-z][a-z0-9+.-]*:\/\//, "").replace(/(?<!\/)\/+$/, "");
}

function withoutWww(host: string): string {
  return host.startsWith("www.") ? host.slice(4) : host;
}

function findClient({ clients }: Config["auth"], id: string | undefined): Client {
  if (!id) throw unauthorized("Missing client id");
  if (!clientIdForm.test(id)) throw unauthorized("Client ID must be a valid UUIDv4");
  const client = clients.find((candidate) => candidate.id === id);
  if (client === undefined) throw unauthorized("Invalid client id");
  return client;
}

/** With auth off, the client id is the project. */
function projectNamed(id: string | undefined): string {
  if (!id?.trim()) return "default";
  if (id.length <= maxNameCharacters && id.isWellFormed()) return id;
  throw unauthorized(`Client ID must be a text of at most ${maxNameCharacters} characters`);
}

function unauthorized(message: string): WeirError {
  return new WeirError("unauthorized", `Ingestion: ${message}`);
}

function sameText(a: string, b: string): boolean {
  const digest = (text: string): Uint8Array => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** `salt.hash`: scrypt with the salt's text, 32 bytes, hex. */
function matchesHash(secret: string, stored: string): Promise<boolean> {
  const [salt, hash] = stored.split(".");
  return new Promise((resolve, reject) => {
    scrypt(secret, salt, 32, (error, key) => {
      if (error) return reject(error);
      const expected = new Uint8Array(key.length);
      expected.set(hexBytes(hash ?? "").subarray(0, key.length));
      resolve(timingSafeEqual(key, expected));
    });
  });
}

function hexBytes(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}
