/**
 * The project's own lint rules: which room may import which (docs/ARCHITECTURE.md), and who may end the process.
 * @module
 */

/** Rooms from left to right: a room imports itself and what stands left of it. */
export const rooms = [
  "base",
  "config",
  "parse",
  "traces",
  "journal",
  "index",
  "catalog",
  "flush",
  "sessions",
  "dialects",
  "receive",
  "trpc",
  "daemon",
  "cli",
] as const;

/** Rooms that stand beside the daemon: they import only themselves, and `std` is open to every room. */
const annexes = ["client", "std"];

/** Where the files of the room `daemon` lie; every other room is the folder of its name. */
const daemonFiles = ["src/pipeline.ts", "src/daemon.ts", "src/store.ts", "src/admin/"];

const root = new URL("..", import.meta.url).pathname;

const plugin: Deno.lint.Plugin = {
  name: "weir",
  rules: {
    "layers": {
      create(context): Deno.lint.LintVisitor {
        const from = pathInRepository(context.filename);
        const check = (source: Deno.lint.Node | null): void => {
          if (source?.type !== "Literal" || typeof source.value !== "string") return;
          const problem = importProblem(from, source.value);
          if (problem !== undefined) context.report({ node: source, message: problem });
        };
        return {
          ImportDeclaration: (node) => check(node.source),
          ExportNamedDeclaration: (node) => check(node.source),
          ExportAllDeclaration: (node) => check(node.source),
          ImportExpression: (node) => check(node.source),
          // A worker's module: new URL("./worker.ts", import.meta.url).
          NewExpression(node): void {
            if (node.callee.type !== "Identifier" || node.callee.name !== "URL") return;
            if (node.arguments[1]?.type === "MemberExpression") check(node.arguments[0]);
          },
        };
      },
    },
    "exit": {
      create(context): Deno.lint.LintVisitor {
        const file = pathInRepository(context.filename);
        if (file === "main.ts") return {};
        return {
          MemberExpression(node): void {
            const { object, property } = node;
            if (object.type !== "Identifier" || property.type !== "Identifier") return;
            if (property.name !== "exit" || (object.name !== "Deno" && object.name !== "process")) return;
            context.report({
              node,
              message: `${file} ends the process: only main.ts may; return an exit code or set Deno.exitCode`,
            });
          },
        };
      },
    },
  },
};

export default plugin;

/** What is wrong with this import, for people; undefined where nothing is. */
function importProblem(from: string, specifier: string): string | undefined {
  if (!from.startsWith("src/") || !specifier.startsWith(".") || !specifier.endsWith(".ts")) return undefined;
  const to = new URL(specifier, `file:///${from}`).pathname.slice(1);
  const imported = `${from} imports ${to}`;
  if (!to.startsWith("src/")) return `${imported}: src/ imports nothing outside src/`;

  const fromRoom = roomOf(from);
  const toRoom = roomOf(to);
  for (const [file, room] of [[from, fromRoom], [to, toRoom]]) {
    if (!isRoom(room) && !annexes.includes(room)) {
      return `${imported}: ${file} lies in no room that lint/layers.ts knows; the rooms are ${order}`;
    }
  }
  if (toRoom === fromRoom) return dialectProblem(from, to);
  if (annexes.includes(fromRoom)) return `${imported}: src/${fromRoom}/ imports nothing of the daemon`;
  if (toRoom === "std") return undefined;
  if (annexes.includes(toRoom)) return `${imported}: src/${toRoom}/ is for programs outside the daemon`;
  if (positionOf(toRoom) < positionOf(fromRoom)) return undefined;
  return `${imported}: ${fromRoom} may import only itself and what stands left of it in ${order}`;
}

/** One dialect must not lean on another: what they share lies directly in src/dialects/. */
function dialectProblem(from: string, to: string): string | undefined {
  const [, fromDialect] = from.match(/^src\/dialects\/([^/]+)\//) ?? [];
  const [, toDialect] = to.match(/^src\/dialects\/([^/]+)\//) ?? [];
  if (!fromDialect || !toDialect || fromDialect === toDialect) return undefined;
  return `${from} imports ${to}: a dialect imports no other dialect; move what both need to src/dialects/`;
}

const order = rooms.join(" <- ");

function roomOf(file: string): string {
  if (daemonFiles.some((path) => file === path || (path.endsWith("/") && file.startsWith(path)))) {
    return "daemon";
  }
  return file.split("/").slice(1, -1)[0] ?? "";
}

function isRoom(name: string): boolean {
  return positionOf(name) >= 0;
}

function positionOf(room: string): number {
  return (rooms as readonly string[]).indexOf(room);
}

function pathInRepository(file: string): string {
  return file.startsWith(root) ? file.slice(root.length) : file;
}
