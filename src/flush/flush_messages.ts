/**
 * What main thread and flush worker say to each other. One question at a time; each has one answer.
 * @module
 */

import type { IdentityPage } from "../index/identity_page.ts";
import type { FlushPlan, SessionSnapshot } from "../index/plan.ts";
import type { Compression } from "./layout.ts";
import type { RetentionLimits, RetentionReport } from "./retention.ts";
import type { SweepReport } from "./unlisted.ts";
import type { FlushReport } from "./write_flush.ts";

/** A question to the worker. */
export type FlushQuestion =
  /** The first one: opens the catalog. `sweep` removes what an earlier worker left behind when it died. */
  | {
    readonly ask: "open";
    readonly dataDir: string;
    readonly compression: Compression;
    readonly sweep: boolean;
  }
  /** Further rows of the flush that the next `write` will do; not answered. */
  | { readonly ask: "rows"; readonly rows: FlushPlan["rows"] }
  /** Sessions of the flush that the next `write` will do; not answered. */
  | { readonly ask: "sessions"; readonly sessions: readonly SessionSnapshot[] }
  /** Identities of the flush that the next `write` will do; not answered. */
  | { readonly ask: "identities"; readonly page: IdentityPage }
  | { readonly ask: "write"; readonly plan: FlushPlan; readonly now: number; readonly flushId: string }
  | { readonly ask: "retain"; readonly limits: RetentionLimits; readonly now: number }
  | { readonly ask: "close" };

/** What is told before a `write`, and not answered. */
export type FlushTelling = Exclude<FlushQuestion, { ask: keyof FlushAnswers }>;

/** What the worker answers to each question. */
export interface FlushAnswers {
  open: SweepReport;
  write: FlushReport;
  retain: RetentionReport;
  close: null;
}

/** An answer of the worker. */
export type FlushAnswer =
  | { readonly ok: true; readonly value: FlushAnswers[keyof FlushAnswers] }
  | { readonly ok: false; readonly problem: FlushProblem };

/** Why something failed in the worker, without a path. */
export interface FlushProblem {
  /** The system's word, such as `ENOSPC`; `SQLITE` for what the catalog refused. */
  readonly code: string;
  readonly message: string;
}
