import { expect } from "chai";
import { SelectorKind } from "../../../gen/tokenverifier/admin/v1/types.js";
import type { Role } from "../../../src/contract/operator.js";
import { METHODS, type MethodName, type Operations } from "../../../src/grpc/admin/methods.js";
import { draw, parts, type RunningAdmin, refused, startAdmin, textOf } from "./harness.js";

// Every method by every role.

const grace = { seconds: 60n, nanos: 0 };
const selector = {
  realm: "web",
  by: { $case: "jti" as const, value: "t1" },
  withinInstance: undefined,
  issuer: undefined,
};
const revocation = { selector, reach: undefined, expiresAt: undefined };
const page = { pageSize: 0, pageToken: "" };
const user = {
  instanceId: "inst_1",
  id: "jane",
  email: "jane@example.com",
  name: undefined,
  avatarUrl: undefined,
  provider: undefined,
  etag: "",
};

/** For each method, the lowest role that may call it, and a call; in an order in which an admin can make them all. */
const CALLS: Readonly<Record<MethodName, readonly [Role, (operations: Operations) => Promise<unknown>]>> = {
  putInstance: [
    "write",
    (on) =>
      on.putInstance({ requestId: draw(), id: "inst_1", appId: "app", secretKeys: [], etag: "", overwrite: true }),
  ],
  getInstance: ["read", (on) => on.getInstance({ id: "inst_1" })],
  listInstances: ["read", (on) => on.listInstances(page)],
  rotateInstanceSecret: [
    "write",
    (on) => on.rotateInstanceSecret({ requestId: draw(), id: "inst_1", grace, secretKey: "" }),
  ],
  retireInstanceSecret: [
    "write",
    async (on) => {
      const { instance } = await on.getInstance({ id: "inst_1" });
      const secretId = instance?.secretKeys.at(-1)?.id ?? "";
      return on.retireInstanceSecret({ requestId: draw(), id: "inst_1", secretId });
    },
  ],
  putUser: ["write", (on) => on.putUser({ requestId: draw(), user, overwrite: true })],
  getUser: ["read", (on) => on.getUser({ instanceId: "inst_1", id: "jane" })],
  listUsers: ["read", (on) => on.listUsers({ instanceId: "", ...page })],
  deleteUser: ["write", (on) => on.deleteUser({ requestId: draw(), instanceId: "inst_1", id: "jane", etag: "" })],
  putClient: [
    "write",
    (on) => on.putClient({ requestId: draw(), clientId: "api", clientSecret: "", etag: "", overwrite: true }),
  ],
  getClient: ["read", (on) => on.getClient({ clientId: "api" })],
  listClients: ["read", (on) => on.listClients(page)],
  rotateClientSecret: [
    "write",
    (on) => on.rotateClientSecret({ requestId: draw(), clientId: "api", grace, clientSecret: "" }),
  ],
  deleteClient: ["write", (on) => on.deleteClient({ requestId: draw(), clientId: "api", etag: "" })],
  importDirectory: [
    "write",
    (on) =>
      on.importDirectory(
        parts('{"instance":{"id":"inst_2","appId":"app","secretKeys":["sk_0123456789abcdef"]}}\n', {
          requestId: draw(),
        }),
      ),
  ],
  exportDirectory: ["admin", (on) => textOf(on.exportDirectory({ revocations: false, snapshot: false }))],
  revoke: ["revoke", (on) => on.revoke({ requestId: draw(), revocations: [revocation], comment: "" })],
  listRevocations: [
    "read",
    (on) =>
      on.listRevocations({
        realm: "",
        kind: SelectorKind.SELECTOR_KIND_UNSPECIFIED,
        value: "",
        withinInstance: "",
        ...page,
      }),
  ],
  unrevoke: ["admin", (on) => on.unrevoke({ requestId: draw(), selectors: [selector], comment: "a mistake" })],
  getStatus: ["read", (on) => on.getStatus({})],
  listAudit: ["read", (on) => on.listAudit({ actor: "", command: "", since: undefined, before: undefined, ...page })],
  deleteInstance: ["write", (on) => on.deleteInstance({ requestId: draw(), id: "inst_1", etag: "" })],
};

const ROLES: readonly Role[] = ["read", "revoke", "write", "admin"];
const QUIET: ReadonlySet<string> = new Set(["exportDirectory"]);

describe("the roles of operators", () => {
  let running: RunningAdmin;
  before(async () => {
    running = await startAdmin();
  });

  it("the table below has every method of the operators' services", () => {
    expect(Object.keys(CALLS)).to.have.members(Object.keys(METHODS));
  });

  for (const [name, [lowest, call]] of Object.entries(CALLS)) {
    const needed = ROLES.indexOf(lowest);
    for (const role of ROLES.slice(0, needed)) {
      it(`${name} is denied to the role ${role}`, async () => {
        const before = running.store.rows.length;
        const message = await refused(call(running.as(role)), "ROLE_TOO_LOW");
        expect(message).to.equal(`This needs the role ${lowest}; this operator has the role ${role}.`);
        const audited = running.store.rows
          .slice(before)
          .map(({ actor, outcome, change }) => ({ actor, outcome, change }));
        const isChange = lowest !== "read" && !QUIET.has(name);
        expect(audited).to.deep.equal(
          isChange ? [{ actor: `key:${role}`, outcome: "ROLE_TOO_LOW", change: null }] : [],
        );
      });
    }
    for (const role of ROLES.slice(needed)) {
      it(`${name} is allowed to the role ${role}`, async () => {
        const { store } = running;
        // Whatever an earlier call of the table took away is there again.
        await CALLS.putInstance[1](running.as("admin"));
        await running.as("admin").rotateInstanceSecret({ requestId: draw(), id: "inst_1", grace, secretKey: "" });
        await CALLS.putUser[1](running.as("admin"));
        await CALLS.putClient[1](running.as("admin"));
        await CALLS.revoke[1](running.as("admin"));
        const before = store.rows.length;
        await call(running.as(role));
        const isChange = lowest !== "read" && !QUIET.has(name);
        const audited = store.rows.slice(before).map(({ actor, outcome }) => ({ actor, outcome }));
        expect(audited).to.deep.equal(isChange ? [{ actor: `key:${role}`, outcome: "done" }] : []);
      });
    }
  }

  it("an import with prune needs the role admin, and is audited when it is denied", async () => {
    const pruning = () => parts("", { requestId: draw(), prune: true });
    await refused(running.as("write").importDirectory(pruning()), "ROLE_TOO_LOW");
    expect(running.store.rows.at(-1)).to.include({ command: "import", outcome: "ROLE_TOO_LOW", actor: "key:write" });
    await running.as("admin").importDirectory(pruning());
  });
});
