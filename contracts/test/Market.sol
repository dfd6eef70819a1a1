// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Collateral} from "../src/Collateral.sol";
import {Court} from "../src/Court.sol";
import {Escrow} from "../src/Escrow.sol";
import {Registry} from "../src/Registry.sol";
import {TestDollar} from "../src/TestDollar.sol";
import {TypedData} from "../src/TypedData.sol";
import {Forge} from "./Forge.sol";

/// The trees of the tests, built the slow and plain way, so that the fast verifiers have something to agree with.
library Trees {
  /// RFC 6962, section 2.1, by its own recursion.
  function root(bytes32[] memory leaves) internal pure returns (bytes32) {
    return _root(leaves, 0, leaves.length);
  }

  /// RFC 6962, section 2.1.1.
  function path(bytes32[] memory leaves, uint256 index) internal pure returns (bytes32[] memory) {
    bytes32[] memory found = new bytes32[](64);
    uint256 count = _path(leaves, index, 0, leaves.length, found);
    bytes32[] memory exact = new bytes32[](count);
    for (uint256 i = 0; i < count; ++i) {
      exact[i] = found[i];
    }
    return exact;
  }

  function _split(uint256 n) private pure returns (uint256 k) {
    k = 1;
    while (k * 2 < n) k *= 2;
  }

  function _root(bytes32[] memory l, uint256 from, uint256 to) private pure returns (bytes32) {
    if (to == from) return sha256("");
    if (to - from == 1) return l[from];
    uint256 k = _split(to - from);
    return sha256(abi.encodePacked(bytes1(0x01), _root(l, from, from + k), _root(l, from + k, to)));
  }

  function _path(bytes32[] memory l, uint256 m, uint256 from, uint256 to, bytes32[] memory out)
    private
    pure
    returns (uint256 count)
  {
    if (to - from == 1) return 0;
    uint256 k = _split(to - from);
    if (m < k) {
      count = _path(l, m, from, from + k, out);
      out[count++] = _root(l, from + k, to);
    } else {
      count = _path(l, m - k, from + k, to, out);
      out[count++] = _root(l, from, from + k);
    }
  }

  /// The leaf of a payout.
  function due(address payee, uint256 cumulative) internal pure returns (bytes32) {
    return keccak256(bytes.concat(keccak256(abi.encode(payee, cumulative))));
  }

  /// Root and proof of a tree of sorted pairs; a node without a neighbour goes up as it is.
  function payouts(bytes32[] memory leaves, uint256 index) internal pure returns (bytes32 top, bytes32[] memory proof) {
    bytes32[] memory row = leaves;
    bytes32[] memory found = new bytes32[](64);
    uint256 count = 0;
    while (row.length > 1) {
      bytes32[] memory next = new bytes32[]((row.length + 1) / 2);
      for (uint256 i = 0; i < row.length; i += 2) {
        next[i / 2] = i + 1 == row.length ? row[i] : _pair(row[i], row[i + 1]);
      }
      if ((index ^ 1) < row.length) found[count++] = row[index ^ 1];
      index /= 2;
      row = next;
    }
    top = row[0];
    proof = new bytes32[](count);
    for (uint256 i = 0; i < count; ++i) {
      proof[i] = found[i];
    }
  }

  function _pair(bytes32 a, bytes32 b) private pure returns (bytes32) {
    return a < b ? keccak256(bytes.concat(a, b)) : keccak256(bytes.concat(b, a));
  }
}

