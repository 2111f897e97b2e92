/**
 * What is known of a session, as a fold over its stored events: the same whether they come one by one, tallied by
 * the unit, or read back from the journal.
 * @module
 */

import { SessionTally, Trait } from "../base/session_tally.ts";

/** The columns of a stored line. */
export type Columns = Readonly<Record<string, unknown>>;

/** A page that a session began or ended on. */
export interface VisitedPage {
  readonly path: string;
  readonly origin: string;
}

/** What is known of a session. Times are ms since the epoch; those of events that never came are not finite. */
export interface SessionFold {
  /** "" as long as no event named one. */
  profileId: string;
  /** Arrival of the event that named the profile. */
  profileAt: number;
  firstT: number;
  lastT: number;
  /** Of its latest live event. */
  liveT: number;
  /** Arrival of its last event. */
  receivedAt: number;
  events: number;
  views: number;
  revenue: number;
  entryT: number;
  entry: VisitedPage;
  exitT: number;
  exit: VisitedPage;
  /** JSON members, each with a leading comma: device, place and SDK of its first stored event. */
  columns: string;
  /** JSON members, each with a leading comma: the referrer of the first event that had one. */
  referrer: string;
  /** JSON members, each with a leading comma: campaign of the first page that named one. */
  campaign: string;
  groups: string[];
}

/** How a unit's events are told apart from the daemon's view of time. */
export interface FoldOptions {
  /** Age up to which an event is live, in ms. */
  readonly timeoutMs: number;
  /** The columns of a record of the unit. */
  read(record: number): Columns;
  /** Of these, those that move a session on: profile, page and referrer. @default read */
  glance?(record: number): Columns;
}

const noPage: VisitedPage = { path: "", origin: "" };
const deviceColumns = [
  "sdk_name",
  "sdk_version",
  "country",
  "city",
  "region",
  "longitude",
  "latitude",
  "os",
  "os_version",
  "browser",
  "browser_version",
  "device",
  "brand",
  "model",
];
const referrerColumns = ["referrer", "referrer_name", "referrer_type"];
const campaignColumns = ["utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term"];
/** Characters of a column that a session repeats: it must not be much larger than what was sent for it. */
const maxColumnCharacters = 1_000;
/** Groups that a session remembers. */
const maxGroups = 100;

/** A session of which nothing is stored. */
export function emptyFold(): SessionFold {
  return {
    profileId: "",
    profileAt: -Infinity,
    firstT: Infinity,
    lastT: -Infinity,
    liveT: -Infinity,
    receivedAt: -Infinity,
    events: 0,
    views: 0,
    revenue: 0,
    entryT: Infinity,
    entry: noPage,
    exitT: -Infinity,
    exit: noPage,
    columns: "",
    referrer: "",
    campaign: "",
    groups: [],
  };
}

/** Adds the events of a unit. */
export function foldTally(fold: SessionFold, tally: SessionTally, options: FoldOptions): void {
  fold.events += tally.events;
  fold.views += tally.views;
  fold.revenue += tally.revenue;
  if (tally.firstRecord < 0) return;
  const { timeoutMs } = options;
  const isFirst = fold.columns === "";
  const read = isFirst ? options.read : options.glance ?? options.read;
  if (isFirst) {
    const first = read(tally.firstRecord);
    // A blank where there is nothing: it was looked at.
    fold.columns = deviceMembers(first) || " ";
  }
  fold.firstT = Math.min(fold.firstT, tally.firstT);
  fold.lastT = Math.max(fold.lastT, tally.lastT);
  if (tally.arrivedAt - tally.lastT <= timeoutMs) fold.liveT = Math.max(fold.liveT, tally.lastT);
  fold.receivedAt = Math.max(fold.receivedAt, tally.arrivedAt);
  foldPages(fold, tally, read);
  // Of several events, those that come first carry the session's referrer already; see `carryReferrer`.
  const isAlone = tally.events + tally.views === 1;
  if (fold.referrer === "" && (isFirst || isAlone)) fold.referrer = referrerMembers(read(tally.firstRecord));
  if (tally.profileRecord >= 0) {
    fold.profileId = text(read(tally.profileRecord).profile_id).slice(0, maxColumnCharacters);
    fold.profileAt = tally.arrivedAt;
  }
  for (const record of tally.groupRecords ?? []) addGroups(fold, options.read(record).groups);
}

/** Tallies one stored event by its columns. */
export function tallyColumns(tally: SessionTally, record: number, columns: Columns): void {
  tally.add({
    record,
    time: Date.parse(text(columns.created_at)),
    traits: traitsOf(columns, (tally.session as { deviceId: string }).deviceId),
    revenue: typeof columns.revenue === "number" ? columns.revenue : 0,
  });
}

