// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Collateral} from "../src/Collateral.sol";
import {Escrow} from "../src/Escrow.sol";
import {TestDollar} from "../src/TestDollar.sol";
import {Market, Trees} from "./Market.sol";

/// Does whatever consumers, pools and payees may do, in any order, and keeps its own books.
contract Crowd is Market {
  uint256 private constant CONSUMERS = 3;
  uint256 private constant POOLS = 2;
  uint256 private constant PAYEES = 4;

  address[POOLS] public pools;
  /// What each purse may have spent at most: the highest voucher that its consumer signed.
  mapping(address pool => mapping(address consumer => uint256)) public signed;
  /// What a pool ever promised a payee, at most.
  mapping(address pool => mapping(address payee => uint256)) public promised;
  mapping(address pool => mapping(uint64 epoch => uint256[PAYEES])) private duesOf;
  mapping(address pool => mapping(uint64 epoch => bytes32)) private rootOf;
  uint256 public putIn;
  uint256 public tookOut;
  uint256 public settlements;
  uint256 public claims;

  constructor(Escrow e, TestDollar d) {
    escrow = e;
    dollar = d;
    registry = e.registry();
    for (uint256 i = 0; i < POOLS; ++i) {
      pools[i] = vm.addr(0xb000 + i);
      vm.prank(pools[i]);
      registry.register(1, address(0), "", 0);
    }
  }

  function setUp() public override {}

  function consumerAt(uint256 i) public pure returns (address) {
    return vm.addr(0xc000 + i % CONSUMERS);
  }

  function payeeAt(uint256 i) public pure returns (address) {
    return address(uint160(0xd000 + i % PAYEES));
  }

  function deposit(uint256 p, uint256 c, uint256 amount) external {
    amount = within(amount, 1, 1e9);
    fund(consumerAt(c), pools[p % POOLS], amount);
    putIn += amount;
  }

  function oneVoucher(address forPool, uint256 c, uint96 cumulative) private returns (bytes memory) {
    cumulative = uint96(cumulative % 3e9);
    address who = consumerAt(c);
    if (cumulative > signed[forPool][who]) signed[forPool][who] = cumulative;
    return voucher(0xc000 + c % CONSUMERS, forPool, cumulative);
  }

  /// Pays so much to some, promises more to all, sometimes more than there is.
  function settle(uint256 p, uint256 c, uint96 first, uint96 second, uint64 pushed, uint256 due, bool replay) external {
    address forPool = pools[p % POOLS];
    c %= CONSUMERS;
    due %= 1e18;
    bytes memory v = bytes.concat(oneVoucher(forPool, c, first), oneVoucher(forPool, c + 1, second));
    if (replay) v = bytes.concat(v, v);
    uint64 epoch = escrow.tillOf(forPool).epoch + 1;
    bytes32[] memory leaves = new bytes32[](PAYEES);
    for (uint256 i = 0; i < PAYEES; ++i) {
      uint256 amount = uint256(keccak256(abi.encode(due, i))) % 1e9;
      duesOf[forPool][epoch][i] = amount;
      leaves[i] = Trees.due(payeeAt(i), amount);
    }
    (bytes32 root,) = Trees.payouts(leaves, 0);
    rootOf[forPool][epoch] = root;
    Escrow.Commitment memory c_ = Escrow.Commitment(root, forPool, 1, 0);
    bytes memory payouts = bytes.concat(payout(payeeAt(due), pushed % 1e8), payout(payeeAt(due + 1), pushed % 1e7));
    vm.prank(forPool);
    try escrow.settle(forPool, epoch, v, none, 0, payouts, c_) {
      remember(forPool, payeeAt(due), pushed % 1e8);
      remember(forPool, payeeAt(due + 1), pushed % 1e7);
      for (uint256 i = 0; i < PAYEES; ++i) {
        remember(forPool, payeeAt(i), duesOf[forPool][epoch][i]);
      }
      ++settlements;
    } catch (bytes memory why) {
      yes(bytes4(why) == Escrow.TillTooSmall.selector, "fails only for want of money");
    }
  }

  function remember(address forPool, address payee, uint256 amount) private {
    if (amount > promised[forPool][payee]) promised[forPool][payee] = amount;
  }

  function redeem(uint256 p, uint256 c, uint96 cumulative) external {
    address forPool = pools[p % POOLS];
    escrow.redeem(forPool, oneVoucher(forPool, c, cumulative), none);
  }

  function claim(uint256 p, uint256 back, uint256 payee) external {
    address forPool = pools[p % POOLS];
    uint64 last = escrow.tillOf(forPool).epoch;
    if (last == 0) return;
    uint64 epoch = last - uint64(within(back, 0, last > 8 ? 7 : last - 1));
    payee %= PAYEES;
    bytes32[] memory leaves = new bytes32[](PAYEES);
    for (uint256 i = 0; i < PAYEES; ++i) {
      leaves[i] = Trees.due(payeeAt(i), duesOf[forPool][epoch][i]);
    }
    (bytes32 root, bytes32[] memory proof) = Trees.payouts(leaves, payee);
    Escrow.Commitment memory c = Escrow.Commitment(root, forPool, 1, 0);
    uint256 due = duesOf[forPool][epoch][payee];
    try escrow.claim(forPool, epoch, payeeAt(payee), uint96(due), proof, c) {
      ++claims;
    } catch (bytes memory why) {
      yes(bytes4(why) == Escrow.NothingDue.selector, "fails only when nothing is due, or nothing there");
    }
  }

  function leave(uint256 p, uint256 c) external {
    vm.prank(consumerAt(c));
    try escrow.askExit(pools[p % POOLS]) {}
    catch (bytes memory why) {
      yes(bytes4(why) == Escrow.AlreadyLeaving.selector, "is leaving already");
    }
  }

  function stay(uint256 p, uint256 c) external {
    vm.prank(consumerAt(c));
    try escrow.cancelExit(pools[p % POOLS]) {}
    catch (bytes memory why) {
      yes(bytes4(why) == Escrow.NotLeaving.selector, "is not leaving");
    }
  }

  function exit(uint256 p, uint256 c, uint256 wait) external {
    vm.warp(block.timestamp + wait % 6 days);
    uint256 before = dollar.balanceOf(address(0xe417));
    vm.prank(consumerAt(c));
    try escrow.exit(pools[p % POOLS], address(0xe417)) {
      tookOut += dollar.balanceOf(address(0xe417)) - before;
    } catch (bytes memory why) {
      bytes4 reason = bytes4(why);
      yes(reason == Escrow.NotLeaving.selector || reason == Escrow.TooEarly.selector, "not yet");
    }
  }

  /// What the escrow owes to everybody together.
  function owed() external view returns (uint256 sum) {
    for (uint256 p = 0; p < POOLS; ++p) {
      for (uint256 c = 0; c < CONSUMERS; ++c) {
        Escrow.Purse memory purse = escrow.purseOf(pools[p], consumerAt(c));
        sum += purse.funded - purse.spent;
      }
      Escrow.Till memory till = escrow.tillOf(pools[p]);
      sum += till.earned - till.paid;
    }
  }

  function poolsCount() external pure returns (uint256) {
    return POOLS;
  }

  function consumersCount() external pure returns (uint256) {
    return CONSUMERS;
  }

  function payeesCount() external pure returns (uint256) {
    return PAYEES;
  }
}

