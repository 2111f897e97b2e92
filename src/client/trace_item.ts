/**
 * Trace files on their way: checked, put into JSON once, gathered into batches.
 * @module
 */

/** One file that is to be written. */
export interface TraceFile {
  /** One path segment. */
  readonly fileName: string;
  /** A text is written as it is, every other value but null as JSON with an indent of 2. */
  readonly traceData: unknown;
  /** Below the server's folder of traces. @default what the writer's options say, else what the server says */
  readonly outputDirectory?: string;
}

/** A file that can be sent. */
export interface PackedFile {
  /** Position in the call. */
  readonly index: number;
  readonly fileName: string;
  readonly directory: string | undefined;
  /** JSON of `traceData`. */
  readonly data: string;
}

/** Why a file cannot even be sent. */
export interface Unfit {
  readonly code: "invalid_item" | "duplicate_path";
  readonly message: string;
}

/**
 * Checks a file and puts it into JSON. One bad item would make a server refuse the whole batch, so it is found here.
 * @param defaultDirectory For files that name none.
 */
export function packFile(
  file: TraceFile,
  index: number,
  defaultDirectory: string | undefined,
): PackedFile | Unfit {
  try {
    const { fileName, traceData, outputDirectory: directory = defaultDirectory } = file;
    if (typeof fileName !== "string" || fileName === "") {
      return unfit("fileName must be a text that is not empty");
    }
    if (directory !== undefined && typeof directory !== "string") {
      return unfit("outputDirectory must be a text");
    }
    const data = JSON.stringify(traceData) as string | undefined;
    if (data === undefined || data === "null") return unfit("traceData must not be null or undefined");
    return { index, fileName, directory, data };
  } catch (error) {
    // Values that refer to themselves, BigInt, getters that throw.
    const reason = error instanceof Error ? error.message : String(error);
    return unfit(`traceData cannot be put into JSON: ${reason}`);
  }
}

/** The place of a file, the same for the usual spellings of one directory. */
export function targetOf({ directory, fileName }: PackedFile): string {
  const segments = (directory ?? "").split("/").filter((segment) => segment !== "" && segment !== ".");
  return `${directory === undefined ? "" : "/"}${segments.join("/")}\0${fileName}`;
}

/** Gathers files into batches, in order; a file that is too large for any batch is one by itself. */
export function gather(
  files: readonly PackedFile[],
  { maxFiles, maxBytes }: { maxFiles: number; maxBytes: number },
): PackedFile[][] {
  const batches: PackedFile[][] = [];
  let bytes = 0;
  for (const file of files) {
    // UTF-16 units, three bytes each at the most; names are short.
    const size = file.data.length + file.fileName.length + 64;
    const last = batches.at(-1);
    if (last === undefined || last.length >= maxFiles || bytes + size > maxBytes) {
      batches.push([file]);
      bytes = size;
    } else {
      last.push(file);
      bytes += size;
    }
  }
  return batches;
}

/** The body of a single write. */
export function singleBody({ data, fileName, directory }: PackedFile): string {
  return `{"traceData":${data},"fileName":${JSON.stringify(fileName)}${member(directory)}}`;
}

/**
 * The body of a batch: in the shape with one directory for all where they have one, which more servers know; else in
 * the shape with a directory for each.
 */
export function batchBody(files: readonly PackedFile[]): string {
  const [{ directory }] = files;
  if (files.every((file) => file.directory === directory)) {
    const items = files.map((file) => singleBody({ ...file, directory: undefined }));
    return `{"traces":[${items.join()}]${member(directory)}}`;
  }
  const items = files.map((file) => singleBody({ ...file, directory: file.directory ?? "./traces" }));
  return `{"files":[${items.join()}]}`;
}

function member(directory: string | undefined): string {
  return directory === undefined ? "" : `,"outputDirectory":${JSON.stringify(directory)}`;
}

function unfit(message: string): Unfit {
  return { code: "invalid_item", message };
}
