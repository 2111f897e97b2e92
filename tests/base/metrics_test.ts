import { assert, assertEquals, assertMatch } from "@std/assert";
import { createMetrics, type Metrics, metricTable } from "../../src/base/metrics.ts";

type Row = { type: string; help: string; labels?: readonly string[]; buckets?: readonly number[] };
const rows = Object.entries(metricTable) as [string, Row][];

Deno.test("metricTable follows the naming rules of Prometheus", () => {
  for (const [name, { type, help, labels = [], buckets }] of rows) {
    assertMatch(name, /^weir_[a-z]+(_[a-z]+)*$/);
    assert(help.length > 5 && !help.endsWith("."), name);
    assertEquals(name.endsWith("_total"), type === "counter", name);
    if (type === "histogram") assertMatch(name, /_(seconds|bytes)$/);
    for (const label of labels) assertMatch(label, /^[a-z_]+$/);
    assert(!labels.includes("le"), name);
    if (buckets) assertEquals([...buckets], [...buckets].sort((a, b) => a - b), name);
  }
});

Deno.test("createMetrics() exposes every row of the table with its help", async () => {
  const metrics = createMetrics();
  const text = await metrics.registry.metrics();
  for (const [name, { type, help }] of rows) {
    assert(text.includes(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`), name);
  }
});

Deno.test("createMetrics() tells what count() counted whenever a metric is asked", async () => {
  const metrics = createMetrics();
  const accepted = metrics.count("weir_rows_total", { dialect: "track", outcome: "accepted" });
  const again = metrics.count("weir_rows_total", { dialect: "track", outcome: "accepted" });
  accepted.inc();
  accepted.inc(4);
  again.inc(2);
  metrics.counter("weir_rows_total").inc({ dialect: "track", outcome: "accepted" }, 10);
  const values = async (): Promise<number[]> =>
    (await metrics.counter("weir_rows_total").get()).values.map(({ value }) => value);
  assertEquals(await values(), [17]);
  accepted.inc();
  assert(
    (await metrics.registry.metrics()).includes('weir_rows_total{dialect="track",outcome="accepted"} 18'),
  );
  assertEquals(await values(), [18]);
});

Deno.test("createMetrics() tells what timing() observed as histogram() would, whenever a metric is asked", async () => {
  const [timed, direct] = [createMetrics(), createMetrics()];
  // Their sums are the same in every order; 0.25, 0.5 and 10 are bounds.
  const values = [0, 2 ** -12, 2 ** -10, 2 ** -8, 2 ** -8, 0.25, 0.5, 10, 10.5, 4e6];
  const [one, other] = [1, 2].map(() => timed.timing("weir_request_seconds", { dialect: "track" }));
  const alone = timed.timing("weir_flush_seconds", {});
  const textOf = async ({ registry }: Metrics): Promise<string[]> =>
    (await registry.metrics()).split("\n").filter((line) => /^weir_(request|flush)_seconds/.test(line))
      .sort();
  const nothing = await textOf(timed);
  assertEquals(nothing, await textOf(direct));
  for (const half of [values.slice(0, 5), values.slice(5)]) {
    for (const [i, value] of half.entries()) {
      (i % 2 === 0 ? one : other).observe(value);
      alone.observe(value);
      direct.histogram("weir_request_seconds").observe({ dialect: "track" }, value);
      direct.histogram("weir_flush_seconds").observe(value);
    }
    timed.histogram("weir_request_seconds").observe({ dialect: "trpc" }, 1);
    timed.histogram("weir_request_seconds").observe({ dialect: "track" }, 2);
    direct.histogram("weir_request_seconds").observe({ dialect: "trpc" }, 1);
    direct.histogram("weir_request_seconds").observe({ dialect: "track" }, 2);
    assertEquals(await textOf(timed), await textOf(direct));
    assertEquals(await textOf(timed), await textOf(direct), "asked again");
  }
  assert(nothing.length < (await textOf(timed)).length);
});

Deno.test("createMetrics() counts under the labels of the table, apart from every other daemon", async () => {
  const [a, b] = [createMetrics(), createMetrics()];
  a.counter("weir_rows_total").inc({ dialect: "track", outcome: "accepted" }, 3);
  a.histogram("weir_request_seconds").observe({ dialect: "track" }, 0.003);
  a.gauge("weir_ready").set(1);
  const text = await a.registry.metrics();
  assert(text.includes('weir_rows_total{dialect="track",outcome="accepted"} 3'));
  assert(text.includes('weir_request_seconds_bucket{le="0.005",dialect="track"} 1'));
  assert(text.includes('weir_request_seconds_bucket{le="0.0025",dialect="track"} 0'));
  assert(text.includes("weir_ready 1"));
  assert(!(await b.registry.metrics()).includes('outcome="accepted"'));
});
