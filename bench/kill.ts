import { spawn } from "node:child_process";
import path from "node:path";
import Database from "better-sqlite3";
import { VerifyTokenResponse } from "../gen/tokenverifier/v1/token_verifier.js";
import { call, channel, clowkRequest } from "./calls.js";
import { deploy, withDirectory } from "./deployment.js";
import { writeDirectory } from "./directory-data.js";
import { start } from "./measured.js";
import { MAIN, runImport } from "./run-import.js";

// Checks that a killed import leaves the whole old or the whole new directory, and that the service beside it answers
// correctly throughout. Two directories differ in every user's email address; the kills come at random times, half of them
// in the last tenth, when the commit happens.

const USERS = 20_000;
const DOMAINS = ["old.example", "new.example"] as const;
/** The time from one call to the next, and the time within which the service must notice a change, in milliseconds. */
const PACE = 5;
const HEARD = 5_000;

const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));

/** Kills this many imports. @throws if the directory is neither the old nor the new one */
export async function kill(kills: number): Promise<void> {
  const deployment = deploy(withDirectory());
  const { config, folder } = deployment;
  const files = DOMAINS.map((domain) => {
    const file = path.join(folder, `${domain}.jsonl`);
    writeDirectory(file, USERS, domain);
    return file;
  });
  const fileOf = (domain: string): string => files[DOMAINS.indexOf(domain as (typeof DOMAINS)[number])] ?? "";
  await runImport(fileOf(DOMAINS[0]), config);
  const service = await start("service", config);
  const calls = { stopped: false, done: 0 };
  try {
    const client = channel(service.ready.addresses?.["grpc"] ?? "");
    const domainOf = async (user: number): Promise<string> => {
      const { verdict } = VerifyTokenResponse.decode(await call(client, clowkRequest(user)));
      const email = verdict?.$case === "verified" ? verdict.value.principal?.user?.email : undefined;
      const domain = DOMAINS.find((one) => email === `user${user}@${one}`);
      if (domain === undefined) throw new Error(`user ${user} is answered with ${String(email)}`);
      calls.done += 1;
      return domain;
    };
    const asking = (async () => {
      while (!calls.stopped) {
        await domainOf(Math.floor(Math.random() * USERS));
        await pause(PACE);
      }
    })();
    // Each check of the store waits for the import's end.
    asking.catch(() => {});
    const { seconds } = await runImport(fileOf(DOMAINS[1]), config);
    const tally = { old: 0, new: 0 };
    for (let n = 0; n < kills; n++) {
      const before = stored(folder);
      const after = before === DOMAINS[0] ? DOMAINS[1] : DOMAINS[0];
      const share = n % 2 === 0 ? Math.random() : 0.9 + Math.random() / 5;
      await killed(fileOf(after), config, seconds * 1000 * share);
      const left = stored(folder);
      tally[left === before ? "old" : "new"] += 1;
      const deadline = performance.now() + HEARD;
      for (let user = 0; user < 20; ) {
        if ((await Promise.race([domainOf(user), asking.then(() => "")])) === left) user += 1;
        else if (performance.now() > deadline) throw new Error("the service does not answer as the store stands");
        else await pause(PACE);
      }
    }
    calls.stopped = true;
    await asking;
    console.log(
      `${kills} imports killed: ${tally.old} left the old directory, ${tally.new} the new one, none another;`,
    );
    console.log(`${calls.done} calls meanwhile were answered, each from the old or the new`);
  } finally {
    service.stop();
    deployment.remove();
  }
}

/** Starts an import and kills it after a time if it has not ended. */
async function killed(file: string, config: string, millis: number): Promise<void> {
  const child = spawn(process.execPath, [MAIN, "import", file, "--config", config], { stdio: "ignore" });
  const closed = new Promise((resolve) => child.once("close", resolve));
  const timer = setTimeout(() => child.kill("SIGKILL"), millis);
  await closed;
  clearTimeout(timer);
}

/** Returns the one domain of all users in the store. @throws if there are two, or the store is damaged */
function stored(folder: string): string {
  const db = new Database(path.join(folder, "verifier.db"), { readonly: true });
  try {
    const domains = db
      .prepare<[], { domain: string; count: number }>(
        "SELECT substr(email, instr(email, '@') + 1) AS domain, count(*) AS count FROM users GROUP BY 1",
      )
      .all();
    const state = String(db.pragma("integrity_check", { simple: true }));
    const [one] = domains;
    if (one === undefined || domains.length > 1 || one.count !== USERS || state !== "ok") {
      throw new Error(`the store has ${JSON.stringify(domains)}; integrity_check says ${state}`);
    }
    return one.domain;
  } finally {
    db.close();
  }
}