/// A market with one pool, and what its members sign and send.
abstract contract Market is Forge {
  uint256 internal constant POOL_KEY = 0xa11ce;
  uint256 internal constant CONSUMER_KEY = 0xb0b;
  uint256 internal constant PROVIDER_KEY = 0xcab1e;
  uint256 internal constant NOW = 1_800_000_000;
  uint256 internal constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;
  uint256 internal constant ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
  uint256 internal constant DEPOSIT = 0.01 ether;
  address internal constant SINK = address(0xdead);
  address internal constant RECOVERY = address(0x5afe);

  TestDollar internal dollar;
  Registry internal registry;
  Escrow internal escrow;
  Court internal court;
  Collateral internal collateral;
  address internal pool;
  address internal consumer;
  address internal provider;
  Escrow.ContractVoucher[] internal none;

  function setUp() public virtual {
    vm.warp(NOW);
    dollar = new TestDollar();
    registry = new Registry();
    escrow = new Escrow(dollar, registry);
    court = new Court(registry, escrow, DEPOSIT);
    Collateral.Asset[] memory assets = new Collateral.Asset[](1);
    assets[0] = Collateral.Asset(dollar, false, 0, 1e15, 0);
    collateral = new Collateral(dollar, registry, address(court), SINK, assets);
    pool = vm.addr(POOL_KEY);
    consumer = vm.addr(CONSUMER_KEY);
    provider = vm.addr(PROVIDER_KEY);
    vm.prank(pool);
    registry.register(1, RECOVERY, "https://pool.example:7443", keccak256("terms"));
  }

  // ---- money

  function fund(address who, address forPool, uint256 amount) internal {
    dollar.mint(who, amount);
    vm.startPrank(who);
    dollar.approve(address(escrow), amount);
    escrow.deposit(forPool, who, amount);
    vm.stopPrank();
  }

  function voucherDigest(Escrow e, address who, address forPool, uint96 cumulative) internal view returns (bytes32) {
    bytes32 typeHash = keccak256("Voucher(address consumer,address pool,uint96 cumulative)");
    return
      keccak256(abi.encodePacked("\x19\x01", domainOf(e), keccak256(abi.encode(typeHash, who, forPool, cumulative))));
  }

  /// Written out, not asked of the contract.
  function domainOf(Escrow e) internal view returns (bytes32) {
    return keccak256(
      abi.encode(
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
        keccak256("Perseid"),
        keccak256("1"),
        block.chainid,
        address(e)
      )
    );
  }

  function compact(uint256 key, bytes32 digest) internal pure returns (bytes32 r, bytes32 vs) {
    (uint8 v, bytes32 r_, bytes32 s) = vm.sign(key, digest);
    return (r_, bytes32(uint256(s) | uint256(v - 27) << 255));
  }

  function long(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
    (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
    return abi.encodePacked(r, s, v);
  }

  function voucher(uint256 key, address forPool, uint96 cumulative) internal view returns (bytes memory) {
    address who = vm.addr(key);
    (bytes32 r, bytes32 vs) = compact(key, voucherDigest(escrow, who, forPool, cumulative));
    return abi.encodePacked(who, cumulative, r, vs);
  }

  function payout(address payee, uint96 cumulative) internal pure returns (bytes memory) {
    return abi.encodePacked(payee, cumulative);
  }

  function commitment(bytes32 payoutRoot) internal view returns (Escrow.Commitment memory) {
    return Escrow.Commitment(payoutRoot, pool, 1, bytes32(uint256(1)));
  }

  function settle(bytes memory vouchers, bytes memory payouts, Escrow.Commitment memory c) internal {
    uint64 epoch = escrow.tillOf(pool).epoch + 1;
    vm.prank(pool);
    escrow.settle(pool, epoch, vouchers, none, 0, payouts, c);
  }

  /// Lets the pool earn so much from the consumer.
  function earn(uint96 cumulative) internal {
    fund(consumer, pool, cumulative);
    settle(voucher(CONSUMER_KEY, pool, cumulative), "", commitment(0));
  }

  // ---- the log

  function leavesOf(uint256 count, uint256 seed) internal pure returns (bytes32[] memory leaves) {
    leaves = new bytes32[](count);
    for (uint256 i = 0; i < count; ++i) {
      leaves[i] = sha256(abi.encode(seed, i));
    }
  }

  function head(uint256 key, bytes32[] memory leaves) internal pure returns (Court.Statement memory s) {
    s = Court.Statement(
      vm.addr(key), uint64(leaves.length), Trees.root(leaves), 1_800_000_000_000_000, "", address(0), 0, 0
    );
    s.signature = long(key, TypedData.treeHead(s.log, s.root, s.size, s.timeUs));
  }

  function where(bytes32[] memory leaves, uint256 index) internal pure returns (Court.Inclusion memory) {
    return Court.Inclusion(uint64(index), leaves[index], Trees.path(leaves, index));
  }

  /// Commits the pool to these records, in the next epoch.
  function commit(bytes32[] memory leaves) internal returns (Court.Statement memory s) {
    bytes32 root = Trees.root(leaves);
    settle("", "", Escrow.Commitment(bytes32(uint256(7)), pool, uint64(leaves.length), root));
    s = Court.Statement(pool, uint64(leaves.length), root, 0, "", pool, escrow.tillOf(pool).epoch, bytes32(uint256(7)));
  }

  function bond(uint256 amount) internal {
    dollar.mint(pool, amount);
    vm.startPrank(pool);
    dollar.approve(address(collateral), amount);
    collateral.bond(pool, address(court), 0, amount);
    vm.stopPrank();
  }
}
