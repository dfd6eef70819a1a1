// Writes what of the build is committed: ABI and bytecode of each contract, one compact file each.
//   node tools/artifacts.cjs FOLDER
const fs = require("fs");
const path = require("path");

const folder = process.argv[2];
for (const contract of ["Collateral", "Court", "Dispute", "Escrow", "Registry", "TestDollar"]) {
  const built = JSON.parse(fs.readFileSync(path.join(__dirname, "..", "out", `${contract}.sol`, `${contract}.json`)));
  const kept = {
    contract,
    compiler: "solc " + require("../package.json").devDependencies.solc,
    abi: built.abi,
    bytecode: built.bytecode.object,
  };
  fs.writeFileSync(path.join(folder, `${contract}.json`), JSON.stringify(kept) + "\n");
}
