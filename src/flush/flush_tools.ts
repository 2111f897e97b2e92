/**
 * What a flush works with.
 * @module
 */

import type { CheckpointWriter } from "../catalog/checkpoint.ts";
import type { ExtentReader } from "./extents.ts";
import type { Compression } from "./layout.ts";
import type { PartWriter } from "./part_writer.ts";

/** The tools of the flush worker; they outlive a flush. */
export interface FlushTools {
  readonly dataDir: string;
  readonly compression: Compression;
  readonly writer: CheckpointWriter;
  readonly extents: ExtentReader;
  readonly parts: PartWriter;
}
