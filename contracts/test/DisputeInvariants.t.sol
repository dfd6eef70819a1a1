// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Dispute} from "../src/Dispute.sol";
import {Bout} from "./Bout.sol";
import {FuzzSelector} from "./Invariants.t.sol";

/// Does whatever parties, arbiters and passers-by may do, in any order, right and wrong.
contract Disputants is Bout {
  bytes32[] public ids;
  address[2] private challengers = [address(0xc4a1), address(0xc4a2)];
  uint256 public collected;
  uint256 public putIn;
  uint256[10] public ends;
  uint256 public votesGiven;

  constructor() {
    setUp();
    putIn = address(dispute).balance;
    for (uint256 i = 0; i < 2; ++i) {
      vm.deal(challengers[i], 1e6 ether);
    }
    vm.deal(provider, 1e6 ether);
  }

  function theDispute() external view returns (Dispute) {
    return dispute;
  }

  function idCount() external view returns (uint256) {
    return ids.length;
  }

  /// Everybody who can be owed anything.
  function people() public view returns (address[] memory all) {
    all = new address[](ARBITERS + 4);
    for (uint256 i = 0; i < ARBITERS; ++i) {
      all[i] = vm.addr(arbiterKey(i));
    }
    all[ARBITERS] = provider;
    all[ARBITERS + 1] = challengers[0];
    all[ARBITERS + 2] = challengers[1];
    all[ARBITERS + 3] = SINK;
  }

  function failedAs(bytes memory why, bytes4 a, bytes4 b, bytes4 c) private pure {
    yes(bytes4(why) == a || bytes4(why) == b || bytes4(why) == c, "fails only for a reason that is known");
  }

  function open(uint256 salt, uint256 who) external {
    bytes memory words = recordOf(salt % 6);
    put(words, 21, bytes32(block.timestamp * 1_000_000 - (salt % 6)));
    Dispute.Batch memory b = batchOf(PROVIDER_KEY, words);
    address challenger = challengers[who % 2];
    vm.prank(challenger);
    try dispute.open{value: BOND}(words, outs, b) returns (bytes32 id) {
      ids.push(id);
      putIn += BOND;
    } catch (bytes memory why) {
      failedAs(why, Dispute.StakeTooSmall.selector, Dispute.AlreadyOpened.selector, Dispute.AlreadyConvicted.selector);
    }
  }

  /// Whoever's turn it is moves, sometimes late, sometimes not at all.
  function move(uint256 which, uint256 how, uint256 wait) external {
    if (ids.length == 0) return;
    bytes32 id = ids[which % ids.length];
    // What is decided does not move: the next one that is not.
    for (uint256 i = 0; i < ids.length && dispute.caseOf(id).stage >= Dispute.Stage.PROVIDER_WON; ++i) {
      id = ids[(which % ids.length + i) % ids.length];
    }
    if (dispute.caseOf(id).stage >= Dispute.Stage.PROVIDER_WON) return;
    if (wait % 8 == 0) vm.warp(block.timestamp + 1 days + 1);
    Dispute.Case memory c = dispute.caseOf(id);
    bool late = block.timestamp > c.deadline;
    if (c.stage == Dispute.Stage.CLAIM && !late) {
      uint48 steps = uint48(within(how, 1, 40));
      claims(id, steps, within(how >> 8, 1, steps + 1));
    } else if (c.stage == Dispute.Stage.DIVIDE && !late) {
      bytes32[] memory given = row(id, c.low + 1);
      vm.prank(provider);
      dispute.divide(id, given);
    } else if (c.stage == Dispute.Stage.CHOOSE && !late) {
      choose(id, c, how);
    } else if (c.stage == Dispute.Stage.DRAW && !late) {
      dispute.draw(id, numberOf(id));
    } else if (c.stage == Dispute.Stage.COMMIT || c.stage == Dispute.Stage.REVEAL) {
      vote(id, c, how);
    } else if (c.stage < Dispute.Stage.COMMIT) {
      dispute.timeout(id);
    }
    ++ends[uint256(dispute.caseOf(id).stage)];
  }

  function choose(bytes32 id, Dispute.Case memory c, uint256 how) private {
    // What the provider gave is known by its hash only: try all that it may have given.
    for (uint256 fault = 0; fault <= c.high + 1; ++fault) {
      bytes32[] memory given = row(id, fault);
      if (keccak256(abi.encodePacked(given)) == c.row) {
        vm.prank(c.challenger);
        dispute.choose(id, how % (given.length + 1), given, bytes32(how));
        return;
      }
    }
    yes(false, "the row is one of the provider's");
  }

  function vote(bytes32 id, Dispute.Case memory c, uint256 how) private {
    bool late = block.timestamp > c.deadline;
    if (c.stage == Dispute.Stage.COMMIT && !late) {
      for (uint256 i = 0; i < 3; ++i) {
        if (!dispute.panelOf(id)[i].committed && (how >> i) % 4 != 0) {
          commits(id, i, voteOf(c, id, i));
          ++votesGiven;
        }
      }
      return;
    }
    if (block.timestamp > uint256(c.deadline) + (c.stage == Dispute.Stage.COMMIT ? 1 days : 0)) {
      dispute.count(id);
      return;
    }
    for (uint256 i = 0; i < 3; ++i) {
      Dispute.Ballot memory b = dispute.panelOf(id)[i];
      if (b.committed && !b.revealed && dispute.caseOf(id).stage == c.stage) reveals(id, i, voteOf(c, id, i));
    }
  }

  function voteOf(Dispute.Case memory c, bytes32 id, uint256 place) private pure returns (bytes32) {
    uint256 r = uint256(keccak256(abi.encode(id, c.draws, place))) % 4;
    return r == 0 ? c.highHash : r == 1 ? bytes32(place + 1) : truth(c.high);
  }

  function collect(uint256 who) external {
    address[] memory all = people();
    address one = all[who % all.length];
    uint256 owed = dispute.owedTo(one);
    try dispute.collect(payable(one)) {
      collected += owed;
    } catch (bytes memory why) {
      yes(bytes4(why) == Dispute.NothingOwed.selector, "nothing is owed");
    }
  }

  function topUp(uint256 amount) external {
    amount = within(amount, 1, 6 ether);
    vm.prank(provider);
    dispute.stake{value: amount}(provider);
    putIn += amount;
  }

  function comeAndGo(uint256 who, uint256 what) external {
    address one = vm.addr(arbiterKey(who % ARBITERS));
    vm.startPrank(one);
    if (what % 4 == 0) {
      try dispute.askBack(one) {}
      catch (bytes memory why) {
        failedAs(why, Dispute.StakeLeaving.selector, Dispute.NothingStaked.selector, 0);
      }
    } else if (what % 4 == 1) {
      try dispute.stay(one) {}
      catch (bytes memory why) {
        failedAs(why, Dispute.NothingStaked.selector, 0, 0);
      }
    } else if (what % 4 == 2) {
      try dispute.takeSeat(one) {}
      catch (bytes memory why) {
        bytes4 reason = bytes4(why);
        yes(
          reason == Dispute.StakeLeaving.selector || reason == Dispute.StakeTooSmall.selector
            || reason == Dispute.AlreadySeated.selector || reason == Dispute.TooEarly.selector,
          "cannot sit"
        );
      }
    } else {
      try dispute.withdraw(one, one) {}
      catch (bytes memory why) {
        failedAs(why, Dispute.NothingStaked.selector, Dispute.TooEarly.selector, Dispute.StakeHeld.selector);
      }
    }
    vm.stopPrank();
  }

  function drop(uint256 which) external {
    if (ids.length == 0) return;
    try dispute.drop(ids[which % ids.length]) {}
    catch (bytes memory why) {
      failedAs(why, Dispute.WrongStage.selector, 0, 0);
    }
  }
}

