/**
 * Certificates made on the spot, so that no key lies in the repository and none expires (X.509 version 3, RFC 5280).
 * @module
 */

import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";

/** A certificate with its key. */
export interface Certificate {
  readonly name: string;
  /** PEM. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
  readonly privateKey: KeyObject;
}

/** What a certificate says. */
export interface CertificateOptions {
  /** Who vouches for it. @default itself */
  readonly issuer?: Certificate;
  /** May it vouch for others? @default false */
  readonly isAuthority?: boolean;
  /** IPv4 addresses it is for. @default none */
  readonly addresses?: readonly string[];
  /** Names it is for. @default none */
  readonly hosts?: readonly string[];
  /** Last year in which it is valid. @default 2049 */
  readonly lastYear?: number;
}

const ecdsaWithSha256 = der(0x30, oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02));

/** Makes a certificate of this name, with a key of its own on the curve P-256. */
export function makeCertificate(name: string, options: CertificateOptions = {}): Certificate {
  const { issuer, isAuthority = false, addresses = [], hosts = [], lastYear = 2049 } = options;
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const names = [
    ...hosts.map((host) => der(0x82, text(host))),
    ...addresses.map((address) => der(0x87, Uint8Array.from(address.split("."), Number))),
  ];
  const extensions = [
    extension(oid(0x55, 0x1d, 0x13), der(0x30, ...isAuthority ? [der(0x01, Uint8Array.of(0xff))] : [])),
    ...names.length === 0 ? [] : [extension(oid(0x55, 0x1d, 0x11), der(0x30, ...names))],
  ];
  const signed = der(
    0x30,
    der(0xa0, der(0x02, Uint8Array.of(2))),
    der(0x02, Uint8Array.of(1), randomBytes(8)),
    ecdsaWithSha256,
    distinguishedName(issuer?.name ?? name),
    der(0x30, der(0x17, text("200101000000Z")), der(0x17, text(`${lastYear % 100}1231235959Z`))),
    distinguishedName(name),
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, der(0x30, ...extensions)),
  );
  const signature = sign("sha256", signed, issuer?.privateKey ?? privateKey);
  const whole = der(0x30, signed, ecdsaWithSha256, der(0x03, Uint8Array.of(0), signature));
  return {
    name,
    cert: pem(whole),
    key: String(privateKey.export({ type: "pkcs8", format: "pem" })),
    privateKey,
  };
}

function distinguishedName(name: string): Uint8Array {
  return der(0x30, der(0x31, der(0x30, oid(0x55, 0x04, 0x03), der(0x0c, text(name)))));
}

function extension(id: Uint8Array, value: Uint8Array): Uint8Array {
  return der(0x30, id, der(0x04, value));
}

function oid(...bytes: number[]): Uint8Array {
  return der(0x06, Uint8Array.from(bytes));
}

/** One element: tag, length, content. */
function der(tag: number, ...content: Uint8Array[]): Uint8Array {
  const length = content.reduce((sum, { length }) => sum + length, 0);
  const size = length < 0x80
    ? [length]
    : length < 0x100
    ? [0x81, length]
    : [0x82, length >> 8, length & 0xff];
  return Uint8Array.from([tag, ...size, ...content.flatMap((bytes) => [...bytes])]);
}

function text(ascii: string): Uint8Array {
  return new TextEncoder().encode(ascii);
}

function pem(bytes: Uint8Array): string {
  const lines = bytes.toBase64().replace(/.{64}/g, "$&\n");
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}