/// Which of a contract's functions forge calls, in random order.
struct FuzzSelector {
  address addr;
  bytes4[] selectors;
}

/// Holds whatever the crowd does.
contract EscrowInvariants is Market {
  Crowd private crowd;

  function setUp() public override {
    super.setUp();
    crowd = new Crowd(escrow, dollar);
  }

  function targetContracts() external view returns (address[] memory all) {
    all = new address[](1);
    all[0] = address(crowd);
  }

  function targetSelectors() external view returns (FuzzSelector[] memory all) {
    all = new FuzzSelector[](1);
    bytes4[] memory does = new bytes4[](7);
    does[0] = Crowd.deposit.selector;
    does[1] = Crowd.settle.selector;
    does[2] = Crowd.redeem.selector;
    does[3] = Crowd.claim.selector;
    does[4] = Crowd.leave.selector;
    does[5] = Crowd.stay.selector;
    does[6] = Crowd.exit.selector;
    all[0] = FuzzSelector(address(crowd), does);
  }

  /// The crowd does get its way: else nothing above would say much.
  function test_theCrowdIsBusy() public {
    for (uint256 i = 0; i < 400; ++i) {
      uint256 r = uint256(keccak256(abi.encode(i)));
      uint256 c = r >> 8;
      uint256 x = r >> 64;
      if (r % 7 == 0) crowd.deposit(r >> 4, c, x);
      else if (r % 7 < 3) crowd.settle(r >> 4, c, uint96(x), uint96(x >> 96), uint64(x) % 1e6, x, r & 8 == 8);
      else if (r % 7 == 3) crowd.redeem(r >> 4, c, uint96(x));
      else if (r % 7 == 4) crowd.claim(r >> 4, c, x);
      else if (r % 7 == 5) crowd.leave(r >> 4, c);
      else crowd.exit(r >> 4, c, x);
    }
    yes(crowd.claims() >= 15, "claims");
    yes(crowd.settlements() > 40, "settlements");
    yes(crowd.tookOut() > 1e8, "exits");
    invariant_itHasWhatItOwes();
    invariant_nothingIsTakenThatWasNotSigned();
    invariant_nobodyIsPaidTwice();
    invariant_noMoneyComesOrGoes();
  }

  /// To the last microcredit: it can pay all that it owes, and owes all that it has, so that nothing is stuck.
  function invariant_itHasWhatItOwes() public view {
    same(dollar.balanceOf(address(escrow)), crowd.owed(), "balance and debts");
  }

  function invariant_nothingIsTakenThatWasNotSigned() public view {
    for (uint256 p = 0; p < crowd.poolsCount(); ++p) {
      address forPool = crowd.pools(p);
      uint256 spent = 0;
      for (uint256 c = 0; c < crowd.consumersCount(); ++c) {
        address who = crowd.consumerAt(c);
        Escrow.Purse memory purse = escrow.purseOf(forPool, who);
        yes(purse.spent <= purse.funded, "no purse is below zero");
        yes(purse.spent <= crowd.signed(forPool, who), "signed");
        spent += purse.spent;
      }
      same(escrow.tillOf(forPool).earned, spent, "what consumers spent is what the pool earned");
    }
  }

  function invariant_nobodyIsPaidTwice() public view {
    uint256 all = 0;
    for (uint256 i = 0; i < crowd.payeesCount(); ++i) {
      address payee = crowd.payeeAt(i);
      uint256 got = 0;
      for (uint256 p = 0; p < crowd.poolsCount(); ++p) {
        address forPool = crowd.pools(p);
        uint256 paid = escrow.paidTo(forPool, payee);
        yes(paid <= crowd.promised(forPool, payee), "no more than was promised");
        got += paid;
      }
      same(dollar.balanceOf(payee), got, "the counters say what it got");
      all += got;
    }
    uint256 paidOut = 0;
    for (uint256 p = 0; p < crowd.poolsCount(); ++p) {
      Escrow.Till memory till = escrow.tillOf(crowd.pools(p));
      yes(till.paid <= till.earned, "no till is below zero");
      paidOut += till.paid;
    }
    same(all, paidOut, "what pools paid is what payees got");
  }

  function invariant_noMoneyComesOrGoes() public view {
    uint256 paid = 0;
    for (uint256 i = 0; i < crowd.payeesCount(); ++i) {
      paid += dollar.balanceOf(crowd.payeeAt(i));
    }
    same(dollar.balanceOf(address(escrow)) + paid + crowd.tookOut(), crowd.putIn(), "in and out");
  }
}

