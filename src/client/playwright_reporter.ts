/**
 * A reporter of Playwright that tells Weir what happens while it happens:
 *
 *     reporter: [["list"], ["weir/playwright-reporter", { url: "http://127.0.0.1:7400" }]]
 *
 * @module
 */

import { env } from "node:process";
import {
  attachmentMessage,
  clean,
  durationText,
  errorText,
  locationText,
  planOf,
  type PlaywrightError,
  type PlaywrightResult,
  type PlaywrightStep,
  type PlaywrightSuite,
  type PlaywrightTest,
  type ProtoJson,
  statusOf,
  testMessage,
} from "./playwright_plan.ts";
import { TestEventClient, type TestEventClientOptions } from "./test_event_client.ts";

/** Options of the reporter; each wins over its environment variable. */
export interface PlaywrightReporterOptions {
  /** Where Weir is; also WEIR_URL, or STANTERPRISE_GRPC_ADDRESS. @default "http://127.0.0.1:7400" */
  readonly url?: string;
  /** The same as host and port, as reporters of the original have it. */
  readonly grpcAddress?: string;
  /** Also STANTERPRISE_GRPC_ENABLED. @default true */
  readonly grpcEnabled?: boolean;
  /** Ms for one request. @default 30000 */
  readonly grpcTimeout?: number;
  /** Shards that share it are one run; also WEIR_RUN_ID, or STANTERPRISE_RUN_ID. @default a random one */
  readonly runId?: string;
  /** Also STANTERPRISE_TEST_RUN_NAME. @default "Playwright Test Run" */
  readonly runName?: string;
  /** Many events in a request; off, one request an event. @default true */
  readonly enableBatching?: boolean;
  /** Events in a request. @default 50 */
  readonly batchSize?: number;
  /** @default 100 */
  readonly batchFlushIntervalMs?: number;
  /** Bytes of an attachment that are sent; of a larger one its name and type. @default 262144 */
  readonly maxAttachmentBytes?: number;
  /** How long the end of the run waits for events that are not delivered. Ms. @default 30000 */
  readonly stopDeadlineMs?: number;
  /** Send what tests write to standard output and error? @default true */
  readonly output?: boolean;
  /** Say what is sent and what fails. @default false */
  readonly verbose?: boolean;
  /** Also WEIR_APP_ID and WEIR_APP_SECRET. */
  readonly appId?: string;
  readonly appSecret?: string;
  /** Further options of the queue, for tests. */
  readonly queue?: Partial<TestEventClientOptions>;
}

const source = "weir/playwright-reporter";

/** The reporter. It throws nothing into the run. */
export default class PlaywrightReporter {
  readonly #options: PlaywrightReporterOptions;
  readonly #client: TestEventClient | undefined;
  readonly #stepIds = new WeakMap<PlaywrightStep, string>();
  #startedAt = new Date();
  #steps = 0;
  #hasBegun = false;
  #problems = 0;

  constructor(options: PlaywrightReporterOptions = {}) {
    this.#options = options;
    const isOn = options.grpcEnabled ??
      env.STANTERPRISE_GRPC_ENABLED?.toLowerCase() !== "false";
    this.#client = isOn ? this.#createClient() : undefined;
  }

  /** Playwright asks whether the terminal is taken care of. */
  printsToStdio(): boolean {
    return false;
  }

  onBegin(_config: unknown, suite: PlaywrightSuite): void {
    this.#quietly(() => this.#begin(planOf(suite, this.#runId), suite.allTests().length));
  }

