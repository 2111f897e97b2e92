import { assert, assertEquals } from "@std/assert";
import { eventNameProblem } from "../../../src/dialects/track/event_name.ts";

Deno.test("eventNameProblem() has nothing against names that people use", () => {
  const good = [
    "screen_view",
    "Sign up",
    "checkout.completed",
    "checkout.step-2.done",
    "a",
    "session_started",
    "Session_start",
    "union selected by a member".slice(0, 6),
    "reunion",
    "selected union",
    "sleep",
    "sleep (deep)",
    "${".slice(0, 1),
    "price: $5",
    "50% off",
    "größe_geändert",
    "购买",
    "🎉 done",
    "/",
    "/home",
    "/blog/post-1",
    "/wpa",
    "/docs/php",
    "/envelope",
    "/.well-known",
    "/a.phpx",
    "page /wp-login.php",
    "cmd",
    "bcc",
    "a..b",
    "etc/passwd",
    "x".repeat(80),
    "é".repeat(80),
    " leading",
    "tab\tinside",
  ];
  for (const name of good) assertEquals(eventNameProblem(name), undefined, name);
});

Deno.test("eventNameProblem() refuses what is reserved, too long, broken over lines, or an attack", () => {
  const bad: [string, string][] = [
    ["session_start", "is reserved"],
    ["session_end", "is reserved"],
    ["x".repeat(81), "at most 80"],
    ["é".repeat(81), "at most 80"],
    ["a\nb", "line breaks"],
    ["a\rb", "line breaks"],
    ["a\r\nBcc: x", "line breaks"],
    ["\n", "line breaks"],
    ["../secret", "attacks"],
    ["a/../../b", "attacks"],
    ["..\\windows", "attacks"],
    ["1 UNION SELECT password", "attacks"],
    ["1 union all select x", "attacks"],
    ["${jndi:ldap://x}", "attacks"],
    ["cat /etc/passwd", "attacks"],
    ["/ETC/SHADOW", "attacks"],
    ["phpinfo.php", "attacks"],
    ["PHPINFO.PHP", "attacks"],
    ["a.git/config", "attacks"],
    [".aws/credentials", "attacks"],
    ["x@y.z%0aBCC:", "attacks"],
    ["<script>alert(1)", "attacks"],
    ["cmd.exe", "attacks"],
    ["SLEEP(5)", "attacks"],
    ["waitfor delay 0", "attacks"],
    ["/wp-login.php", "path scan"],
    ["/wp-admin/setup", "path scan"],
    ["/WP-content", "path scan"],
    ["/.env", "path scan"],
    ["/.env.local", "path scan"],
    ["/.git", "path scan"],
    ["/x.php", "path scan"],
    ["/a/b/index.PHP?x=1", "path scan"],
    ["/shell.php7", "path scan"],
    ["/x.asp", "path scan"],
    ["/x.aspx#y", "path scan"],
    ["/x.jsp", "path scan"],
    ["/cgi-bin/test", "path scan"],
  ];
  for (const [name, problem] of bad) {
    assert(eventNameProblem(name)?.includes(problem), `${JSON.stringify(name)}: ${eventNameProblem(name)}`);
  }
});

Deno.test("eventNameProblem() never quotes a name, but for the two that are reserved", () => {
  for (const name of ["secret ${", "/secret.php", "secret\n", "secret".repeat(20)]) {
    assert(!eventNameProblem(name)?.includes("secret"));
  }
});
