// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Collateral} from "../src/Collateral.sol";
import {Court} from "../src/Court.sol";
import {Escrow} from "../src/Escrow.sol";
import {ModelOffer, TypedData} from "../src/TypedData.sol";
import {Market, Trees} from "./Market.sol";
import {TypedDataReader} from "./Vectors.sol";

/// Court: frauds that are punished, and innocents that are not.
contract CourtTest is Market {
  address private constant REPORTER = address(0x4e9);
  uint256 private constant BOND = 1_000_000;

  function setUp() public override {
    super.setUp();
    bond(BOND);
    vm.deal(REPORTER, 1 ether);
  }

  function tail(bytes32[] memory leaves, uint256 more) private pure returns (bytes32[] memory all) {
    all = new bytes32[](leaves.length + more);
    for (uint256 i = 0; i < all.length; ++i) {
      all[i] = i < leaves.length ? leaves[i] : sha256(abi.encode("more", i));
    }
  }

  function slashed() private view returns (uint256) {
    Collateral.Bond memory b = collateral.bondOf(pool, address(court), 0);
    return BOND - b.active - b.leaving;
  }

  // ---- equivocation

  function test_twoRootsForOneSizeCostTheWholeBond() public {
    Court.Statement memory a = head(POOL_KEY, leavesOf(5, 1));
    Court.Statement memory b = head(POOL_KEY, leavesOf(5, 2));
    vm.prank(REPORTER);
    bytes32 evidence = court.equivocation(a, b);
    court.enforce(evidence, collateral);
    same(slashed(), BOND, "slashed");
    same(collateral.owedTo(0, REPORTER), BOND / 10, "the reporter's part");
    same(collateral.owedTo(0, SINK), BOND - BOND / 10, "the sink's");
    collateral.collect(0, REPORTER);
    same(dollar.balanceOf(REPORTER), BOND / 10, "collected");
  }

  function test_attack_theSameFraudTwice() public {
    Court.Statement memory a = head(POOL_KEY, leavesOf(5, 1));
    Court.Statement memory b = head(POOL_KEY, leavesOf(5, 2));
    bytes32 evidence = court.equivocation(a, b);
    vm.expectRevert(abi.encodeWithSelector(Court.AlreadyConvicted.selector, evidence));
    court.equivocation(a, b);
    // Nor turned round, nor dated otherwise.
    b.timeUs += 1;
    b.signature = long(POOL_KEY, TypedData.treeHead(b.log, b.root, b.size, b.timeUs));
    vm.expectRevert(abi.encodeWithSelector(Court.AlreadyConvicted.selector, evidence));
    court.equivocation(b, a);
    court.enforce(evidence, collateral);
    vm.expectRevert(abi.encodeWithSelector(Collateral.AlreadySlashed.selector, evidence));
    court.enforce(evidence, collateral);
  }

  function test_attack_anInnocentPool() public {
    bytes32[] memory leaves = leavesOf(5, 1);
    Court.Statement memory a = head(POOL_KEY, leaves);
    vm.expectRevert(abi.encodeWithSelector(Court.NoContradiction.selector));
    court.equivocation(a, a);
    // A longer log is no contradiction.
    Court.Statement memory longer = head(POOL_KEY, tail(leaves, 3));
    vm.expectRevert(abi.encodeWithSelector(Court.NoContradiction.selector));
    court.equivocation(a, longer);
    // Somebody else's signature.
    Court.Statement memory forged = head(POOL_KEY, leavesOf(5, 2));
    forged.signature = long(CONSUMER_KEY, TypedData.treeHead(pool, forged.root, forged.size, forged.timeUs));
    vm.expectRevert(abi.encodeWithSelector(Court.BadSignature.selector, pool));
    court.equivocation(a, forged);
    // Somebody else's log.
    vm.prank(consumer);
    registry.register(1, address(0), "", 0);
    Court.Statement memory other = head(CONSUMER_KEY, leavesOf(5, 2));
    vm.expectRevert(abi.encodeWithSelector(Court.NoContradiction.selector));
    court.equivocation(a, other);
    // One for whom nobody answers.
    Court.Statement memory stranger = head(0x999, leavesOf(5, 2));
    vm.expectRevert(abi.encodeWithSelector(Court.NobodyAnswers.selector, vm.addr(0x999)));
    court.equivocation(stranger, stranger);
    // Two roots for the empty log say nothing.
    Court.Statement memory empty = head(POOL_KEY, new bytes32[](0));
    Court.Statement memory odd = empty;
    odd.root = 0;
    odd.signature = long(POOL_KEY, TypedData.treeHead(pool, 0, 0, odd.timeUs));
    vm.expectRevert(abi.encodeWithSelector(Court.NoContradiction.selector));
    court.equivocation(empty, odd);
    same(slashed(), 0, "nothing happened");
  }

  function testFuzz_attack_aMalleableSignature(uint256 seed) public {
    Court.Statement memory a = head(POOL_KEY, leavesOf(5, seed));
    bytes memory s = a.signature;
    bytes32 high;
    assembly ("memory-safe") {
      high := mload(add(s, 64))
    }
    high = bytes32(ORDER - uint256(high));
    uint8 v = uint8(s[64]) == 27 ? 28 : 27;
    assembly ("memory-safe") {
      mstore(add(s, 64), high)
      mstore8(add(s, 96), v)
    }
    vm.expectRevert(abi.encodeWithSelector(Court.BadSignature.selector, pool));
    court.verify(a, Court.Inclusion(0, 0, new bytes32[](0)));
  }

  function test_aCommittedRootContradictsASignedOne() public {
    Court.Statement memory committed = commit(leavesOf(5, 1));
    Court.Statement memory signed = head(POOL_KEY, leavesOf(5, 2));
    bytes32 evidence = court.equivocation(committed, signed);
    court.enforce(evidence, collateral);
    same(slashed(), BOND, "slashed");
  }

  function test_attack_aCommitmentThatIsNone() public {
    Court.Statement memory signed = head(POOL_KEY, leavesOf(5, 2));
    Court.Statement memory committed = commit(leavesOf(5, 1));
    committed.root = sha256("made up");
    vm.expectRevert(abi.encodeWithSelector(Court.NotCommitted.selector, committed.epoch));
    court.equivocation(committed, signed);
    committed.epoch = 99;
    vm.expectRevert(abi.encodeWithSelector(Court.NotCommitted.selector, uint64(99)));
    court.equivocation(committed, signed);
  }

  /// A pool commits a root "of" another pool's log, to have it slashed.
  function test_attack_aPoolSpeaksForAnothersLog() public {
    vm.prank(consumer);
    registry.register(1, address(0), "", 0);
    Escrow.Commitment memory c = Escrow.Commitment(0, pool, 5, sha256("lie"));
    vm.prank(consumer);
    escrow.settle(consumer, 1, "", none, 0, "", c);
    Court.Statement memory lie = Court.Statement(pool, 5, sha256("lie"), 0, "", consumer, 1, 0);
    Court.Statement memory signed = head(POOL_KEY, leavesOf(5, 2));
    vm.expectRevert(abi.encodeWithSelector(Court.NobodyAnswers.selector, pool));
    court.equivocation(lie, signed);
  }

  // ---- fork

  function test_twoLeavesAtOneIndexInTreesOfDifferentSizes() public {
    bytes32[] memory first = leavesOf(5, 1);
    bytes32[] memory second = tail(first, 4);
    second[3] = sha256("another");
    Court.Statement memory a = head(POOL_KEY, first);
    Court.Statement memory b = head(POOL_KEY, second);
    Court.Inclusion memory inA = where(first, 3);
    Court.Inclusion memory inB = where(second, 3);
    vm.prank(REPORTER);
    bytes32 evidence = court.fork(a, inA, b, inB);
    court.enforce(evidence, collateral);
    same(slashed(), BOND, "slashed");
    vm.expectRevert(abi.encodeWithSelector(Court.AlreadyConvicted.selector, evidence));
    court.fork(b, inB, a, inA);
  }

  function test_attack_aForkThatIsNone() public {
    bytes32[] memory first = leavesOf(5, 1);
    bytes32[] memory second = tail(first, 4);
    Court.Statement memory a = head(POOL_KEY, first);
    Court.Statement memory b = head(POOL_KEY, second);
    Court.Inclusion memory inA = where(first, 3);
    Court.Inclusion memory inB = where(second, 3);
    vm.expectRevert(abi.encodeWithSelector(Court.NoContradiction.selector));
    court.fork(a, inA, b, inB);
    Court.Inclusion memory next = where(second, 4);
    vm.expectRevert(abi.encodeWithSelector(Court.NoContradiction.selector));
    court.fork(a, inA, b, next);
    inB.leaf = sha256("made up");
    vm.expectRevert(abi.encodeWithSelector(Court.NotIncluded.selector, uint64(3)));
    court.fork(a, inA, b, inB);
  }

  // ---- omission

  function challenged(bytes32[] memory leaves, uint256 index) private returns (bytes32 evidence) {
    Court.Statement memory receipt = head(POOL_KEY, leaves);
    Court.Inclusion memory place = where(leaves, index);
    vm.prank(REPORTER);
    evidence = court.challenge{value: DEPOSIT}(receipt, place);
  }

  function test_aPoolThatDoesNotAnswerIsSlashed() public {
    bytes32 evidence = challenged(leavesOf(5, 1), 2);
    vm.expectRevert(abi.encodeWithSelector(Court.TooEarly.selector, uint64(NOW + 4 days)));
    court.omission(evidence);
    vm.warp(NOW + 4 days + 1);
    // Even if others carry it out, the part is the challenger's.
    court.omission(evidence);
    court.enforce(evidence, collateral);
    same(slashed(), BOND / 2, "slashed");
    same(collateral.owedTo(0, REPORTER), BOND / 20, "the challenger's part");
    court.collect(payable(REPORTER));
    same(REPORTER.balance, 1 ether, "deposit is back");
    vm.expectRevert(abi.encodeWithSelector(Court.ChallengeNotOpen.selector, evidence));
    court.omission(evidence);
  }

  function test_aPoolAnswersByACommittedRoot() public {
    bytes32[] memory leaves = leavesOf(5, 1);
    bytes32 evidence = challenged(leaves, 2);
    bytes32[] memory longer = tail(leaves, 6);
    Court.Statement memory committed = commit(longer);
    Court.Inclusion memory place = where(longer, 2);
    vm.prank(pool);
    court.answer(committed, place);
    court.collect(payable(pool));
    same(pool.balance, DEPOSIT, "deposit");
    vm.warp(NOW + 5 days);
    vm.expectRevert(abi.encodeWithSelector(Court.ChallengeNotOpen.selector, evidence));
    court.omission(evidence);
    same(slashed(), 0, "nothing");
  }

  /// The key that signed is retired; the pool answers for its log all the same, by another key.
  function test_aPoolAnswersForALogWhoseKeyIsRetired() public {
    bytes32[] memory leaves = leavesOf(5, 1);
    challenged(leaves, 2);
    uint256 newKey = 0x12345;
    bytes32 consent = keccak256(
      abi.encodePacked(
        "\x19\x01",
        registry.domainSeparator(),
        keccak256(abi.encode(registry.KEY_CONSENT(), pool, vm.addr(newKey), uint64(NOW)))
      )
    );
    bytes memory agreed = long(newKey, consent);
    address key = vm.addr(newKey);
    vm.startPrank(pool);
    registry.addKey(pool, key, uint64(NOW), agreed);
    registry.retireKey(pool, pool);
    vm.stopPrank();
    bytes32 root = Trees.root(leaves);
    Court.Inclusion memory place = where(leaves, 2);
    vm.prank(key);
    escrow.settle(pool, 1, "", none, 0, "", Escrow.Commitment(0, pool, 5, root));
    court.answer(Court.Statement(pool, 5, root, 0, "", pool, 1, 0), place);
    same(court.owedTo(address(this)), DEPOSIT, "answered");
  }

  /// An entry that is at another place of the committed tree, or a root that is only signed, is no answer.
  function test_attack_answersThatAreNone() public {
    bytes32[] memory leaves = leavesOf(5, 1);
    challenged(leaves, 2);
    bytes32[] memory without = leavesOf(9, 7);
    without[3] = leaves[2];
    Court.Statement memory committed = commit(without);
    Court.Inclusion memory elsewhere = where(without, 3);
    vm.expectPartialRevert(Court.ChallengeNotOpen.selector);
    court.answer(committed, elsewhere);
    Court.Inclusion memory place = where(without, 2);
    place.leaf = leaves[2];
    vm.expectRevert(abi.encodeWithSelector(Court.NotIncluded.selector, uint64(2)));
    court.answer(committed, place);
    Court.Statement memory signed = head(POOL_KEY, leaves);
    Court.Inclusion memory right = where(leaves, 2);
    vm.expectRevert(abi.encodeWithSelector(Court.NotCommitted.selector, uint64(0)));
    court.answer(signed, right);
    signed.pool = pool;
    vm.expectRevert(abi.encodeWithSelector(Court.NotCommitted.selector, uint64(0)));
    court.answer(signed, right);
    vm.warp(NOW + 4 days + 1);
    Court.Statement memory late = commit(leaves);
    vm.expectRevert(abi.encodeWithSelector(Court.TooLate.selector, uint64(NOW + 4 days)));
    court.answer(late, right);
  }

  /// An accomplice commits a root "of" the pool's log, with the entry in it.
  function test_attack_anotherPoolAnswersForIt() public {
    bytes32[] memory leaves = leavesOf(5, 1);
    challenged(leaves, 2);
    vm.prank(consumer);
    registry.register(1, address(0), "", 0);
    bytes32 root = Trees.root(leaves);
    Court.Inclusion memory place = where(leaves, 2);
    vm.prank(consumer);
    escrow.settle(consumer, 1, "", none, 0, "", Escrow.Commitment(0, pool, 5, root));
    vm.expectRevert(abi.encodeWithSelector(Court.NotCommitted.selector, uint64(1)));
    court.answer(Court.Statement(pool, 5, root, 0, "", consumer, 1, 0), place);
  }

  function test_attack_challengesThatAreNone() public {
    bytes32[] memory leaves = leavesOf(5, 1);
    Court.Statement memory receipt = head(POOL_KEY, leaves);
    Court.Inclusion memory place = where(leaves, 2);
    vm.startPrank(REPORTER);
    vm.expectRevert(abi.encodeWithSelector(Court.WrongDeposit.selector, DEPOSIT));
    court.challenge{value: DEPOSIT - 1}(receipt, place);
    place.leaf = sha256("made up");
    vm.expectRevert(abi.encodeWithSelector(Court.NotIncluded.selector, uint64(2)));
    court.challenge{value: DEPOSIT}(receipt, place);
    vm.stopPrank();
    bytes32 evidence = challenged(leaves, 2);
    Court.Inclusion memory again = where(leaves, 2);
    vm.prank(REPORTER);
    vm.expectRevert(abi.encodeWithSelector(Court.AlreadyChallenged.selector, evidence));
    court.challenge{value: DEPOSIT}(receipt, again);
  }

  /// A pool has a friend challenge and answers itself, then drops the entry. It can be asked again.
  function test_attack_aPoolAnswersBeforehand() public {
    bytes32[] memory leaves = leavesOf(5, 1);
    challenged(leaves, 2);
    Court.Statement memory committed = commit(leaves);
    Court.Inclusion memory place = where(leaves, 2);
    court.answer(committed, place);
    vm.warp(NOW + 12 days + 1);
    bytes32 evidence = challenged(leaves, 2);
    vm.warp(NOW + 17 days);
    court.omission(evidence);
    court.enforce(evidence, collateral);
    same(slashed(), BOND / 2, "slashed");
  }

  function test_attack_aPoolTakesItsBondAwayDuringACase() public {
    vm.prank(pool);
    collateral.unbond(pool, address(court), 0, uint128(BOND));
    vm.warp(NOW + 13 days);
    bytes32 evidence = challenged(leavesOf(5, 1), 2);
    vm.warp(NOW + 15 days);
    vm.prank(pool);
    vm.expectRevert(abi.encodeWithSelector(Collateral.TooEarly.selector, NOW + 24 days));
    collateral.withdraw(pool, address(court), 0, pool);
    vm.warp(NOW + 17 days + 1);
    court.omission(evidence);
    court.enforce(evidence, collateral);
    same(slashed(), BOND / 2, "also what is leaving");
  }

  /// Challenge after challenge must not keep a bond for ever.
  function test_attack_aBondIsHeldByChallengesForEver() public {
    vm.prank(pool);
    collateral.unbond(pool, address(court), 0, uint128(BOND));
    bytes32[] memory leaves = leavesOf(12, 1);
    for (uint256 i = 0; i < 12; ++i) {
      vm.warp(NOW + 3 days * i);
      if (i < 9) challenged(leaves, i);
      if (i >= 1 && i < 10) {
        Court.Statement memory committed = commit(leaves);
        Court.Inclusion memory place = where(leaves, i - 1);
        court.answer(committed, place);
      }
    }
    vm.warp(NOW + 28 days);
    vm.prank(pool);
    collateral.withdraw(pool, address(court), 0, pool);
    same(dollar.balanceOf(pool), BOND, "out after two terms at most");
  }

  function test_aVerdictIsEnforcedInTimeOrNotAtAll() public {
    bytes32 evidence = court.equivocation(head(POOL_KEY, leavesOf(5, 1)), head(POOL_KEY, leavesOf(5, 2)));
    vm.warp(NOW + 7 days + 1);
    vm.expectRevert(abi.encodeWithSelector(Court.TooLate.selector, uint64(NOW + 7 days)));
    court.enforce(evidence, collateral);
    vm.expectRevert(abi.encodeWithSelector(Court.NotConvicted.selector, bytes32(0)));
    court.enforce(0, collateral);
  }

  /// A key that was retired long ago is in a thief's hands, who signs whatever harms.
  function test_attack_anOldStolenKey() public {
    vm.prank(pool);
    registry.retireKey(pool, pool);
    vm.warp(NOW + 14 days + 1);
    Court.Statement memory a = head(POOL_KEY, leavesOf(5, 1));
    Court.Statement memory b = head(POOL_KEY, leavesOf(5, 2));
    vm.expectRevert(abi.encodeWithSelector(Court.NobodyAnswers.selector, pool));
    court.equivocation(a, b);
  }

  /// A collateral that is not one spoils no verdict.
  function test_attack_enforcedAgainstAFakeCollateral() public {
    bytes32 evidence = court.equivocation(head(POOL_KEY, leavesOf(5, 1)), head(POOL_KEY, leavesOf(5, 2)));
    FakeCollateral fake = new FakeCollateral(court);
    court.enforce(evidence, Collateral(address(fake)));
    yes(fake.refused(), "it could not come back in");
    court.enforce(evidence, collateral);
    same(slashed(), BOND, "slashed");
  }

  function test_attack_aDepositToWhoCannotTakeIt() public {
    vm.deal(address(this), DEPOSIT);
    bytes32[] memory leaves = leavesOf(5, 1);
    Court.Statement memory receipt = head(POOL_KEY, leaves);
    bytes32 evidence = court.challenge{value: DEPOSIT}(receipt, where(leaves, 2));
    vm.warp(NOW + 4 days + 1);
    court.omission(evidence);
    vm.expectRevert(abi.encodeWithSelector(Court.TransferFailed.selector));
    court.collect(payable(address(this)));
    same(court.owedTo(address(this)), DEPOSIT, "stays its own");
    vm.expectRevert(abi.encodeWithSelector(Court.NothingOwed.selector));
    court.collect(payable(address(77)));
  }

  // ---- bills

  function javaLog(TypedDataReader vectors)
    private
    returns (Court.Statement memory s, Court.Inclusion[2] memory places)
  {
    bytes32 digest;
    (s.log, s.root, s.size, s.timeUs, s.signature, digest) = vectors.head();
    vm.prank(s.log);
    registry.register(1, address(0), "", 0);
    (, bytes32 first) = vectors.entry(0);
    (, bytes32 second) = vectors.entry(1);
    bytes32[] memory leaves = new bytes32[](2);
    (leaves[0], leaves[1]) = (first, second);
    places = [where(leaves, 0), where(leaves, 1)];
  }

  function test_aWrongDivisionThatJavaSigned() public {
    TypedDataReader vectors = new TypedDataReader();
    (Court.Statement memory s, Court.Inclusion[2] memory places) = javaLog(vectors);
    same(court.verify(s, places[0]), s.log, "the receipt verifies");
    (ModelOffer memory o,) = vectors.offer();
    (bytes memory right,) = vectors.entry(0);
    (bytes memory wrong,) = vectors.entry(1);
    vm.expectRevert(abi.encodeWithSelector(Court.BillIsRight.selector));
    court.wrongBill(s, places[0], right, o);
    vm.expectRevert(abi.encodeWithSelector(Court.NotIncluded.selector, uint64(0)));
    court.wrongBill(s, places[0], wrong, o);
    bytes32 evidence = court.wrongBill(s, places[1], wrong, o);
    same(court.verdictOf(evidence).identity, s.log, "convicted");
    same(court.verdictOf(evidence).permille, 500, "of half");
    // Another offer than the recorded one makes any bill look wrong.
    (, bytes32 recorded) = vectors.offer();
    o.poolPermille = 29;
    vm.expectRevert(abi.encodeWithSelector(Court.WrongOffer.selector, recorded));
    court.wrongBill(s, places[0], right, o);
  }

  struct Written {
    uint8 outcome;
    bool attested;
    uint64 charge;
    uint64 prompt;
    uint64 cached;
    uint64 completion;
    uint64 toAuthor;
    uint64 toPool;
    address provider;
  }

  function number(uint64 value) private pure returns (bytes memory out) {
    while (value >= 0x80) {
      out = bytes.concat(out, bytes1(uint8(value & 0x7f | 0x80)));
      value >>= 7;
    }
    out = bytes.concat(out, bytes1(uint8(value)));
  }

  /// An entry as Java writes it: what the bill needs, and the least of all else.
  function written(Written memory w, bytes32 offer) private view returns (bytes memory) {
    bytes memory start = bytes.concat(
      hex"0200", bytes20(pool), new bytes(16), hex"00000001", hex"01", bytes20(consumer), bytes20(w.provider), offer
    );
    bytes memory middle = bytes.concat(new bytes(64), hex"0000", new bytes(8), bytes1(w.outcome), new bytes(14));
    bytes memory end = bytes.concat(
      number(w.charge), hex"00", w.attested ? bytes(hex"010101") : bytes(hex"00"), hex"0000", number(w.prompt)
    );
    end = bytes.concat(end, number(w.cached), number(w.completion), hex"0000", new bytes(20));
    return bytes.concat(start, middle, end, number(w.toAuthor), number(w.toPool));
  }

  function judged(Written memory w) private returns (bool wrong) {
    ModelOffer memory o;
    o.provider = provider;
    o.perMillionPrompt = 1_000_000;
    o.perMillionCached = 100_000;
    o.perMillionCompletion = 2_000_000;
    o.royaltyPermille = 100;
    o.poolPermille = 50;
    bytes memory entry = written(w, court_offer(o));
    bytes32[] memory leaves = leavesOf(3, uint256(keccak256(entry)));
    leaves[1] = sha256(bytes.concat(hex"00", entry));
    Court.Statement memory s = head(POOL_KEY, leaves);
    Court.Inclusion memory place = where(leaves, 1);
    try court.wrongBill(s, place, entry, o) {
      return true;
    } catch (bytes memory why) {
      yes(bytes4(why) == Court.BillIsRight.selector, "right, and for no other reason");
      return false;
    }
  }

  function court_offer(ModelOffer memory o) private view returns (bytes32) {
    return this.digestOf(o);
  }

  function digestOf(ModelOffer calldata o) external pure returns (bytes32) {
    return TypedData.modelOffer(o);
  }

  function test_whatABillMayBe() public {
    // 10 of the prompt, of which 3 were known, 20 of the answer: 7 + 1 (0.3 rounded up) + 40.
    Written memory right = Written(0, true, 48, 10, 3, 20, 4, 2, provider);
    yes(!judged(right), "the price");
    Written memory w = right;
    (w.charge, w.toAuthor, w.toPool) = (20, 2, 1);
    yes(!judged(w), "less, as the hold was");
    (w.charge, w.toAuthor, w.toPool) = (49, 4, 2);
    yes(judged(w), "more than the price");
    (w.charge, w.toAuthor, w.toPool) = (48, 5, 2);
    yes(judged(w), "too much to the author");
    (w.charge, w.toAuthor, w.toPool) = (48, 3, 2);
    yes(judged(w), "too little to the author");
    (w.charge, w.toAuthor, w.toPool) = (48, 4, 1);
    yes(judged(w), "too little to the pool");
  }

  function test_whatMustCostNothing() public {
    for (uint8 outcome = 0; outcome < 6; ++outcome) {
      Written memory w = Written(outcome, true, 48, 10, 3, 20, 4, 2, provider);
      yes(judged(w) == (outcome != 0 && outcome != 4), "only done and cancelled cost");
      w = Written(outcome, false, 48, 10, 3, 20, 4, 2, provider);
      yes(judged(w), "what the provider did not sign costs nothing");
      w = Written(outcome, outcome % 2 == 0, 0, 10, 3, 20, 0, 0, provider);
      yes(!judged(w), "nothing is always right");
    }
    yes(judged(Written(4, true, 8, 10, 3, 0, 0, 0, provider)), "cancelled before the first token");
    yes(judged(Written(0, true, 8, 3, 10, 0, 0, 0, provider)), "more known than asked");
    yes(judged(Written(0, true, 0, 3, 1, 0, 0, 0, consumer)), "under another provider's offer");
  }

  function testFuzz_noBillByTheRulesIsWrong(uint64 prompt, uint64 cached, uint64 completion, uint64 held) public {
    prompt = uint64(within(prompt, 0, 1e9));
    cached = uint64(within(cached, 0, prompt));
    completion = uint64(within(completion, 0, 1e9));
    uint64 charge = prompt - cached + (cached + 9) / 10 + 2 * completion;
    if (held < charge) charge = held;
    yes(
      !judged(Written(0, true, charge, prompt, cached, completion, charge / 10, charge / 20, provider)), "by the rules"
    );
  }
}

/// Calls the court again while it has something enforced.
contract FakeCollateral {
  Court private immutable COURT;
  bool public refused;

  constructor(Court court) {
    COURT = court;
  }

  function slash(address, uint256, bytes32 evidence, address) external {
    (bool ok,) = address(COURT).call(abi.encodeCall(Court.enforce, (evidence, Collateral(address(this)))));
    refused = !ok;
  }
}
