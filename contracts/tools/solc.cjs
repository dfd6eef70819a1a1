#!/usr/bin/env node
// npm's solc, which is JavaScript, behind the command line of the native compiler that forge calls:
// `--version`, or JSON from standard input to standard output.
const fs = require("fs");
const path = require("path");
const solc = require(path.join(__dirname, "..", "node_modules", "solc"));

const options = process.argv.slice(2);
if (options.includes("--version")) {
  const version = solc.version().replace(".Emscripten.clang", "");
  console.log("solc, the solidity compiler commandline interface");
  console.log(`Version: ${version}.Linux.g++`);
} else {
  const place = options.indexOf("--base-path");
  const base = place >= 0 ? options[place + 1] : process.cwd();
  const read = (name) => {
    try {
      return { contents: fs.readFileSync(path.resolve(base, name), "utf8") };
    } catch (e) {
      return { error: e.message };
    }
  };
  process.stdout.write(solc.compile(fs.readFileSync(0, "utf8"), { import: read }));
}
