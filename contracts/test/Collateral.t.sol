// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Collateral} from "../src/Collateral.sol";
import {Market} from "./Market.sol";
import {BlackListToken, CoinToken, FeeToken, HookToken, Vault} from "./Tokens.sol";

/// Collateral: bonding, leaving, slashing, and who tries to get out or at it.
contract CollateralTest is Market {
  address private constant ARBITER = address(0xa4b17e4);
  address private constant THIEF = address(0xbadbad);

  Vault private vault;

  function setUp() public override {
    super.setUp();
    vault = new Vault(dollar);
    Collateral.Asset[] memory assets = new Collateral.Asset[](2);
    assets[0] = Collateral.Asset(dollar, false, 0, 10_000, 0);
    assets[1] = Collateral.Asset(IERC20(address(vault)), true, 200, 5000, 0);
    collateral = new Collateral(dollar, registry, address(court), SINK, assets);
    dollar.mint(pool, 100_000);
    vm.startPrank(pool);
    dollar.approve(address(vault), type(uint256).max);
    dollar.approve(address(collateral), type(uint256).max);
    vault.approve(address(collateral), type(uint256).max);
    vault.deposit(50_000, pool);
    vm.stopPrank();
  }

  function over(IERC20 token, bool isVault) private returns (Collateral) {
    Collateral.Asset[] memory assets = new Collateral.Asset[](1);
    assets[0] = Collateral.Asset(token, isVault, 0, 10_000, 0);
    return new Collateral(token, registry, address(court), SINK, assets);
  }

  function bonded(uint256 asset, uint256 amount) private {
    vm.prank(pool);
    collateral.bond(pool, ARBITER, asset, amount);
  }

  function test_valueCountsTheHaircutAndTheVaultsLosses() public {
    bonded(0, 1000);
    bonded(1, 1000);
    same(collateral.valueOf(pool, ARBITER), 1800, "20 % of the shares do not count");
    same(collateral.valueOf(pool, address(court)), 0, "nothing under another arbiter");
    vault.lose(25_000);
    yes(collateral.valueOf(pool, ARBITER) <= 1400, "the vault lost half");
    yes(collateral.valueOf(pool, ARBITER) >= 1398, "but for rounding");
    vault.break_();
    same(collateral.valueOf(pool, ARBITER), 1000, "a vault that cannot say counts nothing");
  }

  function test_theCapHolds() public {
    vm.startPrank(pool);
    collateral.bond(pool, ARBITER, 1, 4000);
    vm.expectRevert(abi.encodeWithSelector(Collateral.AboveCap.selector, 1000));
    collateral.bond(pool, address(court), 1, 1001);
    collateral.bond(pool, address(court), 1, 1000);
    // What is leaving still counts; what has left does not.
    collateral.unbond(pool, ARBITER, 1, 4000);
    vm.expectRevert(abi.encodeWithSelector(Collateral.AboveCap.selector, 0));
    collateral.bond(pool, ARBITER, 1, 1);
    vm.warp(NOW + 14 days);
    collateral.withdraw(pool, ARBITER, 1, pool);
    collateral.bond(pool, ARBITER, 1, 1);
    vm.stopPrank();
  }

  function test_leavingTakesFourteenDaysAndCanBeSlashed() public {
    bonded(0, 1000);
    vm.startPrank(pool);
    collateral.unbond(pool, ARBITER, 0, 600);
    vm.warp(NOW + 14 days - 1);
    vm.expectRevert(abi.encodeWithSelector(Collateral.TooEarly.selector, NOW + 14 days));
    collateral.withdraw(pool, ARBITER, 0, pool);
    vm.stopPrank();
    vm.prank(ARBITER);
    collateral.slash(pool, 700, "evidence", THIEF);
    Collateral.Bond memory b = collateral.bondOf(pool, ARBITER, 0);
    same(b.active, 0, "the active part first");
    same(b.leaving, 300, "then what is leaving");
    same(collateral.owedTo(0, THIEF), 0, "such an arbiter rewards nobody");
    same(collateral.owedTo(0, SINK), 700, "all goes to the sink");
    vm.warp(NOW + 14 days);
    vm.prank(pool);
    collateral.withdraw(pool, ARBITER, 0, address(0x99));
    same(dollar.balanceOf(address(0x99)), 300, "the rest");
  }

  function test_stay() public {
    bonded(0, 1000);
    vm.startPrank(pool);
    collateral.unbond(pool, ARBITER, 0, 600);
    collateral.stay(pool, ARBITER, 0);
    same(collateral.bondOf(pool, ARBITER, 0).active, 1000, "all of it");
    vm.expectRevert(abi.encodeWithSelector(Collateral.NotBonded.selector, 0));
    collateral.stay(pool, ARBITER, 0);
    vm.expectRevert(abi.encodeWithSelector(Collateral.NotBonded.selector, 0));
    collateral.withdraw(pool, ARBITER, 0, pool);
    vm.expectRevert(abi.encodeWithSelector(Collateral.NotBonded.selector, 1000));
    collateral.unbond(pool, ARBITER, 0, 1001);
    vm.stopPrank();
  }

  /// A small part asked for early must not let a later, larger one out with it.
  function test_attack_anEarlyClockForALatePart() public {
    bonded(0, 1000);
    vm.startPrank(pool);
    collateral.unbond(pool, ARBITER, 0, 1);
    vm.warp(NOW + 13 days);
    collateral.unbond(pool, ARBITER, 0, 999);
    vm.warp(NOW + 14 days);
    vm.expectRevert(abi.encodeWithSelector(Collateral.TooEarly.selector, NOW + 27 days));
    collateral.withdraw(pool, ARBITER, 0, pool);
    vm.stopPrank();
  }

  function test_attack_aStrangerAtABond() public {
    bonded(0, 1000);
    vm.startPrank(THIEF);
    vm.expectRevert(abi.encodeWithSelector(Collateral.Forbidden.selector, pool));
    collateral.unbond(pool, ARBITER, 0, 1);
    vm.expectRevert(abi.encodeWithSelector(Collateral.Forbidden.selector, pool));
    collateral.withdraw(pool, ARBITER, 0, THIEF);
    vm.expectRevert(abi.encodeWithSelector(Collateral.Forbidden.selector, pool));
    collateral.stay(pool, ARBITER, 0);
    // Who is not the arbiter slashes what is bonded under it: nothing.
    collateral.slash(pool, 1000, "evidence", THIEF);
    vm.stopPrank();
    same(collateral.bondOf(pool, ARBITER, 0).active, 1000, "all there");
    vm.prank(ARBITER);
    collateral.slash(pool, 1, "evidence", THIEF);
    same(collateral.bondOf(pool, ARBITER, 0).active, 999, "and the arbiter's evidence was not used up");
  }

  function testFuzz_slashingTakesWhatItSaysOnce(uint256 amount, uint256 leaving, uint256 permille) public {
    amount = within(amount, 1, 10_000);
    leaving = within(leaving, 0, amount);
    permille = within(permille, 1, 1000);
    bonded(0, amount);
    if (leaving > 0) {
      vm.prank(pool);
      collateral.unbond(pool, ARBITER, 0, uint128(leaving));
    }
    vm.prank(ARBITER);
    collateral.slash(pool, permille, "evidence", address(0));
    Collateral.Bond memory b = collateral.bondOf(pool, ARBITER, 0);
    uint256 taken = (amount * permille + 999) / 1000;
    same(uint256(b.active) + b.leaving, amount - taken, "left");
    same(collateral.owedTo(0, SINK), taken, "taken");
    vm.prank(ARBITER);
    vm.expectRevert(abi.encodeWithSelector(Collateral.AlreadySlashed.selector, bytes32("evidence")));
    collateral.slash(pool, permille, "evidence", address(0));
    vm.prank(ARBITER);
    vm.expectRevert(abi.encodeWithSelector(Collateral.BadPermille.selector, 1001));
    collateral.slash(pool, 1001, "more", address(0));
  }

  function test_recoveryTakesTheBondToo() public {
    bonded(0, 1000);
    vm.prank(RECOVERY);
    registry.recover(pool, consumer);
    vm.prank(pool);
    vm.expectRevert(abi.encodeWithSelector(Collateral.Forbidden.selector, consumer));
    collateral.unbond(pool, ARBITER, 0, 1);
    vm.prank(consumer);
    collateral.unbond(pool, ARBITER, 0, 1);
  }

  function test_assetsAreCheckedOnce() public {
    Collateral.Asset[] memory none_ = new Collateral.Asset[](0);
    vm.expectRevert(abi.encodeWithSelector(Collateral.BadAsset.selector, 0));
    new Collateral(dollar, registry, address(court), SINK, none_);
    CoinToken other = new CoinToken();
    Collateral.Asset[] memory bad = new Collateral.Asset[](1);
    bad[0] = Collateral.Asset(other, false, 0, 1, 0);
    vm.expectRevert(abi.encodeWithSelector(Collateral.BadAsset.selector, 0));
    new Collateral(dollar, registry, address(court), SINK, bad);
    bad[0] = Collateral.Asset(IERC20(address(new Vault(other))), true, 0, 1, 0);
    vm.expectRevert(abi.encodeWithSelector(Collateral.BadAsset.selector, 0));
    new Collateral(dollar, registry, address(court), SINK, bad);
    bad[0] = Collateral.Asset(dollar, false, 1001, 1, 0);
    vm.expectRevert(abi.encodeWithSelector(Collateral.BadAsset.selector, 0));
    new Collateral(dollar, registry, address(court), SINK, bad);
    bad[0] = Collateral.Asset(dollar, false, 0, 1, 0);
    vm.expectRevert(abi.encodeWithSelector(Collateral.BadReceiver.selector, address(0)));
    new Collateral(dollar, registry, address(court), address(0), bad);
    Collateral.Asset[] memory twice = new Collateral.Asset[](2);
    twice[0] = bad[0];
    twice[1] = bad[0];
    vm.expectRevert(abi.encodeWithSelector(Collateral.BadAsset.selector, 1));
    new Collateral(dollar, registry, address(court), SINK, twice);
    vm.expectRevert(abi.encodeWithSelector(Collateral.BadAsset.selector, 2));
    collateral.bond(pool, ARBITER, 2, 1);
    vm.expectRevert(abi.encodeWithSelector(Collateral.IdentityUnknown.selector, THIEF));
    collateral.bond(THIEF, ARBITER, 0, 1);
  }

  function test_attack_aTokenThatTakesAFee() public {
    FeeToken token = new FeeToken();
    collateral = over(token, false);
    token.mint(pool, 2000);
    vm.startPrank(pool);
    token.approve(address(collateral), 2000);
    collateral.bond(pool, ARBITER, 0, 1000);
    same(collateral.bondOf(pool, ARBITER, 0).active, 990, "what arrived");
    collateral.unbond(pool, ARBITER, 0, 990);
    vm.warp(NOW + 14 days);
    collateral.withdraw(pool, ARBITER, 0, pool);
    vm.stopPrank();
    same(token.balanceOf(address(collateral)), 0, "all of it left");
  }

  /// A token that refuses the sink stops no slashing.
  function test_attack_aTokenThatRefusesTheSink() public {
    BlackListToken token = new BlackListToken();
    collateral = over(token, false);
    token.mint(pool, 2000);
    vm.startPrank(pool);
    token.approve(address(collateral), 2000);
    collateral.bond(pool, ARBITER, 0, 1000);
    vm.stopPrank();
    token.list(SINK, true, true);
    vm.prank(ARBITER);
    collateral.slash(pool, 1000, "evidence", address(0));
    same(collateral.bondOf(pool, ARBITER, 0).active, 0, "slashed");
    vm.expectPartialRevert(bytes4(keccak256("SafeERC20FailedOperation(address)")));
    collateral.collect(0, SINK);
    token.list(SINK, false, false);
    collateral.collect(0, SINK);
    same(token.balanceOf(SINK), 1000, "sent when it can be");
    vm.expectRevert(abi.encodeWithSelector(Collateral.NothingOwed.selector));
    collateral.collect(0, SINK);
  }

  function test_attack_entersAgain() public {
    HookToken token = new HookToken();
    collateral = over(token, false);
    token.mint(pool, 2000);
    vm.startPrank(pool);
    token.approve(address(collateral), 2000);
    collateral.bond(pool, ARBITER, 0, 1000);
    bytes[6] memory doors = [
      abi.encodeCall(Collateral.bond, (pool, ARBITER, 0, 1)),
      abi.encodeCall(Collateral.unbond, (pool, ARBITER, 0, 1)),
      abi.encodeCall(Collateral.stay, (pool, ARBITER, 0)),
      abi.encodeCall(Collateral.withdraw, (pool, ARBITER, 0, THIEF)),
      abi.encodeCall(Collateral.slash, (pool, 1, "e", THIEF)),
      abi.encodeCall(Collateral.collect, (0, SINK))
    ];
    for (uint256 i = 0; i < doors.length; ++i) {
      token.hook(address(collateral), doors[i]);
      collateral.bond(pool, ARBITER, 0, 10);
      yes(!token.entered(), "nobody entered");
      yes(
        token.refusal() == ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector,
        "it was the guard that refused"
      );
    }
    vm.stopPrank();
    same(collateral.bondOf(pool, ARBITER, 0).active, 1060, "counted once each");
  }
}
