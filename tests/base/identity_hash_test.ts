import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { identityKey, identityOwner } from "../../src/base/identity.ts";
import { IdentityHash } from "../../src/base/identity_hash.ts";
import { hexOf } from "../support/digests.ts";

const encoder = new TextEncoder();
const secret = new Uint8Array(Int32Array.of(0x833d3433, 0x009f389f, 0x2398e64f, 0x417acf39).buffer);

function digestOf(owner: string, bytes: Uint8Array, hash = new IdentityHash(secret)): string {
  const out = new Int32Array(6);
  hash.digest(owner, { bytes, start: 0, end: bytes.length, out, at: 1 });
  return hexOf(out, 1);
}

Deno.test("IdentityHash.digest() gives the tags that the authors of Chaskey published", () => {
  const message = Uint8Array.from({ length: 64 }, (_, i) => i);
  const tags = ["792e8fe575ce87aa2d1450b51191970b", "13a9307b50e62c894577bd88c0bbdc18"];
  for (const [length, tag] of tags.entries()) assertEquals(digestOf("", message.subarray(0, length)), tag);
});

Deno.test("IdentityHash.digestKey() is digest() of the owner and the bytes of the id, whatever its length", () => {
  const hash = new IdentityHash(secret);
  const out = new Int32Array(4);
  const owners = [["project", "p"], ["app", "p"], ["project", "é".repeat(30)], [
    "app",
    "sixteen bytes!",
  ]] as const;
  for (const [kind, name] of owners) {
    for (const length of [1, 15, 16, 17, 32, 255, 256, 5_000]) {
      const id = "aé😀".repeat(length).slice(0, length).toWellFormed();
      hash.digestKey(identityKey(kind, name, id), out);
      assertEquals(hexOf(out), digestOf(identityOwner(kind, name), encoder.encode(id), hash));
    }
  }
});

Deno.test("IdentityHash tells owners, ids and keys apart where their texts run together", () => {
  const digests = new Set<string>();
  const owners = ["p", "p1", "p1:", "", "0".repeat(16), "0".repeat(17)];
  const ids = [
    "x",
    "1x",
    "0",
    "00",
    "0".repeat(16),
    "0".repeat(15) + "\0",
    "0".repeat(15) + "\x01",
    "\0",
    "\x01",
  ];
  for (const kind of ["project", "app"] as const) {
    for (const owner of owners) {
      for (const id of ids) digests.add(digestOf(identityOwner(kind, owner), encoder.encode(id)));
    }
  }
  assertEquals(digests.size, 2 * owners.length * ids.length);
  const other = new IdentityHash(secret.map((byte, i) => i === 15 ? byte ^ 1 : byte));
  assertNotEquals(digestOf("p1:p", encoder.encode("x"), other), digestOf("p1:p", encoder.encode("x")));
});

Deno.test("IdentityHash remembers any number of owners without mixing them up", () => {
  const hash = new IdentityHash(secret);
  const ownerOf = (i: number): string => identityOwner("app", `app ${i}`);
  for (let turn = 0; turn < 2; turn++) {
    for (let i = 0; i < 2_500; i++) {
      assertEquals(
        digestOf(ownerOf(i), encoder.encode("x"), hash),
        digestOf(ownerOf(i), encoder.encode("x")),
      );
    }
  }
});

Deno.test("IdentityHash refuses a key of another size, and a text that is no identity", () => {
  assertThrows(() => new IdentityHash(new Uint8Array(15)), RangeError, "current value is 15");
  for (const key of ["", "p", "p:", "p9:short", "px:y"]) {
    assertThrows(() => new IdentityHash(secret).digestKey(key, new Int32Array(4)), RangeError);
  }
});
