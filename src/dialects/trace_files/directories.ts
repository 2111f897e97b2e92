/**
 * Where files go when nobody says so.
 * @module
 */

/** Below the root. */
export const defaultDirectory = "./traces";
