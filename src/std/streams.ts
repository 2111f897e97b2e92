/**
 * The typed door to the standard library's stream pieces.
 * @module
 */
// @ts-types="./streams.d.ts"
export { TextLineStream } from "npm:deno-std@1.4.0/streams/text_line_stream.js";
