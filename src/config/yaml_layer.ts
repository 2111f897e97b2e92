/**
 * Reads YAML into a {@link SettingTree}, with the line and column of every key and value, and with `${VAR}`
 * replaced. Whatever the text is, the work is bounded by its size: nesting, aliases and what they expand to are
 * limited, and nothing is evaluated.
 * @module
 */

import { type Alias, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import type { Pair, ParsedNode, Scalar, YAMLMap, YAMLParseError, YAMLSeq, YAMLWarning } from "yaml";
import { interpolate } from "./interpolate.ts";
import type { ConfigPath } from "./issue.ts";
import { coerceText, factsAt } from "./settings.ts";
import { emptyMapping, type Mapping, type Place, type SettingTree } from "./setting_tree.ts";

/** What to read. */
export interface YamlSource {
  readonly text: string;
  /** As in `ConfigIssue.file`. */
  readonly file: string;
  /** How the origin of a value on this line is told. */
  readonly originOf: (line: number) => string;
  /** Where references are looked up; left out, texts stay as they are. */
  readonly env?: Readonly<Record<string, string>>;
}

const maxDepth = 32;
const maxAliasedNodes = 10_000;
/** All interpolated texts together. */
const maxInterpolatedCharacters = 4 * 1024 * 1024;

/** The library's messages hold pieces of the source where they are not replaced here; a piece may be a secret. */
const syntaxTexts: Readonly<Record<string, string>> = {
  BAD_DIRECTIVE: "Unknown directive",
  BAD_DQ_ESCAPE: 'Unknown escape sequence in a "..." text',
  IMPOSSIBLE: "This cannot be read as YAML",
  MULTIPLE_DOCS: "A second document begins: the file must hold one",
  RESOURCE_EXHAUSTION: "Nests too deeply",
  TAB_AS_INDENT: "Tabs cannot indent in YAML: use spaces",
  TAG_RESOLVE_FAILED: "Unknown tag, or one that does not fit its value",
  UNEXPECTED_TOKEN:
    'Unexpected text: is a quote or a comma missing? A text with { } [ ] , # or ": " needs quotes',
};

/**
 * Reads `source` into `tree` at `path`, and reports what cannot be read.
 *
 * @returns line of the first syntax error, behind which nothing read is reliable; Infinity where there is none
 */
export function readYamlLayer(
  tree: SettingTree,
  source: YamlSource,
  path: ConfigPath = [],
): number {
  const lines = new LineCounter();
  // Duplicate keys are found by the reader: the library compares each key with each other.
  const document = parseDocument(source.text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
    // "silent" would also keep quiet about a second document.
    logLevel: "error",
  });
  const brokenLine = reportSyntax(tree, {
    errors: [...document.errors, ...document.warnings],
    lines,
    source,
  });
  const value = new YamlReader(tree, { source, lines }).read(document.contents, path);
  if (value !== undefined) tree.set(path, value.content);
  else if (path.length === 0) tree.set(path, emptyMapping());
  for (const [at, place] of value?.places ?? []) tree.place(at, place);
  return brokenLine;
}

/** Reports what the library found, without the errors that only follow from an earlier one. */
function reportSyntax(
  tree: SettingTree,
  { errors, lines, source }: {
    errors: readonly (YAMLParseError | YAMLWarning)[];
    lines: LineCounter;
    source: YamlSource;
  },
): number {
  const told = new Set<string>();
  let brokenLine = Infinity;
  for (const error of errors) {
    const { line, col } = lines.linePos(error.pos[0]);
    if (error.name === "YAMLParseError") brokenLine = Math.min(brokenLine, line);
    // Out of step, the library finds one unexpected token after the other, up to the end of the file.
    const cause = error.code === "UNEXPECTED_TOKEN" ? error.code : `${error.code} ${line}`;
    if (told.has(cause)) continue;
    told.add(cause);
    const place = { origin: "", file: source.file, line, col, keyLine: line, keyCol: col };
    tree.report([], { place, message: syntaxTexts[error.code] ?? error.message.slice(0, 200) });
  }
  return brokenLine;
}

interface ReadValue {
  content: unknown;
  places: [ConfigPath, Place][];
}

/** One pass over a document. A value that cannot be read is reported and comes back as undefined. */
class YamlReader {
  readonly #tree: SettingTree;
  readonly #source: YamlSource;
  readonly #lines: LineCounter;
  readonly #places: [ConfigPath, Place][] = [];
  readonly #anchors = new Map<string, Node>();
  /** Collections that are being read, from the outermost in. */
  readonly #open = new Set<Node>();
  #aliasedNodes = 0;
  #insideAlias = 0;
  #interpolated = 0;

