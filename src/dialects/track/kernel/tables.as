/**
 * What was met before: devices and names, found by the sender and their bytes. Full tables are emptied by the caller,
 * who fills them anew as rows need it.
 */

import * as at from "./layout";
import { isSame } from "./copy";

/** Where a slot is looked for at the most; senders cannot make it longer: the hash has a secret seed. */
const mostProbes: u32 = 32;
const deviceMask: u32 = 8191;
const nameMask: u32 = 2047;

/** Both kinds of slots begin alike. */
const hashOffset: usize = 0, senderOffset: usize = 4, textOffset: usize = 8, sizeOffset: usize = 12;

let seed: u64 = 0;
let arenaTop: usize = at.arena;
let deviceCount: i32 = 0;
let nameCount: i32 = 0;

/** Empties all tables. */
export function clear(newSeed: u64): void {
  seed = newSeed;
  arenaTop = at.arena;
  deviceCount = nameCount = 0;
  memory.fill(at.deviceIndex, 0, (deviceMask + 1) * 4);
  memory.fill(at.nameIndex, 0, (nameMask + 1) * 4);
}

/** Room for so many bytes; 0 where there is none. */
export function allocate(bytes: i32): i32 {
  const size = (<usize>bytes + 7) & ~7;
  if (bytes < 0 || size > at.arenaEnd - arenaTop) return 0;
  arenaTop += size;
  return <i32>(arenaTop - size);
}

/** The slot of a device of this sender; -1 where it is not known. */
export function findDevice(sender: u32, start: usize, size: usize): i32 {
  const hash = hashOf(sender, start, size);
  for (let probe: u32 = 0; probe < mostProbes; probe++) {
    const entry = load<u32>(at.deviceIndex + (((hash + probe) & deviceMask) << 2));
    if (entry == 0) return -1;
    const slot = at.devices + (entry - 1) * at.deviceBytes;
    if (isSlotOf(slot, hash, sender) && isTextOf(slot, start, size)) return <i32>(entry - 1);
  }
  return -1;
}

/** The same for a name. */
export function findName(sender: u32, start: usize, size: usize): i32 {
  const hash = hashOf(sender, start, size);
  for (let probe: u32 = 0; probe < mostProbes; probe++) {
    const entry = load<u32>(at.nameIndex + (((hash + probe) & nameMask) << 2));
    if (entry == 0) return -1;
    const slot = at.names + (entry - 1) * at.nameBytes;
    if (isSlotOf(slot, hash, sender) && isTextOf(slot, start, size)) return <i32>(entry - 1);
  }
  return -1;
}

/** A slot for a device that is not known; -1 where the tables are full. */
export function addDevice(sender: u32, start: usize, size: usize): i32 {
  if (deviceCount == at.mostDevices) return -1;
  const slot = at.devices + deviceCount * at.deviceBytes;
  memory.fill(slot, 0, at.deviceBytes);
  return fill(slot, sender, start, size) && enter(at.deviceIndex, deviceMask, slot, deviceCount + 1)
    ? deviceCount++
    : -1;
}

/** The same for a name. */
export function addName(sender: u32, start: usize, size: usize): i32 {
  if (nameCount == at.mostNames) return -1;
  const slot = at.names + nameCount * at.nameBytes;
  return fill(slot, sender, start, size) && enter(at.nameIndex, nameMask, slot, nameCount + 1)
    ? nameCount++
    : -1;
}

function enter(index: usize, mask: u32, slot: usize, number: i32): bool {
  const hash = load<u32>(slot, hashOffset);
  for (let probe: u32 = 0; probe < mostProbes; probe++) {
    const entry = index + (((hash + probe) & mask) << 2);
    if (load<u32>(entry) != 0) continue;
    store<u32>(entry, number);
    return true;
  }
  return false;
}

function fill(slot: usize, sender: u32, start: usize, size: usize): bool {
  const text = allocate(<i32>size);
  if (text == 0) return false;
  memory.copy(text, start, size);
  store<u32>(slot, hashOf(sender, start, size), hashOffset);
  store<u32>(slot, sender, senderOffset);
  store<u32>(slot, text, textOffset);
  store<u32>(slot, <u32>size, sizeOffset);
  return true;
}

@inline
function isSlotOf(slot: usize, hash: u32, sender: u32): bool {
  return load<u32>(slot, hashOffset) == hash && load<u32>(slot, senderOffset) == sender;
}

@inline
function isTextOf(slot: usize, start: usize, size: usize): bool {
  return <usize>load<u32>(slot, sizeOffset) == size && isSame(load<u32>(slot, textOffset), start, size);
}

@inline
function hashOf(sender: u32, start: usize, size: usize): u32 {
  let hash = seed ^ <u64>sender << 32 ^ size;
  let i: usize = 0;
  for (; i + 8 <= size; i += 8) hash = mix(hash ^ load<u64>(start + i));
  const rest = load<u64>(start + i) & ((<u64>1 << ((size - i) << 3)) - 1);
  return <u32>(mix(hash ^ rest) >> 32);
}

@inline
function mix(value: u64): u64 {
  const product = value * 0x9e3779b97f4a7c15;
  return product ^ product >> 29;
}