/// Bonds, asks, stays, withdraws, is slashed, collects.
contract Bonders is Market {
  address[2] public identities;
  address[2] public arbiters = [address(0xa1), address(0xa2)];
  uint256 public evidence;
  uint256 public withdrawals;

  constructor(Collateral c, TestDollar d) {
    collateral = c;
    dollar = d;
    registry = c.registry();
    for (uint256 i = 0; i < 2; ++i) {
      identities[i] = vm.addr(0xb000 + i);
      vm.prank(identities[i]);
      registry.register(2, address(0), "", 0);
    }
  }

  function setUp() public override {}

  function put(uint256 i, uint256 a, uint256 amount) external {
    amount = within(amount, 1, 1e9);
    address who = identities[i % 2];
    dollar.mint(who, amount);
    vm.startPrank(who);
    dollar.approve(address(collateral), amount);
    collateral.bond(who, arbiters[a % 2], 0, amount);
    vm.stopPrank();
  }

  function ask(uint256 i, uint256 a, uint128 amount) external {
    address who = identities[i % 2];
    uint128 active = collateral.bondOf(who, arbiters[a % 2], 0).active;
    if (active == 0) return;
    vm.prank(who);
    collateral.unbond(who, arbiters[a % 2], 0, uint128(within(amount, 1, active)));
  }

  function stay(uint256 i, uint256 a) external {
    vm.prank(identities[i % 2]);
    try collateral.stay(identities[i % 2], arbiters[a % 2], 0) {}
    catch (bytes memory why) {
      yes(bytes4(why) == Collateral.NotBonded.selector, "nothing is leaving");
    }
  }

  function take(uint256 i, uint256 a, uint256 wait) external {
    vm.warp(block.timestamp + wait % 20 days);
    vm.prank(identities[i % 2]);
    try collateral.withdraw(identities[i % 2], arbiters[a % 2], 0, address(0xe417)) {
      ++withdrawals;
    } catch (bytes memory why) {
      bytes4 reason = bytes4(why);
      yes(reason == Collateral.NotBonded.selector || reason == Collateral.TooEarly.selector, "not yet");
    }
  }

  function slash(uint256 i, uint256 a, uint256 permille) external {
    vm.prank(arbiters[a % 2]);
    collateral.slash(identities[i % 2], within(permille, 1, 1000), bytes32(++evidence), address(0xe));
  }

  function collect() external {
    try collateral.collect(0, SINK) {}
    catch (bytes memory why) {
      yes(bytes4(why) == Collateral.NothingOwed.selector, "nothing is owed");
    }
  }

  function owed() external view returns (uint256 sum, uint256 inBonds) {
    for (uint256 i = 0; i < 2; ++i) {
      for (uint256 a = 0; a < 2; ++a) {
        Collateral.Bond memory b = collateral.bondOf(identities[i], arbiters[a], 0);
        inBonds += uint256(b.active) + b.leaving;
      }
    }
    sum = inBonds + collateral.owedTo(0, SINK) + collateral.owedTo(0, address(0xe));
  }
}