/**
 * Two daemons' views of one session as one: each counted other events of it. Adding an empty one changes nothing,
 * and the order does not matter but for ties.
 */
export function mergeFolds(a: SessionFold, b: SessionFold): SessionFold {
  const [earlier, later] = [a.entryT <= b.entryT ? a : b, a.exitT > b.exitT ? a : b];
  const [first, second] = a.firstT <= b.firstT ? [a, b] : [b, a];
  const named = a.profileAt >= b.profileAt ? a : b;
  return {
    profileId: named.profileId,
    profileAt: named.profileAt,
    firstT: first.firstT,
    lastT: Math.max(a.lastT, b.lastT),
    liveT: Math.max(a.liveT, b.liveT),
    receivedAt: Math.max(a.receivedAt, b.receivedAt),
    events: a.events + b.events,
    views: a.views + b.views,
    revenue: a.revenue + b.revenue,
    entryT: earlier.entryT,
    entry: earlier.entry,
    exitT: later.exitT,
    exit: later.exit,
    columns: first.columns || second.columns,
    referrer: first.referrer || second.referrer,
    campaign: first.campaign || second.campaign,
    groups: [...new Set([...first.groups, ...second.groups])].slice(0, maxGroups),
  };
}

/** A fold as JSON: what is not finite is left out. */
export function foldToJson(fold: SessionFold): string {
  return JSON.stringify(
    fold,
    (_, value) => typeof value === "number" && !isFinite(value) ? undefined : value,
  );
}

/** The fold that {@link foldToJson} wrote. @throws SyntaxError when the text is no JSON */
export function foldFromJson(text: string): SessionFold {
  return { ...emptyFold(), ...JSON.parse(text) as Partial<SessionFold> };
}

/** Device, place and SDK of an event as JSON members, each with a leading comma; "" where it has none. */
export function deviceMembers(columns: Columns): string {
  return membersOf(columns, deviceColumns);
}

/** The referrer columns of an event as JSON members, each with a leading comma; "" where it has none. */
export function referrerMembers(columns: Columns): string {
  return membersOf(columns, referrerColumns);
}

function foldPages(fold: SessionFold, tally: SessionTally, read: FoldOptions["read"]): void {
  if (tally.entryRecord >= 0 && tally.entryT < fold.entryT) {
    const columns = read(tally.entryRecord);
    fold.entryT = tally.entryT;
    fold.entry = pageOf(columns);
    fold.campaign = campaignMembers(columns) || fold.campaign;
  }
  if (tally.exitRecord >= 0 && tally.exitT >= fold.exitT) {
    fold.exitT = tally.exitT;
    fold.exit = pageOf(read(tally.exitRecord));
  }
}

function traitsOf(columns: Columns, deviceId: string): number {
  const hasPath = text(columns.path) !== "";
  let traits = hasPath ? Trait.path : 0;
  if (hasPath && columns.name === "screen_view") traits |= Trait.view;
  if (columns.profile_id !== columns.device_id && text(columns.profile_id) !== "") traits |= Trait.profile;
  if (Array.isArray(columns.groups)) traits |= Trait.groups;
  if (columns.device_id !== deviceId) traits |= Trait.guest;
  return traits;
}

function addGroups(fold: SessionFold, groups: unknown): void {
  if (!Array.isArray(groups)) return;
  for (const group of groups) {
    if (typeof group !== "string" || fold.groups.length >= maxGroups) continue;
    if (!fold.groups.includes(group)) fold.groups.push(group);
  }
}

function pageOf(columns: Columns): VisitedPage {
  return { path: short(columns.path), origin: short(columns.origin) };
}

/** A path that was sent without its origin still has its query in it. */
function campaignMembers(columns: Columns): string {
  const path = text(columns.path);
  const query = text(columns.query) || (path.includes("?") ? path.slice(path.indexOf("?")) : "");
  if (!query.includes("utm_")) return "";
  const sent = new URLSearchParams(query.slice(0, 4 * maxColumnCharacters));
  return membersOf(Object.fromEntries(sent), campaignColumns);
}

function membersOf(columns: Columns, names: readonly string[]): string {
  let members = "";
  for (const name of names) {
    const value = columns[name];
    if (typeof value === "number") members += `,"${name}":${value}`;
    else if (typeof value === "string" && value !== "") {
      members += `,"${name}":${JSON.stringify(short(value))}`;
    }
  }
  return members;
}

function short(value: unknown): string {
  return text(value).slice(0, maxColumnCharacters).toWellFormed();
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
