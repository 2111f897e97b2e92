/**
 * The version that runs.
 * @module
 */

import manifest from "../../deno.json" with { type: "json" };

/** Such as `0.1.0`. */
export const version: string = manifest.version;
