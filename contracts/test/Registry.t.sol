// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Registry} from "../src/Registry.sol";
import {Model} from "../src/TypedData.sol";
import {TypedDataReader} from "./Vectors.sol";
import {Agents, Wallet} from "./Tokens.sol";
import {Market} from "./Market.sol";

/// Registry: keys, control, recovery and models, and who tries to take them.
contract RegistryTest is Market {
  address private constant THIEF = address(0xbadbad);
  uint256 private constant NEW_KEY = 0x12345;

  TypedDataReader private vectors;

  function setUp() public override {
    super.setUp();
    vectors = new TypedDataReader();
  }

  function consent(uint256 key, address identity, uint64 deadline) private view returns (bytes memory) {
    return long(key, consentDigest(vm.addr(key), identity, deadline));
  }

  function consentDigest(address key, address identity, uint64 deadline) private view returns (bytes32) {
    bytes32 domain = keccak256(
      abi.encode(
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
        keccak256("Perseid Registry"),
        keccak256("1"),
        block.chainid,
        address(registry)
      )
    );
    bytes32 typeHash = keccak256("KeyConsent(address identity,address key,uint64 deadline)");
    return keccak256(abi.encodePacked("\x19\x01", domain, keccak256(abi.encode(typeHash, identity, key, deadline))));
  }

  function addKey(uint256 key) private {
    bytes memory agreed = consent(key, pool, uint64(NOW));
    vm.prank(pool);
    registry.addKey(pool, vm.addr(key), uint64(NOW), agreed);
  }

  function test_anIdentityStartsWithItsOwnKey() public view {
    Registry.Identity memory i = registry.identityOf(pool);
    same(i.controller, pool, "controller");
    same(i.recovery, RECOVERY, "recovery");
    same(i.keys.length, 1, "keys");
    yes(registry.actsFor(pool, pool) && registry.isPool(pool), "acts");
    same(registry.answersFor(pool), pool, "answers");
    yes(!registry.actsFor(address(0), address(0)), "nobody does not act for nobody");
    yes(!registry.isPool(consumer), "no pool");
  }

  function test_registeringTwiceOrAsAKeyOfAnotherIsRefused() public {
    vm.prank(pool);
    vm.expectRevert(abi.encodeWithSelector(Registry.KeyTaken.selector, pool));
    registry.register(1, address(0), "", 0);
    addKey(NEW_KEY);
    address key = vm.addr(NEW_KEY);
    vm.prank(key);
    vm.expectRevert(abi.encodeWithSelector(Registry.KeyTaken.selector, key));
    registry.register(1, address(0), "", 0);
  }

  function test_rolesAndEndpointsHaveLimits() public {
    vm.startPrank(consumer);
    vm.expectRevert(abi.encodeWithSelector(Registry.BadRoles.selector, 0));
    registry.register(0, address(0), "", 0);
    vm.expectRevert(abi.encodeWithSelector(Registry.BadRoles.selector, 8));
    registry.register(8, address(0), "", 0);
    vm.expectRevert(abi.encodeWithSelector(Registry.EndpointTooLong.selector, 257));
    registry.register(1, address(0), string(new bytes(257)), 0);
    registry.register(7, address(0), string(new bytes(256)), 0);
    registry.setProfile(consumer, 2, "https://here.example", "t");
    vm.stopPrank();
    yes(!registry.isPool(consumer), "not a pool any more");
    same(registry.identityOf(consumer).terms, "t", "terms");
  }

  function test_rotateAKey() public {
    addKey(NEW_KEY);
    address key = vm.addr(NEW_KEY);
    yes(registry.actsFor(key, pool), "new key acts");
    vm.prank(pool);
    registry.retireKey(pool, pool);
    yes(!registry.actsFor(pool, pool), "old key does not");
    same(registry.answersFor(pool), pool, "but the identity answers for it");
    vm.warp(NOW + 14 days);
    same(registry.answersFor(pool), pool, "for fourteen days");
    vm.warp(NOW + 14 days + 1);
    same(registry.answersFor(pool), address(0), "and no longer");
    same(registry.answersFor(key), pool, "for the new one it does");
    vm.prank(pool);
    vm.expectRevert(abi.encodeWithSelector(Registry.KeyUnknown.selector, pool));
    registry.retireKey(pool, pool);
  }

  function test_aRetiredKeyNeverComesBack() public {
    bytes memory agreed = consent(NEW_KEY, pool, uint64(NOW));
    address key = vm.addr(NEW_KEY);
    vm.startPrank(pool);
    registry.addKey(pool, key, uint64(NOW), agreed);
    registry.retireKey(pool, key);
    vm.expectRevert(abi.encodeWithSelector(Registry.KeyTaken.selector, key));
    registry.addKey(pool, key, uint64(NOW), agreed);
    vm.stopPrank();
  }

  /// Taking another's key for one's own would keep its owner out, and answer for what it signs.
  function test_attack_anotherKeyWithoutItsConsent() public {
    address victim = vm.addr(NEW_KEY);
    bytes memory mine = consent(POOL_KEY, pool, uint64(NOW));
    vm.prank(pool);
    vm.expectRevert(abi.encodeWithSelector(Registry.BadSignature.selector, victim));
    registry.addKey(pool, victim, uint64(NOW), mine);

    // Its consent to another identity, or to this one in time, is none.
    bytes memory other = consent(NEW_KEY, consumer, uint64(NOW));
    vm.prank(pool);
    vm.expectRevert(abi.encodeWithSelector(Registry.BadSignature.selector, victim));
    registry.addKey(pool, victim, uint64(NOW), other);
    bytes memory late = consent(NEW_KEY, pool, uint64(NOW - 1));
    vm.prank(pool);
    vm.expectRevert(abi.encodeWithSelector(Registry.ConsentExpired.selector, uint64(NOW - 1)));
    registry.addKey(pool, victim, uint64(NOW - 1), late);
    vm.chainId(99);
    bytes memory here = consent(NEW_KEY, pool, uint64(NOW));
    vm.chainId(31_337);
    vm.prank(pool);
    vm.expectRevert(abi.encodeWithSelector(Registry.BadSignature.selector, victim));
    registry.addKey(pool, victim, uint64(NOW), here);
  }

  function test_aKeyThatIsAContractAndOneWithDelegatedCode() public {
    Wallet wallet = new Wallet(consumer);
    bytes memory agreed = long(CONSUMER_KEY, consentDigest(address(wallet), pool, uint64(NOW)));
    vm.prank(pool);
    registry.addKey(pool, address(wallet), uint64(NOW), agreed);
    yes(registry.actsFor(address(wallet), pool), "a contract");
    vm.etch(vm.addr(NEW_KEY), address(wallet).code);
    addKey(NEW_KEY);
    yes(registry.actsFor(vm.addr(NEW_KEY), pool), "EIP-7702");
  }

  function test_keysHaveALimit() public {
    for (uint256 i = 0; i < 7; ++i) {
      addKey(1000 + i);
    }
    bytes memory agreed = consent(2000, pool, uint64(NOW));
    address key = vm.addr(2000);
    vm.startPrank(pool);
    vm.expectRevert(abi.encodeWithSelector(Registry.TooManyKeys.selector));
    registry.addKey(pool, key, uint64(NOW), agreed);
    registry.retireKey(pool, vm.addr(1003));
    registry.addKey(pool, key, uint64(NOW), agreed);
    vm.stopPrank();
    same(registry.identityOf(pool).keys.length, 8, "keys");
  }

  function test_attack_aStrangerControls() public {
    vm.startPrank(THIEF);
    bytes memory no = abi.encodeWithSelector(Registry.Forbidden.selector, pool);
    vm.expectRevert(no);
    registry.setProfile(pool, 1, "", 0);
    vm.expectRevert(no);
    registry.addKey(pool, THIEF, uint64(NOW), "");
    vm.expectRevert(no);
    registry.retireKey(pool, pool);
    vm.expectRevert(no);
    registry.offerControl(pool, THIEF);
    vm.expectRevert(no);
    registry.linkAgent(pool, address(0), 0);
    vm.expectRevert(abi.encodeWithSelector(Registry.Forbidden.selector, address(0)));
    registry.acceptControl(pool);
    vm.expectRevert(abi.encodeWithSelector(Registry.Forbidden.selector, RECOVERY));
    registry.setRecovery(pool, THIEF);
    vm.expectRevert(abi.encodeWithSelector(Registry.Forbidden.selector, RECOVERY));
    registry.recover(pool, THIEF);
    vm.expectRevert(abi.encodeWithSelector(Registry.IdentityUnknown.selector, THIEF));
    registry.setProfile(THIEF, 1, "", 0);
    vm.expectRevert(abi.encodeWithSelector(Registry.IdentityUnknown.selector, THIEF));
    registry.setRecovery(THIEF, THIEF);
    vm.expectRevert(abi.encodeWithSelector(Registry.Forbidden.selector, address(0)));
    registry.recover(THIEF, THIEF);
    vm.stopPrank();
  }

  function test_controlIsOfferedAndTaken() public {
    vm.prank(pool);
    registry.offerControl(pool, consumer);
    same(registry.controllerOf(pool), pool, "not yet");
    vm.prank(consumer);
    registry.acceptControl(pool);
    same(registry.controllerOf(pool), consumer, "taken");
    vm.prank(consumer);
    vm.expectRevert(abi.encodeWithSelector(Registry.Forbidden.selector, address(0)));
    registry.acceptControl(pool);
  }

  /// The controller's key is stolen. The thief offers the control on, adds keys, cannot touch the recovery address, and
  /// loses all of it at once.
  function test_attack_aStolenControllerLosesToRecovery() public {
    addKey(NEW_KEY);
    vm.startPrank(pool);
    vm.expectRevert(abi.encodeWithSelector(Registry.Forbidden.selector, RECOVERY));
    registry.setRecovery(pool, THIEF);
    registry.offerControl(pool, THIEF);
    vm.stopPrank();
    vm.prank(RECOVERY);
    registry.recover(pool, consumer);
    vm.prank(THIEF);
    vm.expectRevert(abi.encodeWithSelector(Registry.Forbidden.selector, address(0)));
    registry.acceptControl(pool);
    same(registry.controllerOf(pool), consumer, "controller");
    yes(!registry.actsFor(pool, pool) && !registry.actsFor(vm.addr(NEW_KEY), pool), "no key is left");
    same(registry.identityOf(pool).keys.length, 0, "none");
    vm.prank(RECOVERY);
    vm.expectRevert(abi.encodeWithSelector(Registry.IdentityUnknown.selector, address(0)));
    registry.recover(pool, address(0));
    vm.prank(RECOVERY);
    registry.setRecovery(pool, address(0x77));
    same(registry.identityOf(pool).recovery, address(0x77), "recovery hands itself on");
  }

  function test_agentsOfErc8004() public {
    Agents agents = new Agents();
    agents.mint(pool, 5);
    agents.mint(consumer, 6);
    vm.startPrank(pool);
    registry.linkAgent(pool, address(agents), 5);
    same(registry.identityOf(pool).agentId, 5, "linked");
    vm.expectRevert(abi.encodeWithSelector(Registry.Forbidden.selector, consumer));
    registry.linkAgent(pool, address(agents), 6);
    registry.linkAgent(pool, address(0), 0);
    vm.stopPrank();
    same(registry.identityOf(pool).agentRegistry, address(0), "unlinked");
  }

  // ---- models

  function test_aModelThatJavaSigned() public {
    (Model memory m, bytes memory signature,) = vectors.model();
    vm.prank(THIEF);
    registry.listModel(m, signature);
    Registry.Listing memory l = registry.modelOf(m.manifest, m.author);
    same(l.royaltyPermille, 50, "royalty");
    same(l.madeUs, m.madeUs, "made");
  }

  function test_attack_aModelUnderAnotherNameOrRoyalty() public {
    (Model memory m, bytes memory signature,) = vectors.model();
    m.royaltyPermille = 51;
    vm.expectRevert(abi.encodeWithSelector(Registry.BadSignature.selector, m.author));
    registry.listModel(m, signature);
    m.royaltyPermille = 501;
    vm.expectRevert(abi.encodeWithSelector(Registry.RoyaltyTooHigh.selector, 501));
    registry.listModel(m, signature);
    m.royaltyPermille = 50;
    m.author = THIEF;
    vm.expectRevert(abi.encodeWithSelector(Registry.BadSignature.selector, THIEF));
    registry.listModel(m, signature);
  }

  /// Whoever kept the old signature must not bring a withdrawn model back.
  function test_attack_aWithdrawnModelIsListedAgain() public {
    (Model memory m, bytes memory signature,) = vectors.model();
    registry.listModel(m, signature);
    vm.prank(THIEF);
    vm.expectRevert(abi.encodeWithSelector(Registry.Forbidden.selector, m.author));
    registry.withdrawModel(m.manifest, m.author);
    vm.prank(m.author);
    registry.withdrawModel(m.manifest, m.author);
    yes(registry.modelOf(m.manifest, m.author).withdrawn, "withdrawn");
    vm.expectRevert(abi.encodeWithSelector(Registry.ModelOutdated.selector, m.madeUs));
    registry.listModel(m, signature);
    vm.expectRevert(abi.encodeWithSelector(Registry.ModelUnknown.selector, bytes32(0), m.author));
    registry.withdrawModel(0, m.author);
  }
}
