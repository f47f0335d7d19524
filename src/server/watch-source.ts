import type { WatchEvent, WatchedRealm, WatchSelector, WatchSource } from "../contract/watch.js";
import type { KnownDirectory } from "../directory/directory.js";
import type { Change } from "../directory/feed.js";
import type { FeedEvent } from "../directory/feed-follower.js";
import type { Selector } from "../directory/revocation.js";
import type { KeySet } from "../keys/key-set.js";
import type { Clock } from "../util/clock.js";
import { areInDirectory } from "../verifier/realm.js";
import { isRoute } from "../verifier/route.js";
import type { RunningRealm } from "./realms.js";

/** Where the changes of a core come from. */
export interface WatchSourceOptions {
  /** The realms that verify now. */
  readonly realms: () => readonly RunningRealm[];
  readonly directory: KnownDirectory;
  readonly digestRoot: Buffer;
  readonly clock: Clock;
}

/** A source of changes that a feed is handed to. */
export interface FedWatchSource extends WatchSource {
  /** Takes an event of the feed that was applied. */
  take(event: FeedEvent): void;
}

/** Makes the source of changes of a core: its feed, its realms and their keys. */
export function createWatchSource({ realms, directory, digestRoot, clock }: WatchSourceOptions): FedWatchSource {
  const listeners = new Set<(event: WatchEvent) => void>();
  const seen = new Map<string, SeenRealm>();
  const emit = (event: WatchEvent): void => {
    for (const listener of listeners) listener(event);
  };
  return {
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    position: () => directory.position,
    feedAge: () => directory.feedAge(clock()),
    realm(name) {
      const running = realms().find(({ realm }) => realm.name === name);
      if (running === undefined) {
        seen.delete(name);
        return undefined;
      }
      const keys = running.realm.keys.current(clock());
      const last = seen.get(name);
      if (last?.running === running && last.keys === keys) return last.watched;
      const watched = watchedRealm(running, keys);
      seen.set(name, { running, keys, watched });
      return watched;
    },
    realms: () => realms().map(({ realm }) => realm.name),
    digestRoot: () => digestRoot,
    take(event) {
      if (event.kind === "restart") {
        emit({ kind: "reset" });
        if (directory.position !== undefined) emit({ kind: "position", position: directory.position });
      } else if (event.kind === "changes") {
        for (const commit of commitsOf(event.changes)) for (const one of watchEventsOf(commit)) emit(one);
      }
    },
  };
}

/** A realm as it was last looked at. */
interface SeenRealm {
  readonly running: RunningRealm;
  readonly keys: KeySet | undefined;
  readonly watched: WatchedRealm;
}

function watchedRealm({ realm, configured }: RunningRealm, keys: KeySet | undefined): WatchedRealm {
  const { policy, marks } = realm;
  const trusted = keys?.keys ?? [];
  return {
    isOpen: configured.isWatched && !isRoute(realm),
    version: marks.version,
    trustedKeys: trusted.map((key) => marks.keys.of(key)),
    usesDirectory: policy.subject.from === "directory" || areInDirectory(policy.callers),
    keysNamed: (name) =>
      policy.keysOf === "realm"
        ? trusted.filter(({ kid, label }) => kid === name || label === name).map((key) => marks.keys.of(key))
        : undefined,
  };
}

/** The changes of each commit, which share a mark. */
function commitsOf(changes: readonly Change[]): readonly (readonly [Change, ...Change[]])[] {
  const commits: [Change, ...Change[]][] = [];
  for (const change of changes) {
    const last = commits.at(-1);
    if (last?.[0].mark === change.mark) last.push(change);
    else commits.push([change]);
  }
  return commits;
}

/** What the changes of a commit mean to watchers, and the position after them. */
function watchEventsOf(changes: readonly [Change, ...Change[]]): readonly WatchEvent[] {
  const events: WatchEvent[] = [];
  const subjects: WatchSelector[] = [];
  let callers = false;
  for (const change of changes) {
    switch (change.kind) {
      case "user":
        subjects.push({ kind: "subject", value: change.userId });
        break;
      case "instance":
        subjects.push({ kind: "instance", value: change.instanceId });
        callers = true;
        break;
      case "client":
        callers = true;
        break;
      case "revoked":
        for (const [, group] of groupedBy(
          change.revocations,
          ({ selector, issuedBefore }) => `${selector.realm} ${issuedBefore}`,
        )) {
          const [{ selector, issuedBefore }] = group;
          const selectors = group.map((one) => watchSelector(one.selector));
          events.push({ kind: "revoked", realm: realmOf(selector), selectors, issuedBefore });
        }
        break;
      case "unrevoked":
        for (const [, group] of groupedBy(change.selectors, ({ realm }) => realm)) {
          events.push({ kind: "unrevoked", realm: realmOf(group[0]), selectors: group.map(watchSelector) });
        }
        break;
      case "reset":
      case "reset-revocations":
        events.push({ kind: "reset" });
        break;
    }
  }
  if (subjects.length > 0) events.push({ kind: "subjects", selectors: subjects });
  if (callers) events.push({ kind: "callers" });
  const { number, mark } = changes.at(-1) ?? changes[0];
  events.push({ kind: "position", position: { number, mark } });
  return events;
}

const watchSelector = ({ kind, value }: Selector): WatchSelector => ({ kind, value });

/** Undefined for a digest that is revoked in every realm. */
const realmOf = ({ realm }: Selector): string | undefined => (realm === "" ? undefined : realm);

function groupedBy<One>(
  all: readonly One[],
  nameOf: (one: One) => string,
): ReadonlyMap<string, readonly [One, ...One[]]> {
  const groups = new Map<string, [One, ...One[]]>();
  for (const one of all) {
    const group = groups.get(nameOf(one));
    if (group === undefined) groups.set(nameOf(one), [one]);
    else group.push(one);
  }
  return groups;
}