  constructor(tree: SettingTree, options: { source: YamlSource; lines: LineCounter }) {
    this.#tree = tree;
    this.#source = options.source;
    this.#lines = options.lines;
  }

  read(node: ParsedNode | null, path: ConfigPath): ReadValue | undefined {
    const content = this.#node(node, path, this.#place(node, null));
    return content === undefined ? undefined : { content, places: this.#places };
  }

  #node(node: Node | null, path: ConfigPath, place: Place): unknown {
    if (node !== null && !isAlias(node) && node.anchor !== undefined && this.#insideAlias === 0) {
      this.#anchors.set(node.anchor, node);
    }
    if (this.#insideAlias > 0 && ++this.#aliasedNodes > maxAliasedNodes) {
      return this.#refuse(path, place, `Aliases stand for more than ${maxAliasedNodes} values in all`);
    }
    if (isAlias(node)) return this.#alias(node, path, place);
    this.#places.push([path, place]);
    if (isMap(node) || isSeq(node)) return this.#collection(node, path, place);
    const value = isScalar(node) ? node.value : null;
    if (value === null) return factsAt(path)?.kind === "section" || path.length === 0 ? undefined : null;
    if (typeof value === "string") return this.#text(value, path, place);
    if (typeof value === "number" || typeof value === "boolean") return value;
    return this.#refuse(path, place, "Must be a text, a number, true or false");
  }

  #alias(node: Alias, path: ConfigPath, place: Place): unknown {
    const target = this.#anchors.get(node.source);
    if (target === undefined) return this.#refuse(path, place, "An alias needs an anchor (&name) before it");
    if (this.#open.has(target)) {
      return this.#refuse(path, place, "An alias cannot stand inside its own anchor");
    }
    this.#insideAlias++;
    const value = this.#node(target, path, place);
    this.#insideAlias--;
    return value;
  }

  #collection(node: YAMLMap | YAMLSeq, path: ConfigPath, place: Place): unknown {
    if (path.length >= maxDepth) return this.#refuse(path, place, `Nests more than ${maxDepth} levels`);
    this.#open.add(node);
    const value = isMap(node) ? this.#map(node, path) : this.#list(node, path);
    this.#open.delete(node);
    return value;
  }

  #map(node: YAMLMap, path: ConfigPath): Mapping {
    const mapping = emptyMapping();
    const seen = new Set<string>();
    for (const pair of node.items as Pair<Node | null, Node | null>[]) {
      const key = isScalar(pair.key) ? pair.key.value : undefined;
      const place = this.#place(pair.value, pair.key);
      if (typeof key === "object" || typeof key === "symbol" || key === undefined) {
        this.#refuse(path, place, "A key must be a plain text", "key");
        continue;
      }
      const name = String(key);
      const below = [...path, name];
      if (seen.has(name)) {
        this.#refuse(below, place, "Is given twice", "key");
        continue;
      }
      seen.add(name);
      const value = this.#node(pair.value, below, place);
      if (value !== undefined) mapping[name] = value;
    }
    return mapping;
  }

  #list(node: YAMLSeq, path: ConfigPath): unknown[] {
    return (node.items as (Node | null)[]).map((item, i) =>
      this.#node(item, [...path, i], this.#place(item, null)) ?? null
    );
  }

  #text(value: string, path: ConfigPath, place: Place): unknown {
    if (this.#source.env === undefined) return value;
    const { text, replaced, problems } = interpolate(value, this.#source.env);
    for (const problem of problems) this.#refuse(path, place, problem);
    if (problems.length > 0) return undefined;
    if (!replaced) return text;
    this.#interpolated += text.length;
    if (this.#interpolated > maxInterpolatedCharacters) {
      return this.#refuse(
        path,
        place,
        `More than ${maxInterpolatedCharacters} characters from references in all`,
      );
    }
    this.#places[this.#places.length - 1] = [path, { ...place, written: value }];
    return coerceText(path, text);
  }

  #place(value: Node | null, key: Node | null): Place {
    const empty = isScalar(value) && value.value === null && (value as Scalar).source === "";
    const valueNode = value === null || empty ? key : value;
    const at = this.#position(valueNode ?? key);
    const keyAt = this.#position(key ?? valueNode);
    const { file, originOf } = this.#source;
    return {
      origin: originOf(keyAt.line),
      file,
      line: at.line,
      col: at.col,
      keyLine: keyAt.line,
      keyCol: keyAt.col,
    };
  }

  #position(node: Node | null): { line: number; col: number } {
    return node?.range ? this.#lines.linePos(node.range[0]) : { line: 1, col: 1 };
  }

  #refuse(path: ConfigPath, place: Place, message: string, at: "key" | "value" = "value"): undefined {
    this.#tree.report(path, { place, message, at });
  }
}
