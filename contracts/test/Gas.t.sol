// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Court} from "../src/Court.sol";
import {Escrow} from "../src/Escrow.sol";
import {Market, Trees} from "./Market.sol";

/// What each transaction costs, its 21,000 and its calldata included. `snapshots/` has the figures; a change of any fails
/// the build.
contract GasTest is Market {
  /// EIP-7825: no transaction may use more.
  uint256 private constant TRANSACTION_GAS = 16_777_216;
  uint256 private constant TASKS_PER_CONSUMER = 100;
  uint256 private constant TASKS_PER_PROVIDER = 1000;

  function consumerKey(uint256 i) private pure returns (uint256) {
    return uint256(keccak256(abi.encode("consumer", i)));
  }

  function payee(uint256 i) private pure returns (address) {
    return address(uint160(uint256(keccak256(abi.encode("payee", i)))));
  }

  function vouchers(uint256 count, uint96 cumulative) private view returns (bytes memory all) {
    all = new bytes(count * 96);
    for (uint256 i = 0; i < count; ++i) {
      bytes memory one = voucher(consumerKey(i), pool, cumulative);
      assembly ("memory-safe") {
        mcopy(add(add(all, 32), mul(i, 96)), add(one, 32), 96)
      }
    }
  }

  function payouts(uint256 count, uint96 cumulative) private pure returns (bytes memory all) {
    all = new bytes(count * 32);
    for (uint256 i = 0; i < count; ++i) {
      bytes32 one = bytes32(payout(payee(i), cumulative));
      assembly ("memory-safe") {
        mstore(add(add(all, 32), mul(i, 32)), one)
      }
    }
  }

  function committed(uint256 salt) private view returns (Escrow.Commitment memory) {
    return Escrow.Commitment(keccak256(abi.encode(salt)), pool, uint64(1000 + salt), keccak256(abi.encode(salt, 1)));
  }

  /// All slots that a running pool has are in use: purses, till, ring of epochs, payees' counters and balances.
  function warmUp(uint256 consumers, uint256 payees) private {
    for (uint256 i = 0; i < consumers; ++i) {
      fund(vm.addr(consumerKey(i)), pool, 1e9);
    }
    for (uint256 i = 0; i < 8; ++i) {
      settle(i == 0 ? vouchers(consumers, 1e6) : bytes(""), i == 0 ? payouts(payees, 100) : bytes(""), committed(i));
    }
  }

  function settleAt(uint256 tasks) private returns (uint256 gas) {
    uint256 consumers = (tasks + TASKS_PER_CONSUMER - 1) / TASKS_PER_CONSUMER;
    uint256 payees = (tasks + TASKS_PER_PROVIDER - 1) / TASKS_PER_PROVIDER;
    warmUp(consumers, payees);
    bytes memory v = vouchers(consumers, 2e6);
    bytes memory p = payouts(payees, 2000);
    vm.prank(pool);
    escrow.settle(pool, 9, v, none, 0, p, committed(9));
    gas = vm.snapshotGasLastCall("settle", string.concat("tasks_", decimal(tasks)));
    yes(gas < TRANSACTION_GAS, "fits into a transaction");
    vm.snapshotValue("settle", string.concat("tasks_", decimal(tasks), "_gas_per_task"), gas / tasks);
  }

  function decimal(uint256 n) private pure returns (string memory) {
    bytes memory digits = "";
    for (; n > 0; n /= 10) {
      digits = bytes.concat(bytes1(uint8(48 + n % 10)), digits);
    }
    return string(digits);
  }

  function test_settle_1() public {
    settleAt(1);
  }

  function test_settle_10() public {
    settleAt(10);
  }

  function test_settle_100() public {
    settleAt(100);
  }

  function test_settle_1000() public {
    uint256 gas = settleAt(1000);
    yes(gas / 1000 <= 200, "at most 200 gas a task at 1,000 tasks");
  }

  function test_settle_100000() public {
    uint256 gas = settleAt(100_000);
    yes(gas / 100_000 <= 120, "at most 120 gas a task at 100,000 tasks");
  }

  /// The largest batch that `docs/contracts.md` allows.
  function test_settle_largest() public {
    warmUp(1200, 200);
    bytes memory v = vouchers(1200, 2e6);
    bytes memory p = payouts(200, 2000);
    Escrow.Commitment memory c = committed(9);
    vm.prank(pool);
    escrow.settle(pool, 9, v, none, 0, p, c);
    yes(vm.snapshotGasLastCall("settle", "vouchers_1200_payouts_200") < TRANSACTION_GAS, "fits into a transaction");
  }

  function test_settle_voucherAlone() public {
    warmUp(100, 0);
    bytes memory many = vouchers(100, 2e6);
    vm.prank(pool);
    escrow.settle(pool, 9, many, none, 0, "", committed(9));
    uint256 hundred = vm.snapshotGasLastCall("settle", "vouchers_100");
    vm.prank(pool);
    escrow.settle(pool, 10, "", none, 0, "", committed(10));
    uint256 empty = vm.snapshotGasLastCall("settle", "vouchers_0");
    vm.snapshotValue("settle", "each_voucher", (hundred - empty) / 100);
    yes((hundred - empty) / 100 <= 10_450, "a voucher costs no more than in the prototype");
  }

  function test_settle_payoutAlone() public {
    warmUp(1, 100);
    settle(vouchers(1, 1e8), "", committed(9));
    bytes memory known = payouts(100, 2000);
    vm.prank(pool);
    escrow.settle(pool, 10, "", none, 0, known, committed(10));
    uint256 hundred = vm.snapshotGasLastCall("settle", "payouts_100");
    vm.prank(pool);
    escrow.settle(pool, 11, "", none, 0, "", committed(11));
    uint256 empty = vm.snapshotGasLastCall("settle", "payouts_0");
    vm.snapshotValue("settle", "each_payout", (hundred - empty) / 100);
  }

  function test_redeem_one() public {
    warmUp(1, 0);
    bytes memory v = vouchers(1, 2e6);
    escrow.redeem(pool, v, none);
    vm.snapshotGasLastCall("consumer", "redeem_1_voucher");
  }

  function test_consumer() public {
    dollar.mint(consumer, 1e9);
    vm.startPrank(consumer);
    dollar.approve(address(escrow), 1e9);
    escrow.deposit(pool, consumer, 1e6);
    vm.snapshotGasLastCall("consumer", "deposit_first");
    escrow.deposit(pool, consumer, 1e6);
    vm.snapshotGasLastCall("consumer", "deposit_again");
    escrow.askExit(pool);
    vm.snapshotGasLastCall("consumer", "ask_exit");
    vm.warp(block.timestamp + 5 days);
    escrow.exit(pool, consumer);
    vm.snapshotGasLastCall("consumer", "exit");
    vm.stopPrank();
  }

  function test_consumer_authorization() public {
    dollar.mint(consumer, 1e9);
    fund(vm.addr(77), pool, 5);
    bytes memory signature = long(
      CONSUMER_KEY,
      keccak256(
        abi.encodePacked(
          "\x19\x01",
          dollar.DOMAIN_SEPARATOR(),
          keccak256(
            abi.encode(
              keccak256(
                "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
              ),
              consumer,
              address(escrow),
              1e6,
              0,
              NOW + 60,
              keccak256(abi.encode(pool, bytes32(uint256(5))))
            )
          )
        )
      )
    );
    escrow.depositWithAuthorization(pool, consumer, 1e6, 0, NOW + 60, bytes32(uint256(5)), signature);
    vm.snapshotGasLastCall("consumer", "deposit_with_authorization_first");
  }

  function test_claim() public {
    warmUp(1, 1);
    for (uint256 round = 0; round < 2; ++round) {
      bytes32[] memory leaves = new bytes32[](1024);
      for (uint256 i = 0; i < 1024; ++i) {
        leaves[i] = Trees.due(payee(1000 + i), 50 + round * 50);
      }
      (bytes32 root, bytes32[] memory proof) = Trees.payouts(leaves, 5);
      Escrow.Commitment memory c = committed(round + 20);
      c.payoutRoot = root;
      settle("", "", c);
      escrow.claim(pool, escrow.tillOf(pool).epoch, payee(1005), uint96(50 + round * 50), proof, c);
      vm.snapshotGasLastCall("payee", round == 0 ? "claim_of_1024_first" : "claim_of_1024_again");
    }
  }

  function test_transfer_toCompareWith() public {
    dollar.mint(consumer, 1e9);
    dollar.mint(provider, 1);
    vm.prank(consumer);
    dollar.transfer(provider, 5);
    vm.snapshotGasLastCall("payee", "plain_transfer_to_compare_with");
  }

  function test_collateralAndCourt() public {
    dollar.mint(pool, 1e9);
    vm.startPrank(pool);
    dollar.approve(address(collateral), 1e9);
    collateral.bond(pool, address(court), 0, 1e8);
    vm.snapshotGasLastCall("court", "bond_first");
    collateral.unbond(pool, address(court), 0, 1e7);
    vm.snapshotGasLastCall("court", "unbond");
    vm.stopPrank();

    bytes32[] memory leaves = leavesOf(1024, 1);
    bytes32[] memory others = leavesOf(1024, 2);
    Court.Statement memory a = head(POOL_KEY, leaves);
    Court.Statement memory b = head(POOL_KEY, others);
    court.verify(a, where(leaves, 5));
    vm.snapshotGasLastCall("court", "verify_receipt_of_1024_within_a_call");
    vm.deal(provider, 1 ether);
    Court.Inclusion memory fifth = where(leaves, 5);
    vm.prank(provider);
    court.challenge{value: DEPOSIT}(a, fifth);
    vm.snapshotGasLastCall("court", "challenge_of_1024");
    Court.Statement memory committed_ = commit(leaves);
    court.answer(committed_, fifth);
    vm.snapshotGasLastCall("court", "answer_of_1024");
    bytes32 evidence = court.equivocation(a, b);
    vm.snapshotGasLastCall("court", "equivocation");
    court.enforce(evidence, collateral);
    vm.snapshotGasLastCall("court", "enforce_slash_1_asset");
    collateral.collect(0, SINK);
    vm.snapshotGasLastCall("court", "collect");
  }
}
