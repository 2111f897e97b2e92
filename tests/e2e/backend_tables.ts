/**
 * The tables of contract `backend`, sections 2 and 3, row by row: what is sent, and what is read back. Where its
 * Decisions differ from its facts, the rows say what the Decisions say.
 * @module
 */

/** An object of JSON. */
export type Members = Readonly<Record<string, unknown>>;

/** Index and events of one batch. */
export type Batch = readonly [index: number, events: unknown];

/** One row of a table; it is sent to a session of its own. */
export interface TableRow {
  readonly what: string;
  /** Sent as one POST. */
  readonly entries: readonly unknown[];
  /** Position and reason of each entry that is refused. @default none */
  readonly refused?: readonly (readonly [index: number, reason: string])[];
  /** How many changed nothing. @default 0 */
  readonly duplicates?: number;
  /** Every request of the session, with its batches. @default not looked at */
  readonly batches?: Readonly<Record<string, readonly Batch[]>>;
  /** What is told of these requests; further members are not looked at. */
  readonly told?: Readonly<Record<string, Members>>;
  /** Every change of the session; further columns are not looked at. */
  readonly changes?: readonly Members[];
  /** Every mail of the session; further columns are not looked at. */
  readonly mails?: readonly Members[];
}

/** Time of the entries that have one, ms since the epoch. */
export const sentAt = 1_710_000_000_000;

const blanks = ["", " \t\n", null];

/** An entry of one member path, such as `{ request: { rid: "R" } }` for `["request", "rid"]`. */
function placed(entry: Members, where: "request" | "entry", members: Members): Members {
  if (where === "entry") return { ...entry, ...members };
  return { ...entry, request: { ...entry.request as Members, ...members } };
}

const ridNames: readonly (readonly ["request" | "entry", string])[] = [
  ...["rid", "requestRid", "requestId"].map((name) => ["request", name] as const),
  ...["requestRid", "request_id", "requestId", "rid", "traceRid", "reqRid"].map((name) =>
    ["entry", name] as const
  ),
];

/** 2.2: every alias alone, each before all that come later, and each behind blank ones. */
function ridOrder(): TableRow[] {
  return ridNames.flatMap(([where, name], i): TableRow[] => {
    const own = `${where}.${name}`;
    const described = { request: { method: "GET" } };
    const later = ridNames.slice(i + 1).reduce<Members>(
      (entry, [where, name]) => placed(entry, where, { [name]: `later ${where}.${name}` }),
      described,
    );
    const row = (what: string, entry: Members): TableRow => ({
      ...{ what: `${own} ${what}`, entries: [{ ...placed(entry, where, { [name]: own }), trace: [i] }] },
      ...{ batches: { [own]: [[0, [i]]] }, told: { [own]: { request: { method: "GET" } } } },
    });
    const behind = (blank: unknown): Members =>
      ridNames.slice(0, i).reduce((entry, [where, name]) => placed(entry, where, { [name]: blank }), later);
    return [
      row("alone", described),
      row("before all later ones", later),
      ...(i === 0 ? [] : blanks).map((blank) => row(`behind ${JSON.stringify(blank)}`, behind(blank))),
    ];
  });
}

