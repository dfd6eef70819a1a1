// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What an author signs to publish a version of a model.
struct Model {
  address author;
  string name;
  string version;
  bytes32 manifest;
  string task;
  string format;
  string quantisation;
  uint64 parameters;
  uint32 contextTokens;
  string licence;
  uint32 royaltyPermille;
  uint64 madeUs;
}

/// @notice What a provider signs to serve a model. It fixes how a charge is divided.
struct ModelOffer {
  address provider;
  bytes32 model;
  string region;
  string quantisation;
  string backend;
  uint64 perMillionPrompt;
  uint64 perMillionCached;
  uint64 perMillionCompletion;
  uint64 perMillionRows;
  uint64 perMillionRequests;
  uint32 royaltyPermille;
  uint32 poolPermille;
  uint32 parallel;
  uint32 contextTokens;
  string policy;
  bytes32 sealKey;
  string endpoint;
  uint64 madeUs;
  uint256 present;
}

/// @title The EIP-712 digests of docs/receipts.md that contracts read: the very ones that Java computes
/// (`dev.perseid.settle.Digests`).
/// @dev Their domain has neither chain nor contract: they are signed for a pool's log, whatever pays for it. That is
/// why none of them moves money here.
library TypedData {
  bytes32 internal constant DOMAIN =
    keccak256(abi.encode(keccak256("EIP712Domain(string name,string version)"), keccak256("Perseid"), keccak256("1")));
  bytes32 internal constant TREE_HEAD = keccak256("TreeHead(address pool,bytes32 root,uint64 size,uint64 timeUs)");
  bytes32 internal constant MODEL = keccak256(
    "Model(address author,string name,string version,bytes32 manifest,string task,string format,string quantisation,uint64 parameters,uint32 contextTokens,string licence,uint32 royaltyPermille,uint64 madeUs)"
  );
  bytes32 internal constant MODEL_OFFER = keccak256(
    "ModelOffer(address provider,bytes32 model,string region,string quantisation,string backend,uint64 perMillionPrompt,uint64 perMillionCached,uint64 perMillionCompletion,uint64 perMillionRows,uint64 perMillionRequests,uint32 royaltyPermille,uint32 poolPermille,uint32 parallel,uint32 contextTokens,string policy,bytes32 sealKey,string endpoint,uint64 madeUs,uint256 present)"
  );

  bytes32 internal constant RECORD_BATCH = keccak256("RecordBatch(address pool,bytes32 root,uint64 count)");
  bytes32 internal constant RECORD = keccak256(
    "ExecutionRecord(address pool,bytes16 job,uint32 task,string taskName,string kind,uint32 attempt,uint64 lease,address consumer,address provider,bytes32 offer,bytes32 module,bytes32 argsHash,bytes32[] inputs,uint64[] inputSizes,uint32[] dependsOn,uint64 gasLimit,uint64 memoryBytes,uint32 cores,uint64 submittedUs,uint64 readyUs,uint64 assignedUs,uint64 startedUs,uint64 endedUs,uint8 outcome,string reason,uint64 gas,uint64 cpuNs,uint64 wallNs,uint64 peakMemoryBytes,uint64 bytesIn,uint64 bytesOut,uint64 fetchedBytes,uint64 gpuNs,uint64 energyUj,string energyBy,bytes32[] outputs,uint64[] outputSizes,string engine,string isolation,uint64 charge,uint256 present)"
  );

  /// @notice What a pool signs for the state of its log.
  function treeHead(address pool, bytes32 root, uint64 size, uint64 timeUs) internal pure returns (bytes32) {
    return _digest(keccak256(abi.encode(TREE_HEAD, pool, root, size, timeUs)));
  }

  /// @notice What a provider signs for some records.
  function recordBatch(address pool, bytes32 root, uint64 count) internal pure returns (bytes32) {
    return _digest(keccak256(abi.encode(RECORD_BATCH, pool, root, count)));
  }

  /// @notice The digest of a task's record, a leaf of the batch.
  /// @param words its `encodeData`, the type's hash first.
  function record(bytes calldata words) internal pure returns (bytes32) {
    return _digest(keccak256(words));
  }

  /// @notice What an author signs.
  function model(Model calldata m) internal pure returns (bytes32) {
    return _digest(
      keccak256(
        abi.encode(
          MODEL,
          m.author,
          _text(m.name),
          _text(m.version),
          m.manifest,
          _text(m.task),
          _text(m.format),
          _text(m.quantisation),
          m.parameters,
          m.contextTokens,
          _text(m.licence),
          m.royaltyPermille,
          m.madeUs
        )
      )
    );
  }

  /// @notice What a provider signs; the `offer` in each record made under it.
  function modelOffer(ModelOffer calldata o) internal pure returns (bytes32) {
    bytes memory who =
      abi.encode(MODEL_OFFER, o.provider, o.model, _text(o.region), _text(o.quantisation), _text(o.backend));
    bytes memory prices = abi.encode(
      o.perMillionPrompt, o.perMillionCached, o.perMillionCompletion, o.perMillionRows, o.perMillionRequests
    );
    bytes memory terms = abi.encode(
      o.royaltyPermille,
      o.poolPermille,
      o.parallel,
      o.contextTokens,
      _text(o.policy),
      o.sealKey,
      _text(o.endpoint),
      o.madeUs,
      o.present
    );
    return _digest(keccak256(bytes.concat(who, prices, terms)));
  }

  function _text(string calldata text) private pure returns (bytes32) {
    return keccak256(bytes(text));
  }

  function _digest(bytes32 structHash) private pure returns (bytes32) {
    return keccak256(abi.encodePacked("\x19\x01", DOMAIN, structHash));
  }
}
