/**
 * What the scenario must give, whatever stands between client and server.
 * @module
 */

const ok = (...values: unknown[]): unknown[] => values.map((value) => value === undefined ? {} : { value });
const failed = (...codes: string[]): unknown[] => codes.map((code) => ({ code }));

const common = {
  login: ok({ username: "m", role: "manager" }),
  wrongPassword: failed("UNAUTHORIZED"),
  together: ok({ a: 1 }, [1, { "b,c": "ü" }]),
  scalars: ok("s", 1, null, true),
  nothing: ok("done"),
  sparse: ok("done", 7, "nothing came"),
  likeAnEnvelope: ok({ input: { a: 1 } }, { input: 1 }),
  queries: ok(["a", "b"], { id: 3 }, "manager"),
  oneQuery: ok("manager"),
  mixed: [...ok("fine"), ...failed("CONFLICT")],
  invalid: failed("BAD_REQUEST"),
  unknown: failed("NOT_FOUND"),
};

/** Results of `runScenario()`. */
export function expectedResults(transformer: "none" | "superjson"): Record<string, unknown> {
  if (transformer === "none") return common;
  return { ...common, date: ok("2001-09-09T01:46:40.000Z"), rich: [[1, "12345678901234567890"]] };
}

/** Cookies of the one login, each by itself. */
export const expectedCookies = ["sid=abc; Path=/; HttpOnly", "role=manager; Path=/"];