/** 2.2: what stands in an alias. */
function ridValues(): TableRow[] {
  const taken: [unknown, string][] = [
    ...[[17, "17"], [0, "0"], [1.5, "1.5"], [" R ", "R"], ["R Ü/?", "R Ü/?"]] as [unknown, string][],
    ["x".repeat(256), "x".repeat(256)],
    [`  ${"x".repeat(256)}\n`, "x".repeat(256)],
  ];
  const refused: [unknown, string][] = [
    ...blanks.map((blank): [unknown, string] => [blank, "no_request_id"]),
    [undefined, "no_request_id"],
    ["x".repeat(257), "validation"],
  ];
  return [
    ...taken.flatMap(([rid, kept]): TableRow[] => [
      { what: `rid ${JSON.stringify(rid)}`, entries: [{ rid, trace: [1] }], batches: { [kept]: [[0, [1]]] } },
      {
        what: `request.rid ${JSON.stringify(rid)}`,
        entries: [{ request: { rid, trace: [1] } }],
        batches: { [kept]: [[0, [1]]] },
      },
      {
        what: `traceBatch.rid ${JSON.stringify(rid)}`,
        entries: [{ trace: [1], traceBatch: { rid, index: 0 } }],
        batches: { [kept]: [[0, [1]]] },
      },
    ]),
    ...refused.map(([rid, reason]): TableRow => ({
      what: `no rid in ${JSON.stringify(rid)}`,
      entries: [{ rid, trace: [1] }, { request: { rid, trace: [1] } }, { request: { rid, method: "GET" } }, {
        trace: [1],
        traceBatch: { rid, index: 0 },
      }],
      refused: [0, 1, 2, 3].map((index) => [index, reason]),
      batches: {},
    })),
    {
      what: "traceBatch.rid beats all others for its batch, and only for that",
      entries: [{
        ...{ rid: "entry", request: { rid: "request", method: "GET" } },
        ...{ trace: [1], traceBatch: { rid: "batch", index: 3 } },
      }],
      batches: { request: [], batch: [[3, [1]]] },
      told: { request: { request: { method: "GET" } }, batch: { request: {} } },
    },
    {
      what: "changes and mails need no rid",
      entries: [{ t: sentAt, db: [{ collection: "a" }], email: { to: "a@x.io" } }],
      ...{ batches: {}, changes: [{ collection: "a" }], mails: [{ to: ["a@x.io"] }] },
    },
  ];
}

const besideTrace = [
  ...["traceBatchIndex", "traceIndex", "traceSeq", "traceOrder", "batchIndex", "batch", "index"],
];
const inWrapper = ["batchIndex", "index", "seq", "batch", "order"];

/** The places where a batch may stand, as an entry that puts one there. */
const batchPlaces: readonly {
  readonly what: string;
  readonly names: readonly string[];
  put(members: Members): Members;
}[] = [
  { what: "beside trace", names: besideTrace, put: (members) => ({ rid: "R", trace: ["e"], ...members }) },
  {
    ...{ what: "beside request.trace", names: besideTrace },
    put: (members) => ({ request: { rid: "R", trace: ["e"], ...members } }),
  },
  {
    ...{ what: "in traceBatch", names: inWrapper },
    put: (members) => ({ rid: "R", traceBatch: { events: ["e"], ...members } }),
  },
  {
    ...{ what: "in request.traceBatch", names: inWrapper },
    put: (members) => ({ request: { rid: "R", traceBatch: { events: ["e"], ...members } } }),
  },
  {
    ...{ what: "in traceBatches", names: inWrapper },
    put: (members) => ({ rid: "R", traceBatches: [{ events: ["e"], ...members }] }),
  },
  {
    ...{ what: "in request.traceBatches", names: inWrapper },
    put: (members) => ({ request: { rid: "R", traceBatches: [{ events: ["e"], ...members }] } }),
  },
  {
    ...{ what: "in the metadata beside trace", names: ["index"] },
    put: (members) => ({ trace: ["e"], traceBatch: { rid: "R", ...members } }),
  },
];

/** 2.3: every alias in every place, alone and in its order. */
function indexOrder(): TableRow[] {
  return batchPlaces.flatMap(({ what, names, put }) =>
    names.flatMap((name, i): TableRow[] => {
      const later = Object.fromEntries(names.slice(i + 1).map((name, k) => [name, 100 + k]));
      const behind = Object.fromEntries(names.slice(0, i).map((name) => [name, null]));
      const batches = { R: [[40 + i, ["e"]]] as Batch[] };
      return [
        { what: `${name} ${what}`, entries: [put({ [name]: 40 + i })], batches },
        {
          what: `${name} ${what}, before later ones and behind null`,
          entries: [put({ ...later, ...behind, [name]: 40 + i })],
          batches,
        },
      ];
    })
  );
}

