/**
 * The chunked parser by itself; bench/micro/parse.ts has the arms.
 * @module
 */

import { compareParsers } from "../micro/parse.ts";
import type { Comparison } from "../comparison.ts";
import type { Row } from "../row.ts";

/** Speed of the parser against the whole at once and against parsers from npm, to values and to records. */
export const parserRow: Row = {
  name: "parse",
  run: async (pace): Promise<Comparison[]> => await compareParsers(pace.rounds),
};
