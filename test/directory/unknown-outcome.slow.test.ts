import { randomUUID } from "node:crypto";
import { expect } from "chai";
import type { OperatorCommand } from "../../src/directory/operator-commands.js";
import { sqlDirectory } from "../../src/directory/sql/directory.js";
import { openStoreAt, type StoreAddress } from "../../src/directory/stores.js";
import { readJsonLines } from "../../src/directory/transfer/json-lines.js";
import { Secret } from "../../src/util/secret.js";
import { type CutMoment, type FaultProxy, startFaultProxy } from "../support/fault-proxy.js";
import { revokeBy } from "../support/revoke.js";
import { BENCHES, type StoreBench } from "./benches.js";
import { applyTo, headOf, masterKeys, NOW, putInstance, putUser, refusal } from "./support.js";

/** Sent with COMMIT, after which the server's answer says whether the change was carried out. */
const COMMIT = "; COMMIT";

const COMMANDS: Readonly<Record<string, OperatorCommand>> = {
  "a new client": {
    kind: "putClient",
    clientId: "c",
    secret: { id: "s", secret: new Secret("the secret of c") },
    expect: "absent",
  },
  "a rotation": {
    kind: "rotateInstanceSecret",
    id: "i",
    secret: { id: "s", secret: new Secret("the next key of i") },
    grace: 60_000,
  },
  "a removal": { kind: "deleteUser", instanceId: "i", id: "u", expect: "any" },
  "a revocation": revokeBy({ realm: "r", kind: "jti", value: "j" }),
};

describe("a connection to PostgreSQL that is lost at COMMIT", () => {
  let bench: StoreBench;
  let proxy: FaultProxy;
  let directory: ReturnType<typeof sqlDirectory>;

  beforeEach(async function () {
    bench = await (BENCHES.find(({ engine }) => engine === "PostgreSQL") as (typeof BENCHES)[number]).start(this);
    const address = bench.address as Extract<StoreAddress, { engine: "postgres" }>;
    await applyTo(await bench.open(), putInstance("i", "key of i"), putUser("i", "u"));
    proxy = await startFaultProxy(address.port);
    const options = { masterKeys: masterKeys(1), clock: () => NOW };
    directory = sqlDirectory(await openStoreAt({ ...options, address: { ...address, port: proxy.port } }));
  });
  afterEach(async () => {
    await directory?.close();
    await proxy?.close();
    await bench?.release();
  });
  const head = async (): Promise<number> => (await headOf(await bench.open())).number;
  /** Lets nothing reach the database from the moment of the cut on. */
  const cutOff = (moment: CutMoment): void => {
    void proxy.cutAt(COMMIT, moment).then(() => {
      proxy.set({ refuse: true });
      proxy.cut();
    });
  };

  for (const [what, command] of Object.entries(COMMANDS)) {
    for (const [moment, how] of [
      ["before", "made"],
      ["after", "found"],
    ] as const) {
      it(`${what} is ${how}, and answered, if COMMIT ${moment === "before" ? "never arrived" : "was carried out"}`, async () => {
        const before = await head();
        const by = { actor: "a", requestId: randomUUID() };
        void proxy.cutAt(COMMIT, moment);
        const made = await directory.operators.change(command, "content", by);
        expect(made).to.include({ replayed: false });
        expect(made.position.number).to.equal(before + 1);
        expect(await head()).to.equal(before + 1);
        const again = await directory.operators.change(command, "content", by);
        expect(again).to.deep.include({ replayed: true, position: made.position });
        expect(await head()).to.equal(before + 1);
      });

      it(`${what} has an unknown outcome while the database is away, and is ${how} when it is sent again`, async () => {
        const before = await head();
        const by = { actor: "a", requestId: randomUUID() };
        cutOff(moment);
        await refusal(
          directory.operators.change(command, "content", by),
          "unknown-outcome",
          /may have been carried out/,
        );
        expect(await head()).to.equal(moment === "before" ? before : before + 1);
        proxy.set({});
        const again = await directory.operators.change(command, "content", by);
        expect(again).to.deep.include({ replayed: moment === "after" });
        expect(again.position.number).to.equal(before + 1);
        expect(await head()).to.equal(before + 1);
      });
    }
  }

  for (const moment of ["before", "after"] as const) {
    it(`an import is carried out once if the connection is lost ${moment} COMMIT and it is sent again`, async () => {
      const before = await head();
      const by = { actor: "a", requestId: randomUUID() };
      const bring = () => directory.operators.importLines(lines(), {}, () => "content", by);
      void proxy.cutAt(COMMIT, moment);
      if (moment === "after") expect(await bring()).to.include({ replayed: false });
      else await refusal(bring(), "unknown-outcome", /may have been carried out/);
      expect(await bring()).to.include({ replayed: moment === "after" });
      expect(await head()).to.equal(before + 1);
    });

    it(`commands without a request have an unknown outcome if the connection is lost ${moment} COMMIT`, async () => {
      const before = await head();
      void proxy.cutAt(COMMIT, moment);
      await refusal(applyTo(directory, putUser("i", "v")), "unknown-outcome", /Look, then try again/);
      expect(await head()).to.equal(moment === "before" ? before : before + 1);
    });
  }
});

function lines() {
  async function* chunks() {
    yield Buffer.from(`${JSON.stringify({ user: { instance: "i", id: "imported" } })}\n`);
  }
  return readJsonLines(chunks(), masterKeys(1));
}
