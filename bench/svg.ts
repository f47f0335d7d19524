// Line charts as SVG, in colours that can be read on light and on dark pages.

/** A chart: a few points of some series, at equal distances. */
export interface Chart {
  readonly title: string;
  /** What the points are, with the unit. */
  readonly xLabel: string;
  /** What the values are, with the unit. */
  readonly yLabel: string;
  /** The points' labels. */
  readonly points: readonly string[];
  /** Values by the series' names, one for each point. */
  readonly series: Readonly<Record<string, readonly number[]>>;
}

const WIDTH = 460;
const HEIGHT = 280;
const LEFT = 58;
const RIGHT = 20;
const TOP = 58;
const BOTTOM = 50;
const INK = "#6e7781";
const COLOURS = ["#2f81f7", "#d4762c", "#2da44e", "#a371f7"];

/** Returns round values from 0 to at least the greatest, at most six. @param most above 0 */
export function ticks(most: number): readonly number[] {
  const size = 10 ** Math.floor(Math.log10(most / 4));
  const step = size * ([1, 2, 2.5, 5, 10].find((one) => one * size * 5 >= most) ?? 10);
  const count = Math.ceil(most / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, n) => Number((n * step).toPrecision(6)));
}

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function text(x: number, y: number, content: string, more = "", colour = INK): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" fill="${colour}" ${more}>${escaped(content)}</text>`;
}

/** Draws a chart. Each value has its ratio to the first of its series above it, and below it if it is the point's least. */
export function drawChart({ title, xLabel, yLabel, points, series }: Chart): string {
  const names = Object.keys(series);
  const values = ticks(Math.max(...names.flatMap((name) => series[name] ?? [])) * 1.05);
  const top = values.at(-1) ?? 1;
  const x = (index: number): number =>
    LEFT + 14 + (index * (WIDTH - LEFT - RIGHT - 28)) / Math.max(1, points.length - 1);
  const y = (value: number): number => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
  const middle = (TOP + HEIGHT - BOTTOM) / 2;
  const grid = values.map(
    (value) =>
      `<path d="M${LEFT} ${y(value).toFixed(1)}H${WIDTH - RIGHT}" stroke="${INK}" stroke-opacity=".3"/>` +
      text(LEFT - 6, y(value) + 4, String(value), 'text-anchor="end"'),
  );
  const lines = names.flatMap((name, n) => {
    const colour = COLOURS[n % COLOURS.length] ?? INK;
    const all = series[name] ?? [];
    const first = all[0] ?? Number.NaN;
    const path = all.map((value, index) => `${x(index).toFixed(1)} ${y(value).toFixed(1)}`).join("L");
    const marks = all.map((value, index) => {
      const at = `cx="${x(index).toFixed(1)}" cy="${y(value).toFixed(1)}"`;
      const ratio = index === 0 ? "" : `${(value / first).toFixed(2)}×`;
      const others = names.filter((other) => other !== name).map((other) => series[other]?.[index] ?? 0);
      // Of equal values the first is the lower one.
      const isLeast = others.length > 0 && others.every((other, m) => value < other || (value === other && n <= m));
      const side = isLeast && HEIGHT - BOTTOM - y(value) > 18 ? 15 : -8;
      return (
        `<circle ${at} r="3" fill="${colour}"/>` +
        text(x(index), y(value) + side, ratio, 'text-anchor="middle" font-size="10"', colour)
      );
    });
    const key = LEFT + n * 130;
    return [
      `<path d="M${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...marks,
      `<path d="M${key} 38h18" stroke="${colour}" stroke-width="3"/>`,
      text(key + 24, 42, name),
    ];
  });
  const labels = points.map((label, index) => text(x(index), HEIGHT - BOTTOM + 16, label, 'text-anchor="middle"'));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" ` +
      'font-family="system-ui, sans-serif" font-size="11" role="img">',
    `<title>${escaped(title)}</title>`,
    text(LEFT, 20, title, 'font-size="14" font-weight="600"'),
    ...grid,
    ...labels,
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, xLabel, 'text-anchor="middle"'),
    text(14, middle, yLabel, `text-anchor="middle" transform="rotate(-90 14 ${middle.toFixed(1)})"`),
    ...lines,
    "</svg>",
    "",
  ].join("\n");
}
