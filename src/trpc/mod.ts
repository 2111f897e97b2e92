/**
 * `weir/trpc`: makes the bodies that hand-written clients send acceptable to a tRPC server, and leaves alone what it
 * accepts already. For Deno, Node 20 and Bun; depends on nothing.
 *
 * @module
 */

export type { TrpcLimits } from "./body_kind.ts";
export { readCall, type TrpcCall, type TrpcVersion } from "./call.ts";
export {
  type ExpressMiddleware,
  type ExpressRequest,
  type ExpressResponse,
  normalizeExpress,
} from "./express_middleware.ts";
export {
  type FetchHandler,
  type FetchMiddlewareOptions,
  normalizeFetch,
  type TrpcDone,
  type TrpcMiddlewareOptions,
} from "./fetch_middleware.ts";
export {
  type EnvelopePolicy,
  normalizedHeader,
  normalizeInput,
  type Transformer,
  type TrpcRules,
  type TrpcStep,
  type TrpcVerdict,
} from "./normalize.ts";
export { normalizeSearch, type SearchVerdict } from "./search_input.ts";
