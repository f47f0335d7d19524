import { expect } from "chai";
import fc from "fast-check";
import { Counter, Histogram, Registry } from "prom-client";
import { tallyCounter, tallyHistogram } from "../../src/observability/call-metrics.js";

const BOUNDS = [0.001, 0.01, 0.5];

describe("the metrics of calls", () => {
  const register = new Registry();
  const settings = (labelNames: readonly string[]) => ({ name: "m", help: "What it is.", labelNames });
  beforeEach(() => register.clear());

  it("a counter's text is that of prom-client, scrape after scrape", async () => {
    const label = fc.constantFrom("", "a", "b", 'with "quotes"\n');
    const event = fc.record({ one: label, two: label, three: fc.option(label, { nil: undefined }), times: fc.nat(3) });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(event), { maxLength: 4 }), async (scrapes) => {
        register.clear();
        const other = new Registry();
        const labelNames = ["one", "two", "three"];
        const tally = tallyCounter({ ...settings(labelNames), registers: [register] });
        const counter = new Counter({ ...settings(labelNames), labelNames, registers: [other] });
        for (const events of scrapes) {
          for (const { times, one, two, three } of events.filter(({ times }) => times > 0)) {
            const pair = tally.of(one).of(two);
            (three === undefined ? pair : pair.of(three)).count += times;
            counter.inc({ one, two, ...(three !== undefined && { three }) }, times);
          }
          const lines = async (registry: Registry) => (await registry.metrics()).split("\n").toSorted();
          expect(await lines(register)).to.deep.equal(await lines(other));
        }
      }),
      { numRuns: 50 },
    );
  });

  it("a histogram's text is that of prom-client, also at the bounds of its buckets", async () => {
    const seconds = fc.oneof(fc.constantFrom(0, ...BOUNDS), fc.double({ min: 0, max: 2, noNaN: true }));
    const event = fc.record({ via: fc.constantFrom("a", "b", 'c"'), seconds });
    await fc.assert(
      fc.asyncProperty(fc.array(event), async (events) => {
        register.clear();
        const other = new Registry();
        const add = tallyHistogram({ ...settings(["via"]), registers: [register] }, BOUNDS);
        const histogram = new Histogram({
          ...settings(["via"]),
          labelNames: ["via"],
          buckets: BOUNDS,
          registers: [other],
        });
        for (const { via, seconds } of events) {
          add(via, seconds);
          histogram.observe({ via }, seconds);
        }
        expect(await register.metrics()).to.equal(await other.metrics());
        expect(await register.metrics()).to.equal(await other.metrics());
      }),
      { numRuns: 50 },
    );
  });
});
