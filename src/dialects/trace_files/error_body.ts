/**
 * Errors in the form that clients of dialect `trace_files` know (contract `trace_files`, Decision 2).
 * @module
 */

import { errorTable } from "../../base/errors.ts";
import type { Dialect } from "../dialect.ts";

/** `{"success":false,"error","details","code","retryable"}`; where there is nothing more to say, what to do about it. */
export const errorBody: NonNullable<Dialect["errorBody"]> = ({ code, message, retryable, details }) => ({
  success: false,
  error: message,
  details: details ?? errorTable[code].hint,
  code,
  retryable,
});
