// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Escrow} from "../src/Escrow.sol";
import {Registry} from "../src/Registry.sol";
import {Market, Trees} from "./Market.sol";
import {BlackListToken, BytesToken, FeeToken, HookToken, LyingToken, MuteToken, Wallet} from "./Tokens.sol";

/// Escrow: what it should do, and what an attacker tries.
contract EscrowTest is Market {
  address private constant ANYBODY = address(0xa4b);

  // ---- paying in

  function test_depositFillsThePurseOfThatPoolOnly() public {
    fund(consumer, pool, 100);
    same(escrow.purseOf(pool, consumer).funded, 100, "funded");
    same(escrow.purseOf(address(1), consumer).funded, 0, "of another pool");
    same(escrow.spendable(pool, consumer), 100, "spendable");
  }

  function test_depositForSomethingThatIsNoPoolIsRefused() public {
    vm.expectRevert(abi.encodeWithSelector(Escrow.PoolUnknown.selector, address(77)));
    escrow.deposit(address(77), consumer, 1);
    vm.prank(provider);
    registry.register(2, address(0), "", 0);
    vm.expectRevert(abi.encodeWithSelector(Escrow.PoolUnknown.selector, provider));
    escrow.deposit(provider, consumer, 1);
  }

  function test_depositOfNothingAndForNobodyAreRefused() public {
    vm.expectRevert(abi.encodeWithSelector(Escrow.NothingReceived.selector));
    escrow.deposit(pool, consumer, 0);
    dollar.mint(address(this), 1);
    dollar.approve(address(escrow), 1);
    vm.expectRevert(abi.encodeWithSelector(Escrow.NothingReceived.selector));
    escrow.deposit(pool, address(0), 1);
  }

  function authorized(uint256 key, address forPool, uint256 amount, bytes32 salt) private view returns (bytes memory) {
    bytes32 typeHash = keccak256(
      "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    bytes32 nonce = keccak256(abi.encode(forPool, salt));
    bytes32 structHash = keccak256(abi.encode(typeHash, vm.addr(key), address(escrow), amount, 0, NOW + 60, nonce));
    return long(key, keccak256(abi.encodePacked("\x19\x01", dollar.DOMAIN_SEPARATOR(), structHash)));
  }

  function test_depositBySignature() public {
    dollar.mint(consumer, 50);
    bytes memory signature = authorized(CONSUMER_KEY, pool, 50, "salt");
    vm.prank(ANYBODY);
    escrow.depositWithAuthorization(pool, consumer, 50, 0, NOW + 60, "salt", signature);
    same(escrow.purseOf(pool, consumer).funded, 50, "funded");
    vm.expectPartialRevert(bytes4(keccak256("ERC3009UsedAuthorization(address,bytes32)")));
    escrow.depositWithAuthorization(pool, consumer, 50, 0, NOW + 60, "salt", signature);
  }

  /// Two pools claim one deposit: the signature names the first.
  function test_attack_anotherPoolTakesADepositBySignature() public {
    address other = vm.addr(0xbad);
    vm.prank(other);
    registry.register(1, address(0), "", 0);
    dollar.mint(consumer, 50);
    bytes memory signature = authorized(CONSUMER_KEY, pool, 50, "salt");
    vm.prank(other);
    vm.expectPartialRevert(bytes4(keccak256("ERC3009InvalidSignature()")));
    escrow.depositWithAuthorization(other, consumer, 50, 0, NOW + 60, "salt", signature);
  }

  /// The signature is for the escrow to use, so nobody can use it at the token and leave the money in no purse.
  function test_attack_useOfADepositsSignatureAtTheToken() public {
    dollar.mint(consumer, 50);
    bytes memory signature = authorized(CONSUMER_KEY, pool, 50, "salt");
    bytes32 nonce = keccak256(abi.encode(pool, bytes32("salt")));
    (bytes32 r, bytes32 s, uint8 v) = parts(signature);
    vm.expectPartialRevert(bytes4(keccak256("ERC20InvalidReceiver(address)")));
    dollar.receiveWithAuthorization(consumer, address(escrow), 50, 0, NOW + 60, nonce, v, r, s);
    vm.expectPartialRevert(bytes4(keccak256("ERC3009InvalidSignature()")));
    dollar.transferWithAuthorization(consumer, address(escrow), 50, 0, NOW + 60, nonce, v, r, s);
  }

  function parts(bytes memory signature) private pure returns (bytes32 r, bytes32 s, uint8 v) {
    assembly ("memory-safe") {
      r := mload(add(signature, 32))
      s := mload(add(signature, 64))
      v := byte(0, mload(add(signature, 96)))
    }
  }

  function test_depositBySignatureOfAContract() public {
    BytesToken token = new BytesToken();
    Escrow other = new Escrow(token, registry);
    Wallet wallet = new Wallet(consumer);
    token.mint(address(wallet), 100);
    // Its owner's key signs, with the 65 bytes that a key has.
    bytes memory signature = long(CONSUMER_KEY, keccak256(abi.encode(pool, bytes32("salt"))));
    other.depositWithAuthorization(pool, address(wallet), 50, 0, 1, "salt", signature);
    same(other.purseOf(pool, address(wallet)).funded, 50, "65 bytes");
    vm.expectRevert(bytes("signature"));
    other.depositWithAuthorization(pool, address(wallet), 50, 0, 1, "other", signature);
    vm.expectRevert(bytes("signature"));
    other.depositWithAuthorization(pool, address(wallet), 50, 0, 1, "salt", "not 65 bytes");
    Believer believer = new Believer();
    token.mint(address(believer), 50);
    other.depositWithAuthorization(pool, address(believer), 50, 0, 1, "salt", "yes");
    same(other.purseOf(pool, address(believer)).funded, 50, "another format");
  }

  // ---- redeeming

  function testFuzz_vouchersMoveWhatTheySayOnce(uint96 funded, uint96 first, uint96 second) public {
    funded = uint96(within(funded, 1, 1e15));
    fund(consumer, pool, funded);
    settle(voucher(CONSUMER_KEY, pool, first), "", commitment(0));
    uint256 spent = first < funded ? first : funded;
    same(escrow.tillOf(pool).earned, spent, "after the first");
    settle(voucher(CONSUMER_KEY, pool, second), "", commitment(0));
    uint256 highest = first > second ? first : second;
    if (highest > funded) highest = funded;
    same(escrow.tillOf(pool).earned, highest, "after both");
    same(escrow.purseOf(pool, consumer).spent, highest, "spent");
    same(escrow.purseOf(pool, consumer).funded, funded, "funded stays");
  }

  function test_aVoucherAboveThePurseTakesTheRestWhenItIsFilled() public {
    fund(consumer, pool, 60);
    bytes memory v = voucher(CONSUMER_KEY, pool, 100);
    settle(v, "", commitment(0));
    same(escrow.tillOf(pool).earned, 60, "what there is");
    fund(consumer, pool, 50);
    escrow.redeem(pool, v, none);
    same(escrow.tillOf(pool).earned, 100, "the rest");
    same(escrow.spendable(pool, consumer), 10, "left");
  }

  /// `redeem` keeps what an exit is about to take, even if the pool is down.
  function test_anybodyRedeemsForAPoolThatIsDown() public {
    fund(consumer, pool, 60);
    bytes memory v = voucher(CONSUMER_KEY, pool, 40);
    vm.prank(consumer);
    escrow.askExit(pool);
    vm.prank(ANYBODY);
    escrow.redeem(pool, v, none);
    vm.warp(NOW + 4 days);
    vm.prank(consumer);
    escrow.exit(pool, consumer);
    same(dollar.balanceOf(consumer), 20, "consumer got the rest");
    same(escrow.tillOf(pool).earned, 40, "pool has its part");
  }

  function test_settleIsForThePoolsKeysOnly() public {
    Escrow.Commitment memory c = commitment(0);
    vm.prank(ANYBODY);
    vm.expectRevert(abi.encodeWithSelector(Escrow.NotThePool.selector, ANYBODY));
    escrow.settle(pool, 1, "", none, 0, "", c);
    vm.prank(pool);
    registry.retireKey(pool, pool);
    vm.prank(pool);
    vm.expectRevert(abi.encodeWithSelector(Escrow.NotThePool.selector, pool));
    escrow.settle(pool, 1, "", none, 0, "", c);
  }

  function test_attack_aSettlementIsSentTwice() public {
    earn(100);
    Escrow.Commitment memory c = commitment(0);
    bytes memory pay = payout(provider, 60);
    vm.prank(pool);
    escrow.settle(pool, 2, "", none, 0, pay, c);
    vm.prank(pool);
    vm.expectRevert(abi.encodeWithSelector(Escrow.WrongEpoch.selector, uint64(3)));
    escrow.settle(pool, 2, "", none, 0, pay, c);
    // And even under a new epoch the same payout pays nothing.
    settle("", pay, c);
    same(dollar.balanceOf(provider), 60, "paid once");
  }

  /// Somebody sees a settlement under way and redeems its vouchers first: it must go through all the same.
  function test_attack_redeemInFrontOfASettlement() public {
    fund(consumer, pool, 100);
    bytes memory v = voucher(CONSUMER_KEY, pool, 100);
    vm.prank(ANYBODY);
    escrow.redeem(pool, v, none);
    Escrow.Commitment memory c = commitment(0);
    bytes memory pay = payout(provider, 100);
    vm.prank(pool);
    escrow.settle(pool, 1, v, none, 100, pay, c);
    same(dollar.balanceOf(provider), 100, "paid");
  }

  function test_aSettlementThatBringsLessThanExpectedReverts() public {
    fund(consumer, pool, 60);
    bytes memory v = voucher(CONSUMER_KEY, pool, 100);
    Escrow.Commitment memory c = commitment(0);
    vm.prank(pool);
    vm.expectRevert(abi.encodeWithSelector(Escrow.EarnedLess.selector, 60));
    escrow.settle(pool, 1, v, none, 100, "", c);
  }

  // ---- signatures

  function testFuzz_attack_aVoucherThatIsForged(uint256 key, uint96 cumulative) public {
    key = within(key, 1, ORDER - 1);
    vm.assume(vm.addr(key) != consumer);
    fund(consumer, pool, 100);
    (bytes32 r, bytes32 vs) = compact(key, voucherDigest(escrow, consumer, pool, cumulative));
    bytes memory forged = abi.encodePacked(consumer, cumulative, r, vs);
    vm.expectRevert(abi.encodeWithSelector(Escrow.BadVoucher.selector, 0));
    escrow.redeem(pool, forged, none);
  }

  function testFuzz_attack_aVoucherThatIsChanged(uint256 place, uint8 bit) public {
    fund(consumer, pool, type(uint96).max / 2);
    bytes memory v = voucher(CONSUMER_KEY, pool, 100);
    place = within(place, 0, 95);
    v[place] = bytes1(uint8(v[place]) ^ uint8(1 << (bit % 8)));
    vm.expectRevert(abi.encodeWithSelector(Escrow.BadVoucher.selector, 0));
    escrow.redeem(pool, v, none);
  }

  function test_theBadVoucherIsNamed() public {
    fund(consumer, pool, 100);
    bytes memory bad = voucher(CONSUMER_KEY, address(1), 5);
    bytes memory v = bytes.concat(voucher(CONSUMER_KEY, pool, 5), voucher(CONSUMER_KEY, pool, 6), bad);
    vm.expectRevert(abi.encodeWithSelector(Escrow.BadVoucher.selector, 2));
    escrow.redeem(pool, v, none);
    vm.expectRevert(abi.encodeWithSelector(Escrow.BadLength.selector, 95));
    escrow.redeem(pool, new bytes(95), none);
  }

  /// ecrecover gives the address zero for nonsense; a purse of the address zero must not open by it.
  function test_attack_aSignatureThatIsNone() public {
    vm.expectRevert(abi.encodeWithSelector(Escrow.BadVoucher.selector, 0));
    escrow.redeem(pool, abi.encodePacked(address(0), uint96(5), bytes32(0), bytes32(0)), none);
  }

  /// The mirrored signature does not fit EIP-2098 for almost all s; where it does, it redeems the same again: nothing.
  function testFuzz_attack_aMirroredSignature(uint96 cumulative) public {
    cumulative = uint96(within(cumulative, 1, 1e12));
    fund(consumer, pool, 2e12);
    (uint8 v, bytes32 r, bytes32 s) = vm.sign(CONSUMER_KEY, voucherDigest(escrow, consumer, pool, cumulative));
    escrow.redeem(pool, voucher(CONSUMER_KEY, pool, cumulative), none);
    uint256 mirrored = ORDER - uint256(s);
    bytes32 vs = bytes32(mirrored | uint256(28 - v) << 255);
    bytes memory twin = abi.encodePacked(consumer, cumulative, r, vs);
    (bool ok,) = address(escrow).call(abi.encodeCall(Escrow.redeem, (pool, twin, none)));
    yes(!ok || mirrored < 1 << 255, "a mirrored s above 255 bits is refused");
    same(escrow.tillOf(pool).earned, cumulative, "redeemed once");
  }

  function test_attack_replayAtAnotherPoolContractAndChain() public {
    address other = vm.addr(0xbad);
    vm.prank(other);
    registry.register(1, address(0), "", 0);
    fund(consumer, pool, 100);
    fund(consumer, other, 100);
    bytes memory v = voucher(CONSUMER_KEY, pool, 40);
    vm.expectRevert(abi.encodeWithSelector(Escrow.BadVoucher.selector, 0));
    escrow.redeem(other, v, none);

    Escrow second = new Escrow(dollar, registry);
    vm.expectRevert(abi.encodeWithSelector(Escrow.BadVoucher.selector, 0));
    second.redeem(pool, v, none);

    vm.chainId(4242);
    vm.expectRevert(abi.encodeWithSelector(Escrow.BadVoucher.selector, 0));
    escrow.redeem(pool, v, none);
    escrow.redeem(pool, voucher(CONSUMER_KEY, pool, 40), none);
    same(escrow.tillOf(pool).earned, 40, "signed for the new chain");
  }

  // ---- accounts with code

  function contractVoucher(Wallet wallet, uint96 cumulative)
    private
    view
    returns (Escrow.ContractVoucher[] memory all)
  {
    all = new Escrow.ContractVoucher[](1);
    bytes32 digest = voucherDigest(escrow, address(wallet), pool, cumulative);
    all[0] = Escrow.ContractVoucher(address(wallet), cumulative, long(CONSUMER_KEY, digest));
  }

  function test_aContractConsumer() public {
    Wallet wallet = new Wallet(consumer);
    fund(address(wallet), pool, 100);
    escrow.redeem(pool, "", contractVoucher(wallet, 30));
    same(escrow.tillOf(pool).earned, 30, "earned");
    escrow.redeem(pool, "", contractVoucher(wallet, 30));
    escrow.redeem(pool, "", contractVoucher(wallet, 20));
    same(escrow.tillOf(pool).earned, 30, "once");
    escrow.redeem(pool, "", contractVoucher(wallet, 500));
    same(escrow.tillOf(pool).earned, 100, "no more than there is");
  }

  /// One contract that denies, burns gas or answers too much or too little takes nobody else's settlement down.
  function test_attack_aContractConsumerMisbehaves() public {
    Wallet wallet = new Wallet(consumer);
    fund(address(wallet), pool, 100);
    fund(consumer, pool, 100);
    Wallet.Mood[4] memory moods =
      [Wallet.Mood.DENY, Wallet.Mood.BURN_GAS, Wallet.Mood.LONG_ANSWER, Wallet.Mood.SHORT_ANSWER];
    for (uint256 i = 0; i < moods.length; ++i) {
      wallet.turn(moods[i]);
      Escrow.ContractVoucher[] memory bad = contractVoucher(wallet, 30);
      bytes memory good = voucher(CONSUMER_KEY, pool, uint96(i + 1));
      escrow.redeem{gas: 600_000}(pool, good, bad);
      same(escrow.tillOf(pool).earned, i + 1, "the others' came in, its did not");
    }
  }

  function test_attack_anAccountWithoutCodeAsAContract() public {
    fund(consumer, pool, 100);
    Escrow.ContractVoucher[] memory v = new Escrow.ContractVoucher[](1);
    v[0] = Escrow.ContractVoucher(consumer, 50, "");
    escrow.redeem(pool, "", v);
    // A precompile answers anything: with its own hash, its input.
    for (uint160 p = 1; p <= 10; ++p) {
      fund(address(p), pool, 100);
      v[0] = Escrow.ContractVoucher(address(p), 50, "");
      escrow.redeem(pool, "", v);
    }
    same(escrow.tillOf(pool).earned, 0, "nothing");
  }

  /// EIP-7702: a key whose account got code still signs as a key.
  function test_anAccountWithDelegatedCodeSignsWithItsKey() public {
    fund(consumer, pool, 100);
    Wallet code = new Wallet(ANYBODY);
    vm.etch(consumer, address(code).code);
    escrow.redeem(pool, voucher(CONSUMER_KEY, pool, 25), none);
    same(escrow.tillOf(pool).earned, 25, "earned");
  }

  // ---- payouts

  function dues(address a, uint96 dueA, address b, uint96 dueB)
    private
    view
    returns (Escrow.Commitment memory c, bytes32[] memory proofA, bytes32[] memory proofB)
  {
    bytes32[] memory leaves = new bytes32[](3);
    leaves[0] = Trees.due(a, dueA);
    leaves[1] = Trees.due(b, dueB);
    leaves[2] = Trees.due(address(99), 1);
    bytes32 root;
    (root, proofA) = Trees.payouts(leaves, 0);
    (, proofB) = Trees.payouts(leaves, 1);
    c = commitment(root);
  }

  function test_claimPaysWhatIsDueLessWhatWasPushed() public {
    earn(100);
    (Escrow.Commitment memory c, bytes32[] memory proof,) = dues(provider, 70, ANYBODY, 5);
    settle("", payout(provider, 30), c);
    escrow.claim(pool, 2, provider, 70, proof, c);
    same(dollar.balanceOf(provider), 70, "all that is due, once");
    vm.expectRevert(abi.encodeWithSelector(Escrow.NothingDue.selector));
    escrow.claim(pool, 2, provider, 70, proof, c);
    settle("", payout(provider, 70), c);
    same(dollar.balanceOf(provider), 70, "a push of the same pays nothing");
  }

  function test_attack_claimsThatWereNotCommitted() public {
    earn(100);
    (Escrow.Commitment memory c, bytes32[] memory proof, bytes32[] memory other) = dues(provider, 70, ANYBODY, 5);
    settle("", "", c);
    bytes memory not2 = abi.encodeWithSelector(Escrow.NotCommitted.selector, uint64(2));
    vm.expectRevert(not2);
    escrow.claim(pool, 2, provider, 71, proof, c);
    vm.expectRevert(not2);
    escrow.claim(pool, 2, ANYBODY, 70, proof, c);
    vm.expectRevert(not2);
    escrow.claim(pool, 2, provider, 70, other, c);
    vm.expectRevert(abi.encodeWithSelector(Escrow.NotCommitted.selector, uint64(1)));
    escrow.claim(pool, 1, provider, 70, proof, c);
    vm.expectRevert(abi.encodeWithSelector(Escrow.NotCommitted.selector, uint64(3)));
    escrow.claim(pool, 3, provider, 70, proof, c);
    vm.expectRevert(not2);
    escrow.claim(address(1), 2, provider, 70, proof, c);
    c.recordsSize += 1;
    vm.expectRevert(not2);
    escrow.claim(pool, 2, provider, 70, proof, c);
  }

  function test_aClaimHoldsForEightEpochs() public {
    earn(100);
    (Escrow.Commitment memory c, bytes32[] memory proof,) = dues(provider, 70, ANYBODY, 5);
    settle("", "", c);
    for (uint256 i = 0; i < 7; ++i) {
      settle("", "", commitment(0));
    }
    escrow.claim(pool, 2, provider, 70, proof, c);
    same(dollar.balanceOf(provider), 70, "seven epochs later");
    settle("", "", commitment(0));
    vm.expectRevert(abi.encodeWithSelector(Escrow.NotCommitted.selector, uint64(2)));
    escrow.claim(pool, 2, provider, 70, proof, c);
  }

  /// Two roots that promise the same money: the till pays it once, and what remains when it has earned it.
  function test_attack_aPoolPromisesMoreThanItHas() public {
    earn(100);
    (Escrow.Commitment memory c, bytes32[] memory a, bytes32[] memory b) = dues(provider, 80, ANYBODY, 80);
    settle("", "", c);
    fund(vm.addr(55), pool, 1000);
    escrow.claim(pool, 2, provider, 80, a, c);
    escrow.claim(pool, 2, ANYBODY, 80, b, c);
    same(dollar.balanceOf(ANYBODY), 20, "what there was");
    vm.expectRevert(abi.encodeWithSelector(Escrow.NothingDue.selector));
    escrow.claim(pool, 2, ANYBODY, 80, b, c);
    escrow.redeem(pool, voucher(55, pool, 60), none);
    escrow.claim(pool, 2, ANYBODY, 80, b, c);
    same(dollar.balanceOf(ANYBODY), 80, "and the rest later");
    same(escrow.spendable(pool, vm.addr(55)), 940, "no purse was touched");
  }

  function test_attack_aPoolPushesMoreThanItEarned() public {
    earn(100);
    Escrow.Commitment memory c = commitment(0);
    bytes memory pay = bytes.concat(payout(provider, 60), payout(ANYBODY, 41));
    vm.prank(pool);
    vm.expectRevert(abi.encodeWithSelector(Escrow.TillTooSmall.selector, 100, 101));
    escrow.settle(pool, 2, "", none, 0, pay, c);
  }

  function test_aPayeeTwiceInOneSettlement() public {
    earn(100);
    settle("", bytes.concat(payout(provider, 60), payout(provider, 40), payout(provider, 75)), commitment(0));
    same(dollar.balanceOf(provider), 75, "the highest");
    same(escrow.tillOf(pool).paid, 75, "paid");
  }

  function test_claimToIsForThePayeeAndWhoControlsItsIdentity() public {
    earn(100);
    vm.prank(provider);
    registry.register(2, RECOVERY, "", 0);
    (Escrow.Commitment memory c, bytes32[] memory proof,) = dues(provider, 70, ANYBODY, 5);
    settle("", "", c);
    vm.prank(ANYBODY);
    vm.expectRevert(abi.encodeWithSelector(Escrow.NotThePayee.selector, provider));
    escrow.claimTo(pool, 2, provider, 70, proof, c, ANYBODY);
    // The key is lost; recovery gives the identity another controller, who gets the money.
    vm.prank(RECOVERY);
    registry.recover(provider, address(0x11));
    vm.prank(address(0x11));
    escrow.claimTo(pool, 2, provider, 70, proof, c, address(0x12));
    same(dollar.balanceOf(address(0x12)), 70, "to where it was sent");
  }

  function test_moneyIsNotSentToTheEscrowItself() public {
    earn(100);
    (Escrow.Commitment memory c, bytes32[] memory proof, bytes32[] memory b) = dues(provider, 50, address(escrow), 50);
    settle("", payout(address(escrow), 50), c);
    same(escrow.tillOf(pool).paid, 0, "not pushed");
    vm.expectRevert(abi.encodeWithSelector(Escrow.BadReceiver.selector, address(escrow)));
    escrow.claim(pool, 2, address(escrow), 50, b, c);
    vm.prank(provider);
    vm.expectRevert(abi.encodeWithSelector(Escrow.BadReceiver.selector, address(0)));
    escrow.claimTo(pool, 2, provider, 50, proof, c, address(0));
  }

  // ---- leaving

  function test_exitTakesTheRestAfterTheDelay() public {
    fund(consumer, pool, 100);
    settle(voucher(CONSUMER_KEY, pool, 30), "", commitment(0));
    vm.prank(consumer);
    vm.expectRevert(abi.encodeWithSelector(Escrow.NotLeaving.selector));
    escrow.exit(pool, consumer);
    vm.prank(consumer);
    escrow.askExit(pool);
    same(escrow.spendable(pool, consumer), 0, "a pool counts on nothing of who leaves");
    vm.warp(NOW + 4 days - 1);
    vm.prank(consumer);
    vm.expectRevert(abi.encodeWithSelector(Escrow.TooEarly.selector, uint64(NOW + 4 days)));
    escrow.exit(pool, consumer);
    vm.warp(NOW + 4 days);
    vm.prank(consumer);
    escrow.exit(pool, address(0x99));
    same(dollar.balanceOf(address(0x99)), 70, "the rest");
    same(dollar.balanceOf(address(escrow)), 30, "the pool's part");
    vm.prank(consumer);
    vm.expectRevert(abi.encodeWithSelector(Escrow.NotLeaving.selector));
    escrow.exit(pool, consumer);
  }

  function test_theDelayIsLongerThanAnEpochAndAnOutage() public view {
    yes(escrow.EXIT_DELAY() > escrow.EPOCH() + escrow.OUTAGE(), "long enough");
  }

  /// A debt stays a debt: leaving and coming back does not wash a voucher off, nor redeem the old part again.
  function test_attack_leaveAndComeBackUnderAnOldVoucher() public {
    fund(consumer, pool, 100);
    bytes memory old = voucher(CONSUMER_KEY, pool, 60);
    settle(voucher(CONSUMER_KEY, pool, 30), "", commitment(0));
    vm.prank(consumer);
    escrow.askExit(pool);
    vm.warp(NOW + 4 days);
    vm.prank(consumer);
    escrow.exit(pool, consumer);
    fund(consumer, pool, 100);
    escrow.redeem(pool, old, none);
    same(escrow.tillOf(pool).earned, 60, "30 before, 30 now");
    same(escrow.spendable(pool, consumer), 70, "left");
  }

  /// A microcredit from a stranger must not keep a consumer in.
  function test_attack_aStrangersDepositDuringAnExit() public {
    fund(consumer, pool, 100);
    vm.prank(consumer);
    escrow.askExit(pool);
    dollar.mint(ANYBODY, 1);
    vm.startPrank(ANYBODY);
    dollar.approve(address(escrow), 1);
    escrow.deposit(pool, consumer, 1);
    vm.stopPrank();
    vm.warp(NOW + 4 days);
    vm.prank(consumer);
    escrow.exit(pool, consumer);
    same(dollar.balanceOf(consumer), 101, "all of it");
  }

  function test_attack_askAgainToMoveTheTime() public {
    fund(consumer, pool, 100);
    vm.startPrank(consumer);
    escrow.askExit(pool);
    vm.expectPartialRevert(Escrow.AlreadyLeaving.selector);
    escrow.askExit(pool);
    escrow.cancelExit(pool);
    same(escrow.spendable(pool, consumer), 100, "stays");
    vm.expectRevert(abi.encodeWithSelector(Escrow.NotLeaving.selector));
    escrow.cancelExit(pool);
    vm.stopPrank();
  }

  // ---- tokens

  function test_attack_aTokenThatTakesAFee() public {
    FeeToken token = new FeeToken();
    escrow = new Escrow(token, registry);
    token.mint(consumer, 1000);
    vm.startPrank(consumer);
    token.approve(address(escrow), 1000);
    escrow.deposit(pool, consumer, 1000);
    vm.stopPrank();
    same(escrow.purseOf(pool, consumer).funded, 990, "what arrived");
    settle(voucher(CONSUMER_KEY, pool, 1000), payout(provider, 990), commitment(0));
    same(token.balanceOf(provider), 981, "what arrived there");
    same(token.balanceOf(address(escrow)), 0, "all of it was paid, nothing more");
  }

  function test_attack_aTokenThatLies() public {
    LyingToken token = new LyingToken();
    escrow = new Escrow(token, registry);
    vm.expectRevert(abi.encodeWithSelector(Escrow.NothingReceived.selector));
    escrow.deposit(pool, consumer, 1000);
  }

  function test_aTokenThatSaysNothing() public {
    MuteToken token = new MuteToken();
    escrow = new Escrow(token, registry);
    token.mint(consumer, 1000);
    vm.startPrank(consumer);
    token.approve(address(escrow), 1000);
    escrow.deposit(pool, consumer, 1000);
    vm.stopPrank();
    settle(voucher(CONSUMER_KEY, pool, 1000), payout(provider, 900), commitment(0));
    same(token.balanceOf(provider), 900, "paid");
  }

  /// A payee on the token's black list stops nobody's pay, and finds its own again by another way.
  function test_attack_aPayeeOnABlackList() public {
    BlackListToken token = new BlackListToken();
    escrow = new Escrow(token, registry);
    token.mint(consumer, 1000);
    vm.startPrank(consumer);
    token.approve(address(escrow), 1000);
    escrow.deposit(pool, consumer, 1000);
    vm.stopPrank();
    (Escrow.Commitment memory c, bytes32[] memory proof,) = dues(provider, 400, ANYBODY, 600);
    for (uint256 round = 0; round < 2; ++round) {
      token.list(provider, true, round == 1);
      settle(voucher(CONSUMER_KEY, pool, 1000), bytes.concat(payout(provider, 400), payout(ANYBODY, 600)), c);
      same(token.balanceOf(ANYBODY), 600, "the other was paid");
      same(escrow.tillOf(pool).paid, 600, "the rest is in the till");
      same(escrow.paidTo(pool, provider), 0, "not paid");
    }
    vm.prank(provider);
    escrow.claimTo(pool, 2, provider, 400, proof, c, address(0x99));
    same(token.balanceOf(address(0x99)), 400, "to another address");
  }

  function test_attack_aConsumerOnABlackListLeaves() public {
    BlackListToken token = new BlackListToken();
    escrow = new Escrow(token, registry);
    token.mint(consumer, 1000);
    vm.startPrank(consumer);
    token.approve(address(escrow), 1000);
    escrow.deposit(pool, consumer, 1000);
    escrow.askExit(pool);
    vm.stopPrank();
    token.list(consumer, true, false);
    vm.warp(NOW + 4 days);
    vm.prank(consumer);
    vm.expectRevert(bytes("listed"));
    escrow.exit(pool, consumer);
    vm.prank(consumer);
    escrow.exit(pool, address(0x99));
    same(token.balanceOf(address(0x99)), 1000, "to another address");
  }

  /// A token with hooks enters the escrow again in the middle of a transfer, by every door.
  function test_attack_entersAgain() public {
    HookToken token = new HookToken();
    escrow = new Escrow(token, registry);
    token.mint(consumer, 1000);
    vm.startPrank(consumer);
    token.approve(address(escrow), 1000);
    escrow.deposit(pool, consumer, 900);
    escrow.askExit(pool);
    vm.stopPrank();
    (Escrow.Commitment memory c, bytes32[] memory proof,) = dues(provider, 400, ANYBODY, 100);
    bytes[8] memory doors = [
      abi.encodeCall(Escrow.deposit, (pool, consumer, 1)),
      abi.encodeCall(Escrow.askExit, (pool)),
      abi.encodeCall(Escrow.cancelExit, (pool)),
      abi.encodeCall(Escrow.exit, (pool, ANYBODY)),
      abi.encodeCall(Escrow.settle, (pool, 1, "", none, 0, "", c)),
      abi.encodeCall(Escrow.redeem, (pool, "", none)),
      abi.encodeCall(Escrow.claim, (pool, 1, provider, 400, proof, c)),
      abi.encodeCall(Escrow.claimTo, (pool, 1, provider, 400, proof, c, ANYBODY))
    ];
    settle(voucher(CONSUMER_KEY, pool, 500), "", c);
    for (uint256 i = 0; i < doors.length; ++i) {
      token.hook(address(escrow), doors[i]);
      settle("", payout(provider, uint96(10 + i)), c);
      yes(!token.entered(), "nobody entered");
      yes(
        token.refusal() == ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector,
        "it was the guard that refused"
      );
    }
    token.hook(address(0), "");
    same(token.balanceOf(provider), 17, "paid once each");
  }
}

/// Says yes to everything.
contract Believer {
  function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
    return 0x1626ba7e;
  }
}