/// Holds whatever they do.
contract DisputeInvariants is Bout {
  Disputants private crowd;

  function setUp() public override {
    crowd = new Disputants();
    dispute = crowd.theDispute();
  }

  function targetContracts() external view returns (address[] memory all) {
    all = new address[](1);
    all[0] = address(crowd);
  }

  function targetSelectors() external view returns (FuzzSelector[] memory all) {
    all = new FuzzSelector[](1);
    bytes4[] memory does = new bytes4[](8);
    does[0] = Disputants.open.selector;
    does[1] = Disputants.move.selector;
    does[2] = Disputants.move.selector;
    does[3] = Disputants.move.selector;
    does[4] = Disputants.collect.selector;
    does[5] = Disputants.topUp.selector;
    does[6] = Disputants.comeAndGo.selector;
    does[7] = Disputants.drop.selector;
    all[0] = FuzzSelector(address(crowd), does);
  }

  function test_theyAreBusy() public {
    for (uint256 i = 0; i < 1500; ++i) {
      uint256 r = uint256(keccak256(abi.encode(i)));
      uint256 x = r >> 64;
      if (r % 16 == 0) crowd.open(r >> 4, r >> 32);
      else if (r % 16 < 12) crowd.move(r >> 4, x, x >> 32);
      else if (r % 16 == 12) crowd.collect(r >> 4);
      else if (r % 16 == 13) crowd.topUp(x);
      else if (r % 16 == 14) crowd.comeAndGo(r >> 4, r >> 12);
      else crowd.drop(r >> 4);
    }
    yes(crowd.idCount() > 20, "disputes");
    yes(crowd.votesGiven() > 20, "votes");
    yes(crowd.ends(uint256(Dispute.Stage.PROVIDER_WON)) > 3, "the provider wins some");
    yes(crowd.ends(uint256(Dispute.Stage.CHALLENGER_WON)) > 3, "and loses some");
    yes(crowd.ends(uint256(Dispute.Stage.UNDECIDED)) > 0, "and some are not decided");
    invariant_itHasWhatItOwes();
    invariant_whatIsHeldIsInUse();
  }

  /// To the last wei: it can pay all that it owes, and owes all that it has.
  function invariant_itHasWhatItOwes() public view {
    uint256 sum = 0;
    address[] memory all = crowd.people();
    for (uint256 i = 0; i < all.length; ++i) {
      sum += dispute.owedTo(all[i]) + dispute.stakeOf(all[i]).amount;
    }
    for (uint256 i = 0; i < crowd.idCount(); ++i) {
      Dispute.Stage stage = dispute.caseOf(crowd.ids(i)).stage;
      if (stage < Dispute.Stage.PROVIDER_WON) sum += BOND;
    }
    same(address(dispute).balance, sum, "balance and debts");
    same(address(dispute).balance + crowd.collected(), crowd.putIn(), "in and out");
  }

  /// Nobody's stake is held for ever, and none is free that is at risk.
  function invariant_whatIsHeldIsInUse() public view {
    address[] memory all = crowd.people();
    for (uint256 i = 0; i < all.length; ++i) {
      uint256 uses = 0;
      for (uint256 k = 0; k < crowd.idCount(); ++k) {
        bytes32 id = crowd.ids(k);
        Dispute.Case memory c = dispute.caseOf(id);
        if (c.stage >= Dispute.Stage.PROVIDER_WON) continue;
        if (c.identity == all[i]) ++uses;
        if (c.stage < Dispute.Stage.COMMIT) continue;
        for (uint256 p = 0; p < 3; ++p) {
          if (dispute.panelOf(id)[p].identity == all[i]) ++uses;
        }
      }
      same(dispute.stakeOf(all[i]).held, uses, "held");
    }
  }
}
