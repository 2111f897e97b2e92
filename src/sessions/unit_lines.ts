/**
 * Records of a unit, read back from its bytes.
 * @module
 */

import type { Unit } from "../base/record.ts";
import type { Columns } from "./session_fold.ts";

/** Reads columns of records; the record read last is often asked for again. */
export function lineReader(unit: Unit, read: (line: Uint8Array) => Columns): (record: number) => Columns {
  let last = -1;
  let columns: Columns = {};
  return (record) => {
    if (record !== last) {
      columns = read(lineOf(unit, record));
      last = record;
    }
    return columns;
  };
}

/** The line of a record, without its line break. */
export function lineOf(unit: Unit, record: number): Uint8Array {
  return unit.writer.view(unit.starts[record], unit.end(record) - 1);
}
