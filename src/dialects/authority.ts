/**
 * Who may send: what dialects ask of whoever knows the credentials.
 * @module
 */

/** Credentials of a `track` client, as sent. */
export interface ClientCredentials {
  readonly id: string | undefined;
  readonly secret: string | undefined;
  /** Value of the Origin header. */
  readonly origin: string | undefined;
}

/** Credentials of a `backend` app, as sent. */
export interface AppCredentials {
  readonly id: string | undefined;
  readonly secret: string | undefined;
  /** The token that an app's pages send instead of a secret. @default none */
  readonly token?: string;
}

/** What an app's pages are told before they send anything. */
export interface BrowserGrant {
  readonly token: string;
  /** Kinds of events that they may send. */
  readonly capture: readonly string[];
}

/** What the configuration says of a client's rows. */
export interface ClientRules {
  readonly blockedIps: ReadonlySet<string>;
  readonly blockedProfileIds: ReadonlySet<string>;
  /** Names of events that are taken and not stored. */
  readonly droppedEvents: ReadonlySet<string>;
  /** May revenue come without a secret? */
  readonly allowsRevenue: boolean;
}

/** Rules of who has none: with auth off there is nobody to be guarded against. */
export const noRules: ClientRules = {
  blockedIps: new Set(),
  blockedProfileIds: new Set(),
  droppedEvents: new Set(),
  allowsRevenue: true,
};

/** A `track` client that was let in. */
export interface ClientGrant {
  readonly project: string;
  /** Did a secret verify? Then no guard is asked (contract `track`, Decision 12). */
  readonly isTrusted: boolean;
  readonly rules: ClientRules;
}

/** Checks credentials. With auth off, everybody is let in under the name they give, or "default". */
export interface Authority {
  /** @throws WeirError `unauthorized` */
  admitClient(credentials: ClientCredentials): ClientGrant | Promise<ClientGrant>;
  /**
   * Lets in who may read what a project has stored: only a secret that verifies, because an id and an origin are
   * known to everybody who opens the project's pages. With auth off, everybody but pages.
   * @throws WeirError `unauthorized`, or `forbidden` for another project's client
   */
  admitReader(credentials: ClientCredentials, project: string): Promise<void>;
  /**
   * @returns the app
   * @throws WeirError `forbidden`
   */
  admitApp(credentials: AppCredentials): Promise<string>;
  /**
   * As {@link admitApp}; an app's token is enough.
   * @returns the app
   * @throws WeirError `forbidden`
   */
  admitBrowser(credentials: AppCredentials): Promise<string>;
  /** What the pages of an app may know; undefined unless the configuration gives it a token. */
  browserGrant(appId: string | undefined): BrowserGrant | undefined;
}
