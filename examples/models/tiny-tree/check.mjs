// Runs tiny-tree.wasm in Node on the loans of ../loan-risk/eval.csv and compares with what the ONNX model says of them.
//
//     node check.mjs        prints the result; the exit code is 1 if a label differs or a probability by more than 1e-5
import {readFileSync} from 'node:fs';

const here = name => new URL(name, import.meta.url);
const [head, ...lines] = readFileSync(here('../loan-risk/eval.csv'), 'utf8').trim().split('\n').map(line => line.split(','));
const width = head.indexOf('outcome');
const label = head.indexOf('label');
const probability = head.indexOf('probability');
const module = new WebAssembly.Module(readFileSync(here('tiny-tree.wasm')));

/** Runs the task to its end; gives its exit code and its output 0. */
function run(args, input) {
  let output = Buffer.alloc(0);
  let memory;
  const view = (ptr, len) => new Uint8Array(memory.buffer, ptr, len);
  const copy = (from, offset, ptr, len) => {
    const part = from.subarray(offset, offset + len);
    view(ptr, len).set(part);
    return part.length;
  };
  const instance = new WebAssembly.Instance(module, {
    perseid: {
      args_size: () => args.length,
      args_read: (ptr, offset, len) => copy(args, offset, ptr, len),
      input_count: () => 1,
      input_size: () => BigInt(input.length),
      input_read: (_, offset, ptr, len) => copy(input, Number(offset), ptr, len),
      output_write: (_, ptr, len) => {
        output = Buffer.concat([output, view(ptr, len)]);
        return len;
      },
      log: () => {},
      progress: () => {},
    },
  });
  memory = instance.exports.memory;
  let code;
  do code = instance.exports.step();
  while (code === 0);
  return {code, output};
}

const input = Buffer.alloc(lines.length * width * 4);
lines.forEach((row, i) => row.slice(0, width).forEach((v, j) => input.writeFloatLE(Number(v), 4 * (i * width + j))));
const {code, output} = run(Buffer.from(String(width)), input);
let labels = 0;
let furthest = 0;
lines.forEach((row, i) => {
  const [repaid, bad] = [output.readFloatLE(8 * i), output.readFloatLE(8 * i + 4)];
  labels += Number(bad > repaid) === Number(row[label]);
  furthest = Math.max(furthest, Math.abs(bad - Number(row[probability])));
});
const refused = [run(Buffer.from('7'), input).code, run(Buffer.from('8'), input.subarray(1)).code];
console.log(`${labels} of ${lines.length} labels equal, probabilities within ${furthest.toExponential(1)}, exit codes for bad input ${refused}`);
const right = code === 1 && labels === lines.length && lines.length > 0 && furthest < 1e-5 && refused[0] === 2 && refused[1] === 3;
process.exit(right ? 0 : 1);
