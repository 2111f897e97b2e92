/**
 * Which session the live events of a device come to, and which one a profile is in.
 * @module
 */

import type { Session } from "./session.ts";

/** By device and by profile, in memory. */
export class LiveOwners {
  readonly #devices = new Map<string, Session>();
  /** The last live session of a profile, for events of servers. */
  readonly #profiles = new Map<string, Session>();

  /** The session that live events of this device belong to, as long as it takes them. */
  ofDevice(project: string, deviceId: string): Session | undefined {
    return this.#devices.get(ownerKey(project, deviceId));
  }

  /** The live session of a profile; undefined when it has none. */
  ofProfile(project: string, profileId: string): Session | undefined {
    const session = this.#profiles.get(ownerKey(project, profileId));
    const isThere = session?.isLive && session.fold.profileId === profileId;
    return isThere ? session : undefined;
  }

  /** From here on, live events of the session's device come to it. */
  begin(session: Session): void {
    const key = ownerKey(session.project, session.deviceId);
    const before = this.#devices.get(key);
    if (before === session) return;
    if (before !== undefined) before.isLive = false;
    session.isLive = true;
    this.#devices.set(key, session);
  }

  /** Live events come to it again, unless they come to a later one. */
  resume(session: Session): void {
    if (!isFinite(session.fold.liveT)) return;
    const current = this.ofDevice(session.project, session.deviceId);
    if (current === undefined || session.fold.liveT >= current.fold.liveT) this.begin(session);
  }

  /** It takes no more live events. */
  end(session: Session): void {
    const key = ownerKey(session.project, session.deviceId);
    if (this.#devices.get(key) === session) this.#devices.delete(key);
    session.isLive = false;
  }

  /** The session is of another profile than before. @param before "" where it was of none */
  nameProfile(session: Session, before: string): void {
    this.#forgetProfile(session, before);
    this.#profiles.set(ownerKey(session.project, session.fold.profileId), session);
  }

  /** The session is no longer in memory. */
  forget(session: Session): void {
    this.#forgetProfile(session, session.fold.profileId);
  }

  #forgetProfile(session: Session, profileId: string): void {
    const key = ownerKey(session.project, profileId);
    if (this.#profiles.get(key) === session) this.#profiles.delete(key);
  }
}

/** Of a project's device or profile. */
function ownerKey(project: string, name: string): string {
  return `${project.length}:${project}${name}`;
}
