/**
 * Which event names are refused (contract `track`, 1.4).
 * @module
 */

const reserved = new Set(["session_start", "session_end"]);
const maxLength = 80;

/** Pieces of attacks that scanners put into every field; compared in lower case. */
const attacks = [
  "../",
  "..\\",
  "${",
  "<script",
  "union select",
  "union all select",
  "/etc/passwd",
  "/etc/shadow",
  "phpinfo.php",
  ".git/config",
  ".aws/credentials",
  "bcc:",
  "cmd.exe",
  "sleep(",
  "waitfor delay",
];

const pathScan = /^\/(?:wp-|\.env|\.git|\.aws|cgi-bin\/)|^\/\S*\.(?:php\d?|asp|aspx|jsp|cgi)(?:$|[?#/])/i;
/** A name of letters, digits, spaces, `_`, `-` and dots between them can be none of the above. */
const harmless = /^[A-Za-z0-9_ -]+(?:\.[A-Za-z0-9_ -]+)*$/;

/** The attacks that are made of harmless characters alone. */
const mayAttack = /union |phpinfo|cmd\.exe|waitfor/i;

/** Why the name is refused; undefined when it is not. */
export function eventNameProblem(name: string): string | undefined {
  if (reserved.has(name)) return `Event name is reserved: current value is ${name}`;
  if (name.length > maxLength) return `Event name must have at most ${maxLength} characters`;
  if (harmless.test(name) && !mayAttack.test(name)) return undefined;
  if (/[\r\n]/.test(name)) return "Event name must not hold line breaks";
  const lower = name.toLowerCase();
  if (attacks.some((piece) => lower.includes(piece))) {
    return "Event name holds text that is known from attacks";
  }
  if (pathScan.test(name)) return "Event name looks like a path scan";
  return undefined;
}
