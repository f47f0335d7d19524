import { randomUUID } from "node:crypto";
import { expect } from "chai";
import { DirectoryError } from "../../../src/directory/errors.js";
import type { Operations } from "../../../src/grpc/admin/methods.js";
import { createClock, NOW } from "../../support/clock.js";
import { draw, parts, type RunningAdmin, refused, startAdmin, textOf } from "./harness.js";

const put = (id: string, more: object = {}) => ({
  requestId: draw(),
  id,
  appId: "app",
  secretKeys: [] as string[],
  etag: "",
  overwrite: false,
  ...more,
});
const putUser = (id: string, more: object = {}, overwrite = false) => ({
  requestId: draw(),
  user: {
    instanceId: "inst",
    id,
    email: undefined,
    name: undefined,
    avatarUrl: undefined,
    provider: undefined,
    etag: "",
    ...more,
  },
  overwrite,
});
const putClient = (clientId: string, more: object = {}) => ({
  requestId: draw(),
  clientId,
  clientSecret: "",
  etag: "",
  overwrite: false,
  ...more,
});
const grace = (seconds: number) => ({ seconds: BigInt(seconds), nanos: 0 });
const BROUGHT = "sk_brought_by_the_caller";

describe("DirectoryService", () => {
  let running: RunningAdmin;
  let on: Operations;
  beforeEach(async () => {
    running = await startAdmin();
    on = running.as("admin");
  });

  describe("secrets", () => {
    it("a new instance gets a secret key that is shown once and authenticates it", async () => {
      const { secretKeys, change, etag } = await on.putInstance(put("inst"));
      expect(secretKeys).to.have.length(1);
      const [{ id, secret } = { id: "", secret: "" }] = secretKeys;
      expect(secret).to.match(/^sk_[\w-]{43}$/);
      expect(running.store.hasSecret("inst", secret)).to.equal(true);
      expect(change).to.deep.include({ replayed: false });
      const { instance } = await on.getInstance({ id: "inst" });
      expect(instance).to.deep.include({ id: "inst", appId: "app", etag });
      expect(instance?.secretKeys.map((one) => [one.id, one.retiresAt])).to.deep.equal([[id, undefined]]);
    });

    it("secret keys that the caller brings are stored and not shown back", async () => {
      const { secretKeys } = await on.putInstance(put("inst", { secretKeys: [BROUGHT, `${BROUGHT}_2`] }));
      expect(secretKeys.map(({ secret }) => secret)).to.deep.equal(["", ""]);
      expect(running.store.hasSecret("inst", BROUGHT)).to.equal(true);
    });

    it("an instance that is overwritten without secret keys keeps its own", async () => {
      await on.putInstance(put("inst", { secretKeys: [BROUGHT] }));
      const { secretKeys } = await on.putInstance(put("inst", { appId: "other", overwrite: true }));
      expect(secretKeys).to.deep.equal([]);
      expect(running.store.hasSecret("inst", BROUGHT)).to.equal(true);
      expect((await on.getInstance({ id: "inst" })).instance?.appId).to.equal("other");
    });

    it("a rotated secret key leaves the earlier one its grace and no longer", async () => {
      await on.putInstance(put("inst", { secretKeys: [BROUGHT] }));
      const { secretKey, earlierRetireAt } = await on.rotateInstanceSecret({
        requestId: draw(),
        id: "inst",
        grace: grace(3600),
        secretKey: "",
      });
      expect(Number(earlierRetireAt?.seconds)).to.equal(NOW / 1000 + 3600);
      expect(running.store.hasSecret("inst", secretKey?.secret ?? "")).to.equal(true);
      running.clock.set(NOW + 3_599_999);
      expect(running.store.hasSecret("inst", BROUGHT)).to.equal(true);
      running.clock.set(NOW + 3_600_000);
      expect(running.store.hasSecret("inst", BROUGHT)).to.equal(false);
    });

    it("a retired secret key goes at once, and the last that stays cannot be retired", async () => {
      const first = (await on.putInstance(put("inst"))).secretKeys[0];
      const retire = (secretId = "") => on.retireInstanceSecret({ requestId: draw(), id: "inst", secretId });
      await refused(retire(first?.id), "LAST_SECRET");
      await on.rotateInstanceSecret({ requestId: draw(), id: "inst", grace: grace(60), secretKey: "" });
      await retire(first?.id);
      expect(running.store.hasSecret("inst", first?.secret ?? "")).to.equal(false);
      await refused(retire(first?.id), "NOT_FOUND");
    });

    it("a secret key of one instance is refused for another, without being repeated", async () => {
      await on.putInstance(put("one", { secretKeys: [BROUGHT] }));
      const message = await refused(on.putInstance(put("two", { secretKeys: [BROUGHT] })), "SECRET_TAKEN");
      expect(message).not.to.include(BROUGHT);
    });

    it("a client has up to two secrets: the new one, and the one before it for the grace", async () => {
      await on.putClient(putClient("api", { clientSecret: BROUGHT }));
      const rotate = (seconds: number) =>
        on.rotateClientSecret({ requestId: draw(), clientId: "api", grace: grace(seconds), clientSecret: "" });
      const { clientSecret } = await rotate(60);
      expect(clientSecret?.secret).to.match(/^cs_[\w-]{43}$/);
      expect((await on.getClient({ clientId: "api" })).client?.secrets).to.have.length(2);
      await rotate(60);
      expect((await on.getClient({ clientId: "api" })).client?.secrets).to.have.length(2);
      running.clock.set(NOW + 60_000);
      expect((await on.getClient({ clientId: "api" })).client?.secrets).to.have.length(1);
    });

    it("no secret reaches the audit, a list, an error or the observer of calls", async () => {
      const shown: string[] = [];
      const secrets = [BROUGHT, "cs_brought_by_the_caller", "short"];
      await on.putInstance(put("inst", { secretKeys: [BROUGHT] }));
      shown.push((await on.putInstance(put("made"))).secretKeys[0]?.secret ?? "");
      await on.putClient(putClient("api", { clientSecret: "cs_brought_by_the_caller" }));
      const message = await refused(on.putInstance(put("weak", { secretKeys: ["short"] })), "REQUEST_INVALID");
      const page = { pageSize: 0, pageToken: "" };
      const printed = JSON.stringify(
        [running.store.rows, running.ended, await on.listInstances(page), await on.listClients(page), message],
        (_name, value) => (typeof value === "bigint" ? String(value) : value),
      );
      for (const secret of [...secrets.filter((one) => one !== "short"), ...shown])
        expect(printed).not.to.include(secret);
      expect(message).to.equal(
        "`secret_keys[0]` has fewer than 16 characters. Bring a longer one, or leave it to the service.",
      );
    });

    it("personal data of a user reaches no row of the audit", async () => {
      await on.putInstance(put("inst"));
      await on.putUser(putUser("jane", { email: "jane@example.com", name: "Jane Doe", provider: "google" }));
      await refused(on.putUser(putUser("jane", { email: "other@example.com" })), "ENTRY_EXISTS");
      const rows = JSON.stringify(running.store.rows);
      for (const text of ["jane@example.com", "Jane Doe", "google", "other@example.com"])
        expect(rows).not.to.include(text);
    });
  });

  describe("etags", () => {
    /** An entry of each kind: how it is put with an etag or overwriting, how deleted, and its etag. */
    const KINDS = {
      instance: {
        put: (etag: string, overwrite = false) => on.putInstance(put("inst", { etag, overwrite })),
        delete: (etag: string) => on.deleteInstance({ requestId: draw(), id: "inst", etag }),
        etag: async () => (await on.getInstance({ id: "inst" })).instance?.etag ?? "",
      },
      user: {
        put: (etag: string, overwrite = false) => on.putUser(putUser("jane", { etag, name: randomUUID() }, overwrite)),
        delete: (etag: string) => on.deleteUser({ requestId: draw(), instanceId: "inst", id: "jane", etag }),
        etag: async () => (await on.getUser({ instanceId: "inst", id: "jane" })).user?.etag ?? "",
      },
      client: {
        put: (etag: string, overwrite = false) => on.putClient(putClient("api", { etag, overwrite })),
        delete: (etag: string) => on.deleteClient({ requestId: draw(), clientId: "api", etag }),
        etag: async () => (await on.getClient({ clientId: "api" })).client?.etag ?? "",
      },
    };
    for (const [kind, entry] of Object.entries(KINDS)) {
      it(`a Put of an existing ${kind} needs its etag or overwrite, and another etag is ABORTED`, async () => {
        if (kind === "user") await on.putInstance(put("inst"));
        const { etag: first } = await entry.put("");
        expect(await entry.etag()).to.equal(first);
        await refused(entry.put(""), "ENTRY_EXISTS");
        const { etag: second } = await entry.put(first);
        expect(second).not.to.equal(first);
        expect(await entry.etag()).to.equal(second);
        await refused(entry.put(first), "ENTRY_CHANGED");
        await entry.put("", true);
        await refused(entry.put(second), "ENTRY_CHANGED");
      });

      it(`a Delete of a ${kind} with another etag is ABORTED, and without one it deletes`, async () => {
        if (kind === "user") await on.putInstance(put("inst"));
        const { etag } = await entry.put("");
        await entry.put("", true);
        await refused(entry.delete(etag), "ENTRY_CHANGED");
        await entry.delete("");
        await refused(entry.etag(), "NOT_FOUND");
        await refused(entry.put(etag), "ENTRY_CHANGED");
        await refused(entry.delete(""), "NOT_FOUND");
      });
    }
  });

  describe("request ids", () => {
    it("a request that is repeated is carried out once, and its answer has no secret the second time", async () => {
      const request = put("inst");
      const first = await on.putInstance(request);
      const again = await on.putInstance(request);
      expect(again.change).to.deep.equal({ ...first.change, replayed: true });
      expect(again.etag).to.equal(first.etag);
      expect(again.secretKeys).to.deep.equal([{ id: first.secretKeys[0]?.id, secret: "" }]);
      const rotation = { requestId: draw(), id: "inst", grace: grace(60), secretKey: "" };
      const rotated = await on.rotateInstanceSecret(rotation);
      const repeated = await on.rotateInstanceSecret({ ...rotation, requestId: rotation.requestId.toUpperCase() });
      expect(repeated.change).to.deep.equal({ ...rotated.change, replayed: true });
      expect(repeated.earlierRetireAt).to.deep.equal(rotated.earlierRetireAt);
      expect((await on.getInstance({ id: "inst" })).instance?.secretKeys).to.have.length(2);
    });

    it("a Delete that is repeated is no NOT_FOUND", async () => {
      await on.putInstance(put("inst"));
      const request = { requestId: draw(), id: "inst", etag: "" };
      await on.deleteInstance(request);
      expect((await on.deleteInstance(request)).change?.replayed).to.equal(true);
    });

    it("another content, or another method, under the same id is refused", async () => {
      const request = put("inst");
      await on.putInstance(request);
      await refused(on.putInstance({ ...request, appId: "other" }), "REQUEST_ID_REUSED");
      await refused(on.deleteInstance({ requestId: request.requestId, id: "inst", etag: "" }), "REQUEST_ID_REUSED");
      await refused(on.putInstance({ ...request, secretKeys: [BROUGHT] }), "REQUEST_ID_REUSED");
    });

    it("an import that is repeated is carried out once", async () => {
      const line = `{"instance":{"id":"inst","appId":"app","secretKeys":["${BROUGHT}"]}}\n`;
      const requestId = draw();
      await on.importDirectory(parts(line, { requestId }));
      expect((await on.importDirectory(parts(line, { requestId }))).change?.replayed).to.equal(true);
      await refused(on.importDirectory(parts(line.replace('"app"', '"other"'), { requestId })), "REQUEST_ID_REUSED");
    });

    it("a call is sent again, with its id, when the store could not be reached", async () => {
      running.store.fail(new DirectoryError("unavailable", "the file /var/lib/x.db is locked"));
      const pending = on.putInstance(put("inst"));
      await new Promise((resolve) => {
        const look = (): void => void (running.ended.length > 0 ? resolve(undefined) : setImmediate(look));
        look();
      });
      running.store.fail(undefined);
      expect((await pending).change?.replayed).to.equal(false);
      expect(running.ended.map(({ reason }) => reason)).to.deep.equal(["STORE_UNAVAILABLE", undefined]);
    });
  });

  describe("lists", () => {
    const idsOf = async (pageSize: number, between: () => Promise<unknown> = async () => undefined) => {
      const pages: string[][] = [];
      for (let pageToken = ""; ; ) {
        const page = await on.listInstances({ pageSize, pageToken });
        pages.push(page.instances.map(({ id }) => id));
        pageToken = page.nextPageToken;
        if (pageToken === "") return pages;
        await between();
      }
    };

    it("entries come in the order of their ids' bytes, in pages of the size asked for", async () => {
      for (const id of ["b", "é", "a", "Z", "\u{1f600}", "\ufffd", "a1"]) await on.putInstance(put(id));
      expect(await idsOf(3)).to.deep.equal([["Z", "a", "a1"], ["b", "é", "\ufffd"], ["\u{1f600}"]]);
      expect(await idsOf(7)).to.have.length(1);
      expect(await idsOf(0)).to.have.length(1);
    });

    it("entries that come and go between two pages move no others", async () => {
      for (const id of ["b", "d", "f", "h"]) await on.putInstance(put(id));
      let turn = 0;
      const pages = await idsOf(2, async () => {
        turn += 1;
        await on.putInstance(put(`a${turn}`));
        await on.putInstance(put(`g${turn}`));
        await on.deleteInstance({ requestId: draw(), id: turn === 1 ? "b" : "g1", etag: "" });
      });
      expect(pages.flat().filter((id) => /^[bdfh]$/.test(id))).to.deep.equal(["b", "d", "f", "h"]);
      expect(new Set(pages.flat()).size).to.equal(pages.flat().length);
    });

    it("a page token is of no use for another filter, method or store", async () => {
      await on.putInstance(put("inst"));
      await on.putInstance(put("other"));
      for (const id of ["a", "b", "c"]) await on.putUser(putUser(id));
      const page = { instanceId: "inst", pageSize: 2, pageToken: "" };
      const { nextPageToken: pageToken } = await on.listUsers(page);
      expect((await on.listUsers({ ...page, pageToken })).users.map(({ id }) => id)).to.deep.equal(["c"]);
      await refused(on.listUsers({ ...page, instanceId: "other", pageToken }), "PAGE_TOKEN_INVALID");
      await refused(on.listInstances({ pageSize: 1, pageToken }), "PAGE_TOKEN_INVALID");
      await refused((await startAdmin()).as("read").listUsers({ ...page, pageToken }), "PAGE_TOKEN_INVALID");
      for (const wrong of ["x", "e30", Buffer.from("[1,2]").toString("base64url"), "%00"]) {
        await refused(on.listInstances({ pageSize: 1, pageToken: wrong }), "PAGE_TOKEN_INVALID");
      }
    });
  });

  it("all users of all instances are listed by instance and id", async () => {
    for (const id of ["b", "a"]) await on.putInstance(put(id));
    for (const [instanceId, id] of [
      ["b", "1"],
      ["a", "2"],
      ["a", "1"],
    ])
      await on.putUser(putUser(id ?? "", { instanceId }));
    const { users } = await on.listUsers({ instanceId: "", pageSize: 0, pageToken: "" });
    expect(users.map((user) => user.instanceId + user.id)).to.deep.equal(["a1", "a2", "b1"]);
  });

  it("an attribute of a user that is left out is unset, which is not the same as empty", async () => {
    await on.putInstance(put("inst"));
    await on.putUser(putUser("jane", { email: "", name: "Jane" }));
    const { user } = await on.getUser({ instanceId: "inst", id: "jane" });
    expect(user).to.deep.include({ email: "", name: "Jane", avatarUrl: undefined, provider: undefined });
  });

  it("what is exported can be imported again", async () => {
    await on.putInstance(put("inst", { secretKeys: [BROUGHT] }));
    await on.putUser(putUser("jane", { email: "jane@example.com" }));
    const text = await textOf(on.exportDirectory({ revocations: false, snapshot: false }));
    expect(text).not.to.include(BROUGHT);
    const { instances, users } = await on.importDirectory(parts(text, { requestId: draw() }));
    expect([instances?.added, users?.added]).to.deep.equal([1n, 1n]);
    expect(running.store.hasSecret("inst", BROUGHT)).to.equal(true);
  });

  describe("malformed requests", () => {
    const WRONG: Readonly<Record<string, readonly [() => Promise<unknown>, RegExp]>> = {
      "a request id that is no UUID": [
        () => on.putInstance(put("inst", { requestId: "1" })),
        /^`request_id` is not a UUID/,
      ],
      "an empty id": [() => on.putInstance(put("")), /^The id of an instance is not 1 to 255 characters/],
      "an id with a control character": [() => on.putInstance(put("a\u0007")), /without control characters/],
      "an id of 256 characters": [() => on.putInstance(put("x".repeat(256))), /1 to 255 characters/],
      "an empty app id": [() => on.putInstance(put("inst", { appId: "" })), /^The app id of an instance/],
      "an etag that is none": [() => on.putInstance(put("inst", { etag: "W/1" })), /^`etag` is none/],
      "no user": [() => on.putUser({ requestId: draw(), user: undefined, overwrite: false }), /^`user` is missing/],
      "an email that is too long": [
        () => on.putUser(putUser("jane", { email: "x".repeat(2049) })),
        /^The email of the user "jane" is not at most 2048/,
      ],
      "no grace": [
        () => on.rotateInstanceSecret({ requestId: draw(), id: "inst", grace: undefined, secretKey: "" }),
        /^`grace` is missing/,
      ],
      "a negative grace": [
        () => on.rotateInstanceSecret({ requestId: draw(), id: "inst", grace: grace(-1), secretKey: "" }),
        /^`grace` is not a duration of 0 to 90 days/,
      ],
      "a grace of 91 days": [
        () => on.rotateClientSecret({ requestId: draw(), clientId: "a", grace: grace(91 * 86_400), clientSecret: "" }),
        /^`grace` is not/,
      ],
      "a page of 1001": [() => on.listInstances({ pageSize: 1001, pageToken: "" }), /^`page_size` is not 1 to 1000/],
      "a page of -1": [() => on.listClients({ pageSize: -1, pageToken: "" }), /^`page_size` is not 1 to 1000/],
      "an import without options": [
        () =>
          on.importDirectory(
            (async function* () {
              yield { part: { $case: "lines" as const, value: Buffer.from("{}") } };
            })(),
          ),
        /^`request_id` is not a UUID/,
      ],
      "an import of malformed lines": [
        () => on.importDirectory(parts('{"instance":{}}\nnonsense\n', { requestId: draw() })),
        /^Nothing was imported:\nline 1, instance\.id: .*\n/s,
      ],
    };
    for (const [what, [call, message]] of Object.entries(WRONG)) {
      it(`a request with ${what} is INVALID_ARGUMENT and says what is right`, async () => {
        expect(await refused(call(), "REQUEST_INVALID")).to.match(message);
        expect(running.faults).to.deep.equal([]);
      });
    }
  });

  it("a change that was refused is in the audit with its reason, and its id may be used again", async () => {
    await on.putInstance(put("inst"));
    const request = put("inst");
    await refused(on.putInstance(request), "ENTRY_EXISTS");
    expect(running.store.rows.at(-1)).to.deep.include({
      actor: "key:admin",
      requestId: request.requestId,
      command: "putInstance",
      outcome: "ENTRY_EXISTS",
      change: null,
      subject: JSON.stringify({ instanceId: "inst", appId: "app" }),
    });
    await on.putInstance({ ...request, overwrite: true });
  });

  it("a store that cannot be used is an error without its own message, which goes to the log", async () => {
    const error = new DirectoryError("unusable", "the file /var/lib/x.db is foreign");
    running.store.fail(error);
    const message = await refused(on.getInstance({ id: "inst" }), "STORE_UNUSABLE");
    expect(message).not.to.include("/var/lib");
    expect(running.faults).to.deep.equal([error]);
  });

  it("an error that no store may throw is INTERNAL, and goes to the log", async () => {
    const error = new TypeError("SELECT * FROM secrets") as unknown as DirectoryError;
    running.store.fail(error);
    const message = await refused(on.deleteInstance({ requestId: draw(), id: "inst", etag: "" }), "INTERNAL");
    expect(message).not.to.include("SELECT");
    expect(running.faults).to.deep.equal([error]);
  });

  it("the clock of the store says when a change was made", async () => {
    const { change } = await on.putInstance(put("inst"));
    expect(change?.madeAt).to.deep.equal({ seconds: BigInt(createClock().now() / 1000), nanos: 0 });
  });
});
