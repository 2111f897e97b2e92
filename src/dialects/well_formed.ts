/**
 * Text that can be written as UTF-8 without loss.
 * @module
 */

/** An even number of backslashes, then the escape that JSON.stringify gives only to lone surrogates. */
const loneSurrogate = /(?:^|[^\\])(?:\\\\)*\\ud[89a-f]/;

/** Does any text within the value hold half a surrogate pair? Engines that read the parts refuse such lines. */
export function holdsLoneSurrogate(value: unknown): boolean {
  return textHoldsLoneSurrogate(JSON.stringify(value) ?? "");
}

/** The same of what JSON.stringify gave, with or without an indent. */
export function textHoldsLoneSurrogate(json: string): boolean {
  return loneSurrogate.test(json);
}