  onTestBegin(test: PlaywrightTest, result: PlaywrightResult): void {
    this.#quietly(() => {
      this.#report("test.begin", {
        test_case: {
          ...testMessage(test, this.#runId),
          ...{ status: "RUNNING", start_time: result.startTime.toISOString() },
          ...{
            retry_count: test.retries,
            retry_index: result.retry,
            execution_id: this.#executionId,
          },
        },
      });
    });
  }

  onStepBegin(
    test: PlaywrightTest,
    result: PlaywrightResult,
    step: PlaywrightStep,
  ): void {
    this.#quietly(() => {
      this.#stepIds.set(step, `${test.id}-${result.retry}-${this.#steps++}`);
      this.#report("step.begin", {
        step: this.#stepMessage(test, result, step),
      });
    });
  }

  onStepEnd(
    test: PlaywrightTest,
    result: PlaywrightResult,
    step: PlaywrightStep,
  ): void {
    this.#quietly(() => {
      const message = {
        ...this.#stepMessage(test, result, step),
        ...{
          status: step.error === undefined ? "PASSED" : "FAILED",
          duration: durationText(step.duration),
        },
        ...(step.error === undefined ? {} : { error: errorText(step.error) }),
      };
      this.#report("step.end", { step: message });
    });
  }

  onTestEnd(test: PlaywrightTest, result: PlaywrightResult): void {
    this.#quietly(() => this.#report("test.end", { test_case: this.#resultMessage(test, result) }));
  }

  /** An error outside of any test, such as one while files are loaded. */
  onError(error: PlaywrightError): void {
    this.#quietly(() =>
      this.#reportOutput(
        "stderr",
        [errorText(error), clean(error.stack ?? "")].join("\n").trim(),
      )
    );
  }

  onStdOut(
    chunk: string | Uint8Array,
    test?: PlaywrightTest | void,
    result?: PlaywrightResult | void,
  ): void {
    this.#quietly(() => this.#reportOutput("stdout", textOf(chunk), test, result));
  }

  onStdErr(
    chunk: string | Uint8Array,
    test?: PlaywrightTest | void,
    result?: PlaywrightResult | void,
  ): void {
    this.#quietly(() => this.#reportOutput("stderr", textOf(chunk), test, result));
  }

  /** Playwright waits for it: everything is delivered then, or the time is over. */
  async onEnd(
    result: { status?: string; startTime?: Date; duration?: number },
  ): Promise<void> {
    this.#quietly(() => {
      // A run that could not even be planned is a run.
      if (!this.#hasBegun) this.#begin([], 0);
      const startTime = result.startTime ?? this.#startedAt;
      this.#report("run.end", {
        ...{
          run_id: this.#runId,
          execution_id: this.#executionId,
          final_status: statusOf(result.status),
        },
        start_time: startTime.toISOString(),
        duration: durationText(
          result.duration ?? Date.now() - startTime.getTime(),
        ),
      });
    });
    await this.#stop();
  }

  async #stop(): Promise<void> {
    if (this.#client === undefined) return;
    const { stopDeadlineMs = 30_000, verbose } = this.#options;
    const { delivered, dropped, undelivered } = await this.#client.stop({
      deadlineMs: stopDeadlineMs,
    });
    const { requests, sentBytes } = this.#client.stats;
    if (dropped + undelivered > 0) {
      this.#say(
        `${undelivered} events were not delivered, ${dropped} were dropped`,
      );
    }
    if (verbose) {
      this.#say(
        `${delivered} events in ${requests} requests, ${sentBytes} bytes`,
      );
    }
  }

  #createClient(): TestEventClient {
    const options = this.#options;
    const {
      enableBatching = true,
      batchSize = 50,
      batchFlushIntervalMs = 100,
      grpcTimeout,
    } = options;
    return new TestEventClient({
      url: addressOf(options),
      runId: options.runId ?? env.WEIR_RUN_ID ?? env.STANTERPRISE_RUN_ID ??
        crypto.randomUUID(),
      appId: options.appId ?? env.WEIR_APP_ID,
      appSecret: options.appSecret ?? env.WEIR_APP_SECRET,
      batchSize: enableBatching ? batchSize : 1,
      flushIntervalMs: batchFlushIntervalMs,
      timeoutMs: grpcTimeout,
      onError: (error) => this.#noteProblem(error),
      ...options.queue,
    });
  }

  get #runId(): string {
    return this.#client?.runId ?? "";
  }

  get #executionId(): string {
    return this.#client?.executionId ?? "";
  }

  #begin(suites: ProtoJson[], totalTests: number): void {
    this.#hasBegun = true;
    this.#startedAt = new Date();
    this.#report("run.start", {
      ...{
        run_id: this.#runId,
        execution_id: this.#executionId,
        total_tests: totalTests,
      },
      name: this.#options.runName ?? env.STANTERPRISE_TEST_RUN_NAME ??
        "Playwright Test Run",
      test_suites: suites,
      metadata: { reporter: source },
    });
  }

  #stepMessage(
    test: PlaywrightTest,
    result: PlaywrightResult,
    step: PlaywrightStep,
  ): ProtoJson {
    const parent = step.parent && this.#stepIds.get(step.parent);
    return {
      ...{
        id: this.#stepIds.get(step) ?? "unknown",
        run_id: this.#runId,
        test_case_id: test.id,
      },
      ...{
        title: clean(step.title),
        category: step.category,
        type: step.category,
        status: "RUNNING",
      },
      ...{
        start_time: step.startTime.toISOString(),
        location: locationText(step.location),
      },
      ...{
        retry_index: result.retry,
        worker_index: String(result.workerIndex),
      },
      ...(parent === undefined ? {} : { parent_step_id: parent }),
      execution_id: this.#executionId,
    };
  }

  #resultMessage(test: PlaywrightTest, result: PlaywrightResult): ProtoJson {
    const { maxAttachmentBytes = 262_144 } = this.#options;
    const errors = result.errors ?? [];
    const attachments = result.attachments ?? [];
    const tooLarge = attachments.filter(({ body }) => body !== undefined && body.length > maxAttachmentBytes);
    return {
      ...testMessage(test, this.#runId),
      ...{
        status: statusOf(result.status, test.expectedStatus),
        start_time: result.startTime.toISOString(),
      },
      end_time: new Date(
        result.startTime.getTime() + Math.max(0, result.duration),
      ).toISOString(),
      ...{
        duration: durationText(result.duration),
        retry_count: test.retries,
        retry_index: result.retry,
      },
      ...(errors.length === 0 ? {} : {
        error_message: errorText(errors[0]),
        stack_trace: clean(errors[0].stack ?? ""),
        errors: errors.slice(0, 20).map(errorText),
      }),
      attachments: attachments.map((attachment) => attachmentMessage(attachment, maxAttachmentBytes)),
      metadata: {
        ...Object.fromEntries(
          (test.annotations ?? []).map((
            { type, description = "" },
          ) => [clean(type), clean(description)]),
        ),
        ...(tooLarge.length === 0 ? {} : {
          attachments_left_out: tooLarge.map(({ name, body }) => `${clean(name)}: ${body!.length} bytes`)
            .join(", "),
        }),
      },
      execution_id: this.#executionId,
    };
  }

  #reportOutput(
    type: "stdout" | "stderr",
    message: string,
    test?: PlaywrightTest | void,
    result?: PlaywrightResult | void,
  ): void {
    if (this.#options.output === false && test) return;
    // Standard output without a test has no place in the model.
    if (type === "stdout" && !test) return;
    this.#report(type, {
      ...(test ? { test_id: test.id } : {}),
      ...(result ? { retry_index: result.retry } : {}),
      ...{ message, run_id: this.#runId, execution_id: this.#executionId },
      timestamp: new Date().toISOString(),
    });
  }

  #report(type: string, data: ProtoJson): void {
    void this.#client?.report(type, data);
  }

  /** One line a run says that something fails; with `verbose`, one each time. */
  #noteProblem(error: unknown): void {
    this.#problems++;
    if (this.#problems > 1 && !this.#options.verbose) return;
    this.#say(
      `${error instanceof Error ? error.message : String(error)}; trying again`,
    );
  }

  #say(text: string): void {
    // deno-lint-ignore no-console -- a reporter has nowhere else to say it
    console.warn(`[${source}] ${text}`);
  }

  /** Whatever goes wrong here must not fail the run. */
  #quietly(act: () => void): void {
    try {
      if (this.#client !== undefined) act();
    } catch (error) {
      this.#noteProblem(error);
    }
  }
}

function addressOf(
  { url, grpcAddress }: PlaywrightReporterOptions,
): string | undefined {
  const address = url ?? grpcAddress ?? env.WEIR_URL ??
    env.STANTERPRISE_GRPC_ADDRESS;
  return address === undefined || /^https?:\/\//.test(address) ? address : `http://${address}`;
}

function textOf(chunk: string | Uint8Array): string {
  return clean(
    typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk),
  );
}
