// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Collateral} from "../src/Collateral.sol";
import {Dispute} from "../src/Dispute.sol";
import {TypedData} from "../src/TypedData.sol";
import {Bout} from "./Bout.sol";

/// Calls back when it is paid.
contract Greedy {
  Dispute private dispute;
  bool public called;

  constructor(Dispute d) {
    dispute = d;
  }

  function open(bytes calldata words, bytes32[] calldata outs, Dispute.Batch calldata b) external payable {
    dispute.open{value: msg.value}(words, outs, b);
  }

  receive() external payable {
    called = true;
    dispute.collect(payable(address(this)));
  }
}

/// Dispute: liars and the silent pay, whoever they are; the honest do not.
contract DisputeTest is Bout {
  bytes32 private constant OTHER = keccak256("something else");

  function lowHash(bytes32 id) private view returns (bytes32) {
    return dispute.caseOf(id).lowHash;
  }

  function balanced() private view {
    uint256 sum =
      dispute.stakeOf(provider).amount + dispute.owedTo(provider) + dispute.owedTo(CHALLENGER) + dispute.owedTo(SINK);
    for (uint256 i = 0; i < ARBITERS; ++i) {
      address a = vm.addr(arbiterKey(i));
      sum += dispute.stakeOf(a).amount + dispute.owedTo(a);
    }
    same(address(dispute).balance, sum, "what it has is what it owes");
  }

  // ---- how it ends

  function test_aLiarLosesAtTheFalseStep() public {
    bytes32 id = opened(1, CHALLENGER);
    narrowed(id, 1_000_000, 777_777);
    Dispute.Case memory c = dispute.caseOf(id);
    same(c.low, 777_776, "both agree before it");
    same(c.high, 777_777, "and differ after it");
    same(c.lowHash, truth(777_776), "on this");
    drawn(id);
    votes(id, truth(777_777), truth(777_777), truth(777_777));
    stageIs(id, Dispute.Stage.CHALLENGER_WON);
    same(dispute.stakeOf(provider).amount, 3 ether, "the provider's bond is gone");
    uint256 rest = BOND - 3 * FEE;
    same(dispute.owedTo(CHALLENGER), BOND + rest - rest / 4, "the challenger has both bonds but for the fees");
    same(dispute.owedTo(SINK), rest / 4, "nobody's part");
    for (uint256 i = 0; i < 3; ++i) {
      same(dispute.owedTo(keyAt(id, i)), FEE, "an arbiter's fee");
    }
    yes(dispute.convicted(dispute.caseOf(id).record), "convicted");
    balanced();
    dispute.collect(payable(CHALLENGER));
    same(CHALLENGER.balance, 100 ether + rest - rest / 4, "paid");
  }

  function test_aFalseAccuserLoses() public {
    bytes32 id = opened(1, CHALLENGER);
    // The provider is right; the challenger denies something all the same.
    bytes32[] memory given = claims(id, 20, 99);
    vm.prank(CHALLENGER);
    dispute.choose(id, 3, given, CHALLENGERS_NUMBER);
    given = row(id, 99);
    while (dispute.caseOf(id).stage != Dispute.Stage.DRAW) {
      if (dispute.caseOf(id).stage == Dispute.Stage.DIVIDE) {
        given = row(id, 99);
        vm.prank(provider);
        dispute.divide(id, given);
      }
      vm.prank(CHALLENGER);
      dispute.choose(id, 0, given, CHALLENGERS_NUMBER);
    }
    drawn(id);
    bytes32 right = dispute.caseOf(id).highHash;
    votes(id, right, right, OTHER);
    stageIs(id, Dispute.Stage.PROVIDER_WON);
    uint256 rest = BOND - 2 * FEE;
    same(dispute.stakeOf(provider).amount, 4 ether + rest - rest / 4, "the provider has the bond");
    same(dispute.owedTo(CHALLENGER), 0, "the challenger has nothing");
    same(dispute.owedTo(keyAt(id, 2)), 0, "no fee for who was alone");
    same(dispute.stakeOf(keyAt(id, 2)).amount, 2 * SEAT - BOND / 5, "but a penalty");
    yes(!dispute.convicted(dispute.caseOf(id).record), "not convicted");
    // Others may still try: one step that was right proves no result right.
    address another = address(0xbeef);
    vm.deal(another, BOND);
    stageIs(opened(1, another), Dispute.Stage.CLAIM);
  }

  /// The provider may be silent at the claim and at each division, the challenger at each choice.
  function test_silenceLosesAtEveryMove() public {
    bytes32 id = opened(1, CHALLENGER);
    uint256 deadline = dispute.caseOf(id).deadline;
    vm.warp(deadline);
    vm.expectRevert(abi.encodeWithSelector(Dispute.TooEarly.selector, deadline));
    dispute.timeout(id);
    vm.warp(deadline + 1);
    bytes32[] memory late = rowOf(0, 6, 99);
    vm.prank(provider);
    vm.expectRevert(abi.encodeWithSelector(Dispute.TooLate.selector, deadline));
    dispute.claim(id, 5, late, sealOf(id));
    dispute.timeout(id);
    stageIs(id, Dispute.Stage.CHALLENGER_WON);
    same(dispute.owedTo(CHALLENGER), 2 * BOND - BOND / 4, "both bonds");
    vm.expectPartialRevert(Dispute.WrongStage.selector);
    dispute.timeout(id);

    vm.warp(NOW + 2 days);
    id = opened(2, CHALLENGER);
    bytes32[] memory given = claims(id, 1000, 400);
    vm.warp(dispute.caseOf(id).deadline + 1);
    vm.prank(CHALLENGER);
    vm.expectPartialRevert(Dispute.TooLate.selector);
    dispute.choose(id, 1, given, CHALLENGERS_NUMBER);
    uint256 before = dispute.stakeOf(provider).amount;
    dispute.timeout(id);
    stageIs(id, Dispute.Stage.PROVIDER_WON);
    same(dispute.stakeOf(provider).amount, before + BOND - BOND / 4, "the challenger's bond");

    vm.warp(NOW + 2 days);
    id = opened(3, CHALLENGER);
    given = claims(id, 1000, 400);
    vm.prank(CHALLENGER);
    dispute.choose(id, 1, given, CHALLENGERS_NUMBER);
    vm.warp(dispute.caseOf(id).deadline + 1);
    dispute.timeout(id);
    stageIs(id, Dispute.Stage.CHALLENGER_WON);
    balanced();
  }

  function testFuzz_bisectionEndsAtTheFirstFalseCheckpoint(uint256 steps, uint256 fault) public {
    steps = within(steps, 1, 1_000_000);
    // Position 0 is the task: there nobody can differ. The last one is what the record says.
    fault = within(fault, 1, steps + 1);
    bytes32 id = opened(1, CHALLENGER);
    uint256 moves = narrowed(id, uint48(steps), fault);
    Dispute.Case memory c = dispute.caseOf(id);
    same(c.low, fault - 1, "low");
    same(c.high, fault, "high");
    if (fault > 1) same(c.lowHash, truth(fault - 1), "the last true one");
    yes(moves <= 10, "five rounds of two moves");
  }

  // ---- arbiters

  function test_nobodyAnswers_thenNobodyWins() public {
    bytes32 id = opened(1, CHALLENGER);
    narrowed(id, 50, 20);
    drawn(id);
    for (uint256 i = 0; i < 3; ++i) {
      address first = keyAt(id, 0);
      uint256 had = dispute.stakeOf(first).amount;
      vm.expectPartialRevert(Dispute.TooEarly.selector);
      dispute.count(id);
      vm.warp(dispute.caseOf(id).deadline + 1 days + 1);
      dispute.count(id);
      same(dispute.stakeOf(first).amount, had - BOND / 5, "a silent arbiter pays");
    }
    stageIs(id, Dispute.Stage.UNDECIDED);
    same(dispute.owedTo(CHALLENGER), BOND, "the challenger has its bond back");
    same(dispute.stakeOf(provider).amount, 4 ether, "the provider lost nothing");
    same(dispute.stakeOf(provider).held, 0, "nothing is held");
    balanced();
  }

  function test_withoutAMajorityAnotherPanelIsDrawn() public {
    bytes32 id = opened(1, CHALLENGER);
    narrowed(id, 50, 20);
    drawn(id);
    votes(id, truth(20), OTHER, bytes32(uint256(5)));
    stageIs(id, Dispute.Stage.COMMIT);
    same(dispute.caseOf(id).draws, 2, "another panel");
    for (uint256 i = 0; i < ARBITERS; ++i) {
      same(dispute.stakeOf(vm.addr(arbiterKey(i))).amount, 2 * SEAT, "who was right is not known");
      uint256 held = 0;
      for (uint256 k = 0; k < 3; ++k) {
        if (keyAt(id, k) == vm.addr(arbiterKey(i))) ++held;
      }
      same(dispute.stakeOf(vm.addr(arbiterKey(i))).held, held, "released, but for the new panel");
    }
    votes(id, truth(20), OTHER, truth(20));
    stageIs(id, Dispute.Stage.CHALLENGER_WON);
    balanced();
  }

  function test_twoVotesSuffice() public {
    bytes32 id = opened(1, CHALLENGER);
    narrowed(id, 50, 20);
    drawn(id);
    commits(id, 0, truth(20));
    commits(id, 2, truth(20));
    vm.expectPartialRevert(Dispute.TooEarly.selector);
    dispute.reveal(id, 0, truth(20), bytes32(uint256(77)));
    vm.warp(dispute.caseOf(id).deadline + 1);
    reveals(id, 0, truth(20));
    reveals(id, 2, truth(20));
    vm.warp(dispute.caseOf(id).deadline + 1 days + 1);
    dispute.count(id);
    stageIs(id, Dispute.Stage.CHALLENGER_WON);
    same(dispute.stakeOf(keyAt(id, 1)).amount, 2 * SEAT - BOND / 5, "silence costs");
  }

  function test_withoutProvidersNobodyWins() public {
    for (uint256 i = 0; i < ARBITERS - 2; ++i) {
      vm.prank(vm.addr(arbiterKey(i)));
      dispute.askBack(vm.addr(arbiterKey(i)));
    }
    vm.warp(NOW + 3 days + 1);
    bytes32 id = opened(1, CHALLENGER);
    narrowed(id, 50, 20);
    drawn(id);
    stageIs(id, Dispute.Stage.UNDECIDED);
    same(dispute.owedTo(CHALLENGER), BOND, "its bond");
    balanced();
  }

  function test_aProviderThatDoesNotShowItsNumberLoses() public {
    bytes32 id = opened(1, CHALLENGER);
    narrowed(id, 50, 20);
    bytes32 number = numberOf(id);
    vm.expectRevert(abi.encodeWithSelector(Dispute.NotTheCommitment.selector));
    dispute.draw(id, OTHER);
    vm.warp(dispute.caseOf(id).deadline + 1);
    vm.expectPartialRevert(Dispute.TooLate.selector);
    dispute.draw(id, number);
    dispute.timeout(id);
    stageIs(id, Dispute.Stage.CHALLENGER_WON);
    balanced();
  }

  function testFuzz_attack_anArbiterThatIsAParty(uint256 salt) public {
    // Provider and challenger have seats, and another identity of the challenger's too.
    vm.warp(NOW);
    vm.prank(provider);
    dispute.takeSeat(provider);
    stakeAs(0x1111, 2 * SEAT, true);
    stakeAs(0x2222, 2 * SEAT, false);
    vm.prank(vm.addr(0x2222));
    registry.offerControl(vm.addr(0x2222), vm.addr(0x1111));
    vm.startPrank(vm.addr(0x1111));
    registry.acceptControl(vm.addr(0x2222));
    dispute.takeSeat(vm.addr(0x2222));
    vm.stopPrank();
    vm.warp(NOW + 2 days);
    vm.deal(vm.addr(0x1111), BOND);
    bytes32 id = opened(salt, vm.addr(0x1111));
    narrowed(id, 50, 20);
    drawn(id);
    for (uint256 i = 0; i < 3; ++i) {
      address a = keyAt(id, i);
      yes(a != provider && a != vm.addr(0x1111) && a != vm.addr(0x2222), "no party");
      for (uint256 k = 0; k < i; ++k) {
        yes(a != keyAt(id, k), "none twice");
      }
    }
  }

  function snapshot(bytes32 id) private view returns (bytes32) {
    return keccak256(abi.encode(keyAt(id, 0), keyAt(id, 1), keyAt(id, 2)));
  }

  /// Once both numbers can be known nothing changes the panel: seats taken or left, blocks, who controls whom.
  function test_attack_changingThePanelOnceItIsKnown() public {
    bytes32 one = opened(1, CHALLENGER);
    narrowed(one, 50, 20);
    uint256 now_ = vm.snapshotState();
    drawn(one);
    bytes32 panel = snapshot(one);
    address unwanted = keyAt(one, 0);
    vm.revertToState(now_);
    vm.roll(block.number + 200);
    vm.warp(block.timestamp + 23 hours);
    for (uint256 i = 0; i < 5; ++i) {
      stakeAs(0x5000 + i, 2 * SEAT, true);
    }
    for (uint256 i = 0; i < ARBITERS; ++i) {
      vm.prank(vm.addr(arbiterKey(i)));
      dispute.askBack(vm.addr(arbiterKey(i)));
    }
    // The provider has itself, and a friend among the arbiters, recovered into an arbiter's hands, for one transaction.
    vm.prank(provider);
    registry.setRecovery(provider, address(this));
    registry.recover(provider, unwanted);
    for (uint256 i = 0; i < ARBITERS; ++i) {
      address a = vm.addr(arbiterKey(i));
      if (a == unwanted) continue;
      vm.prank(a);
      registry.setRecovery(a, address(this));
      registry.recover(a, unwanted);
    }
    drawn(one);
    same(snapshot(one), panel, "the same panel");
    // And who was drawn cannot take its stake before it has answered.
    vm.warp(block.timestamp + 30 days);
    vm.prank(unwanted);
    vm.expectRevert(abi.encodeWithSelector(Dispute.StakeHeld.selector, uint32(1)));
    dispute.withdraw(unwanted, unwanted);
  }

  /// Who leaves while the challenger's number is on its way is drawn all the same.
  function test_attack_leavingBeforeTheLastChoiceIsInABlock() public {
    bytes32 id = opened(1, CHALLENGER);
    bytes32[] memory given = claims(id, 10, 5);
    uint256 now_ = vm.snapshotState();
    vm.prank(CHALLENGER);
    dispute.choose(id, 4, given, CHALLENGERS_NUMBER);
    drawn(id);
    bytes32 panel = snapshot(id);
    address first = keyAt(id, 0);
    vm.revertToState(now_);
    vm.prank(first);
    dispute.askBack(first);
    vm.warp(block.timestamp + 23 hours);
    vm.prank(CHALLENGER);
    dispute.choose(id, 4, given, CHALLENGERS_NUMBER);
    drawn(id);
    same(snapshot(id), panel, "the same panel");
  }

  /// Each one's number alone changes the panel, so neither can choose it before it knows the other's.
  function testFuzz_eachNumberDraws(bytes32 a, bytes32 b) public {
    if (a == b) return;
    bytes32 id = opened(1, CHALLENGER);
    bytes32[] memory given = claims(id, 10, 5);
    uint256 now_ = vm.snapshotState();
    vm.prank(CHALLENGER);
    dispute.choose(id, 4, given, a);
    drawn(id);
    bytes32 seed = dispute.caseOf(id).seed;
    for (uint256 i = 0; i < 3; ++i) {
      yes(keyAt(id, i) != keyAt(id, (i + 1) % 3), "three");
    }
    vm.revertToState(now_);
    vm.prank(CHALLENGER);
    dispute.choose(id, 4, given, b);
    drawn(id);
    yes(dispute.caseOf(id).seed != seed, "another draw");
    same(dispute.caseOf(id).seed, keccak256(abi.encode(id, numberOf(id), b)), "of both numbers");
  }

  /// A caught provider loses to a friend, quicker than to its accuser: the accuser has the prize.
  function testFuzz_attack_aFriendIsQuicker(uint256 salt, bool friendFirst) public {
    address friend = address(this);
    vm.deal(friend, BOND);
    bytes32 sham = friendFirst ? opened(salt, friend) : bytes32(0);
    bytes32 honest = opened(salt, CHALLENGER);
    if (!friendFirst) sham = opened(salt, friend);
    claims(honest, 50, 20);
    vm.warp(dispute.caseOf(sham).deadline + 1);
    dispute.timeout(sham);
    dispute.drop(honest);
    uint256 prize = BOND - BOND / 4;
    same(dispute.owedTo(CHALLENGER), friendFirst ? BOND : BOND + prize, "who accused first has the prize");
    same(dispute.owedTo(friend), friendFirst ? BOND + prize : BOND, "the other its bond");
    balancedAnd(friend);
  }

  /// A provider of one bond is disputed for two records: who calls arbiters pays them, or drops the case.
  function testFuzz_attack_aProviderWithNothingLeft(bool drops) public {
    vm.prank(provider);
    dispute.askBack(provider);
    vm.warp(NOW + 2 days);
    bytes32 first = opened(1, CHALLENGER);
    bytes32 second = opened(2, CHALLENGER);
    bytes32[4] memory more = [opened(3, CHALLENGER), opened(4, CHALLENGER), opened(5, CHALLENGER), first];
    narrowed(second, 50, 20);
    if (!drops) drawn(second);
    vm.expectPartialRevert(Dispute.WrongStage.selector);
    vm.prank(CHALLENGER);
    dispute.drop(second);
    vm.warp(dispute.caseOf(first).deadline + 1);
    for (uint256 i = 0; i < 4; ++i) {
      if (dispute.caseOf(more[i]).stage == Dispute.Stage.CLAIM) dispute.timeout(more[i]);
    }
    same(dispute.stakeOf(provider).amount, 0, "nothing is left");
    uint256 had = dispute.owedTo(CHALLENGER);
    if (drops) {
      vm.expectPartialRevert(Dispute.WrongStage.selector);
      dispute.drop(second);
      vm.prank(CHALLENGER);
      dispute.drop(second);
      same(dispute.owedTo(CHALLENGER), had + BOND, "its bond");
    } else {
      for (uint256 i = 0; i < 3; ++i) {
        reveals1(second, i);
      }
      stageIs(second, Dispute.Stage.CHALLENGER_WON);
      same(dispute.owedTo(CHALLENGER), had + BOND - 3 * FEE, "its bond but for the fees");
    }
    balanced();
  }

  function reveals1(bytes32 id, uint256 place) private {
    Dispute.Case memory c = dispute.caseOf(id);
    if (place == 0) {
      vm.warp(c.deadline);
      for (uint256 i = 0; i < 3; ++i) {
        commits(id, i, truth(20));
      }
    }
    reveals(id, place, truth(20));
  }

  function balancedAnd(address one) private view {
    uint256 sum = dispute.stakeOf(provider).amount + dispute.owedTo(provider) + dispute.owedTo(CHALLENGER)
      + dispute.owedTo(SINK) + dispute.owedTo(one);
    for (uint256 i = 0; i < ARBITERS; ++i) {
      address a = vm.addr(arbiterKey(i));
      sum += dispute.stakeOf(a).amount + dispute.owedTo(a);
    }
    same(address(dispute).balance, sum, "what it has is what it owes");
  }

  /// Who stops playing because the provider was convicted in another dispute keeps its bond.
  function test_attack_aConvictedProviderWaitsForSilence() public {
    bytes32 sham = opened(1, address(this));
    bytes32 honest = opened(1, CHALLENGER);
    claims(honest, 50, 20);
    vm.warp(dispute.caseOf(sham).deadline + 1);
    dispute.timeout(sham);
    vm.warp(dispute.caseOf(honest).deadline + 1);
    dispute.timeout(honest);
    stageIs(honest, Dispute.Stage.UNDECIDED);
    same(dispute.owedTo(CHALLENGER), BOND, "its bond");
  }

  /// A record of as much gas as there are numbers can be disputed, and answered, as any other.
  function test_attack_moreGasThanStepsCanBeCounted() public {
    bytes memory words = recordOf(1);
    put(words, 26, bytes32(uint256(type(uint64).max)));
    Dispute.Batch memory b = batchOf(PROVIDER_KEY, words);
    vm.prank(CHALLENGER);
    bytes32 id = dispute.open{value: BOND}(words, outs, b);
    uint48 most = type(uint48).max - 1;
    same(dispute.caseOf(id).high, most, "so many steps may be claimed");
    narrowed(id, most, most / 3);
    same(dispute.caseOf(id).high, most / 3, "and are bisected");
  }

  function test_attack_seatsTakenForADispute() public {
    // A crowd of seats that are taken when the dispute is under way is never drawn.
    bytes32 id = opened(1, CHALLENGER);
    for (uint256 i = 0; i < 20; ++i) {
      stakeAs(0x5000 + i, SEAT, true);
    }
    narrowed(id, 50, 20);
    drawn(id);
    for (uint256 i = 0; i < 3; ++i) {
      yes(dispute.stakeOf(keyAt(id, i)).seat <= ARBITERS, "an old seat");
    }
  }

  function test_attack_votesThatAreNotOnesOwn() public {
    bytes32 id = opened(1, CHALLENGER);
    narrowed(id, 50, 20);
    drawn(id);
    address first = keyAt(id, 0);
    address second = keyAt(id, 1);
    bytes32 sealed_ = dispute.commitmentOf(id, first, truth(20), bytes32(uint256(77)));
    vm.expectRevert(abi.encodeWithSelector(Dispute.NotTheArbiter.selector, first));
    dispute.commit(id, 0, sealed_);
    vm.prank(first);
    dispute.commit(id, 0, sealed_);
    vm.prank(first);
    vm.expectRevert(abi.encodeWithSelector(Dispute.AlreadyVoted.selector));
    dispute.commit(id, 0, sealed_);
    // Who copies a commitment cannot reveal it.
    vm.prank(second);
    dispute.commit(id, 1, sealed_);
    commits(id, 2, truth(20));
    reveals(id, 0, truth(20));
    vm.prank(second);
    vm.expectRevert(abi.encodeWithSelector(Dispute.NotTheCommitment.selector));
    dispute.reveal(id, 1, truth(20), bytes32(uint256(77)));
    vm.prank(first);
    vm.expectRevert(abi.encodeWithSelector(Dispute.AlreadyVoted.selector));
    dispute.reveal(id, 0, truth(20), bytes32(uint256(77)));
    vm.prank(second);
    vm.expectPartialRevert(Dispute.WrongStage.selector);
    dispute.commit(id, 1, sealed_);
  }

  // ---- wrong moves

  function test_attack_recordsThatAreNone() public {
    bytes memory words = recordOf(1);
    Dispute.Batch memory b = batchOf(PROVIDER_KEY, words);
    vm.startPrank(CHALLENGER);
    vm.expectRevert(abi.encodeWithSelector(Dispute.WrongBond.selector, BOND));
    dispute.open{value: BOND - 1}(words, outs, b);
    bytes memory changed = recordOf(1);
    put(changed, 26, bytes32(uint256(5)));
    vm.expectRevert(abi.encodeWithSelector(Dispute.NotInBatch.selector));
    dispute.open{value: BOND}(changed, outs, b);
    vm.expectRevert(abi.encodeWithSelector(Dispute.BadRecord.selector));
    dispute.open{value: BOND}(words, new bytes32[](2), b);
    vm.expectRevert(abi.encodeWithSelector(Dispute.BadRecord.selector));
    dispute.open{value: BOND}(abi.encodePacked(words, bytes32(0)), outs, b);
    put(words, 0, keccak256("AnotherType()"));
    vm.expectRevert(abi.encodeWithSelector(Dispute.BadRecord.selector));
    dispute.open{value: BOND}(words, outs, b);
    vm.stopPrank();

    words = recordOf(1);
    b = batchOf(CONSUMER_KEY, words);
    vm.prank(CHALLENGER);
    vm.expectRevert(abi.encodeWithSelector(Dispute.BadSignature.selector, provider));
    dispute.open{value: BOND}(words, outs, b);
    // A failed task, and one whose gas was not measured.
    put(words, 24, bytes32(uint256(1)));
    b = batchOf(PROVIDER_KEY, words);
    vm.prank(CHALLENGER);
    vm.expectRevert(abi.encodeWithSelector(Dispute.NotDisputable.selector));
    dispute.open{value: BOND}(words, outs, b);
    words = recordOf(1);
    put(words, 41, 0);
    b = batchOf(PROVIDER_KEY, words);
    vm.prank(CHALLENGER);
    vm.expectRevert(abi.encodeWithSelector(Dispute.NotDisputable.selector));
    dispute.open{value: BOND}(words, outs, b);
    // Too old.
    words = recordOf(1);
    b = batchOf(PROVIDER_KEY, words);
    vm.warp(NOW + 16 days + 1);
    vm.prank(CHALLENGER);
    vm.expectRevert(abi.encodeWithSelector(Dispute.TooLate.selector, NOW + 16 days));
    dispute.open{value: BOND}(words, outs, b);
  }

  function test_attack_aProviderDisputesItself() public {
    bytes memory words = recordOf(1);
    Dispute.Batch memory b = batchOf(PROVIDER_KEY, words);
    vm.deal(provider, BOND);
    vm.prank(provider);
    vm.expectRevert(abi.encodeWithSelector(Dispute.OwnRecord.selector, provider));
    dispute.open{value: BOND}(words, outs, b);
    // Under a name that nobody knows to be its own it loses a quarter, and shields nothing.
    bytes32 sham = opened(1, address(this));
    bytes32 honest = opened(1, CHALLENGER);
    vm.warp(dispute.caseOf(sham).deadline + 1);
    dispute.timeout(sham);
    same(dispute.stakeOf(provider).amount, 3 ether, "its bond");
    same(dispute.owedTo(address(this)), 2 * BOND - BOND / 4, "comes back but for a quarter");
    // The other one has its bond back, and is not held up.
    dispute.drop(honest);
    same(dispute.owedTo(CHALLENGER), BOND, "was not wrong");
    same(dispute.stakeOf(provider).held, 0, "nothing is held");
  }

  function test_attack_wrongPartyMoves() public {
    bytes32 id = opened(1, CHALLENGER);
    bytes32[] memory given = rowOf(0, 51, 20);
    vm.prank(CHALLENGER);
    vm.expectRevert(abi.encodeWithSelector(Dispute.Forbidden.selector, provider));
    dispute.claim(id, 50, given, sealOf(id));
    vm.prank(CHALLENGER);
    vm.expectRevert(abi.encodeWithSelector(Dispute.WrongStage.selector, Dispute.Stage.CLAIM));
    dispute.choose(id, 0, given, CHALLENGERS_NUMBER);
    vm.startPrank(provider);
    vm.expectRevert(abi.encodeWithSelector(Dispute.BadSteps.selector, RECORD_GAS / 100));
    dispute.claim(id, 0, given, sealOf(id));
    vm.expectRevert(abi.encodeWithSelector(Dispute.BadSteps.selector, RECORD_GAS / 100));
    dispute.claim(id, uint48(RECORD_GAS / 100 + 1), given, sealOf(id));
    vm.expectRevert(abi.encodeWithSelector(Dispute.BadDivision.selector, 15));
    dispute.claim(id, 50, new bytes32[](14), sealOf(id));
    dispute.claim(id, 50, given, sealOf(id));
    vm.expectRevert(abi.encodeWithSelector(Dispute.WrongStage.selector, Dispute.Stage.CHOOSE));
    dispute.claim(id, 50, given, sealOf(id));
    vm.expectRevert(abi.encodeWithSelector(Dispute.Forbidden.selector, CHALLENGER));
    dispute.choose(id, 0, given, CHALLENGERS_NUMBER);
    vm.expectRevert(abi.encodeWithSelector(Dispute.WrongStage.selector, Dispute.Stage.CHOOSE));
    dispute.divide(id, given);
    vm.stopPrank();
    vm.startPrank(CHALLENGER);
    vm.expectRevert(abi.encodeWithSelector(Dispute.BadWay.selector, 16));
    dispute.choose(id, 16, given, CHALLENGERS_NUMBER);
    bytes32[] memory forged = rowOf(0, 51, 21);
    forged[0] = OTHER;
    vm.expectRevert(abi.encodeWithSelector(Dispute.NotTheRow.selector));
    dispute.choose(id, 0, forged, CHALLENGERS_NUMBER);
    dispute.choose(id, 6, given, CHALLENGERS_NUMBER);
    // A replay.
    vm.expectRevert(abi.encodeWithSelector(Dispute.WrongStage.selector, Dispute.Stage.DIVIDE));
    dispute.choose(id, 6, given, CHALLENGERS_NUMBER);
    vm.stopPrank();
    vm.expectPartialRevert(Dispute.WrongStage.selector);
    dispute.draw(id, numberOf(id));
    vm.expectPartialRevert(Dispute.WrongStage.selector);
    dispute.count(id);
    vm.expectPartialRevert(Dispute.WrongStage.selector);
    dispute.drop(id);
    vm.expectPartialRevert(Dispute.WrongStage.selector);
    dispute.timeout(OTHER);
  }

  function test_attack_twoDisputesOnOneRecord() public {
    bytes32 id = opened(1, CHALLENGER);
    bytes memory words = recordOf(1);
    Dispute.Batch memory b = batchOf(PROVIDER_KEY, words);
    vm.prank(CHALLENGER);
    vm.expectRevert(abi.encodeWithSelector(Dispute.AlreadyOpened.selector, id));
    dispute.open{value: BOND}(words, outs, b);
    address other = address(0xbeef);
    vm.deal(other, 2 * BOND);
    bytes32 second = opened(1, other);
    yes(second != id, "another challenger's is another one");
    narrowed(id, 50, 20);
    narrowed(second, 50, 20);
    drawn(id);
    drawn(second);
    votes(id, truth(20), truth(20), truth(20));
    votes(second, truth(20), truth(20), truth(20));
    stageIs(second, Dispute.Stage.CHALLENGER_WON);
    same(dispute.stakeOf(provider).amount, 3 ether - 3 * FEE - BOND / 4, "one bond, and what arbiters and nobody get");
    same(dispute.owedTo(other), BOND, "its bond");
    vm.prank(other);
    vm.expectPartialRevert(Dispute.AlreadyOpened.selector);
    dispute.open{value: BOND}(words, outs, b);
    address third = address(0xbee2);
    vm.deal(third, BOND);
    vm.prank(third);
    vm.expectPartialRevert(Dispute.AlreadyConvicted.selector);
    dispute.open{value: BOND}(words, outs, b);
  }

  function test_attack_aStakeThatIsTooSmallOrRunsAway() public {
    vm.prank(provider);
    dispute.askBack(provider);
    vm.prank(provider);
    vm.expectPartialRevert(Dispute.StakeLeaving.selector);
    dispute.askBack(provider);
    vm.prank(provider);
    vm.expectPartialRevert(Dispute.TooEarly.selector);
    dispute.withdraw(provider, provider);
    vm.warp(NOW + 15 days);
    bytes32 id = opened(1, CHALLENGER);
    vm.warp(NOW + 15 days + 1 days);
    claims(id, 50, 20);
    vm.warp(NOW + 30 days);
    vm.prank(provider);
    vm.expectRevert(abi.encodeWithSelector(Dispute.StakeHeld.selector, uint32(1)));
    dispute.withdraw(provider, provider);
    dispute.timeout(id);
    vm.prank(CHALLENGER);
    vm.expectRevert(abi.encodeWithSelector(Dispute.Forbidden.selector, provider));
    dispute.withdraw(provider, CHALLENGER);
    vm.prank(provider);
    dispute.withdraw(provider, provider);
    vm.warp(NOW + 2 days);
    bytes memory words = recordOf(2);
    Dispute.Batch memory b = batchOf(PROVIDER_KEY, words);
    vm.prank(CHALLENGER);
    vm.expectRevert(abi.encodeWithSelector(Dispute.StakeTooSmall.selector, BOND));
    dispute.open{value: BOND}(words, outs, b);
  }

  function test_attack_reentrancy() public {
    Greedy greedy = new Greedy(dispute);
    bytes memory words = recordOf(1);
    Dispute.Batch memory b = batchOf(PROVIDER_KEY, words);
    vm.deal(address(this), BOND);
    greedy.open{value: BOND}(words, outs, b);
    bytes32 id = dispute.idOf(digestOf(words), address(greedy));
    vm.warp(dispute.caseOf(id).deadline + 1);
    dispute.timeout(id);
    vm.expectRevert(abi.encodeWithSelector(Dispute.TransferFailed.selector));
    dispute.collect(payable(address(greedy)));
    balancedWith(address(greedy));
  }

  function balancedWith(address one) private view {
    yes(dispute.owedTo(one) != 0, "it is still owed");
  }

  function test_aSeatIsLostWithTheStakeAndSlotsAreUsedAgain() public {
    address who = vm.addr(arbiterKey(0));
    vm.startPrank(who);
    vm.expectPartialRevert(Dispute.AlreadySeated.selector);
    dispute.takeSeat(who);
    dispute.askBack(who);
    vm.expectPartialRevert(Dispute.StakeLeaving.selector);
    dispute.takeSeat(who);
    dispute.stay(who);
    vm.expectPartialRevert(Dispute.TooEarly.selector);
    dispute.takeSeat(who);
    vm.warp(block.timestamp + 2 days + 1);
    dispute.takeSeat(who);
    dispute.askBack(who);
    vm.warp(block.timestamp + 21 days);
    dispute.withdraw(who, who);
    vm.stopPrank();
    same(dispute.owedTo(who), 2 * SEAT, "all of it");
    stakeAs(0x7777, SEAT, true);
    same(dispute.seatCount(), ARBITERS, "the slot is used again");
    same(dispute.seatAt(0).identity, vm.addr(0x7777), "by another");
    vm.prank(pool);
    vm.expectRevert(abi.encodeWithSelector(Dispute.NotAProvider.selector, pool));
    dispute.takeSeat(pool);
    vm.prank(provider);
    dispute.takeSeat(provider);
    vm.expectRevert(abi.encodeWithSelector(Dispute.Forbidden.selector, provider));
    dispute.takeSeat(provider);
  }

  function test_aConvictionCostsCollateralToo() public {
    dollar.mint(provider, 1000);
    vm.startPrank(provider);
    dollar.approve(address(collateral), 1000);
    collateral.bond(provider, address(dispute), 0, 1000);
    vm.stopPrank();
    bytes32 id = opened(1, CHALLENGER);
    vm.expectPartialRevert(Dispute.WrongStage.selector);
    dispute.enforce(id, collateral);
    vm.warp(dispute.caseOf(id).deadline + 1);
    dispute.timeout(id);
    dispute.enforce(id, collateral);
    same(collateral.bondOf(provider, address(dispute), 0).active, 900, "a tenth");
    vm.expectPartialRevert(Collateral.AlreadySlashed.selector);
    dispute.enforce(id, collateral);
  }

  /// EIP-170: no chain takes more.
  function test_itFitsOnAChain() public view {
    yes(address(dispute).code.length <= 24_576, "the code is small enough");
  }

  function test_termsThatCannotWork() public {
    vm.expectRevert(abi.encodeWithSelector(Dispute.BadTerms.selector));
    new Dispute(registry, BOND, SEAT, BOND / 11, SINK);
    vm.expectRevert(abi.encodeWithSelector(Dispute.BadTerms.selector));
    new Dispute(registry, BOND, BOND - 1, FEE, SINK);
    vm.expectRevert(abi.encodeWithSelector(Dispute.BadTerms.selector));
    new Dispute(registry, BOND, SEAT, FEE, address(0));
  }

  /// A million steps, to the verdict: what all of it costs, each transaction's 21,000 and calldata included.
  function test_gas_ofAMillionSteps() public {
    uint256 gas = 0;
    bytes memory words = recordOf(1);
    Dispute.Batch memory b = batchOf(PROVIDER_KEY, words);
    vm.prank(CHALLENGER);
    bytes32 id = dispute.open{value: BOND}(words, outs, b);
    gas += vm.snapshotGasLastCall("dispute", "open");
    bytes32[] memory given = rowOf(0, 1_000_001, 777_777);
    vm.prank(provider);
    dispute.claim(id, 1_000_000, given, sealOf(id));
    gas += vm.snapshotGasLastCall("dispute", "claim");
    uint256 moves = 2;
    while (true) {
      uint256 way = wayOf(id, given);
      vm.prank(CHALLENGER);
      dispute.choose(id, way, given, CHALLENGERS_NUMBER);
      gas += vm.snapshotGasLastCall("dispute", "choose");
      ++moves;
      if (dispute.caseOf(id).stage == Dispute.Stage.DRAW) break;
      given = row(id, 777_777);
      vm.prank(provider);
      dispute.divide(id, given);
      gas += vm.snapshotGasLastCall("dispute", "divide");
      ++moves;
    }
    dispute.draw(id, numberOf(id));
    gas += vm.snapshotGasLastCall("dispute", "draw");
    for (uint256 i = 0; i < 3; ++i) {
      commits(id, i, truth(777_777));
      gas += vm.snapshotGasLastCall("dispute", "commit");
    }
    for (uint256 i = 0; i < 3; ++i) {
      reveals(id, i, truth(777_777));
      gas += vm.snapshotGasLastCall("dispute", i == 2 ? "reveal_last" : "reveal");
    }
    stageIs(id, Dispute.Stage.CHALLENGER_WON);
    vm.snapshotValue("dispute", "steps_1000000_moves_of_the_parties", moves);
    vm.snapshotValue("dispute", "steps_1000000_all", gas);
    yes(moves <= 20, "at most 20 moves");
    yes(gas < 2_000_000, "under 2 M gas");
  }
}
