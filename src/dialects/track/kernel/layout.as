/**
 * Where everything lies in the kernel's memory, which never grows; event_kernel.ts reads these from the module.
 *
 * Behind every place that is read from lie at least 64 bytes that belong to the memory, so that 16 bytes may be read
 * where fewer are meant.
 */

/** By byte, bits of what it is; see event_kernel.ts. */
export const classes: usize = 1024;
/** 16 bytes of ones, then 16 of zeros: what begins n bytes before the zeros keeps n bytes. */
export const masks: usize = 1280;
/** By hash, 16 bytes of a key and its code. */
export const keys: usize = 1536;
export const keyBytes: usize = 32;
export const keyBits: usize = 7;
/** By number, the length of a text in one byte, then the text. */
export const texts: usize = 5632;
export const textBytes: usize = 32;
/** Start and end of each member of the row; the start is 0 where it is absent. */
export const spans: usize = 6144;
/** What all rows of a call share; see call.as. */
export const call: usize = 6272;
/** An id: the next one differs in its counter. */
export const idText: usize = 6400;
/** Of the time of arrival, made when a row needs it. */
export const arrivalText: usize = 6464;
/** The keys of the row before, in order: 16 bytes from the quote to the colon, a mask for these, size and code. */
export const guesses: usize = 6528;
export const guessBytes: usize = 48;
export const guessesEnd: usize = 8064;
/** Start and end of each row, in the memory. */
export const rows: usize = 8192;
/** Of each record written: time, slot of its device, traits, its end in the output, and its insert id there, or 0. */
export const times: usize = 16384;
export const slots: usize = 20480;
export const traits: usize = 22528;
export const ends: usize = 24576;
export const insertIds: usize = 26624;
export const insertIdEnds: usize = 28672;
/** Rows and records of one call. */
export const mostRows: usize = 512;

/** Hash tables of slots, and the slots. */
export const deviceIndex: usize = 32768;
export const devices: usize = 65536;
export const deviceBytes: usize = 80;
export const mostDevices: usize = 4096;
export const nameIndex: usize = 393216;
export const names: usize = 401408;
export const nameBytes: usize = 32;
export const mostNames: usize = 1024;
/** Columns of a page that the caller has read. */
export const page: usize = 458752;
export const mostPageBytes: usize = 49152;
/** Texts of devices, names and senders. */
export const arena: usize = 524288;
export const arenaEnd: usize = 1572736;
/** A stretch of rows. */
export const input: usize = 1572864;
export const mostInputBytes: usize = 327552;
/** Records, as they go into the journal. */
export const output: usize = 1900544;
export const outputEnd: usize = 2621376;

/** Members that are noted in the spans. */
export const nameSpan: usize = spans;
export const profileSpan: usize = spans + 8;
export const propertiesSpan: usize = spans + 16;
export const timestampSpan: usize = spans + 24;
export const deviceSpan: usize = spans + 32;
export const pathSpan: usize = spans + 40;
export const referrerSpan: usize = spans + 48;
export const insertIdSpan: usize = spans + 56;
