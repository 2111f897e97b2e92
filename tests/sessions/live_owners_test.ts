import { assertEquals } from "@std/assert";
import { LiveOwners } from "../../src/sessions/live_owners.ts";
import { Session } from "../../src/sessions/session.ts";

function sessionOf(id: string, deviceId = "device"): Session {
  return new Session({ id, project: "shop", deviceId });
}

Deno.test("LiveOwners has one live session a device: the one that began last", () => {
  const owners = new LiveOwners();
  const [first, second, other] = [sessionOf("a"), sessionOf("b"), sessionOf("c", "another")];
  for (const session of [first, other, second]) owners.begin(session);
  assertEquals([first.isLive, second.isLive, other.isLive], [false, true, true]);
  assertEquals(owners.ofDevice("shop", "device"), second);
  owners.end(first);
  assertEquals(owners.ofDevice("shop", "device"), second);
  owners.end(second);
  assertEquals([owners.ofDevice("shop", "device"), second.isLive], [undefined, false]);
  assertEquals(owners.ofDevice("shop", "another"), other);
});

Deno.test("LiveOwners knows the live session of a profile until it has another profile, ends or is forgotten", () => {
  const owners = new LiveOwners();
  const session = sessionOf("a");
  session.fold.profileId = "ann";
  owners.nameProfile(session, "");
  assertEquals(owners.ofProfile("shop", "ann"), undefined);
  owners.begin(session);
  assertEquals(owners.ofProfile("shop", "ann"), session);
  session.fold.profileId = "bob";
  owners.nameProfile(session, "ann");
  assertEquals([owners.ofProfile("shop", "ann"), owners.ofProfile("shop", "bob")], [undefined, session]);
  owners.forget(session);
  assertEquals(owners.ofProfile("shop", "bob"), undefined);
});
