/**
 * What the reporter costs the runner: the same tests with it and without.
 * @module
 */

import { createProject, runPlaywright } from "../../tests/real_clients/playwright_project.ts";
import { startWeir } from "../arms.ts";
import { type Comparison, figure, median } from "../comparison.ts";
import { inRounds, type Row } from "../row.ts";

/** Tests that do a little work each, as tests do: 100 of 5 steps. */
const spec = `
import { test } from "@playwright/test";
for (let i = 0; i < 100; i++) {
  test("test " + i, async () => {
    for (let step = 0; step < 5; step++) {
      await test.step("step " + step, () => new Promise((resolve) => setTimeout(resolve, 20)));
    }
  });
}
`;

/** Time of a run with the reporter over that of one without. */
export const reporterRow: Row = {
  name: "reporter",
  async run(pace): Promise<Comparison[]> {
    await using weir = await startWeir();
    await using project = await createProject({ "a.spec.js": spec });
    const rounds = await inRounds("reporter", pace, async () => ({
      without: (await runPlaywright(project, { withoutReporter: true })).durationMs,
      with: (await runPlaywright(project, { reporter: { url: weir.url } })).durationMs,
    }));
    const seconds = (arm: "with" | "without"): string =>
      figure(median(rounds.map((round) => round[arm])) / 1_000, " s");
    return [{
      row: "reporter",
      what: "time of a Playwright run of 1,602 events with the reporter",
      against: "without",
      unit: "x",
      better: "less",
      bar: 1.03,
      goal: 1.01,
      values: rounds.map((round) => round.with / round.without),
      detail: `with: ${seconds("with")}, without: ${seconds("without")}`,
    }];
  },
};
