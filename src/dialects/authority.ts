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
}

/** Checks credentials. With auth off, everybody is let in under the name they give, or "default". */
export interface Authority {
  /**
   * @returns the project
   * @throws WeirError `unauthorized`
   */
  admitClient(credentials: ClientCredentials): Promise<string>;
  /**
   * @returns the app
   * @throws WeirError `forbidden`
   */
  admitApp(credentials: AppCredentials): Promise<string>;
}
