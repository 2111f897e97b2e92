/**
 * Where an address is, from a MaxMind file that the user names (contract `track`, section 3).
 * @module
 */

import { isIP } from "node:net";
import { Buffer } from "node:buffer";
import { type CityResponse, Reader } from "maxmind";
import type { Metrics } from "../base/metrics.ts";

/** Columns of a place; what is not known is not there. */
export interface GeoColumns {
  readonly country?: string;
  readonly city?: string;
  readonly region?: string;
  readonly longitude?: number;
  readonly latitude?: number;
}

/** Looks addresses up. */
export interface Geo {
  /** Another number, another file: what was looked up before may be wrong. */
  readonly generation: number;
  /** The place of an address; each call is one look-up, where there is a file and the text is an address. */
  find(ip: string): GeoColumns;
}

/** The file cannot be used. */
export class GeoError extends Error {
  override readonly name = "GeoError";
}

const nowhere: GeoColumns = {};

/** A file in memory, or none. */
export class GeoDatabase implements Geo {
  readonly #metrics: Metrics;
  #path = "";
  #generation = 0;
  #reader: Reader<CityResponse> | undefined;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /**
   * Reads another file; the one before is used until that is done.
   * @param path "" for none.
   * @throws GeoError
   */
  async use(path: string): Promise<void> {
    if (path === this.#path) return;
    this.#reader = path === "" ? undefined : await read(path);
    this.#path = path;
    this.#generation++;
  }

  get generation(): number {
    return this.#generation;
  }

  find(ip: string): GeoColumns {
    if (this.#reader === undefined || isIP(ip) === 0) return nowhere;
    this.#metrics.counter("weir_geo_lookups_total").inc();
    const found = this.#reader.get(ip);
    if (found === null) return nowhere;
    const { country, city, subdivisions, location } = found;
    return {
      country: country?.iso_code,
      city: city?.names?.en,
      region: subdivisions?.[0]?.names?.en,
      longitude: location?.longitude,
      latitude: location?.latitude,
    };
  }
}

/** Says nothing of where the file lies: the text goes to the log. */
async function read(path: string): Promise<Reader<CityResponse>> {
  try {
    return new Reader<CityResponse>(Buffer.from(await Deno.readFile(path)));
  } catch (error) {
    const reason = error instanceof Deno.errors.NotFound ? "it is not there" : "it cannot be read as one";
    throw new GeoError(`Cannot use track.geo_database: must be a MaxMind file: ${reason}`);
  }
}