contract CollateralInvariants is Market {
  Bonders private bonders;

  function setUp() public override {
    super.setUp();
    bonders = new Bonders(collateral, dollar);
  }

  function targetContracts() external view returns (address[] memory all) {
    all = new address[](1);
    all[0] = address(bonders);
  }

  function targetSelectors() external view returns (FuzzSelector[] memory all) {
    all = new FuzzSelector[](1);
    bytes4[] memory does = new bytes4[](6);
    does[0] = Bonders.put.selector;
    does[1] = Bonders.ask.selector;
    does[2] = Bonders.stay.selector;
    does[3] = Bonders.take.selector;
    does[4] = Bonders.slash.selector;
    does[5] = Bonders.collect.selector;
    all[0] = FuzzSelector(address(bonders), does);
  }

  function test_theBondersAreBusy() public {
    for (uint256 i = 0; i < 200; ++i) {
      uint256 r = uint256(keccak256(abi.encode(i)));
      uint256 x = r >> 64;
      if (r % 6 == 0) bonders.put(r >> 4, r >> 8, x);
      else if (r % 6 == 1) bonders.ask(r >> 4, r >> 8, uint128(x));
      else if (r % 6 == 2) bonders.take(r >> 4, r >> 8, x);
      else if (r % 6 == 3) bonders.slash(r >> 4, r >> 8, x % 300);
      else if (r % 6 == 4) bonders.collect();
      else if (r % 12 == 5) bonders.stay(r >> 4, r >> 8);
    }
    yes(bonders.withdrawals() > 5, "withdrawals");
    invariant_itHasWhatItOwes();
  }

  function invariant_itHasWhatItOwes() public view {
    (uint256 sum, uint256 inBonds) = bonders.owed();
    same(dollar.balanceOf(address(collateral)), sum, "balance and debts");
    same(collateral.assetAt(0).bonded, inBonds, "what counts against the cap");
  }
}
