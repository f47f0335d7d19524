import { expect } from "chai";
import { eventually } from "../harness.js";
import type { Caller } from "./libraries.js";
import { type ClientName, clientsOf, type Expected, expectedOf, type Row, TABLE } from "./rows.js";
import { codeName, compare } from "./seen.js";
import { type Service, startService } from "./service.js";

/** Adds a test for each row of the table that a client can send. @param limit milliseconds for each */
export function describeRows(client: ClientName, call: Caller): void {
  const services = new Map<string, Promise<Service>>();
  const serviceOf = ({ server = "usual" }: Row): Promise<Service> => {
    const limits = TABLE.servers[server];
    if (limits === undefined) throw new Error(`the table has no server ${server}`);
    const found = services.get(server) ?? startService(limits);
    services.set(server, found);
    return found;
  };
  after(async () => {
    for (const service of services.values()) await (await service).server.close(100);
  });

  for (const { about, rows } of TABLE.rows) {
    describe(about, () => {
      for (const row of rows.filter((one) => clientsOf(one).includes(client))) {
        it(`${row.name} (${client})`, async () => {
          const service = await serviceOf(row);
          if (row.server === "ending") services.delete("ending");
          await runRow(service, client, row, call);
        });
      }
    });
  }
}

async function runRow(service: Service, client: ClientName, row: Row, call: Caller): Promise<void> {
  for (const list of [service.asked, service.ended, service.faults]) list.length = 0;
  const { token = "verified", times = 1, next = [] } = row;
  const first = expectedOf(row, client);
  const seen = await call(service.address, row, () => service.whenAsked(token));
  const expected: readonly Expected[] = [...Array<Expected>(times).fill(first), ...next.map(({ sees }) => sees)];
  expect(seen).to.have.length(expected.length);
  for (const [index, one] of seen.entries()) compare(row, expected[index]!, one);

  // The client's connections are closed: no call may be left open.
  await eventually(() => service.server.connections() === 0);
  const codes = expected.map(({ code = "" }) => code);
  const answered = expected.filter(({ answer }) => Array.isArray(answer)).length;
  if (row.asked !== undefined || answered > 0) {
    expect(service.asked, "requests that reached the verifier").to.have.length(row.asked ?? answered);
  }
  const onTheWire = client === "http2" || client === "frames";
  const counted = row.counted ?? (onTheWire && !codes.includes("none") ? codes : undefined);
  if (counted !== undefined) {
    expect(service.ended.map(codeName).toSorted(), "statuses counted").to.deep.equal(counted.toSorted());
  }
}
