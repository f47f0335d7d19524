import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { expect } from "chai";
import { parse } from "yaml";
import { VerificationFailure } from "../../src/client/index.js";
import { folderOf, run } from "../cli/harness.js";
import { FetchingService } from "../e2e/fetching-service.js";

// Keys and tokens as the world has them: each row of rows.yaml on a running service, and `check` on its configuration.

const FIELD = resolve(import.meta.dirname, "../../../shared/field");

interface Row {
  readonly row: string | number;
  readonly name: string;
  readonly realm: Readonly<Record<string, unknown>>;
  readonly tokens: Readonly<Record<string, string>>;
  readonly check?: readonly string[];
  readonly message?: string;
}

const ROWS = parse(readFileSync(join(import.meta.dirname, "rows.yaml"), "utf8")) as readonly Row[];

/** Serves the folder's key sets, one of them behind a bearer token, and metadata of issuers. */
function serveField() {
  const server = createServer((request, response) => {
    const self = `http://${request.headers.host}`;
    const url = new URL(request.url ?? "/", self);
    const metadata = (issuer: string, keys: string): string => JSON.stringify({ issuer, jwks_uri: `${self}/${keys}` });
    const documents: Readonly<Record<string, () => string>> = {
      "/azure/common/v2.0/.well-known/openid-configuration": () =>
        metadata("https://login.microsoftonline.com/{tenantid}/v2.0", "05.jwks.json"),
      "/aad/.well-known/openid-configuration": () =>
        metadata("https://sts.example/t1/", url.searchParams.has("appid") ? "05.jwks.json" : "aad-other.jwks.json"),
      "/full/.well-known/openid-configuration": () => metadata("https://sts.example/t1/", "05.jwks.json"),
    };
    const isGuarded = url.pathname.startsWith("/auth/");
    if (isGuarded && request.headers.authorization !== "Bearer sa-token") return void response.writeHead(401).end("{}");
    const file = join(FIELD, url.pathname.replace("/auth", ""));
    const document = documents[url.pathname]?.() ?? (existsSync(file) ? readFileSync(file) : undefined);
    response.writeHead(document === undefined ? 404 : 200).end(document ?? "{}");
  });
  return new Promise<{ readonly address: string; readonly close: () => void }>((opened) => {
    server.listen(0, "127.0.0.1", () => {
      const close = (): void => {
        server.close();
        server.closeAllConnections();
      };
      opened({ address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close });
    });
  });
}

describe("keys and tokens as the world has them", function () {
  if (!existsSync(FIELD)) return void it.skip("the folder of tokens and key sets is not beside the project");
  this.timeout(60_000);
  const service = new FetchingService();
  let keys: Awaited<ReturnType<typeof serveField>>;

  const written = ({ realm }: Row): string => {
    const env = readFileSync(join(FIELD, "21-pem-escaped.env"), "utf8").replace(/^KEY=|\n$/g, "");
    const text = JSON.stringify({ issuer: null, audience: null, ...realm });
    return text
      .replaceAll("{keys}", keys.address)
      .replaceAll("{folder}", FIELD)
      .replaceAll('"./sa.token"', JSON.stringify(join(service.folder, "sa.token")))
      .replaceAll('"{env}"', () => JSON.stringify(env));
  };

  before(async () => {
    keys = await serveField();
    writeFileSync(join(service.folder, "sa.token"), "sa-token\n", { mode: 0o600 });
    await service.start(ROWS.map((row, index) => `  r${index}: ${written(row)}\n`).join(""));
  });
  after(async () => {
    await service.remove();
    keys.close();
  });

  for (const [index, row] of ROWS.entries()) {
    for (const [file, outcome] of Object.entries(row.tokens)) {
      it(`row ${String(row.row).padStart(2, "0")}: ${row.name} (${file})`, async () => {
        const token = readFileSync(join(FIELD, `${file}.token`), "utf8").trim();
        // Three times: a verdict must not depend on what an earlier question has fetched.
        for (let time = 0; time < 3; time++) expect(await service.ask(`r${index}`, token)).to.equal(outcome);
        if (row.message === undefined) return;
        const answer = await service.answer(`r${index}`, token);
        if (answer instanceof VerificationFailure || answer.kind !== "rejected") throw new Error("not rejected");
        expect(answer.message).to.include(row.message);
      });
    }
    const { check } = row;
    if (check !== undefined) {
      it(`row ${String(row.row).padStart(2, "0")}: check says it (${row.name})`, async () => {
        const folder = folderOf(`grpc: 127.0.0.1:0\nrealms:\n  r: ${written(row)}\n`);
        const { stdout, stderr } = await run(["check", "--config", "verifier.yaml"], folder);
        for (const text of check) expect(stdout + stderr).to.include(text);
      });
    }
  }
});
