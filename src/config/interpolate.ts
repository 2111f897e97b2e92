/**
 * `${VAR}` in the strings of a configuration file. The syntax is the shell's, cut down:
 *
 *     ${VAR}            the variable, which must be set
 *     ${VAR:-default}   the default where the variable is unset or empty
 *     ${VAR:?message}   the message as an error where the variable is unset or empty
 *     $$                one dollar sign
 *
 * References do not nest, and what a variable holds is not looked at again.
 * @module
 */

/** A text after its references were replaced. */
export interface Interpolation {
  readonly text: string;
  /** Was anything taken from the environment or from a default? */
  readonly replaced: boolean;
  /** What is wrong with the references; names variables, never their values. */
  readonly problems: readonly string[];
}

/** No setting needs more; a short file could otherwise name a long variable again and again. */
const maxCharacters = 65_536;
const reference = /^([A-Za-z_][A-Za-z0-9_]*)(?::([-?])([^]*))?$/;

/** Replaces the references in `text` by what `env` holds. */
export function interpolate(text: string, env: Readonly<Record<string, string>>): Interpolation {
  if (!text.includes("$")) return { text, replaced: false, problems: [] };
  const problems: string[] = [];
  let out = "";
  let replaced = false;
  let at = 0;
  while (at < text.length) {
    const dollar = text.indexOf("$", at);
    if (dollar < 0) break;
    out += text.slice(at, dollar);
    const next = text[dollar + 1];
    if (next !== "{") {
      out += "$";
      at = dollar + (next === "$" ? 2 : 1);
      continue;
    }
    const close = text.indexOf("}", dollar);
    if (close < 0) {
      problems.push("A ${ has no closing }; a dollar sign alone is written $$");
      return { text: out, replaced, problems };
    }
    out += valueOf(text.slice(dollar + 2, close), { env, problems });
    replaced = true;
    at = close + 1;
    if (out.length > maxCharacters) {
      problems.push(`Grows beyond ${maxCharacters} characters`);
      return { text: "", replaced, problems };
    }
  }
  return { text: out + text.slice(at), replaced, problems };
}

interface Context {
  env: Readonly<Record<string, string>>;
  problems: string[];
}

function valueOf(body: string, { env, problems }: Context): string {
  const match = reference.exec(body);
  if (!match) {
    problems.push("A reference must be ${VAR}, ${VAR:-default} or ${VAR:?message}");
    return "";
  }
  const [, name, operator, rest] = match;
  if (rest?.includes("${")) {
    problems.push(`The reference to ${name} holds another one: references do not nest`);
    return "";
  }
  const value = Object.hasOwn(env, name) ? env[name] : undefined;
  if (operator === undefined) {
    if (value === undefined) problems.push(`The environment variable ${name} is not set`);
    return value ?? "";
  }
  if (value) return value;
  if (operator === "-") return rest;
  problems.push(`The environment variable ${name} is not set${rest === "" ? "" : `: ${rest}`}`);
  return "";
}