/** 2.3 and Decisions: what is made of an index. */
function indexValues(): TableRow[] {
  const taken: [unknown, number][] = [
    ...[[0, 0], [7, 7], [7.0, 7], ["3", 3], [" 7 ", 7], ["\t7\n", 7], ["7.0", 7]] as [unknown, number][],
    ...[["1e2", 100], ["0x10", 16], ["-0", 0], [true, 1], [false, 0], [[], 0], [["4"], 4]] as [
      unknown,
      number,
    ][],
    [2 ** 32 - 1, 2 ** 32 - 1],
  ];
  const missing = [undefined, ...blanks, "abc", "1,5", {}, { index: 3 }, [1, 2], ["x"]];
  const bad = [-1, "-1", 1.5, "1.5", "Infinity", "-Infinity", "1e999", 2 ** 32, [-1]];
  return batchPlaces.flatMap(({ what, names: [name], put }): TableRow[] => [
    ...taken.map(([value, index]): TableRow => ({
      what: `${name} ${JSON.stringify(value)} ${what}`,
      entries: [put({ [name]: value })],
      batches: { R: [[index, ["e"]]] },
      told: { R: { indexAssumed: undefined } },
    })),
    ...missing.map((value): TableRow => ({
      what: `${name} ${JSON.stringify(value)} ${what} counts as missing`,
      entries: [{ rid: "R", trace: ["other"], index: 4 }, put({ [name]: value })],
      batches: { R: [[4, ["other"]], [5, ["e"]]] },
      told: { R: { indexAssumed: [5] } },
    })),
    {
      what: `${name} ${what} that is no index`,
      entries: bad.map((value) => put({ [name]: value })),
      refused: bad.map((_, i) => [i, "bad_batch_index"]),
      batches: {},
    },
  ]);
}

/** 2.3: batches without an index, and declared totals. */
function indexFallbacks(): TableRow[] {
  const totals: [unknown, number | undefined][] = [
    ...[[4, 4], ["4", 4], [" 4 ", 4], [1, 1]] as [unknown, number][],
    ...[undefined, null, "", "x", {}, "Infinity", 0, -4, 1.5].map((total): [unknown, undefined] => [
      total,
      undefined,
    ]),
  ];
  return [
    { what: "a lone trace", entries: [{ rid: "R", trace: ["a"] }], batches: { R: [[0, ["a"]]] } },
    {
      what: "a lone traceBatch",
      entries: [{ rid: "R", traceBatch: { events: ["a"] } }],
      batches: { R: [[0, ["a"]]] },
    },
    {
      what: "traceBatches without indexes",
      entries: [{ rid: "R", traceBatches: [{ events: ["a"] }, { data: ["b"] }, ["c"]] }],
      batches: { R: [[0, ["a"]], [1, ["b"]], [2, ["c"]]] },
    },
    {
      what: "traceBatches after one with an index",
      entries: [{ rid: "R", traceBatches: [{ events: ["a"], index: 4 }, { events: ["b"] }] }],
      batches: { R: [[4, ["a"]], [5, ["b"]]] },
      told: { R: { indexAssumed: [5], missing: [0, 1, 2, 3], missingCount: 4 } },
    },
    {
      what: "traceBatch after traceBatches, and trace after both",
      entries: [{
        rid: "R",
        traceBatches: [{ events: ["a"], index: 2 }],
        traceBatch: { events: ["b"] },
        trace: ["c"],
      }],
      batches: { R: [[2, ["a"]], [3, ["b"]], [4, ["c"]]] },
    },
    {
      what: "two without an index, where the original loses the first",
      entries: [{ rid: "R", trace: ["a"] }, { rid: "R", trace: ["b"] }],
      batches: { R: [[0, ["a"]], [1, ["b"]]] },
    },
    {
      what: "one without an index whose bytes are stored",
      entries: [{ rid: "R", trace: ["a"], index: 3 }, { rid: "R", trace: `["a"]` }],
      duplicates: 1,
      batches: { R: [[3, ["a"]]] },
      told: { R: { indexAssumed: undefined } },
    },
    ...totals.flatMap(([total, kept]): TableRow[] => [
      {
        what: `total ${JSON.stringify(total)} beside trace`,
        entries: [{ trace: ["a"], traceBatch: { rid: "R", index: 0, total } }],
        batches: { R: [[0, ["a"]]] },
        told: { R: { total: kept, complete: kept === 1, missingCount: (kept ?? 1) - 1 } },
      },
    ]),
  ];
}

const payloadNames = ["events", "data", "trace", "payload"];

