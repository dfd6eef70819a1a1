// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Model, ModelOffer} from "../src/TypedData.sol";
import {Forge} from "./Forge.sol";

/// Reads `vectors/typed-data.json`, which Java made and holds (`ContractVectorsTest`).
contract TypedDataReader is Forge {
  string private json;

  constructor() {
    json = vm.readFile("vectors/typed-data.json");
  }

  function model() external view returns (Model memory m, bytes memory signature, bytes32 digest) {
    string memory j = json;
    m.author = vm.parseJsonAddress(j, ".model.author");
    m.name = vm.parseJsonString(j, ".model.name");
    m.version = vm.parseJsonString(j, ".model.version");
    m.manifest = vm.parseJsonBytes32(j, ".model.manifest");
    m.task = vm.parseJsonString(j, ".model.task");
    m.format = vm.parseJsonString(j, ".model.format");
    m.quantisation = vm.parseJsonString(j, ".model.quantisation");
    m.parameters = uint64(vm.parseJsonUint(j, ".model.parameters"));
    m.contextTokens = uint32(vm.parseJsonUint(j, ".model.contextTokens"));
    m.licence = vm.parseJsonString(j, ".model.licence");
    m.royaltyPermille = uint32(vm.parseJsonUint(j, ".model.royaltyPermille"));
    m.madeUs = uint64(vm.parseJsonUint(j, ".model.madeUs"));
    signature = vm.parseJsonBytes(j, ".model.signature");
    digest = vm.parseJsonBytes32(j, ".model.digest");
  }

  function offer() external view returns (ModelOffer memory o, bytes32 digest) {
    string memory j = json;
    o.provider = vm.parseJsonAddress(j, ".offer.provider");
    o.model = vm.parseJsonBytes32(j, ".offer.model");
    o.region = vm.parseJsonString(j, ".offer.region");
    o.quantisation = vm.parseJsonString(j, ".offer.quantisation");
    o.backend = vm.parseJsonString(j, ".offer.backend");
    o.perMillionPrompt = uint64(vm.parseJsonUint(j, ".offer.perMillionPrompt"));
    o.perMillionCached = uint64(vm.parseJsonUint(j, ".offer.perMillionCached"));
    o.perMillionCompletion = uint64(vm.parseJsonUint(j, ".offer.perMillionCompletion"));
    o.perMillionRows = uint64(vm.parseJsonUint(j, ".offer.perMillionRows"));
    o.perMillionRequests = uint64(vm.parseJsonUint(j, ".offer.perMillionRequests"));
    o.royaltyPermille = uint32(vm.parseJsonUint(j, ".offer.royaltyPermille"));
    o.poolPermille = uint32(vm.parseJsonUint(j, ".offer.poolPermille"));
    o.parallel = uint32(vm.parseJsonUint(j, ".offer.parallel"));
    o.contextTokens = uint32(vm.parseJsonUint(j, ".offer.contextTokens"));
    o.policy = vm.parseJsonString(j, ".offer.policy");
    o.sealKey = vm.parseJsonBytes32(j, ".offer.sealKey");
    o.endpoint = vm.parseJsonString(j, ".offer.endpoint");
    o.madeUs = uint64(vm.parseJsonUint(j, ".offer.madeUs"));
    o.present = vm.parseJsonUint(j, ".offer.present");
    digest = vm.parseJsonBytes32(j, ".offer.digest");
  }

  function head()
    external
    view
    returns (address pool, bytes32 root, uint64 size, uint64 timeUs, bytes memory signature, bytes32 digest)
  {
    pool = vm.parseJsonAddress(json, ".log.pool");
    root = vm.parseJsonBytes32(json, ".log.root");
    size = uint64(vm.parseJsonUint(json, ".log.size"));
    timeUs = uint64(vm.parseJsonUint(json, ".log.timeUs"));
    signature = vm.parseJsonBytes(json, ".log.signature");
    digest = vm.parseJsonBytes32(json, ".log.digest");
  }

  /// 0: a right bill. 1: the pool keeps a microcredit too many.
  function entry(uint256 index) external view returns (bytes memory bytes_, bytes32 leaf) {
    string memory place = index == 0 ? "[0]" : "[1]";
    bytes_ = vm.parseJsonBytes(json, string.concat(".log.entries", place));
    leaf = vm.parseJsonBytes32(json, string.concat(".log.leaves", place));
  }
}
