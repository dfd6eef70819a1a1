'use strict';
// The picture of a trace: timeline, cores and graph on canvases. Bars go into a pixel buffer, at most one for each lane and
// pixel, so that a frame costs as much as its pixels, not as much as its tasks. Runs in a page and, without pictures, in Node.

const GRID = 8192; // cells of the sums from which cores are drawn when the view is wide
const GROUPS = 8; // kinds with a colour of their own in that picture, the last one for the rest
const EDGES_DRAWN = 1000; // in one frame; of more, every so-manieth

// ---- data

function bytesOf(base64) {
  const text = atob(base64.replace(/\s/g, ''));
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// The columns stand one after the other, those of wide numbers first, so that each begins where it may.
function columns(meta, buffer) {
  const {bars, tasks, lanes, levels, edges} = meta;
  let at = 0;
  const take = (Type, n) => {
    const column = new Type(buffer, at, n);
    at += n * Type.BYTES_PER_ELEMENT;
    return column;
  };
  const data = {
    meta,
    start: take(Float64Array, bars),
    end: take(Float64Array, bars),
    slack: take(Float64Array, tasks),
    barTask: take(Uint32Array, bars),
    laneTo: take(Uint32Array, lanes),
    lanePlace: take(Uint32Array, lanes),
    levelTo: take(Uint32Array, levels),
    byLevel: take(Uint32Array, tasks),
    depsTo: take(Uint32Array, tasks),
    deps: take(Uint32Array, edges),
    cores: take(Uint16Array, bars),
    number: take(Uint16Array, bars),
    kind: take(Uint16Array, tasks),
    flags: take(Uint8Array, bars),
  };
  if (at !== buffer.byteLength) throw new Error('the data of this page are damaged');
  data.level = new Uint32Array(tasks);
  data.row = new Float64Array(tasks);
  for (let l = 0, i = 0; l < levels; l++) {
    const from = i, size = data.levelTo[l] - from;
    for (; i < data.levelTo[l]; i++) {
      data.level[data.byLevel[i]] = l;
      data.row[data.byLevel[i]] = (i - from + 0.5) / size;
    }
  }
  data.taskOnPath = new Uint8Array(tasks);
  data.firstBar = new Int32Array(tasks).fill(-1);
  for (let b = 0; b < bars; b++) {
    const t = data.barTask[b];
    if (data.flags[b] & 1) data.taskOnPath[t] = 1;
    if (data.firstBar[t] < 0 || data.start[b] < data.start[data.firstBar[t]]) data.firstBar[t] = b;
  }
  data.group = groups(data);
  data.grid = grid(data);
  return data;
}

// Tasks of the level that has the most.
function widest(data) {
  let most = 1;
  for (let l = 0; l < data.levelTo.length; l++) most = Math.max(most, data.levelTo[l] - (l === 0 ? 0 : data.levelTo[l - 1]));
  return most;
}

// Kinds by their work: the largest have a group each.
function groups(data) {
  const work = new Float64Array(data.meta.kinds.length);
  for (let b = 0; b < data.start.length; b++) work[data.kind[data.barTask[b]]] += data.end[b] - data.start[b];
  const order = [...work.keys()].sort((a, b) => work[b] - work[a] || a - b);
  const group = new Uint8Array(work.length).fill(GROUPS - 1);
  order.slice(0, GROUPS - 1).forEach((kind, i) => (group[kind] = i));
  return {of: group, order};
}

// For each group how much it has run until each of GRID + 1 moments.
function grid(data) {
  const cells = [];
  const span = Math.max(1, data.meta.span), cell = span / GRID;
  for (let g = 0; g < GROUPS; g++) cells.push(new Float64Array(GRID + 2));
  for (let b = 0; b < data.start.length; b++) {
    spread(cells[data.group.of[data.kind[data.barTask[b]]]], data.start[b] / cell, data.end[b] / cell, data.cores[b], GRID);
  }
  for (const sums of cells) {
    finish(sums, GRID);
    let sum = 0;
    for (let i = 0; i <= GRID; i++) {
      const here = sums[i];
      sums[i] = sum;
      sum += here * cell;
    }
  }
  return {cells, cell};
}

// Adds a bar from cell a to cell b to differences: the second half of what `finish` needs is kept in a slope.
function spread(into, a, b, weight, n) {
  a = Math.max(0, a);
  b = Math.min(n, b);
  if (b <= a) return;
  const i = Math.min(n - 1, Math.floor(a)), j = Math.min(n - 1, Math.floor(b));
  into.slope = into.slope || new Float64Array(into.length);
  if (i === j) {
    into[i] += (b - a) * weight;
  } else {
    into[i] += (i + 1 - a) * weight;
    into[j] += (b - j) * weight;
    into.slope[i + 1] += weight;
    into.slope[j] -= weight;
  }
}

function finish(into, n) {
  if (!into.slope) return;
  let level = 0;
  for (let i = 0; i < n; i++) {
    level += into.slope[i];
    into[i] += level;
  }
}

// How many cores each group had busy at each pixel of a view: an array for each group.
function busy(data, view, width) {
  const perPixel = (view.to - view.from) / width;
  const out = [];
  if (perPixel >= 2 * data.grid.cell) {
    const until = (sums, time) => {
      const x = Math.min(GRID, Math.max(0, time / data.grid.cell));
      const i = Math.min(GRID - 1, Math.floor(x));
      return sums[i] + (sums[i + 1] - sums[i]) * (x - i);
    };
    for (const sums of data.grid.cells) {
      const line = new Float64Array(width);
      let before = until(sums, view.from);
      for (let x = 0; x < width; x++) {
        const after = until(sums, view.from + (x + 1) * perPixel);
        line[x] = (after - before) / perPixel;
        before = after;
      }
      out.push(line);
    }
    return out;
  }
  for (let g = 0; g < GROUPS; g++) out.push(new Float64Array(width));
  for (let lane = 0; lane < data.laneTo.length; lane++) {
    for (let b = firstIn(data, lane, view.from); b < data.laneTo[lane] && data.start[b] < view.to; b++) {
      spread(out[data.group.of[data.kind[data.barTask[b]]]], (data.start[b] - view.from) / perPixel,
        (data.end[b] - view.from) / perPixel, data.cores[b], width);
    }
  }
  for (const line of out) finish(line, width);
  return out;
}

// The first bar of a lane that ends after a time. Bars of a lane do not overlap.
function firstIn(data, lane, time) {
  let low = lane === 0 ? 0 : data.laneTo[lane - 1], high = data.laneTo[lane];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (data.end[middle] > time) high = middle;
    else low = middle + 1;
  }
  return low;
}

