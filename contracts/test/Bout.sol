// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Dispute} from "../src/Dispute.sol";
import {TypedData} from "../src/TypedData.sol";
import {Market} from "./Market.sol";

/// A provider, a challenger and arbiters, and what they do in a dispute.
abstract contract Bout is Market {
  uint256 internal constant BOND = 1 ether;
  uint256 internal constant SEAT = 2 ether;
  uint256 internal constant FEE = 0.05 ether;
  uint256 internal constant ARBITERS = 7;
  uint256 internal constant RECORD_GAS = 1 << 40;
  address internal constant CHALLENGER = address(0xc4a1);

  bytes32 internal constant CHALLENGERS_NUMBER = keccak256("the challenger's number");

  Dispute internal dispute;
  bytes32[] internal outs;

  function setUp() public virtual override {
    super.setUp();
    dispute = new Dispute(registry, BOND, SEAT, FEE, SINK);
    outs.push(sha256("out"));
    stakeAs(PROVIDER_KEY, 4 ether, false);
    for (uint256 i = 0; i < ARBITERS; ++i) {
      stakeAs(arbiterKey(i), 2 * SEAT, true);
    }
    vm.deal(CHALLENGER, 100 ether);
    vm.warp(NOW + 2 days);
    vm.roll(1000);
  }

  function arbiterKey(uint256 i) internal pure returns (uint256) {
    return 0xa4b0 + i;
  }

  function stakeAs(uint256 key, uint256 amount, bool seated) internal {
    address who = vm.addr(key);
    vm.deal(who, amount + 1 ether);
    vm.startPrank(who);
    registry.register(2, address(0), "", 0);
    dispute.stake{value: amount}(who);
    if (seated) dispute.takeSeat(who);
    vm.stopPrank();
  }

  // ---- records

  /// A record as its `encodeData`; `salt` tells one from another.
  function recordOf(uint256 salt) internal view returns (bytes memory words) {
    words = new bytes(42 * 32);
    for (uint256 i = 0; i < 42; ++i) {
      put(words, i, keccak256(abi.encode(salt, i)));
    }
    put(words, 0, TypedData.RECORD);
    put(words, 1, bytes32(uint256(uint160(pool))));
    put(words, 9, bytes32(uint256(uint160(provider))));
    put(words, 21, bytes32((NOW + 2 days) * 1_000_000));
    put(words, 24, 0);
    put(words, 26, bytes32(RECORD_GAS));
    put(words, 36, keccak256(abi.encodePacked(outs)));
    put(words, 41, bytes32(uint256(1 << 2)));
  }

  function put(bytes memory words, uint256 place, bytes32 value) internal pure {
    assembly ("memory-safe") {
      mstore(add(add(words, 32), mul(place, 32)), value)
    }
  }

  function digestOf(bytes memory words) internal pure returns (bytes32) {
    return keccak256(abi.encodePacked("\x19\x01", TypedData.DOMAIN, keccak256(words)));
  }

  /// The provider's signature of a batch of this record and another.
  function batchOf(uint256 key, bytes memory words) internal view returns (Dispute.Batch memory b) {
    bytes32 leaf = sha256(abi.encodePacked(bytes1(0), digestOf(words)));
    bytes32 other = sha256("another record");
    b.root = sha256(abi.encodePacked(bytes1(0x01), other, leaf));
    b.count = 2;
    b.position = 1;
    b.path = new bytes32[](1);
    b.path[0] = other;
    b.signature = long(key, TypedData.recordBatch(pool, b.root, 2));
  }

  function opened(uint256 salt, address who) internal returns (bytes32 id) {
    bytes memory words = recordOf(salt);
    Dispute.Batch memory b = batchOf(PROVIDER_KEY, words);
    vm.prank(who);
    return dispute.open{value: BOND}(words, outs, b);
  }

  // ---- the two players

  function truth(uint256 position) internal pure returns (bytes32) {
    return keccak256(abi.encode("true", position));
  }

  /// What a provider says that computed right up to `fault`, not included.
  function said(uint256 position, uint256 fault) internal pure returns (bytes32) {
    return position < fault ? truth(position) : keccak256(abi.encode("false", position));
  }

  /// What the provider gives for the part in dispute.
  function row(bytes32 id, uint256 fault) internal view returns (bytes32[] memory all) {
    Dispute.Case memory c = dispute.caseOf(id);
    return rowOf(c.low, c.high, fault);
  }

  function rowOf(uint48 low, uint48 high, uint256 fault) internal view returns (bytes32[] memory all) {
    uint256 ways = high - low;
    if (ways > 16) ways = 16;
    all = new bytes32[](ways - 1);
    for (uint256 i = 1; i < ways; ++i) {
      all[i - 1] = said(dispute.boundOf(low, high, ways, i), fault);
    }
  }

  /// The part that a challenger chooses that computed right.
  function wayOf(bytes32 id, bytes32[] memory given) internal view returns (uint256 way) {
    Dispute.Case memory c = dispute.caseOf(id);
    for (way = 0; way < given.length; ++way) {
      if (given[way] != truth(dispute.boundOf(c.low, c.high, given.length + 1, way + 1))) break;
    }
  }

  /// What the provider seals, and the challenger gives, for the draw.
  function numberOf(bytes32 id) internal pure returns (bytes32) {
    return keccak256(abi.encode("the provider's number", id));
  }

  function sealOf(bytes32 id) internal pure returns (bytes32) {
    return keccak256(abi.encode(id, numberOf(id)));
  }

  function claims(bytes32 id, uint48 steps, uint256 fault) internal returns (bytes32[] memory given) {
    given = rowOf(0, steps + 1, fault);
    vm.prank(provider);
    dispute.claim(id, steps, given, sealOf(id));
  }

  /// Plays until one step is left; the number of moves after the opening.
  function narrowed(bytes32 id, uint48 steps, uint256 fault) internal returns (uint256 moves) {
    bytes32[] memory given = claims(id, steps, fault);
    moves = 1;
    while (true) {
      uint256 way = wayOf(id, given);
      vm.prank(dispute.caseOf(id).challenger);
      dispute.choose(id, way, given, CHALLENGERS_NUMBER);
      ++moves;
      if (dispute.caseOf(id).stage == Dispute.Stage.DRAW) return moves;
      given = row(id, fault);
      vm.prank(provider);
      dispute.divide(id, given);
      ++moves;
    }
  }

  function drawn(bytes32 id) internal {
    dispute.draw(id, numberOf(id));
  }

  function keyAt(bytes32 id, uint256 place) internal view returns (address) {
    return dispute.panelOf(id)[place].identity;
  }

  function commits(bytes32 id, uint256 place, bytes32 vote) internal {
    address who = keyAt(id, place);
    bytes32 sealed_ = dispute.commitmentOf(id, who, vote, bytes32(place + 77));
    vm.prank(who);
    dispute.commit(id, place, sealed_);
  }

  function reveals(bytes32 id, uint256 place, bytes32 vote) internal {
    address who = keyAt(id, place);
    vm.prank(who);
    dispute.reveal(id, place, vote, bytes32(place + 77));
  }

  /// All three vote.
  function votes(bytes32 id, bytes32 a, bytes32 b, bytes32 c) internal {
    commits(id, 0, a);
    commits(id, 1, b);
    commits(id, 2, c);
    reveals(id, 0, a);
    reveals(id, 1, b);
    reveals(id, 2, c);
  }

  function stageIs(bytes32 id, Dispute.Stage wanted) internal view {
    same(uint256(dispute.caseOf(id).stage), uint256(wanted), "stage");
  }
}
