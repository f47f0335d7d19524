import { expect } from "chai";
import fc from "fast-check";
import { formatDuration, formatSize, formatSpan, parseDuration, parseSize } from "../../src/util/units.js";

const WRONG = [
  "",
  "1",
  "s",
  "1 s",
  " 1s",
  "1s ",
  "-1s",
  "+1s",
  "1.5s",
  "1e3s",
  "1S",
  "1sec",
  "0x1s",
  "١s",
  "1s1s",
  "1m30s",
  "1234567890123s",
  "Infinitys",
  "1constructor",
  "1__proto__",
];

describe("parseDuration", () => {
  for (const [text, millis] of [
    ["0s", 0],
    ["1ms", 1],
    ["500ms", 500],
    ["30s", 30_000],
    ["10m", 600_000],
    ["1h", 3_600_000],
    ["7d", 604_800_000],
    ["007s", 7000],
  ] as const) {
    it(`${text} is ${millis} ms`, () => expect(parseDuration(text)).to.equal(millis));
  }
  for (const text of [...WRONG, "1KiB", "1B", "1w", "1y", "1us"]) {
    it(`${JSON.stringify(text)} is not a duration`, () => expect(parseDuration(text)).to.equal(undefined));
  }
});

describe("parseSize", () => {
  for (const [text, bytes] of [
    ["0B", 0],
    ["1B", 1],
    ["64KiB", 65_536],
    ["4MiB", 4_194_304],
    ["1GiB", 1_073_741_824],
  ] as const) {
    it(`${text} is ${bytes} bytes`, () => expect(parseSize(text)).to.equal(bytes));
  }
  for (const text of [...WRONG, "1K", "1KB", "1kb", "1kib", "1M", "1TiB", "64 KiB"]) {
    it(`${JSON.stringify(text)} is not a size`, () => expect(parseSize(text)).to.equal(undefined));
  }
});

describe("durations and sizes", () => {
  it("durations and sizes are whole and never negative, and no text is both", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^\d{1,14}[a-zA-Z]{0,4}$/)), (text) => {
        const [millis, bytes] = [parseDuration(text), parseSize(text)];
        for (const value of [millis, bytes]) {
          if (value !== undefined) expect(Number.isInteger(value) && value >= 0, text).to.equal(true);
        }
        expect(millis === undefined || bytes === undefined).to.equal(true);
      }),
    );
  });

  it("durations and sizes are written in the largest unit that keeps them whole", () => {
    const millis = [0, 1, 1500, 60_000, 300_000, 86_400_000];
    expect(millis.map(formatDuration)).to.deep.equal(["0s", "1ms", "1500ms", "1m", "5m", "1d"]);
    expect([0, 600, 1024, 65_536, 1024 ** 3].map(formatSize)).to.deep.equal(["0B", "600B", "1KiB", "64KiB", "1GiB"]);
    const whole = fc.nat({ max: 999_999_999 });
    fc.assert(fc.property(whole, (value) => parseDuration(formatDuration(value)) === value));
    fc.assert(fc.property(whole, (value) => parseSize(formatSize(value)) === value));
  });
});

describe("a span for people", () => {
  for (const [seconds, text] of [
    [0, "0 s"],
    [59, "59 s"],
    [60, "1 min"],
    [3599, "59 min 59 s"],
    [3600, "1 h"],
    [3605, "1 h"],
    [183_600, "2 d 3 h"],
    [1_799_999_999, "20833 d 7 h"],
  ] as const) {
    it(`a span of ${seconds} seconds is written "${text}"`, () => expect(formatSpan(seconds)).to.equal(text));
  }
});