/** 2.4: where the events of a wrapper stand, and what they may be. */
function payloads(): TableRow[] {
  const places = batchPlaces.filter(({ names }) => names === inWrapper);
  const valid: unknown[] = [["p"], `["p"]`, ` [\n"p" ] `, `["\\u0070"]`];
  const invalid: [unknown, string][] = [
    ...["", "abc", "[1", "[1]]", "{"].map((text): [unknown, string] => [text, "trace_not_json"]),
    ...["7", "{}", "null", `"[]"`, 7, true, {}, { 0: "a", length: 1 }].map((value): [unknown, string] => [
      value,
      "trace_not_an_array",
    ]),
  ];
  const { put: beside } = batchPlaces[0];
  return [
    ...places.flatMap(({ what, put }): TableRow[] => {
      const bare = (members: Members): Members => put({ events: undefined, ...members });
      return payloadNames.flatMap((name, i): TableRow[] => [
        ...valid.map((value): TableRow => ({
          what: `${name} ${JSON.stringify(value)} ${what}`,
          entries: [bare({ [name]: value, index: 2 })],
          batches: { R: [[2, ["p"]]] },
        })),
        {
          what: `${name} ${what} before later ones and behind null`,
          entries: [bare({
            ...Object.fromEntries(payloadNames.map((name) => [name, ["later"]])),
            ...Object.fromEntries(payloadNames.slice(0, i).map((name) => [name, null])),
            ...{ [name]: ["p"], index: 2 },
          })],
          batches: { R: [[2, ["p"]]] },
        },
        {
          what: `${name} ${what} that is no trace`,
          entries: invalid.map(([value]) => bare({ [name]: value })),
          refused: invalid.map(([, reason], k) => [k, reason]),
          batches: {},
        },
      ]);
    }),
    ...[["bare"], `["bare"]`].flatMap((value): TableRow[] => [
      {
        what: `traceBatch ${JSON.stringify(value)}`,
        entries: [{ rid: "R", traceBatch: value }],
        batches: { R: [[0, ["bare"]]] },
      },
      {
        what: `traceBatches [${JSON.stringify(value)}]`,
        entries: [{ request: { rid: "R", traceBatches: [null, value] } }],
        batches: { R: [[0, ["bare"]]] },
      },
    ]),
    ...["trace", "traceBatch"].map((name): TableRow => ({
      what: `${name} that is no trace`,
      entries: invalid.map(([value]) => ({ rid: "R", [name]: value })),
      refused: invalid.map(([, reason], k) => [k, reason]),
      batches: {},
    })),
    {
      what: "wrappers that hold no events are never stored as if they were",
      entries: [{}, { rid: "R", index: 0, total: 1 }, { events: null }].map((traceBatch) => ({
        rid: "R",
        traceBatch,
      })),
      refused: [0, 1, 2].map((index) => [index, "trace_not_an_array"]),
      batches: {},
    },
    ...[{ events: ["no"] }, `[["no"]]`, 7, null].map((traceBatches): TableRow => ({
      what: `traceBatches ${JSON.stringify(traceBatches)} is ignored`,
      entries: [{ ...beside({ index: 1 }), traceBatches }],
      batches: { R: [[1, ["e"]]] },
    })),
    {
      what: "null stands for no trace",
      entries: [{ request: { rid: "R", method: "GET", trace: null }, trace: null, traceBatch: null }],
      batches: { R: [] },
    },
    {
      what: "a whole trace as text in request.trace (D0)",
      entries: [{
        request: { rid: "R", method: "GET", trace: `[{"t":1,"kind":"enter"},{"t":2,"kind":"exit"}]` },
      }],
      batches: { R: [[0, [{ t: 1, kind: "enter" }, { t: 2, kind: "exit" }]]] },
    },
    {
      what: "request.trace [] says that there are no events (D0)",
      entries: [{ request: { rid: "R", method: "GET", trace: "[]" } }],
      batches: { R: [] },
    },
    {
      what: "the document's form of a wrapper (D1)",
      entries: [{
        request: {
          rid: "R",
          traceBatches: [{ batchIndex: 1, events: ["b"] }, { batchIndex: 0, events: ["a"] }],
        },
      }],
      batches: { R: [[0, ["a"]], [1, ["b"]]] },
    },
    {
      what: "metadata beside a trace (D2)",
      entries: [{
        ...{ actionId: "A1", t: sentAt, trace: `["t"]` },
        traceBatch: { rid: "R", index: 2, total: 4 },
      }],
      batches: { R: [[2, ["t"]]] },
      told: { R: { total: 4, missing: [0, 1, 3], complete: false, request: { actionId: "A1" } } },
    },
    ...payloadNames.map((name): TableRow => ({
      what: `traceBatch with ${name} beside a trace is a batch of its own (D1)`,
      entries: [{ rid: "R", trace: ["t"], index: 0, traceBatch: { index: 2, [name]: ["w"] } }],
      batches: { R: [[0, ["t"]], [2, ["w"]]] },
    })),
  ];
}

