/**
 * What makes a row the same row when it is sent again.
 * @module
 */

/** The claim of a record (or several) to be stored once. */
export interface Identity {
  /** See {@link identityKey}. */
  readonly key: string;
  /** Index of the row in its body. */
  readonly row: number;
  /** What the reply to a repeat must carry. */
  readonly memo: IdentityMemo;
  /** Set when this one turned out to be a repeat: what the first one was answered. */
  first?: IdentityMemo;
}

/** What is remembered of the first row with an identity. */
export interface IdentityMemo {
  readonly deviceId: string;
  readonly sessionId: string;
}

/** The beginning of the keys of a project's or an app's identities: it says where it ends. */
export function identityOwner(owner: "project" | "app", name: string): string {
  return `${owner === "project" ? "p" : "a"}${name.length}:${name}`;
}

/** The name of an identity: two owners never share one. */
export function identityKey(owner: "project" | "app", name: string, insertId: string): string {
  return identityOwner(owner, name) + insertId;
}

/** What {@link identityKey} put together. @throws RangeError when it is no such key */
export function splitIdentityKey(key: string): { readonly owner: string; readonly insertId: string } {
  const colon = key.indexOf(":");
  const end = colon + 1 + Number(key.slice(1, colon));
  if (!(colon > 1 && end <= key.length)) throw new RangeError("Cannot split an identity: it names no owner");
  return { owner: key.slice(0, end), insertId: key.slice(end) };
}
