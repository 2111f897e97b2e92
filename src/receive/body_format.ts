/**
 * What a body claims to be.
 * @module
 */

import { WeirError } from "../base/errors.ts";
import type { BodyShape } from "../dialects/dialect.ts";

const jsonType = /^application\/(?:json|[a-z0-9.+-]+\+json)$/;
const ndjsonTypes = new Set(["application/x-ndjson", "application/ndjson", "application/jsonl"]);

/**
 * Reads the Content-Type.
 * @throws WeirError `unsupported_media_type` when the route does not take it, or its charset is not UTF-8
 */
export function bodyFormat(headers: Headers, shape: Pick<BodyShape, "ndjson">): "json" | "ndjson" {
  const sent = headers.get("content-type") ?? "";
  if (sent === "application/json") return "json";
  const [type, ...parameters] = sent.toLowerCase().split(";").map((s) => s.trim());
  const charset = parameters.find((parameter) => parameter.startsWith("charset="))?.slice(8).replaceAll(
    '"',
    "",
  );
  if (charset !== undefined && charset !== "utf-8" && charset !== "utf8" && charset !== "us-ascii") {
    throw new WeirError("unsupported_media_type", "The body's charset must be UTF-8");
  }
  // What is not there claims nothing; where a body is needed, its absence is told.
  if (type === "" && headers.get("content-length") === "0") return "json";
  if (jsonType.test(type)) return "json";
  if (shape.ndjson && ndjsonTypes.has(type)) return "ndjson";
  const taken = shape.ndjson ? "application/json or application/x-ndjson" : "application/json";
  throw new WeirError("unsupported_media_type", `Content-Type must be ${taken}`);
}
