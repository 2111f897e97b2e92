/**
 * The few pieces of Markdown that generated pages are made of and that tests read back.
 * @module
 */

const closeMark = "<!-- /generated -->";

/** A table with its columns padded the way `deno fmt` pads them, ending in a line break. */
export function markdownTable(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [heads, ...rows].map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
  const widths = heads.map((_, column) => Math.max(3, ...cells.map((row) => row[column].length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(" | ")} |\n`;
  return line(cells[0]) + line(widths.map((width) => "-".repeat(width))) + cells.slice(1).map(line).join("");
}

/** The cells of every table row in a text, without heads and rules, with code marks removed. */
export function tableCells(markdown: string): string[][] {
  const lines = markdown.split("\n");
  const isRule = (line: string | undefined): boolean => line !== undefined && /^\| -{3}/.test(line);
  return lines
    .filter((line, i) => line.startsWith("| ") && !isRule(line) && !isRule(lines[i + 1]))
    .map((line) => line.slice(2, -2).split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|")));
}

/**
 * Puts `content` between the two marks of the region `name`.
 * @throws Error when the text does not have the opening mark once and an end after it
 */
export function replaceRegion(markdown: string, name: string, content: string): string {
  const [before, rest, ...more] = markdown.split(openMark(name));
  const end = rest?.indexOf(closeMark) ?? -1;
  if (end < 0 || more.length > 0) {
    throw new Error(
      `Cannot fill the region ${name}: its mark must stand in the page once, with an end after it`,
    );
  }
  return `${before}${openMark(name)}\n\n${content}\n${rest.slice(end)}`;
}

/** What stands between the marks of the region `name`; undefined where there is no such region. */
export function regionOf(markdown: string, name: string): string | undefined {
  return markdown.split(openMark(name))[1]?.split(closeMark)[0];
}

/** A fenced block. */
export interface Fence {
  /** First word of the info string, such as `yaml`. */
  readonly language: string;
  /** The other words of the info string. */
  readonly words: readonly string[];
  readonly text: string;
  /** Line of the opening fence, from 1. */
  readonly line: number;
}

/** Every fenced block of a page, in order. */
export function fences(markdown: string): Fence[] {
  const found: Fence[] = [];
  let open: { info: string; from: number } | undefined;
  const lines = markdown.split("\n");
  lines.forEach((line, i) => {
    if (!line.startsWith("```")) return;
    if (open === undefined) {
      open = { info: line.slice(3).trim(), from: i };
      return;
    }
    const [language = "", ...words] = open.info.split(/\s+/);
    const text = lines.slice(open.from + 1, i).map((line) => line + "\n").join("");
    found.push({ language, words, text, line: open.from + 1 });
    open = undefined;
  });
  return found;
}

function openMark(name: string): string {
  return `<!-- generated:${name} -->`;
}
