// deno-lint-ignore-file explicit-function-return-type -- plain JavaScript, which Node runs as well
// A program that uses @openpanel/sdk. Its first line names the options of the SDK and headers that make it act as
// somebody else; every further line is a call of a method, and a line tells what that call returned. The SDK is
// imported by the name that SDK has, so that Deno and Node can run the same file.
import process from "node:process";
import { createInterface } from "node:readline";

const { OpenPanel } = await import(process.env.SDK);
let op;
for await (const line of createInterface({ input: process.stdin })) {
  const said = JSON.parse(line);
  if (op === undefined) {
    op = new OpenPanel(said.options);
    for (const [name, value] of Object.entries(said.headers)) op.api.addHeader(name, value);
  } else {
    answer(said);
  }
}

async function answer({ call, method, args }) {
  const returned = await op[method](...args);
  const known = { deviceId: op.getDeviceId(), sessionId: op.getSessionId() };
  process.stdout.write(JSON.stringify({ call, returned, ...known }) + "\n");
}
