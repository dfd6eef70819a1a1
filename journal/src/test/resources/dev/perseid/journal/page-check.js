'use strict';
// Reads a page as a browser does, draws it into pixel buffers, and prints what a picture must agree with. Arguments: the
// page, the file with its script.
const fs = require('fs');
const page = require(process.argv[3]);
const html = fs.readFileSync(process.argv[2], 'utf8');
const part = id => html.match(new RegExp(`<script type="[^"]*" id="${id}">([^]*?)</script>`))[1];
(async () => {
  const meta = JSON.parse(part('meta'));
  const data = page.columns(meta, (await page.inflate(page.bytesOf(part('columns')))).buffer);
  const names = Buffer.from(await page.inflate(page.bytesOf(part('names')))).toString('utf8').split('\n');
  const width = 800, height = 300;
  const palette = Uint32Array.from(meta.kinds.map((_, k) => page.rgba(...page.colour(k))));
  const marks = {path: page.rgba(0, 0, 0), vain: page.rgba(255, 0, 0), chosen: page.rgba(255, 255, 0)};
  const views = [];
  let seed = 7;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  const problems = [];
  for (let v = 0; v < 30; v++) {
    const from = v === 0 ? 0 : random() * meta.span * 0.9, span = v === 0 ? meta.span : (meta.span - from) * random() ** 3;
    const view = {from, to: from + Math.max(1, span), top: 0, bottom: meta.lanes};
    const pixels = new Uint32Array(width * height);
    const began = process.hrtime.bigint();
    const drawn = page.paintBars(data, view, pixels, width, height, palette, marks, -1);
    const took = Number(process.hrtime.bigint() - began) / 1e6;
    const lines = page.busy(data, view, width);
    // Cores that are busy, by the pixels and by adding up all bars in view.
    let sum = 0, exact = 0;
    for (const line of lines) for (const value of line) sum += (value * (view.to - view.from)) / width;
    for (let b = 0; b < data.start.length; b++) {
      exact += data.cores[b] * Math.max(0, Math.min(view.to, data.end[b]) - Math.max(view.from, data.start[b]));
    }
    if (Math.abs(sum - exact) > 1e-6 * exact + (v === 0 ? 1 : meta.span / 8192) * meta.lanes) problems.push(`view ${v}: ${sum} ran, not ${exact}`);
    if (drawn > width * meta.lanes + meta.lanes) problems.push(`view ${v}: ${drawn} bars drawn`);
    // Wherever a bar is, there is colour, and who points at it finds it.
    for (let i = 0; i < 200; i++) {
      const b = Math.floor(random() * data.start.length), middle = (data.start[b] + data.end[b]) / 2;
      const x = Math.floor(((middle - view.from) / (view.to - view.from)) * width);
      if (x < 0 || x >= width) continue;
      let lane = 0;
      while (data.laneTo[lane] <= b) lane++;
      const y = Math.floor(((lane + 0.5) * height) / meta.lanes);
      if (pixels[y * width + x] === 0) problems.push(`view ${v}: nothing at bar ${b}`);
      if (page.barAt(data, view, x, y, width, height) < 0) problems.push(`view ${v}: nobody finds bar ${b}`);
    }
    views.push({drawn, took});
  }
  for (let lane = 0; lane < meta.lanes; lane++) {
    for (let b = (lane === 0 ? 0 : data.laneTo[lane - 1]) + 1; b < data.laneTo[lane]; b++) {
      if (data.start[b] < data.end[b - 1]) problems.push(`bars ${b - 1} and ${b} overlap`);
    }
  }
  for (let t = 0; t < meta.tasks; t++) {
    for (let e = t === 0 ? 0 : data.depsTo[t - 1]; e < data.depsTo[t]; e++) {
      if (data.level[data.deps[e]] >= data.level[t]) problems.push(`task ${t} stands before what it waits for`);
    }
  }
  const graph = new Uint32Array(width * height);
  const seen = page.paintTasks(data, {from: 0, to: meta.levels, top: 0, bottom: 1}, graph, width, height, palette, marks, -1, 1e9);
  const first = page.taskAt(data, {from: 0, to: meta.levels, top: 0, bottom: 1}, (0.5 / meta.levels) * width, 0.1, width, height);
  console.log(JSON.stringify({
    meta, names: [names.length, names[0]], bars: data.start.length, starts: [...data.start.slice(0, 4)],
    numbers: Math.max(...data.number.slice(0, 1000)), path: data.taskOnPath.reduce((a, b) => a + b, 0), first,
    seen: seen.length, coloured: graph.some(p => p !== 0), problems: problems.slice(0, 5), worstMs: Math.max(...views.map(v => v.took)),
    duration: page.duration(1500000), close: page.duration(3323123456, 1000), step: page.roundStep(80)}));
})();