const anyJson = [{ a: [1, "ü"] }, [1], "text", "", 7, 0, false, null];

/** 2.1 and the head of 2: members of `request`, alone and with what they fall back to. */
function requestFields(): TableRow[] {
  const none = {};
  const rows: [request: Members, stored: Members, entry?: Members][] = [
    ...["GET", "", null].map((method): [Members, Members] => [{ method }, { method }]),
    ...["/a?x=1", "", null].map((url): [Members, Members] => [{ url }, { url }]),
    ...["GET /a", "", null].map((key): [Members, Members] => [{ key }, { key }]),
    [{ path: "/p" }, { url: "/p" }],
    [{ url: "/u", path: "/p" }, { url: "/u" }],
    [{ url: null, path: "/p" }, { url: null }],
    ...[["status", "status"], ["durMs", "durMs"]].flatMap(([name]): [Members, Members][] => [
      ...[200, 0, 1.5, null].map((value): [Members, Members] => [{ [name]: value }, { [name]: value }]),
      ...["200", true, {}, []].map((value): [Members, Members] => [{ [name]: value, method: "GET" }, {
        method: "GET",
      }]),
    ]),
    [{ headers: { a: "b", c: ["d"] } }, { headers: { a: "b", c: ["d"] } }],
    [{ headers: null }, { headers: {} }],
    ...["respBody", "body", "params", "query"].flatMap((name) =>
      anyJson.map((value): [Members, Members] => [{ [name]: value }, { [name]: value }])
    ),
    [
      { entryPoint: { fn: " f ", file: " /a.js ", line: 12.9, functionType: " arrow ", more: 1 } },
      { entryPoint: { fn: "f", file: "/a.js", line: 12, functionType: "arrow" } },
    ],
    [{ entryPoint: { fn: " ", line: 3 } }, { entryPoint: { line: 3 } }],
    [{ method: "GET", entryPoint: { fn: "", file: 7, line: "3" } }, { method: "GET" }],
    [{ method: "GET" }, { method: "GET", entryPoint: { fn: "f" } }, { entryPoint: { fn: "f" } }],
    [{ entryPoint: { fn: "own" } }, { entryPoint: { fn: "own" } }, { entryPoint: { fn: "f" } }],
    [{ method: "GET", unknown: 1, codeRefs: [1] }, { method: "GET" }, { unknown: 2, emails: [{}] }],
    [{ trace: ["only a trace"] }, none],
    ...[["A1", "A1"], [" A1 ", "A1"], [17, "17"], [true, "true"], ["", null], ["  ", null], [null, null]].map(
      (
        [actionId, kept],
      ): [Members, Members, Members] => [{ method: "GET" }, { method: "GET", actionId: kept }, { actionId }],
    ),
  ];
  const times: [unknown, number][] = [[sentAt, sentAt], [String(sentAt), sentAt], [sentAt + 0.7, sentAt], [
    0,
    0,
  ]];
  return [
    ...rows.map(([request, stored, entry = none]): TableRow => ({
      what: `request ${JSON.stringify(request)} ${JSON.stringify(entry)}`,
      entries: [{ t: sentAt, ...entry, request: { rid: "R", ...request } }],
      told: { R: { request: stored, firstT: sentAt, lastT: sentAt } },
    })),
    ...times.map(([t, kept]): TableRow => ({
      what: `t ${JSON.stringify(t)}`,
      entries: [{ t, rid: "R", trace: [1], db: [{ collection: "a" }] }],
      told: { R: { firstT: kept, lastT: kept } },
      changes: [{ t: kept }],
    })),
    {
      what: "members of the wrong type",
      entries: [7, "e", null, [], { rid: "R", request: 7 }, { rid: "R", request: [] }, {
        rid: "R",
        actionId: {},
      }],
      refused: [0, 1, 2, 3, 4, 5, 6].map((index) => [index, "validation"]),
      batches: {},
    },
  ];
}