// As `firstIn`, from a bar on: near ones are found in few steps.
function nextIn(data, from, to, time) {
  let step = 1, low = from, high = from;
  while (high < to && data.end[high] <= time) {
    low = high + 1;
    high += step;
    step *= 2;
  }
  high = Math.min(high, to);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (data.end[middle] > time) high = middle;
    else low = middle + 1;
  }
  return low;
}

// ---- pixels

// Colours as numbers of a little-endian RGBA buffer.
function rgba(r, g, b) {
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

function colour(kind) {
  const h = (kind * 0.618034 + 0.55) % 1, s = 0.52, l = kind % 2 ? 0.62 : 0.5;
  const f = n => {
    const k = (n + h * 12) % 12;
    return Math.round(255 * (l - s * Math.min(l, 1 - l) * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [f(0), f(8), f(4)];
}

// Fills a buffer with the bars in view; returns how many were drawn.
function paintBars(data, view, pixels, width, height, palette, marks, chosen) {
  const lanes = data.laneTo.length;
  const perPixel = (view.to - view.from) / width;
  const lanePixels = height / (view.bottom - view.top);
  let drawn = 0;
  const first = Math.max(0, Math.floor(view.top)), last = Math.min(lanes - 1, Math.ceil(view.bottom) - 1);
  // Of lanes thinner than a pixel, one is drawn for each row.
  const step = Math.max(1, Math.floor(1 / lanePixels));
  for (let lane = first; lane <= last; lane += step) {
    const y0 = Math.max(0, Math.round((lane - view.top) * lanePixels));
    let y1 = Math.min(height, Math.round((lane + 1 - view.top) * lanePixels));
    if (y1 - y0 > 3) y1 -= 1;
    if (y1 <= y0) y1 = Math.min(height, y0 + 1);
    const to = data.laneTo[lane];
    let b = firstIn(data, lane, view.from);
    while (b < to && data.start[b] < view.to) {
      const x0 = Math.max(0, Math.floor((data.start[b] - view.from) / perPixel));
      const x1 = Math.min(width, Math.max(x0 + 1, Math.ceil((data.end[b] - view.from) / perPixel)));
      const task = data.barTask[b];
      const flags = data.flags[b];
      const fill = task === chosen ? marks.chosen : flags & 2 ? marks.vain : palette[data.kind[task]];
      const edge = flags & 1 && y1 - y0 > 4;
      for (let y = y0; y < y1; y++) {
        const row = y * width;
        pixels.fill(edge && (y < y0 + 2 || y >= y1 - 2) ? marks.path : fill, row + x0, row + x1);
      }
      drawn++;
      // What lies wholly in the pixels that are filled cannot be seen.
      b = x1 - x0 <= 1 ? nextIn(data, b + 1, to, view.from + x1 * perPixel) : b + 1;
    }
  }
  return drawn;
}

// Fills a buffer with the tasks of the graph in view; returns those that were drawn, at most `most`.
function paintTasks(data, view, pixels, width, height, palette, marks, chosen, most) {
  const sx = width / (view.to - view.from), sy = height / (view.bottom - view.top);
  const seen = [];
  const half = Math.max(0, Math.min(6, Math.floor(Math.min(sx * 0.3, 6))));
  const first = Math.max(0, Math.floor(view.from - 1)), last = Math.min(data.levelTo.length - 1, Math.ceil(view.to));
  for (let l = first; l <= last; l++) {
    const from = l === 0 ? 0 : data.levelTo[l - 1], size = data.levelTo[l] - from;
    const apart = sy / size;
    const tall = Math.max(0, Math.min(half, Math.floor(apart * 0.4)));
    const x = Math.round((l + 0.5 - view.from) * sx);
    const low = Math.max(0, Math.floor(view.top * size) - 1), high = Math.min(size - 1, Math.ceil(view.bottom * size));
    const step = Math.max(1, Math.floor(0.5 / apart));
    for (let i = low; i <= high; i += step) {
      const task = data.byLevel[from + i];
      const y = Math.round(((i + 0.5) / size - view.top) * sy);
      if (y < -tall || y >= height + tall || x < -half || x >= width + half) continue;
      const fill = task === chosen ? marks.chosen : data.taskOnPath[task] ? marks.path : palette[data.kind[task]];
      const x0 = Math.max(0, x - half), x1 = Math.min(width, x + half + 1);
      for (let yy = Math.max(0, y - tall); yy <= Math.min(height - 1, y + tall); yy++) pixels.fill(fill, yy * width + x0, yy * width + x1);
      if (seen.length < most) seen.push(task);
    }
  }
  return seen;
}

function barAt(data, view, x, y, width, height) {
  const lane = Math.floor(view.top + (y / height) * (view.bottom - view.top));
  if (lane < 0 || lane >= data.laneTo.length) return -1;
  const perPixel = (view.to - view.from) / width;
  const b = firstIn(data, lane, view.from + (x - 1) * perPixel);
  return b < data.laneTo[lane] && data.start[b] <= view.from + (x + 1) * perPixel ? b : -1;
}

function taskAt(data, view, x, y, width, height) {
  const level = Math.round(view.from + (x / width) * (view.to - view.from) - 0.5);
  if (level < 0 || level >= data.levelTo.length) return -1;
  const from = level === 0 ? 0 : data.levelTo[level - 1], size = data.levelTo[level] - from;
  const i = Math.floor((view.top + (y / height) * (view.bottom - view.top)) * size);
  return i < 0 || i >= size ? -1 : data.byLevel[from + i];
}

// With so many digits that two times `apart` from each other look different.
function duration(ns, apart = 0) {
  const units = [['ns', 1], ['us', 1e3], ['ms', 1e6], ['s', 1e9], ['min', 6e10], ['h', 3.6e12], ['d', 8.64e13]];
  let unit = units[0];
  for (const one of units) if (Math.abs(ns) >= one[1]) unit = one;
  const digits = apart > 0 && ns > 0 ? Math.min(15, Math.max(4, Math.ceil(Math.log10(ns / apart)) + 1)) : 4;
  return `${+(ns / unit[1]).toPrecision(digits)} ${unit[0]}`;
}

// A round step for a scale, so that some eight fit.
function roundStep(span) {
  const raw = span / 8, power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].map(f => f * power).find(s => s >= raw);
}

if (typeof module !== 'undefined') {
  module.exports = {columns, busy, paintBars, paintTasks, barAt, taskAt, firstIn, nextIn, duration, roundStep, inflate, bytesOf, colour, rgba, GROUPS};
}

// ---- the page

// What a page says of its trace.
async function read(page) {
  const text = id => page.getElementById(id).textContent;
  const meta = JSON.parse(text('meta'));
  return {
    meta,
    data: columns(meta, (await inflate(bytesOf(text('columns')))).buffer),
    names: new TextDecoder().decode(await inflate(bytesOf(text('names')))).split('\n'),
    palette: Uint32Array.from(meta.kinds.map((_, k) => rgba(...colour(k)))),
  };
}

async function show() {
  let {meta, data, names, palette} = await read(document);
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  const ink = dark ? '#d8d8d8' : '#222', faint = dark ? '#444' : '#ccc';
  const background = dark ? rgba(24, 24, 27) : rgba(250, 250, 250);
  const css = k => `rgb(${colour(k).join(',')})`;
  const marks = {path: dark ? rgba(255, 255, 255) : rgba(0, 0, 0), vain: rgba(214, 48, 49), chosen: rgba(255, 190, 0)};
  const tip = document.getElementById('tip'), frame = document.getElementById('frame');
  const whole = {}, wholeGraph = {};
  const fit = () => {
    Object.assign(whole, {from: 0, to: Math.max(1, meta.span), top: 0, bottom: Math.max(1, meta.lanes), least: Math.max(1, meta.span * 1e-7), low: 1});
    Object.assign(wholeGraph, {from: 0, to: Math.max(1, meta.levels), top: 0, bottom: 1, least: Math.min(1, meta.levels), low: Math.min(1, 8 / widest(data))});
  };
  fit();
  const time = {...whole}, graph = {...wholeGraph};
  let byKind = meta.tasks > 400 && meta.kinds.length <= 200;
  let chosen = -1, waiting = false, spent = [];
  const canvases = {};
  for (const id of ['timeline', 'cores', 'graph']) {
    const canvas = document.getElementById(id);
    canvases[id] = {canvas, context: canvas.getContext('2d'), image: null};
  }

  // A pixel buffer as large as the canvas is on the screen.
  function buffer(one, clear) {
    const ratio = Math.min(2, devicePixelRatio || 1);
    const width = Math.max(1, Math.round(one.canvas.clientWidth * ratio)), height = Math.max(1, Math.round(one.canvas.clientHeight * ratio));
    if (!one.image || one.image.width !== width || one.image.height !== height) {
      one.canvas.width = width;
      one.canvas.height = height;
      one.image = one.context.createImageData(width, height);
      one.pixels = new Uint32Array(one.image.data.buffer);
    }
    one.ratio = ratio;
    if (clear) one.pixels.fill(background);
    one.context.font = `${11 * ratio}px system-ui, sans-serif`;
    return one;
  }

  function timeline() {
    const one = buffer(canvases.timeline, true), {width, height} = one.image, c = one.context;
    paintBars(data, time, one.pixels, width, height, palette, marks, chosen);
    c.putImageData(one.image, 0, 0);
    const lanePixels = height / (time.bottom - time.top), perPixel = (time.to - time.from) / width;
    c.fillStyle = '#000';
    if (lanePixels >= 13 * one.ratio) {
      for (let lane = Math.max(0, Math.floor(time.top)); lane < Math.min(meta.lanes, time.bottom); lane++) {
        let told = 0;
        for (let b = firstIn(data, lane, time.from); b < data.laneTo[lane] && data.start[b] < time.to && told < 200; b++) {
          const x0 = Math.max(0, (data.start[b] - time.from) / perPixel), x1 = Math.min(width, (data.end[b] - time.from) / perPixel);
          if (x1 - x0 < 40 * one.ratio) {
            b = Math.max(b, nextIn(data, b, data.laneTo[lane], time.from + (x0 + 4) * perPixel) - 1);
            continue;
          }
          told++;
          const room = Math.floor((x1 - x0) / (6.5 * one.ratio));
          c.fillText(names[data.barTask[b]].slice(0, room), x0 + 3 * one.ratio, (lane - time.top + 0.5) * lanePixels + 4 * one.ratio);
        }
      }
    }
    // Places, where their first lane is in view and there is room.
    let below = -99;
    for (let lane = Math.max(0, Math.floor(time.top)); lane < Math.min(meta.lanes, time.bottom); lane++) {
      const y = (lane - time.top) * lanePixels;
      if ((lane === 0 || data.lanePlace[lane] !== data.lanePlace[lane - 1]) && y - below > 13 * one.ratio) {
        const text = meta.places[data.lanePlace[lane]] || '(unknown place)';
        c.fillStyle = dark ? '#000a' : '#fffc';
        c.fillRect(0, y + 1, c.measureText(text).width + 6 * one.ratio, 12 * one.ratio);
        c.fillStyle = ink;
        c.fillText(text, 3 * one.ratio, y + 10 * one.ratio);
        below = y;
      }
    }
  }

  function coresBusy() {
    const one = buffer(canvases.cores, true), {width, height} = one.image, c = one.context;
    const lines = busy(data, time, width), most = Math.max(1, meta.peak), scale = (height - 16 * one.ratio) / most;
    const base = height - 14 * one.ratio;
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let g = 0; g < GROUPS; g++) {
        const y1 = Math.round(base - sum * scale);
        sum += lines[g][x];
        const y0 = Math.max(0, Math.round(base - sum * scale));
        const kind = data.group.order[g];
        const fill = g < GROUPS - 1 && kind !== undefined ? palette[kind] : rgba(128, 128, 128);
        for (let y = y0; y < y1; y++) one.pixels[y * width + x] = fill;
      }
    }
    c.putImageData(one.image, 0, 0);
    c.fillStyle = ink;
    c.strokeStyle = faint;
    const step = roundStep(time.to - time.from);
    for (let t = Math.ceil(time.from / step) * step; t < time.to; t += step) {
      const x = ((t - time.from) / (time.to - time.from)) * width;
      c.fillRect(x, base, 1, 4 * one.ratio);
      c.fillText(duration(t, step), x + 2, height - 3 * one.ratio);
    }
    c.fillText(`${meta.peak} cores busy at most`, 4 * one.ratio, 11 * one.ratio);
  }

  function drawEdges(one, tasks) {
    const {width, height} = one.image, c = one.context;
    const sx = width / (graph.to - graph.from), sy = height / (graph.bottom - graph.top);
    const x = t => (data.level[t] + 0.5 - graph.from) * sx, y = t => (data.row[t] - graph.top) * sy;
    let edges = 0;
    for (const t of tasks) edges += data.depsTo[t] - (t === 0 ? 0 : data.depsTo[t - 1]);
    const every = Math.max(1, Math.ceil(edges / EDGES_DRAWN));
    c.lineWidth = one.ratio;
    const lines = (style, wanted) => {
      c.strokeStyle = style;
      c.beginPath();
      let n = 0;
      for (const t of tasks) {
        for (let e = t === 0 ? 0 : data.depsTo[t - 1]; e < data.depsTo[t]; e++) {
          const d = data.deps[e];
          if (wanted(t, d, n++)) {
            c.moveTo(x(d), y(d));
            c.lineTo(x(t), y(t));
          }
        }
      }
      c.stroke();
    };
    lines(dark ? '#8886' : '#7775', (t, d, n) => n % every === 0);
    lines(dark ? '#fff' : '#000', (t, d) => data.taskOnPath[t] && data.taskOnPath[d]);
    if (chosen >= 0) lines('#fb0', (t, d) => t === chosen || d === chosen);
    return every;
  }

  function tasksGraph() {
    const one = buffer(canvases.graph, true), {width, height} = one.image, c = one.context;
    const seen = paintTasks(data, graph, one.pixels, width, height, palette, marks, chosen, 200000);
    c.putImageData(one.image, 0, 0);
    const every = drawEdges(one, seen);
    c.fillStyle = ink;
    if (every > 1) c.fillText(`1 of ${every} edges is drawn: zoom in`, 6, height - 6 * one.ratio);
    if (seen.length < 120) {
      const sx = width / (graph.to - graph.from), sy = height / (graph.bottom - graph.top);
      for (const t of seen) c.fillText(names[t].slice(0, 30), (data.level[t] + 0.5 - graph.from) * sx + 9 * one.ratio, (data.row[t] - graph.top) * sy + 4 * one.ratio);
    }
  }

  // Kinds as boxes, at the mean level of their tasks; how many tasks of one wait for tasks of another.
  let kindsCache = null;
  function kindsGraph() {
    const one = buffer(canvases.graph, true), {width, height} = one.image, c = one.context;
    if (!kindsCache) {
      const n = meta.kinds.length, count = new Float64Array(n), level = new Float64Array(n), between = new Map();
      for (let t = 0; t < meta.tasks; t++) {
        const k = data.kind[t];
        count[k]++;
        level[k] += data.level[t];
        for (let e = t === 0 ? 0 : data.depsTo[t - 1]; e < data.depsTo[t]; e++) {
          const key = data.kind[data.deps[e]] * n + k;
          between.set(key, (between.get(key) || 0) + 1);
        }
      }
      const order = [...count.keys()].sort((a, b) => level[a] / count[a] - level[b] / count[b] || a - b);
      const columnsWanted = Math.max(1, Math.min(12, n));
      const distinct = [...new Set(order.map(k => Math.round(level[k] / count[k])))];
      const place = new Map();
      const used = new Map();
      for (const k of order) {
        const x = distinct.length <= columnsWanted ? distinct.indexOf(Math.round(level[k] / count[k])) : Math.floor((order.indexOf(k) * columnsWanted) / n);
        const y = used.get(x) || 0;
        used.set(x, y + 1);
        place.set(k, [x, y]);
      }
      kindsCache = {count, between, place, used, wide: Math.max(1, ...[...used.keys()].map(x => x + 1)), n};
    }
    const {count, between, place, used, wide, n} = kindsCache;
    c.putImageData(one.image, 0, 0);
    const boxWidth = Math.min(170 * one.ratio, (width / wide) * 0.7), boxHeight = 34 * one.ratio;
    const centre = k => {
      const [x, y] = place.get(k);
      return [((x + 0.5) * width) / wide, ((y + 0.5) * height) / used.get(x)];
    };
    for (const [key, edges] of between) {
      const from = Math.floor(key / n), to = key % n;
      const [x0, y0] = centre(from), [x1, y1] = centre(to);
      c.strokeStyle = dark ? '#999' : '#888';
      c.lineWidth = one.ratio * Math.min(6, 1 + Math.log10(edges));
      c.beginPath();
      if (from === to) {
        c.arc(x0, y0 - boxHeight / 2, 9 * one.ratio, Math.PI, 0);
      } else {
        c.moveTo(x0 + boxWidth / 2, y0);
        c.bezierCurveTo((x0 + x1) / 2, y0, (x0 + x1) / 2, y1, x1 - boxWidth / 2, y1);
      }
      c.stroke();
    }
    for (const k of place.keys()) {
      const [x, y] = centre(k);
      c.fillStyle = css(k);
      c.fillRect(x - boxWidth / 2, y - boxHeight / 2, boxWidth, boxHeight);
      c.fillStyle = '#000';
      const room = Math.floor(boxWidth / (6.5 * one.ratio));
      c.fillText(meta.kinds[k].slice(0, room), x - boxWidth / 2 + 5 * one.ratio, y - 2 * one.ratio);
      c.fillText(`${count[k].toLocaleString('en')} task${count[k] === 1 ? '' : 's'}`.slice(0, room), x - boxWidth / 2 + 5 * one.ratio, y + 12 * one.ratio);
    }
  }

  function draw() {
    waiting = false;
    const before = performance.now();
    timeline();
    coresBusy();
    if (byKind) kindsGraph();
    else tasksGraph();
    const took = performance.now() - before;
    spent.push(took);
    if (spent.length > 600) spent = spent.slice(-300);
    frame.textContent = `${took.toFixed(1)} ms for this frame`;
    return took;
  }

  function redraw() {
    if (!waiting) {
      waiting = true;
      requestAnimationFrame(draw);
    }
  }

  function zoom(view, limit, fx, fy, kx, ky) {
    const width = Math.min(limit.to, Math.max(limit.least, (view.to - view.from) * kx));
    const height = Math.min(limit.bottom, Math.max(limit.low, (view.bottom - view.top) * ky));
    const x = view.from + (view.to - view.from) * fx, y = view.top + (view.bottom - view.top) * fy;
    place(view, limit, x - width * fx, y - height * fy, width, height);
  }

  function place(view, limit, from, top, width, height) {
    view.from = Math.min(Math.max(limit.from, from), limit.to - width);
    view.to = view.from + width;
    view.top = Math.min(Math.max(limit.top, top), limit.bottom - height);
    view.bottom = view.top + height;
  }

  function tell(event, task, bar) {
    if (task < 0) {
      tip.hidden = true;
      return;
    }
    const lines = [names[task], `kind ${meta.kinds[data.kind[task]]}`];
    const b = bar >= 0 ? bar : data.firstBar[task];
    if (b >= 0) {
      lines.push(`from ${duration(data.start[b])}, for ${duration(data.end[b] - data.start[b])}`);
      if (data.number[b] > 1) lines.push(`attempt ${data.number[b]}`);
      if (data.flags[b] & 2) lines.push('in vain');
    } else lines.push('it never ran');
    lines.push(`slack ${duration(data.slack[task])}`);
    if (data.taskOnPath[task]) lines.push('on the chain that led to the end');
    tip.textContent = lines.join('\n');
    tip.hidden = false;
    tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8)}px`;
  }

  function listen(id, view, limit, find) {
    const canvas = canvases[id].canvas;
    let held = null, moved = false;
    canvas.addEventListener('wheel', e => {
      e.preventDefault();
      const box = canvas.getBoundingClientRect(), k = Math.exp(Math.sign(e.deltaY) * 0.18);
      const both = id === 'graph' || e.ctrlKey;
      zoom(view, limit, (e.clientX - box.left) / box.width, (e.clientY - box.top) / box.height, e.ctrlKey && id !== 'graph' ? 1 : k, both ? k : 1);
      redraw();
    }, {passive: false});
    canvas.addEventListener('pointerdown', e => {
      held = {x: e.clientX, y: e.clientY, ...view};
      moved = false;
      canvas.setPointerCapture(e.pointerId);
    });
    canvas.addEventListener('pointermove', e => {
      const box = canvas.getBoundingClientRect();
      if (held) {
        const width = held.to - held.from, height = held.bottom - held.top;
        moved ||= Math.abs(e.clientX - held.x) + Math.abs(e.clientY - held.y) > 3;
        place(view, limit, held.from - ((e.clientX - held.x) / box.width) * width, held.top - ((e.clientY - held.y) / box.height) * height, width, height);
        redraw();
      } else {
        const {task, bar} = find(e.clientX - box.left, e.clientY - box.top, box.width, box.height);
        tell(e, task, bar);
      }
    });
    canvas.addEventListener('pointerup', e => {
      const box = canvas.getBoundingClientRect();
      if (!moved) chosen = find(e.clientX - box.left, e.clientY - box.top, box.width, box.height).task;
      held = null;
      redraw();
    });
    canvas.addEventListener('pointerleave', () => (tip.hidden = true));
    canvas.addEventListener('dblclick', () => {
      Object.assign(view, limit);
      redraw();
    });
  }
  const findBar = (x, y, w, h) => {
    const bar = barAt(data, time, x, y, w, h);
    return {bar, task: bar < 0 ? -1 : data.barTask[bar]};
  };
  listen('timeline', time, whole, findBar);
  listen('cores', time, whole, () => ({bar: -1, task: -1}));
  listen('graph', graph, wholeGraph, (x, y, w, h) => ({bar: -1, task: byKind ? -1 : taskAt(data, graph, x, y, w, h)}));

  function goTo(task) {
    chosen = task;
    byKind = false;
    kindButton();
    const b = data.firstBar[task];
    if (b >= 0) {
      const width = Math.max((data.end[b] - data.start[b]) * 20, whole.to * 1e-6);
      let lane = 0;
      while (data.laneTo[lane] <= b) lane++;
      const tall = Math.min(whole.bottom, 20);
      place(time, whole, (data.start[b] + data.end[b] - width) / 2, lane - tall / 2, Math.min(width, whole.to), tall);
    }
    const size = data.levelTo[data.level[task]] - (data.level[task] === 0 ? 0 : data.levelTo[data.level[task] - 1]);
    const tall = Math.min(1, 30 / size);
    place(graph, wholeGraph, data.level[task] - 2, data.row[task] - tall / 2, Math.min(5, wholeGraph.to), tall);
    redraw();
  }
  document.getElementById('find').addEventListener('change', e => {
    const wanted = e.target.value.trim();
    let found = names.indexOf(wanted);
    if (found < 0) found = names.findIndex(name => name.includes(wanted));
    e.target.setCustomValidity(found < 0 ? 'no task has this in its name' : '');
    e.target.reportValidity();
    if (wanted && found >= 0) goTo(found);
  });
  const button = document.getElementById('kinds');
  const kindButton = () => (button.textContent = byKind ? 'show tasks' : 'show kinds');
  kindButton();
  button.addEventListener('click', () => {
    byKind = !byKind;
    kindButton();
    redraw();
  });
  document.getElementById('reset').addEventListener('click', () => {
    Object.assign(time, whole);
    Object.assign(graph, wholeGraph);
    chosen = -1;
    redraw();
  });
  addEventListener('resize', redraw);

  function kindsLegend() {
    const items = data.group.order.slice(0, GROUPS - 1).map(k => {
      const item = document.createElement('span'), mark = document.createElement('i');
      mark.style.background = css(k);
      item.append(mark, meta.kinds[k]);
      return item;
    });
    document.getElementById('legend').replaceChildren(...items);
  }
  kindsLegend();
  draw();
  if (meta.live) follow(renew, meta.live);

  // Takes in what is newer, and stays where its reader is.
  async function renew() {
    const answer = await fetch('', {cache: 'no-store'});
    if (!answer.ok) return;
    const newer = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const next = await read(newer);
    const name = chosen < 0 ? null : names[chosen];
    const views = [[time, whole], [graph, wholeGraph]].map(([view, all]) => ({
      view,
      all,
      wide: view.from === all.from && view.to === all.to,
      tall: view.top === all.top && view.bottom === all.bottom,
    }));
    ({meta, data, names, palette} = next);
    fit();
    for (const {view, all, wide, tall} of views) {
      const width = wide ? all.to : Math.min(all.to, Math.max(all.least, view.to - view.from));
      const height = tall ? all.bottom : Math.min(all.bottom, Math.max(all.low, view.bottom - view.top));
      place(view, all, view.from, view.top, width, height);
    }
    chosen = name === null ? -1 : names.indexOf(name);
    kindsCache = null;
    tip.hidden = true;
    kindsLegend();
    for (const id of ['summary', 'tables']) document.getElementById(id).replaceChildren(...newer.getElementById(id).childNodes);
    document.title = newer.title;
    redraw();
  }

  // `#measure`: zooms and pans for some 200 frames and says how long they took; `#tasks`: begins with the tasks.
  if (location.hash.includes('tasks')) {
    byKind = false;
    kindButton();
    draw();
  }
  if (location.hash.includes('measure')) {
    const took = [];
    for (const kinds of [true, false]) {
      byKind = kinds;
      for (let i = 0; i < 100; i++) {
        const k = i < 50 ? 0.85 : 1 / 0.85;
        zoom(time, whole, 0.3 + 0.4 * Math.sin(i), 0.5, k, i % 10 === 0 ? k : 1);
        zoom(graph, wholeGraph, 0.5, 0.5, k, k);
        took.push(draw());
      }
    }
    took.sort((a, b) => a - b);
    document.title = `${took.length} frames of ${meta.bars} bars: median ${took[took.length >> 1].toFixed(2)} ms, 95 % ${took[Math.floor(took.length * 0.95)].toFixed(2)} ms, worst ${took[took.length - 1].toFixed(2)} ms`;
    frame.textContent = document.title;
  }
}

// Hears of newer versions, and asks for one after the other, however fast they come.
function follow(renew, has) {
  const state = document.getElementById('live'), events = new EventSource('events');
  let newest = has, busy = false;
  const say = text => (state.textContent = text);
  const renewAll = async () => {
    if (busy) return;
    busy = true;
    try {
      while (has < newest) {
        const wanted = newest;
        await renew();
        has = wanted;
      }
    } catch (e) {
      say(`this page cannot be renewed: ${e.message}`);
    } finally {
      busy = false;
    }
  };
  events.addEventListener('open', () => say('live'));
  events.addEventListener('error', () => say('the connection broke; what is shown may be old'));
  events.addEventListener('findings', e => {
    newest = Math.max(newest, Number(e.lastEventId));
    renewAll();
  });
  events.addEventListener('end', () => {
    events.close();
    say('the job has ended');
  });
}

if (typeof document !== 'undefined') {
  show().catch(e => (document.getElementById('frame').textContent = `this page cannot be drawn: ${e.message}`));
}
