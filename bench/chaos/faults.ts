import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { writeDirectory } from "../directory-data.js";
import { pause } from "./clock.js";
import { MASTER_KEYS } from "./config.js";
import type { Fault, Scene } from "./fault.js";
import { send } from "./process.js";
import type { Replica, Rig } from "./rig.js";
import { STORE_FAULTS } from "./store-faults.js";

// The faults of a run, as a table.

const run = promisify(execFile);

/** The users of the import, which are none of those that calls ask about. */
const IMPORTED = 100_000;

const onGrpcAndHttp = ({ grpc, http }: Replica, faults: Parameters<Replica["grpc"]["set"]>[0]): void => {
  grpc.set(faults);
  http.set(faults);
};

const PROCESS_FAULTS: readonly Fault[] = [
  {
    name: "a replica is killed (SIGKILL) and started again",
    lasts: 2,
    recovery: 3,
    failing: "victim and gateways",
    deaf: "victim",
    async begin({ victim }) {
      await victim.service.kill();
      return () => victim.service.start();
    },
  },
  {
    name: "a replica is frozen (SIGSTOP) for 3 s",
    lasts: 3,
    recovery: 4,
    failing: "victim and gateways",
    deaf: "victim",
    async begin({ victim }) {
      victim.service.signal("SIGSTOP");
      return () => victim.service.signal("SIGCONT");
    },
  },
  {
    name: "a worker is killed (SIGKILL)",
    needs: ["workers"],
    lasts: 2,
    recovery: 3,
    failing: "victim and gateways",
    deaf: "none",
    async begin({ victim, random }) {
      send(random.pick(victim.service.pids().slice(1)), "SIGKILL");
      return () => {};
    },
  },
  {
    name: "a worker is frozen (SIGSTOP) until it is replaced",
    needs: ["workers"],
    lasts: 12,
    recovery: 4,
    failing: "victim and gateways",
    deaf: "victim",
    async begin({ victim, random }) {
      const pid = random.pick(victim.service.pids().slice(1));
      send(pid, "SIGSTOP");
      return () => send(pid, "SIGCONT");
    },
  },
  {
    name: "the primary of a replica is killed (SIGKILL), its workers are not",
    needs: ["workers"],
    lasts: 2,
    recovery: 3,
    failing: "victim and gateways",
    deaf: "victim",
    async begin({ victim }) {
      const [primary = 0, ...workers] = victim.service.pids();
      send(primary, "SIGKILL");
      return async () => {
        for (const pid of workers) send(pid, "SIGKILL");
        await victim.service.start();
      };
    },
  },
  {
    name: "a replica is stopped (SIGTERM) with calls in flight and started again",
    lasts: 1,
    recovery: 2,
    failing: "victim",
    deaf: "none",
    async begin({ victim }) {
      const code = await victim.service.stop();
      if (code !== 0) throw new Error(`${victim.service.name} ended with code ${code} after SIGTERM`);
      return () => victim.service.start();
    },
  },
  {
    name: "all replicas restart, one after the other",
    lasts: 0,
    recovery: 2,
    failing: "replicas",
    deaf: "none",
    async begin({ rig }) {
      await rollingRestart(rig);
      return () => {};
    },
  },
  {
    name: "the master key is replaced by two rolling restarts",
    lasts: 0,
    recovery: 2,
    failing: "replicas",
    deaf: "none",
    async begin({ rig, random }) {
      for (const keys of [MASTER_KEYS, random.shuffled(MASTER_KEYS)]) {
        rig.writeConfigs(keys);
        await rollingRestart(rig);
      }
      return () => {};
    },
  },
  {
    name: "a replica of the earlier version runs beside the others",
    needs: ["old"],
    lasts: 8,
    recovery: 2,
    failing: "victim",
    deaf: "none",
    async begin({ rig, victim }) {
      await victim.service.stop();
      await victim.service.start(rig.options.oldProgram);
      return async () => {
        await victim.service.stop();
        await victim.service.start();
      };
    },
  },
  {
    name: "the clock of a replica is 5 s ahead",
    needs: ["clock"],
    lasts: 6,
    recovery: 1,
    failing: "none",
    deaf: "none",
    begin: (scene) => stepClock(scene, "+5"),
  },
  {
    name: "the clock of a replica is an hour ahead",
    needs: ["clock"],
    lasts: 6,
    recovery: 4,
    failing: "victim and gateways",
    deaf: "victim",
    begin: (scene) => stepClock(scene, "+3600"),
  },
  {
    name: "the clock of a replica is an hour behind",
    needs: ["clock"],
    lasts: 6,
    recovery: 4,
    failing: "victim and gateways",
    deaf: "victim",
    begin: (scene) => stepClock(scene, "-3600"),
  },
];

const NETWORK_FAULTS: readonly Fault[] = [
  {
    name: "clients of a replica are 300 ms away, each way",
    lasts: 4,
    recovery: 2,
    failing: "none",
    deaf: "none",
    async begin({ victim }) {
      onGrpcAndHttp(victim, { delayThere: 300, delayBack: 300 });
      return () => onGrpcAndHttp(victim, {});
    },
  },
  {
    name: "connections of clients to a replica are cut",
    lasts: 1,
    recovery: 2,
    failing: "victim and gateways",
    deaf: "none",
    async begin({ victim }) {
      victim.grpc.cut();
      victim.http.cut();
      return () => {};
    },
  },
  {
    name: "connections of clients to a replica go half-open",
    lasts: 3,
    recovery: 6,
    failing: "victim and gateways",
    deaf: "none",
    async begin({ victim }) {
      onGrpcAndHttp(victim, { halfOpen: true });
      return () => onGrpcAndHttp(victim, {});
    },
  },
  {
    name: "the issuer's key server is away",
    lasts: 8,
    recovery: 1,
    failing: "none",
    deaf: "none",
    async begin({ rig }) {
      rig.issuer.setAway(true);
      return () => rig.issuer.setAway(false);
    },
  },
];

const DIRECTORY_FAULTS: readonly Fault[] = [
  {
    name: "100,000 users are imported",
    lasts: 0,
    recovery: 1,
    failing: "none",
    deaf: "none",
    async begin({ rig }) {
      const file = join(rig.folder, "users.jsonl");
      writeDirectory(file, IMPORTED);
      await run(process.execPath, [rig.options.program, "import", file, "--config", rig.operatorConfig]);
      return () => {};
    },
  },
];

/** All faults. */
export const FAULTS: readonly Fault[] = [...PROCESS_FAULTS, ...NETWORK_FAULTS, ...DIRECTORY_FAULTS, ...STORE_FAULTS];

/** Stops and starts the replicas one by one, with the pause that a balancer needs to see each one ready. */
async function rollingRestart(rig: Rig): Promise<void> {
  for (const { service } of rig.replicas) {
    await service.stop();
    await service.start();
    await pause(500);
  }
}

async function stepClock({ victim: { clockFile: file = "" } }: Scene, offset: string): Promise<() => unknown> {
  writeFileSync(file, offset);
  return () => writeFileSync(file, "+0");
}