/** 2.5 */
function changes(): TableRow[] {
  const operations = [
    ...["insert", "update", "delete", "find", "findOne", "countDocuments", "distinct", "updateOne"],
    ...["updateMany", "insertMany", "bulkWrite", "aggregate", "anything"],
  ];
  const sent: [change: Members, stored: Members][] = [
    [{ collection: "c" }, {
      ...{ collection: "c", op: "update", before: null, after: null, pk: undefined, query: undefined },
      ...{ result_meta: undefined, dur_ms: null, error: undefined, span_context: undefined },
      ...{ sid: undefined, action_id: "A1", t: sentAt, rid: "R" },
    }],
    [{}, { collection: null, op: "update" }],
    [{ op: null }, { op: "update" }],
    ...operations.map((op): [Members, Members] => [{ op }, { op }]),
    ...[{ _id: "1" }, "1", 1, null].map((pk): [Members, Members] => [{ pk }, { pk }]),
    ...[{ s: 1 }, null, [1], "x"].map((value): [Members, Members] => [{ before: value, after: value }, {
      before: value,
      after: value,
    }]),
    ...[
      { filter: { a: 1 }, update: { $set: { b: 2 } }, projection: { a: 0 }, options: { upsert: true } },
      { pipeline: [{ $match: {} }] },
      { docs: [{ a: 1 }] },
      { ops: [{ insertOne: {} }] },
      { op: "updateOne", doc: { a: 1 } },
    ].map((query): [Members, Members] => [{ query }, { query }]),
    ...[{
      docsCount: 1,
      matched: 2,
      modified: 3,
      upsertedId: "u",
      deleted: 4,
      inserted: 5,
      result: { ok: 1 },
    }]
      .map((resultMeta): [Members, Members] => [{ resultMeta }, { result_meta: resultMeta }]),
    ...[[12, 12], [1.5, 1.5], [0, 0], ["12", null], [null, null]].map(([durMs, kept]): [Members, Members] => [
      { durMs },
      { dur_ms: kept },
    ]),
    [{ error: { message: "no", code: 11000 } }, { error: { message: "no", code: 11000 } }],
    ...[{ traceId: "R", spanId: "s", parentSpanId: null, depth: 2 }].map((
      spanContext,
    ): [Members, Members] => [{ spanContext }, { span_context: spanContext }]),
  ];
  const entry = { actionId: "A1", rid: "R", t: sentAt };
  return [
    ...sent.map(([change, stored]): TableRow => {
      const { sid: _session, ...columns } = stored;
      return {
        what: `db ${JSON.stringify(change)}`,
        entries: [{ ...entry, db: [change] }],
        changes: [columns],
      };
    }),
    {
      what: "several changes keep their order",
      entries: [{ ...entry, db: sent.map(([change], i) => ({ ...change, after: i })) }],
      changes: sent.map((_, after) => ({ after })),
    },
    {
      what: "a change that comes again is stored once; at another time or of another action it is another",
      entries: [entry, entry, { ...entry, t: sentAt + 1 }, { ...entry, actionId: "A2" }].map((entry) => ({
        ...entry,
        db: [{ collection: "c" }],
      })),
      duplicates: 1,
      changes: [
        { t: sentAt, action_id: "A1" },
        { t: sentAt, action_id: "A2" },
        { t: sentAt + 1, action_id: "A1" },
      ],
    },
    { what: "db that is null or empty", entries: [null, []].map((db) => ({ ...entry, db })), changes: [] },
    {
      what: "db that is no list of objects",
      entries: [{}, "x", 7, [null], [7], [{ op: 7 }]].map((db) => ({ ...entry, db })),
      refused: [0, 1, 2, 3, 4, 5].map((index) => [index, "validation"]),
      changes: [],
    },
  ];
}

