/**
 * The flush worker: a thread that may block. It is the only writer of parts and of the catalog.
 * @module
 */

/// <reference lib="deno.worker" />

import { CheckpointWriter } from "../catalog/checkpoint.ts";
import type { IdentityPage } from "../index/identity_page.ts";
import type { RowsPlan, SessionSnapshot } from "../index/plan.ts";
import { ExtentReader } from "./extents.ts";
import type { FlushTools } from "./flush_tools.ts";
import type {
  FlushAnswer,
  FlushAnswers,
  FlushProblem,
  FlushQuestion,
  FlushTelling,
} from "./flush_messages.ts";
import { catalogPath, journalDir } from "./layout.ts";
import { PartWriter } from "./part_writer.ts";
import { applyRetention } from "./retention.ts";
import { sweep } from "./unlisted.ts";
import { writeFlush } from "./write_flush.ts";

let dataDir = "";
let tools: FlushTools | undefined;
let rows: RowsPlan[] = [];
let sessions: SessionSnapshot[] = [];
let identities: IdentityPage[] = [];

self.onmessage = ({ data }: MessageEvent<FlushQuestion>): void => {
  if (data.ask === "rows") {
    rows.push(...data.rows);
    return;
  }
  if (data.ask === "sessions") {
    for (const session of data.sessions) sessions.push(session);
    return;
  }
  if (data.ask === "identities") {
    identities.push(data.page);
    return;
  }
  let answer: FlushAnswer;
  try {
    answer = { ok: true, value: answerTo(data) };
  } catch (error) {
    answer = { ok: false, problem: problemOf(error) };
  }
  self.postMessage(answer);
};

function answerTo(
  question: Exclude<FlushQuestion, FlushTelling>,
): FlushAnswers[keyof FlushAnswers] {
  if (question.ask === "open") {
    const { compression } = question;
    dataDir = question.dataDir;
    const writer = new CheckpointWriter(catalogPath(dataDir));
    tools = {
      dataDir,
      compression,
      writer,
      extents: new ExtentReader(journalDir(dataDir)),
      parts: new PartWriter(compression),
    };
    return question.sweep ? sweep(dataDir, writer) : { removed: 0, lost: 0 };
  }
  if (tools === undefined) throw new Error("The flush worker was not opened");
  if (question.ask === "write") {
    const plan = { ...question.plan, rows, identities };
    const changed = sessions;
    rows = [];
    sessions = [];
    identities = [];
    using _extents = tools.extents;
    return writeFlush(plan, { ...question, sessions: changed }, tools);
  }
  if (question.ask === "retain") return applyRetention(question.limits, question.now, tools);
  tools.writer.close();
  tools = undefined;
  return null;
}

/** Texts of the runtime name paths, and none may leave the daemon. */
function problemOf(error: unknown): FlushProblem {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const message = dataDir === "" ? text : text.replaceAll(dataDir, "data_dir");
  const code = (error as { code?: unknown } | undefined)?.code;
  if (code === "ERR_SQLITE_ERROR") return { code: "SQLITE", message };
  return { code: typeof code === "string" ? code : "unknown error", message };
}
