/**
 * `weir serve`: runs the daemon until a signal ends it.
 * @module
 */

import { systemClock } from "../base/clock.ts";
import { createLog, describeError, type Log } from "../base/log.ts";
import { ConfigError } from "../config/issue.ts";
import { type ConfigFlags, loadConfig, type LoadedConfig } from "../config/load.ts";
import { planReload } from "../config/reload.ts";
import type { Config } from "../config/schema.ts";
import { Daemon } from "../daemon.ts";
import { configFlagsOf, configFlagSpecs, describeFlags, parseFlags, reportFailure } from "./flags.ts";
import type { CliIo } from "./io.ts";

/**
 * Exit codes: stopped with everything flushed; could not start; stopped, but the journal keeps rows for the next
 * start; a second signal. A bad command line or configuration has 64 and 78.
 */
const exits = { clean: 0, notStarted: 1, unflushed: 3, interrupted: 130 } as const;

/** Runs the verb; resolves when the daemon has stopped. */
export async function serveVerb(args: string[], io: CliIo): Promise<number> {
  let flags: ConfigFlags;
  let loaded: LoadedConfig;
  try {
    const parsed = parseFlags(args, configFlagSpecs);
    if (parsed.on.has("help")) {
      io.stdout(`weir serve [flags]\n\n${describeFlags(configFlagSpecs)}`);
      return exits.clean;
    }
    flags = configFlagsOf(parsed.values);
    loaded = loadConfig({ args: flags, env: io.env });
  } catch (error) {
    return reportFailure(error, io);
  }
  const { config } = loaded;
  const log = createLog({ level: config.log.level, format: config.log.format, clock: systemClock });
  const daemon = new Daemon({ config, log });
  // Signals count from here on: a stop during recovery is a stop.
  using signals = new Signals(daemon, { log, reload: () => reload(daemon, { flags, io, log }) });
  try {
    await daemon.start();
  } catch (error) {
    log.error("Cannot start", { error: describeError(error) });
    await daemon.stop();
    return exits.notStarted;
  }
  if (daemon.address !== undefined) io.stdout(welcome(config, daemon.address));
  return await signals.ended;
}

/** What a person sees first: where it listens, where it writes, what to try. */
function welcome(config: Config, { hostname, port }: Deno.NetAddr): string {
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return `Weir listens on http://${host}:${port} and writes to ${config.data_dir}. Try:\n\n` +
    `  curl -s http://${host}:${port}/track -H 'content-type: application/json' \\\n` +
    `    -d '{"type":"track","payload":{"name":"hello","properties":{"__deviceId":"me"}}}'\n\n`;
}

/** Reads the configuration again. One that is not valid changes nothing. */
function reload(daemon: Daemon, { flags, io, log }: { flags: ConfigFlags; io: CliIo; log: Log }): void {
  try {
    const { config } = loadConfig({ args: flags, env: io.env });
    const plan = planReload(daemon.config, config);
    daemon.reload(plan.config);
    log.info("Configuration reloaded", { key: plan.apply });
    if (plan.restart.length > 0) log.warn("Some settings need a restart", { key: plan.restart });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    log.error("Configuration not reloaded: it is not valid", { error: describeError(error) });
  }
}

/**
 * What signals do: TERM and INT stop in order, a second one stops at once (the journal keeps what is not flushed),
 * HUP reads the configuration again.
 */
class Signals implements Disposable {
  readonly ended: Promise<number>;
  readonly #handlers: [Deno.Signal, () => void][];
  #stopping = false;

  constructor(daemon: Daemon, { log, reload }: { log: Log; reload: () => void }) {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.ended = promise;
    const stop = (signal: Deno.Signal) => (): void => {
      if (this.#stopping) return resolve(exits.interrupted);
      this.#stopping = true;
      log.info("Stopping", { signal });
      daemon.stop().then((result) => resolve(exits[result]), (error) => {
        log.error("Stopping failed", { error: describeError(error) });
        resolve(exits.unflushed);
      });
    };
    this.#handlers = [["SIGTERM", stop("SIGTERM")], ["SIGINT", stop("SIGINT")], ["SIGHUP", reload]];
    for (const [signal, handler] of this.#handlers) Deno.addSignalListener(signal, handler);
  }

  [Symbol.dispose](): void {
    for (const [signal, handler] of this.#handlers) Deno.removeSignalListener(signal, handler);
  }
}