/** 2.6 */
function mails(): TableRow[] {
  const lists = ["to", "cc", "bcc"];
  const sent: [mail: Members, stored: Members][] = [
    [{}, {
      ...{ provider: "sendgrid", mail_kind: "send", from: undefined, to: [], cc: [], bcc: [], subject: "" },
      ...{ text: null, html: null, template_id: null, dynamic_template_data: undefined, custom_args: null },
      ...{ categories: [], attachments_meta: [], status_code: null, dur_ms: null, headers: {} },
      ...{ action_id: "A1", t: sentAt, rid: "R" },
    }],
    [{ provider: "ses", kind: "sendMultiple" }, { provider: "ses", mail_kind: "sendMultiple" }],
    [{ provider: null, kind: null, subject: null }, { provider: "sendgrid", mail_kind: "send", subject: "" }],
    ...["a@x.io", { email: "a@x.io", name: "A" }].map((from): [Members, Members] => [{ from }, { from }]),
    ...lists.flatMap((name): [Members, Members][] => [
      [{ [name]: "a@x.io" }, { [name]: ["a@x.io"] }],
      [{ [name]: { email: "a@x.io" } }, { [name]: [{ email: "a@x.io" }] }],
      [{ [name]: ["a@x.io", "b@x.io"] }, { [name]: ["a@x.io", "b@x.io"] }],
      ...["", null, 0, false].map((value): [Members, Members] => [{ [name]: value }, { [name]: [] }]),
    ]),
    [{ subject: "Hä?", text: "t", html: "<p>" }, { subject: "Hä?", text: "t", html: "<p>" }],
    [{ templateId: "d-1" }, { template_id: "d-1" }],
    [{ dynamicTemplateData: { a: 1 } }, { dynamic_template_data: { a: 1 } }],
    [{ customArgs: { a: 1 } }, { custom_args: { a: 1 } }],
    [{ customArgs: null }, { custom_args: null }],
    ...[[["a"], ["a"]], ["a", []], [null, []], [{}, []]].map(([categories, kept]): [Members, Members] => [
      { categories },
      { categories: kept },
    ]),
    ...[[[{ filename: "a", type: "b", size: 1 }], [{ filename: "a", type: "b", size: 1 }]], [{}, []], [
      "a",
      [],
    ]]
      .map(([meta, kept]): [Members, Members] => [{ attachmentsMeta: meta }, { attachments_meta: kept }]),
    ...[["statusCode", "status_code"], ["durMs", "dur_ms"]].flatMap(([name, column]) =>
      [[202, 202], [0, 0], ["202", null], [null, null], [{}, null]].map((
        [value, kept],
      ): [Members, Members] => [
        { [name]: value },
        { [column]: kept },
      ])
    ),
    [{ headers: { "x-a": "b" } }, { headers: { "x-a": "b" } }],
    [{ headers: null }, { headers: {} }],
  ];
  const entry = { actionId: "A1", rid: "R", t: sentAt };
  return [
    ...sent.map(([email, stored]): TableRow => ({
      what: `email ${JSON.stringify(email)}`,
      entries: [{ ...entry, email }],
      mails: [stored],
    })),
    {
      what: "a mail that comes again is stored once",
      entries: [entry, entry, { ...entry, t: sentAt + 1 }].map((entry) => ({ ...entry, email: { to: "a" } })),
      ...{ duplicates: 1, mails: [{ t: sentAt }, { t: sentAt + 1 }] },
    },
    {
      what: "there is no field emails",
      entries: [{ ...entry, emails: [{ to: "a" }], email: null }],
      mails: [],
    },
    {
      what: "an email that is no object",
      entries: [7, "a@x.io", [{ to: "a@x.io" }]].map((email) => ({ ...entry, email })),
      refused: [0, 1, 2].map((index) => [index, "validation"]),
      mails: [],
    },
  ];
}

