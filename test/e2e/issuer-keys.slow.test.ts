import { writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect } from "chai";
import { run } from "../cli/harness.js";
import { Issuer } from "../keys/remote/misbehaving.js";
import { pki } from "../support/certificates.js";
import { startProxy } from "../support/connect-proxy.js";
import { IssuerKey } from "../support/issuer-key.js";
import { FAST, FetchingService, realm, SLOW } from "./fetching-service.js";

// Keys that issuers publish, with a real service: its start, restarts and reloads, and its reports.

const HOUR = 3_600_000;
const CLAIMS = { iss: "https://issuer.example", exp: 4_000_000_000 };
const [one, two] = [new IssuerKey("one"), new IssuerKey("two")];
const stranger = new IssuerKey("stranger");
const setOf = (...keys: readonly IssuerKey[]) => ({ keys: keys.map(({ jwk }) => jwk) });
const token = one.token(CLAIMS);

describe("keys that issuers publish", () => {
  let issuer: Issuer;
  let service: FetchingService;
  let began: number;
  /** Seconds since the test began; a key set that it fetched is at most this old, however slow the machine is. */
  const lasted = (): number => (Date.now() - began) / 1000;
  before(async () => {
    issuer = await Issuer.start();
  });
  after(() => issuer.close());
  beforeEach(async () => {
    began = Date.now();
    service = new FetchingService();
    await issuer.be("publish", setOf(one), { path: "/jwks" });
    await issuer.requests();
  });
  afterEach(() => service.remove());

  const asked = async (path = "/jwks"): Promise<number> =>
    (await issuer.requests()).filter((one) => one === path).length;

  it("a service whose issuer is down starts, says why it gives no verdicts, and recovers by itself", async () => {
    await issuer.be("503", {}, { path: "/jwks" });
    await service.start(realm("partner", issuer.url));
    await service.until("partner", token, "no verdict KEYS_UNAVAILABLE");
    const answer = await service.answer("partner", token);
    expect(answer).to.include({ code: 14 }).and.have.property("retryAfterMs").above(0);
    const down = await service.get("/readyz");
    expect(down).to.deep.include({ ready: true, realms: { partner: "failing" } });
    expect(down.keys[0]).to.include({ realm: "partner", state: "failing", why: "it answered 503", ageSeconds: null });
    expect(await service.health("partner")).to.equal("NOT_SERVING");
    expect(await service.metric('keys_usable{realm="partner"}')).to.equal(0);
    expect(await service.metric('key_fetches_total{realm="partner",result="failed"}')).to.be.above(0);
    await issuer.be("publish", setOf(one), { path: "/jwks" });
    await service.until("partner", token, "verified");
    expect(await service.health("partner")).to.equal("SERVING");
    const up = await service.get("/readyz");
    expect(up.realms).to.deep.equal({ partner: "fresh" });
    expect(up.keys[0]).to.include({ state: "fresh", keys: 1, refused: 0 }).and.not.have.property("why");
    expect(await service.metric('keys_usable{realm="partner"}')).to.equal(1);
    expect(await service.metric('key_set_age_seconds{realm="partner"}')).to.be.within(0, lasted());
    expect(service.log()).to.include("keys cannot be fetched").and.include("keys can be fetched again");
  });

  it("a verdict during an outage has the age of its stale keys, and there is none past the bound", async () => {
    await service.start(realm("partner", issuer.url, `${FAST}, staleIfError: 2h`));
    await service.until("partner", token, "verified");
    await issuer.be("500", {}, { path: "/jwks" });
    await service.until("partner", token, "stale");
    expect(await service.health("partner")).to.equal("SERVING");
    expect((await service.get("/readyz")).realms).to.deep.equal({ partner: "stale" });
    service.ahead = HOUR;
    await service.until("partner", token, "stale");
    const { evidence } = await service.verified("partner", token);
    expect((evidence.keySetAge ?? 0) / 1000).to.be.within(3600, 3600 + lasted());
    service.ahead = 2 * HOUR + 60_000;
    // The directory is read again first, too.
    await service.until("partner", token, "no verdict KEYS_UNAVAILABLE");
    // No token gets a verdict, known or new, whatever its kid.
    for (const asked of [token, one.token({ ...CLAIMS, jti: "new" }), stranger.token(CLAIMS)]) {
      expect(await service.ask("partner", asked)).to.equal("no verdict KEYS_UNAVAILABLE");
    }
    expect(await service.health("partner")).to.equal("NOT_SERVING");
    const told = () => service.lines("keys cannot be fetched: no verdicts are given").map(({ level }) => level);
    while (told().length === 0) await new Promise((resolve) => setTimeout(resolve, 25));
    expect(told()).to.deep.equal(["error"]);
    expect((await service.get("/readyz")).keys[0]).to.include({ state: "failing", leftSeconds: 0 });
    await issuer.be("publish", setOf(one), { path: "/jwks" });
    await service.until("partner", token, "verified");
    expect(service.lines("keys can be fetched again: verdicts are given")).to.have.length(1);
    expect((await service.get("/readyz")).keys[0].leftSeconds).to.be.within(2 * 3600 - 1 - lasted(), 2 * 3600);
  });

  it("a service restarted while its issuer is down verifies with the saved key set, at its true age", async () => {
    await service.start(realm("partner", issuer.url));
    await service.until("partner", token, "verified");
    await service.stop();
    await issuer.be("closes at once", {}, { path: "/jwks" });
    service.ahead = 5 * HOUR;
    await service.start();
    const { evidence } = await service.verified("partner", token);
    expect(evidence.keySetStale).to.equal(true);
    expect((evidence.keySetAge ?? 0) / 1000).to.be.within(5 * 3600, 5 * 3600 + lasted());
    expect(await service.ask("partner", stranger.token(CLAIMS))).to.equal("no verdict KEYS_UNAVAILABLE");
    await service.stop();
    service.ahead = 25 * HOUR;
    await service.start();
    expect(await service.ask("partner", token)).to.equal("no verdict KEYS_UNAVAILABLE");
  });

  it("a saved key set that was altered, or moved to another realm or URL, is not used", async () => {
    const [first, second] = [issuer.at("/first"), issuer.at("/second")];
    for (const path of ["/first", "/second"]) await issuer.be("publish", setOf(one), { path });
    const realms = realm("first", first) + realm("second", second);
    const changes: readonly (readonly [string, string, verdicts: readonly string[]])[] = [
      ["nothing", "SELECT 1", ["stale", "stale"]],
      [
        "altered",
        // The first character of the tag is replaced by another.
        `UPDATE key_sets SET sealed = substr(sealed, 1, length(sealed) - 22)
           || iif(substr(sealed, -22, 1) = 'A', 'B', 'A') || substr(sealed, -21) WHERE realm = 'first'`,
        ["no verdict KEYS_UNAVAILABLE", "stale"],
      ],
      [
        "moved to a realm",
        "UPDATE key_sets SET sealed = (SELECT sealed FROM key_sets WHERE realm = 'second') WHERE realm = 'first'",
        ["no verdict KEYS_UNAVAILABLE", "stale"],
      ],
      [
        "moved to a URL",
        `UPDATE key_sets SET location = '${first}x' WHERE realm = 'first'`,
        ["no verdict KEYS_UNAVAILABLE", "stale"],
      ],
      [
        "in the clear",
        `UPDATE key_sets SET sealed = '${JSON.stringify(setOf(one))}'`,
        Array(2).fill("no verdict KEYS_UNAVAILABLE"),
      ],
    ];
    for (const [what, sql, want] of changes) {
      for (const path of ["/first", "/second"]) await issuer.be("publish", setOf(one), { path });
      await service.start(realms);
      for (const name of ["first", "second"]) await service.until(name, token, "verified");
      await service.stop();
      for (const path of ["/first", "/second"]) await issuer.be("503", {}, { path });
      const db = new Database(join(service.folder, "verifier.db"));
      db.exec(sql);
      db.close();
      await service.start();
      const said = await Promise.all(["first", "second"].map((name) => service.ask(name, token)));
      expect(said, what).to.deep.equal(want);
      await service.stop();
      const clean = new Database(join(service.folder, "verifier.db"));
      clean.exec("DELETE FROM key_sets");
      clean.close();
    }
  });

  it("a key set fetched under one authority is not used under another, with or without a restart", async () => {
    const { authority: old, stranger: next, server } = pki();
    const secure = await Issuer.start({ tls: server });
    try {
      await secure.be("publish", setOf(one));
      writeFileSync(join(service.folder, "old.pem"), old.cert);
      writeFileSync(join(service.folder, "next.pem"), next.cert);
      const under = (ca: string): string => realm("partner", secure.url, `${FAST}, caFile: ./${ca}.pem`);
      await service.start(under("old"));
      await service.until("partner", token, "verified");
      service.reload(under("next"));
      expect(await service.ask("partner", token), "reloaded").to.equal("no verdict KEYS_UNAVAILABLE");
      await service.stop();
      await service.start();
      expect(await service.ask("partner", token), "restarted").to.equal("no verdict KEYS_UNAVAILABLE");
      await service.stop();
      await secure.be("503");
      // As a control, the set still counts under the authority that vouched for it.
      await service.start(under("old"));
      expect(await service.ask("partner", token), "as before").to.equal("stale");
    } finally {
      await secure.close();
    }
  });

  it("a start or a reload deletes key sets of removed realms after 30 days, and keeps those in use", async () => {
    const [kept, gone, other] = ["kept", "gone", "other"].map((name) => realm(name, issuer.url, SLOW)) as [
      string,
      string,
      string,
    ];
    const stored = (): unknown[] => {
      const db = new Database(join(service.folder, "verifier.db"), { readonly: true });
      const rows = db.prepare("SELECT realm FROM key_sets ORDER BY realm").pluck().all();
      db.close();
      return rows;
    };
    await service.start(kept + gone + other);
    for (const name of ["kept", "gone", "other"]) await service.until(name, token, "verified");
    service.reload(kept + other);
    expect(stored(), "young").to.deep.equal(["gone", "kept", "other"]);
    await service.stop();
    await issuer.be("503", {}, { path: "/jwks" });
    service.ahead = 30 * 24 * HOUR + 60_000;
    await service.start(kept + other);
    expect(stored(), "at a start").to.deep.equal(["kept", "other"]);
    service.reload(kept);
    while (stored().length > 1) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(stored(), "at a reload").to.deep.equal(["kept"]);
  });

  it("a new key verifies from its first token on, and a removed key verifies nothing once it is gone", async () => {
    await service.start(realm("partner", issuer.url, SLOW));
    await service.until("partner", token, "verified");
    expect(await service.ask("partner", token), "known by now").to.equal("verified");
    await issuer.be("publish", setOf(two), { path: "/jwks" });
    expect(await asked()).to.equal(1);
    expect(await service.ask("partner", two.token(CLAIMS))).to.equal("verified");
    expect(await asked()).to.equal(1);
    expect(await service.ask("partner", token)).to.equal("no verdict KEYS_UNAVAILABLE");
    expect(await asked(), "within the cooldown").to.equal(0);
    service.ahead = HOUR;
    await service.until("partner", token, "rejected KEY_UNKNOWN");
    expect(service.log()).to.match(/"reason":"KEY_UNKNOWN","signed":false,"claim":"kid","kid":"one"/);
    expect(service.log()).to.include('"added":["two"],"removed":["one"]');
  });

  it("many tokens of one new key share one fetch", async () => {
    await service.start(realm("partner", issuer.url, SLOW));
    await service.until("partner", token, "verified");
    await issuer.be("publish", setOf(one, two), { path: "/jwks" });
    await issuer.requests();
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, jti) => service.ask("partner", two.token({ ...CLAIMS, jti: String(jti) }))),
    );
    expect(new Set(answers)).to.deep.equal(new Set(["verified"]));
    expect(await asked()).to.equal(1);
  });

  it("a reload keeps the keys of an unchanged realm, and stops fetching those of a removed one", async () => {
    await issuer.be("publish", setOf(one), { path: "/gone" });
    await issuer.be("publish", setOf(one), { path: "/marker" });
    const [kept, gone, marker] = [
      realm("partner", issuer.url, SLOW),
      realm("gone", issuer.at("/gone")),
      realm("marker", issuer.at("/marker")),
    ];
    await service.start(kept + gone + marker);
    for (const name of ["partner", "gone", "marker"]) await service.until(name, token, "verified");
    expect(await asked()).to.equal(1);
    service.reload(kept + marker);
    // A request under way at the reload has reached the issuer before a connection made after it.
    await fetch(issuer.at("/barrier"));
    await issuer.requests();
    expect(await service.ask("partner", token)).to.equal("verified");
    expect(await service.ask("gone", token)).to.equal("no verdict REALM_UNKNOWN");
    // The removed realm would be fetched as often as the other one.
    const seen: string[] = [];
    while (seen.filter((path) => path === "/marker").length < 3) {
      seen.push(...(await issuer.requests()));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(seen.filter((path) => path !== "/marker")).to.deep.equal([]);
    expect((await service.get("/readyz")).realms).to.deep.equal({ partner: "fresh", marker: "fresh" });
    // Changed fetch options start the fetching again.
    service.reload(realm("partner", issuer.url, SLOW.replace("cooldown: 10m", "cooldown: 11m")) + marker);
    await service.until("partner", token, "verified");
    expect((await issuer.requests()).filter((path) => path === "/jwks")).to.have.length(1);
  });

  it("a made-up kid within the cooldown is logged and counted as waiting, and not as a fault of the service", async () => {
    await service.start(`${realm("partner", issuer.url, SLOW)}  any: { byIssuer: [partner] }\n`);
    await service.until("any", token, "verified");
    // The fetch for the first is also the one that shows it to be unknown, so it takes another to wait.
    await service.until("any", stranger.token(CLAIMS), "rejected KEY_UNKNOWN");
    expect(await service.ask("any", stranger.token(CLAIMS))).to.equal("rejected KEY_UNKNOWN");
    expect(await service.ask("any", new IssuerKey("made up").token(CLAIMS))).to.equal("no verdict KEYS_UNAVAILABLE");
    const [line] = service
      .lines("call")
      .filter(({ reason }) => reason === "KEYS_UNAVAILABLE")
      .slice(-1);
    expect(line).to.include({ level: "info", realm: "any", target: "partner", kid: "made up" });
    expect(line?.["why"]).to.include("cooldown");
    const labels = 'realm="any",via="VerifyToken",outcome="waiting",reason="KEYS_UNAVAILABLE"';
    expect(await service.metric(`verifications_total{${labels}}`)).to.be.at.least(1);
    expect((await service.get("/readyz")).realms).to.include({ partner: "fresh" });
    // The issuer and its set are gone, so now the service itself has no keys.
    await issuer.be("503", {}, { path: "/jwks" });
    service.ahead = 48 * HOUR;
    await service.until("any", token, "no verdict KEYS_UNAVAILABLE");
    const last = service.lines("call").at(-1);
    expect(last).to.include({ level: "warn", reason: "KEYS_UNAVAILABLE", kid: "one", why: "keys cannot be fetched" });
  });

  it("a realm by issuer verifies each token with its issuer's keys, whatever happens to the other issuer", async () => {
    await issuer.be("publish", setOf(two), { path: "/second" });
    const routed = `${realm("first", issuer.url)}${realm("second", issuer.at("/second"), FAST, "https://second.example")}  any: { byIssuer: [first, second] }\n`;
    await service.start(routed);
    const other = two.token({ ...CLAIMS, iss: "https://second.example" });
    await service.until("any", token, "verified");
    await service.until("any", other, "verified");
    expect(await service.ask("any", one.token({ ...CLAIMS, iss: "https://second.example" }))).not.to.equal("verified");
    await issuer.be("503", {}, { path: "/second" });
    await service.until("any", other, "stale");
    expect(await service.ask("any", token)).to.equal("verified");
    expect((await service.get("/readyz")).realms).to.include({ any: "stale", first: "fresh", second: "stale" });
  });

  it("a realm by issuer is as bad as its worst issuer, serves while one of them does, and names the one that is down", async () => {
    await issuer.be("503", {}, { path: "/jwks" });
    await issuer.be("503", {}, { path: "/second" });
    const routed = `${realm("first", issuer.url)}${realm("second", issuer.at("/second"), FAST, "https://second.example")}  any: { byIssuer: [first, second] }\n`;
    await service.start(routed);
    const row = async () => (await service.get("/readyz")).routes[0];
    const other = one.token({ ...CLAIMS, iss: "https://second.example" });
    await service.until("any", token, "no verdict KEYS_UNAVAILABLE");
    await service.until("any", other, "no verdict KEYS_UNAVAILABLE");
    expect(await row()).to.include({ realm: "any", state: "failing", serving: false });
    expect(await service.health("any")).to.equal("NOT_SERVING");
    const checked = async () => run(["check", "--config", "verifier.yaml"], service.folder);
    const down = await checked();
    expect([down.code, down.stdout.match(/realm \w+, whose keys cannot be fetched/g)]).to.deep.equal([
      3,
      ["realm first, whose keys cannot be fetched", "realm second, whose keys cannot be fetched"],
    ]);
    await issuer.be("publish", setOf(one), { path: "/second" });
    await service.until("any", other, "verified");
    const half = await row();
    expect(half).to.include({ state: "failing", serving: true });
    expect(half.targets).to.deep.equal([
      { realm: "first", state: "failing", why: "it answered 503" },
      { realm: "second", state: "fresh" },
    ]);
    expect(await service.health("any")).to.equal("SERVING");
    expect(await service.health("first")).to.equal("NOT_SERVING");
    const json = JSON.parse((await run(["check", "--config", "verifier.yaml", "--json"], service.folder)).stdout);
    expect(json.realms.map(({ name, unreached }: any) => [name, unreached])).to.deep.equal([
      ["first", []],
      ["second", []],
      ["any", ["first"]],
    ]);
    await issuer.be("publish", setOf(one), { path: "/jwks" });
    await service.until("any", token, "verified");
    expect(await row()).to.include({ state: "fresh", serving: true });
  });

  it("discovery finds the keys, and refuses the metadata of another issuer", async () => {
    const metadata = (name: string): object => ({ issuer: name, jwks_uri: issuer.url });
    const path = "/.well-known/openid-configuration";
    await issuer.be("publish", metadata("https://issuer.example"), { path });
    await service.start(realm("partner", issuer.at(""), SLOW).replace("jwksUri", "discovery"));
    await service.until("partner", token, "verified");
    await service.stop();
    await issuer.be("publish", metadata("https://evil.example"), { path });
    await service.start(realm("other", issuer.at(""), SLOW).replace("jwksUri", "discovery"));
    await service.until("other", token, "no verdict KEYS_UNAVAILABLE");
    expect((await service.get("/readyz")).keys[0].why).to.include("another issuer's");
  });

  it("the metrics show how far an issuer's clock is ahead, by its tokens", async () => {
    await service.start(realm("partner", issuer.url, SLOW));
    await service.until("partner", token, "verified");
    expect(await service.metric('issuer_clock_ahead_seconds{realm="partner"}')).to.equal(0);
    service.stands = Date.now();
    const seconds = service.stands / 1000 + 40;
    const early = await service.answer("partner", one.token({ ...CLAIMS, iat: seconds, nbf: seconds }));
    expect(early).to.include({ kind: "rejected", reason: "TOKEN_NOT_YET_VALID" });
    expect((early as { message: string }).message).to.match(/This issuer's clock is 40 s ahead of ours\.$/);
    expect(await service.metric('issuer_clock_ahead_seconds{realm="partner"}')).to.be.closeTo(40, 0.001);
    const meant = await service.answer("partner", one.token({ ...CLAIMS, iat: seconds - 60, nbf: seconds }));
    expect((meant as { message: string }).message).not.to.include("clock");
  });

  it("keys diff shows which keys would disappear, and how much they are used", async () => {
    await issuer.be("publish", setOf(one, two), { path: "/jwks" });
    await service.start(`${realm("partner", issuer.url, SLOW)}  any: { byIssuer: [partner] }\n`);
    await service.until("partner", token, "verified");
    for (let times = 0; times < 4; times++) await service.ask("any", token);
    const { partner } = (await service.get("/keys")).realms;
    expect(partner.map(({ kid, verificationsLastHour }: any) => [kid, verificationsLastHour])).to.deep.equal([
      ["one", 5],
      ["two", 0],
    ]);
    const third = new IssuerKey("three");
    writeFileSync(join(service.folder, "next.json"), JSON.stringify(setOf(two, third)));
    await issuer.be("publish", { keys: [two.jwk, third.privateJwk] }, { path: "/next" });
    const diff = (candidate: string, ...more: string[]) =>
      run(
        ["keys", "diff", "--realm", "partner", "--candidate", candidate, "--config", "verifier.yaml", ...more],
        service.folder,
      );
    const asking = ["--metrics", service.metrics];
    const shown = await diff("next.json", ...asking);
    expect(shown.code, shown.stderr).to.equal(0);
    expect(shown.stdout).to.match(/^realm partner: 1 disappear, 1 new, 1 stay$/m);
    expect(shown.stdout)
      .to.match(/^disappears +one +ES256 +\S+ +5$/m)
      .and.match(/^new +three/m)
      .and.match(/^stays +two/m);
    expect(shown.stdout).to.include("Keys in use among those that disappear: 1.");
    const json = JSON.parse((await diff(issuer.at("/next"), ...asking, "--json")).stdout);
    expect(json.removed).to.have.length(1);
    expect(json.removed[0]).to.include({ kid: "one", verificationsLastHour: 5 });
    expect([json.added, json.refused.length, json.notAsked]).to.deep.equal([[], 1, null]);
    const alone = await diff("next.json", "--metrics", "127.0.0.1:1", "--json");
    expect(JSON.parse(alone.stdout).removed[0].verificationsLastHour).to.equal(null);
    expect(JSON.parse(alone.stdout).notAsked).to.include("127.0.0.1:1");
    expect((await diff("nothing.json")).code).to.equal(2);
    expect((await diff(issuer.at("/no-such-set").replace("http://", "https://"))).code).to.equal(3);
    for (const name of ["any", "nobody"]) expect((await diff("next.json", "--realm", name)).code).to.equal(2);
    await issuer.be("503", {}, { path: "/jwks" });
    expect((await diff("next.json")).code).to.equal(3);
  });

  it("keys are fetched through the proxy that the environment names", async () => {
    const proxy = await startProxy(() => issuer.port);
    try {
      service.write(realm("partner", "http://keys.example/jwks", SLOW));
      const env = { HTTP_PROXY: `127.0.0.1:${proxy.port}` };
      const ended = await run(["check", "--config", "verifier.yaml", "--json"], service.folder, "", env);
      expect(ended.code, ended.stdout).to.equal(0);
      expect(JSON.parse(ended.stdout).realms[0].keys).to.have.length(1);
      expect(proxy.tunnels).to.deep.equal(["keys.example:80"]);
    } finally {
      proxy.close();
    }
  });

  it("refused keys of a set are counted and named in the log, and the other keys verify", async () => {
    await issuer.be(
      "publish",
      { keys: [two.privateJwk, one.jwk, { kty: "oct", k: "c2VjcmV0", kid: "o" }] },
      { path: "/jwks" },
    );
    await service.start(realm("partner", issuer.url, SLOW));
    await service.until("partner", token, "verified");
    expect(await service.metric('keys_refused{realm="partner",cause="weak"}')).to.equal(2);
    const lines = service.log().trim().split("\n");
    const refused = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === "key refused");
    expect(refused.map(({ index, kid }) => [index, kid])).to.deep.equal([
      [0, "two"],
      [2, "o"],
    ]);
    expect(service.log()).not.to.include(String(two.privateJwk["d"]));
    expect(service.log()).not.to.include("more keys refused");
    expect(await service.ask("partner", two.token(CLAIMS))).to.equal("rejected KEY_WEAK");
  });

  it("a token of a refused key gets no verdict with the cause, while the realm serves tokens of its other keys", async () => {
    const [encrypting, broken] = ["encrypting", "broken"].map((kid) => new IssuerKey(kid));
    const keys = [one.jwk, { ...encrypting!.jwk, use: "enc" }, { ...broken!.jwk, y: one.jwk["y"] }];
    await issuer.be("publish", { keys }, { path: "/jwks" });
    await service.start(realm("partner", issuer.url, SLOW));
    await service.until("partner", token, "verified");
    await issuer.requests();
    for (const [key, cause] of [
      [encrypting!, "contradictory"],
      [broken!, "malformed"],
    ] as const) {
      for (let times = 0; times < 3; times++) {
        const answer = await service.answer("partner", key.token(CLAIMS));
        expect(answer).to.include({ reason: "KEY_REFUSED", causeName: cause, retryAfterMs: undefined, code: 9 });
      }
      expect(await service.metric(`keys_refused{realm="partner",cause="${cause}"}`)).to.equal(1);
    }
    expect(await asked(), "no fetch for a key that is known to be refused").to.equal(0);
    expect(await service.ask("partner", token)).to.equal("verified");
    expect(await service.health("partner")).to.equal("SERVING");
    const { unused } = await service.get("/keys");
    expect(unused.partner).to.have.length(2);
    expect(unused.partner[0]).to.include({ index: 1, kid: "encrypting", cause: "contradictory" });
    expect(unused.partner[1]).to.include({ index: 2, kid: "broken", cause: "malformed" });
    const ready = await service.get("/readyz");
    expect(ready.realms).to.deep.equal({ partner: "fresh" });
    expect(ready.keys[0]).to.deep.include({ refused: 2, refusedKeys: unused.partner });
    const lines = service.lines("call").filter(({ reason }) => reason === "KEY_REFUSED");
    expect(lines[0]).to.include({ level: "info", outcome: "failed", kid: "encrypting", cause: "contradictory" });
    expect(service.lines("key refused").map(({ kid, cause }) => [kid, cause])).to.deep.equal([
      ["encrypting", "contradictory"],
      ["broken", "malformed"],
    ]);
  });

  it("an old token of an unknown key is rejected as expired each time, before and after the issuer was asked", async () => {
    const gone = new IssuerKey("gone");
    const old = gone.token({ ...CLAIMS, exp: 1 });
    await issuer.be("503", {}, { path: "/jwks" });
    await service.start(realm("partner", issuer.url, SLOW));
    const ask = () => service.answer("partner", old);
    const expired = { kind: "rejected", reason: "TOKEN_EXPIRED", claim: "exp", signatureVerified: false };
    expect(await ask(), "no set yet").to.include(expired);
    await issuer.be("publish", setOf(one), { path: "/jwks" });
    await service.until("partner", token, "verified");
    for (let times = 0; times < 3; times++) expect(await ask(), "a set without the key").to.include(expired);
    service.ahead = 11 * 60_000;
    await service.until("partner", gone.token(CLAIMS), "rejected KEY_UNKNOWN");
    for (let times = 0; times < 3; times++) expect(await ask(), "a key known to be unknown").to.include(expired);
    const labels = 'realm="partner",via="VerifyToken",outcome="rejected",reason="TOKEN_EXPIRED",signed="false"';
    expect(await service.metric(`verifications_total{${labels}}`)).to.equal(7);
    expect(service.lines("call").filter(({ reason }) => reason === "TOKEN_EXPIRED")[0]).to.include({ signed: false });
  });

  it("the log names ten refused keys of a set and counts the rest", async () => {
    const bad = Array.from({ length: 99 }, (_, index) => ({ kty: "oct", k: "c2VjcmV0", kid: `o${index}` }));
    await issuer.be("publish", { keys: [one.jwk, ...bad] }, { path: "/jwks" });
    await service.start(realm("partner", issuer.url, SLOW));
    await service.until("partner", token, "verified");
    const lines = service.log().trim().split("\n");
    const told = lines.map((line) => JSON.parse(line)).filter(({ msg }) => /refused/.test(msg));
    expect(told.map(({ msg }) => msg)).to.deep.equal([...Array(10).fill("key refused"), "more keys refused"]);
    expect(told.at(-1)).to.include({ realm: "partner", location: issuer.url, omitted: 89 });
    expect(await service.metric('keys_refused{realm="partner",cause="weak"}')).to.equal(99);
  });
});