/** 3.1 to 3.4, with the Decisions on batches that come again and on metadata. */
function semantics(): TableRow[] {
  const request = (t: number | undefined, fields: Members, entry: Members = {}): Members => ({
    ...{ t, ...entry },
    request: { rid: "R", ...fields },
  });
  const full = {
    ...{
      method: "GET",
      url: "/a",
      status: 200,
      durMs: 5,
      headers: { a: "b" },
      key: "GET /a",
      respBody: { a: 1 },
    },
  };
  const merged: [what: string, entries: Members[], stored: Members][] = [
    ["absent members clear nothing", [request(1, full, { actionId: "A1" }), request(2, { durMs: 9 })], {
      ...{ ...full, durMs: 9, actionId: "A1" },
    }],
    ["members of the wrong type clear nothing", [
      request(1, full),
      request(2, { status: "500", durMs: "1", method: 7, key: [] }),
    ], full],
    ["explicit null clears", [
      request(1, full, { actionId: "A1" }),
      request(2, { key: null, respBody: null, url: null, headers: null }, { actionId: null }),
    ], { ...full, key: null, respBody: null, url: null, headers: {}, actionId: null }],
    ["the greatest t wins, whatever comes last", [
      request(5, { status: 500, durMs: 9 }),
      request(3, { status: 200, key: "GET /a" }),
      request(4, { durMs: 1, key: "GET /b" }),
    ], { status: 500, durMs: 9, key: "GET /b" }],
    ["of the same t the greatest batch index wins", [
      request(5, { status: 500, trace: ["b"], traceBatchIndex: 1 }),
      request(5, { status: 200, durMs: 3, trace: ["a"], traceBatchIndex: 0 }),
    ], { status: 500, durMs: 3 }],
    ["t is compared before the batch index", [
      request(5, { status: 500, trace: ["a"], traceBatchIndex: 0 }),
      request(4, { status: 200, trace: ["b"], traceBatchIndex: 1 }),
    ], { status: 500 }],
    ["of equals the later arrival wins", [request(5, { status: 200 }), request(5, { status: 500 })], {
      status: 500,
    }],
  ];
  return [
    ...merged.map(([what, entries, stored]): TableRow => ({
      what,
      entries,
      told: { R: { request: stored } },
    })),
    {
      what: "request and entry both carry batches: the entry's wins",
      entries: [{
        request: {
          rid: "R",
          trace: ["request 0"],
          index: 0,
          traceBatch: { index: 1, events: ["request 1"] },
        },
        ...{ trace: ["entry 0"], index: 0, traceBatch: { index: 2, events: ["entry 2"] } },
      }],
      batches: { R: [[0, ["entry 0"]], [1, ["request 1"]], [2, ["entry 2"]]] },
      told: { R: { replaced: 0 } },
    },
    {
      what: "of one source, the later of traceBatches, traceBatch and trace wins",
      entries: [{
        ...{ rid: "R", trace: ["trace"], index: 2 },
        traceBatch: { index: 1, events: ["traceBatch"] },
        traceBatches: [0, 0, 1, 2].map((index, i) => ({ index, events: [`traceBatches ${i}`] })),
      }],
      batches: { R: [[0, ["traceBatches 1"]], [1, ["traceBatch"]], [2, ["trace"]]] },
    },
    {
      what: "the same index again: the same bytes change nothing, others replace",
      entries: [["a"], `["a"]`, ["b"], ["b", "c"]].map((trace) => ({ rid: "R", trace, index: 0 })),
      duplicates: 1,
      batches: { R: [[0, ["b", "c"]]] },
      told: { R: { replaced: 2 } },
    },
    {
      what: "batches come before their request, out of order, with gaps",
      entries: [
        { rid: "R", trace: ["d"], index: 4 },
        { rid: "R", trace: ["b"], index: 1 },
        request(sentAt, { key: "GET /x", status: 200, durMs: 4 }),
        { rid: "R", trace: ["c"], index: 2 },
      ],
      batches: { R: [[1, ["b"]], [2, ["c"]], [4, ["d"]]] },
      told: { R: { missing: [0, 3], complete: false, request: { key: "GET /x", status: 200, durMs: 4 } } },
    },
    {
      what: "an entry that is refused is not stored in part, and takes no other with it",
      entries: [
        { rid: "A", trace: ["a"], index: 0 },
        {
          ...{ rid: "B", trace: ["b"], index: -1, request: { method: "GET" } },
          ...{ db: [{ collection: "c" }], email: { to: "a" } },
        },
        { rid: "B", trace: ["b"], request: { method: "GET" }, db: {} },
        { rid: "C", trace: ["c"], index: 0 },
      ],
      refused: [[1, "bad_batch_index"], [2, "validation"]],
      batches: { A: [[0, ["a"]]], C: [[0, ["c"]]] },
      ...{ changes: [], mails: [] },
    },
    {
      what: "order inside a batch stays, whatever t the events have",
      entries: [{ rid: "R", trace: [{ t: 3 }, { t: 1 }, { t: 2 }], index: 0 }],
      batches: { R: [[0, [{ t: 3 }, { t: 1 }, { t: 2 }]]] },
    },
  ];
}

/** Every table, by its section of the contract. */
export const tables: Readonly<Record<string, readonly TableRow[]>> = {
  "2.1 request": requestFields(),
  "2.2 order of request ids": ridOrder(),
  "2.2 values of request ids": ridValues(),
  "2.3 order of indexes": indexOrder(),
  "2.3 values of indexes": indexValues(),
  "2.3 fallbacks": indexFallbacks(),
  "2.4 payloads": payloads(),
  "2.5 db": changes(),
  "2.6 email": mails(),
  "3 semantics": semantics(),
};
