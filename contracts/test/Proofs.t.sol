// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Bill, EntryReader} from "../src/EntryReader.sol";
import {RecordTree} from "../src/RecordTree.sol";
import {Model, ModelOffer, TypedData} from "../src/TypedData.sol";
import {Forge} from "./Forge.sol";
import {Trees} from "./Market.sol";
import {TypedDataReader} from "./Vectors.sol";

/// The libraries, from outside.
contract Libraries {
  function includes(bytes32 leaf, uint64 index, uint64 size, bytes32[] calldata path, bytes32 root)
    external
    view
    returns (bool)
  {
    return RecordTree.includes(leaf, index, size, path, root);
  }

  function model(Model calldata m) external pure returns (bytes32) {
    return TypedData.model(m);
  }

  function offer(ModelOffer calldata o) external pure returns (bytes32) {
    return TypedData.modelOffer(o);
  }

  function bill(bytes calldata entry) external pure returns (Bill memory) {
    return EntryReader.bill(entry);
  }
}

/// What contracts read is what Java writes; what they verify is RFC 6962.
contract ProofsTest is Forge {
  Libraries private libraries = new Libraries();
  TypedDataReader private vectors = new TypedDataReader();

  /// The tree of RFC 6962's first implementations: eight leaves, with the root that they publish.
  function test_theKnownTree() public view {
    bytes[8] memory data = [
      bytes(""),
      hex"00",
      hex"10",
      hex"2021",
      hex"3031",
      hex"40414243",
      hex"5051525354555657",
      hex"606162636465666768696a6b6c6d6e6f"
    ];
    bytes32[] memory leaves = new bytes32[](8);
    for (uint256 i = 0; i < 8; ++i) {
      leaves[i] = RecordTree.leafHash(data[i]);
    }
    bytes32 root = 0x5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328;
    same(Trees.root(leaves), root, "root");
    for (uint64 i = 0; i < 8; ++i) {
      yes(libraries.includes(leaves[i], i, 8, Trees.path(leaves, i), root), "included");
    }
  }

  function leavesOf(uint256 count, uint256 seed) private pure returns (bytes32[] memory leaves) {
    leaves = new bytes32[](count);
    for (uint256 i = 0; i < count; ++i) {
      leaves[i] = sha256(abi.encode(seed, i));
    }
  }

  function test_everyLeafOfEverySmallTree() public view {
    for (uint256 size = 1; size <= 18; ++size) {
      bytes32[] memory leaves = leavesOf(size, 3);
      bytes32 root = Trees.root(leaves);
      for (uint256 i = 0; i < size; ++i) {
        bytes32[] memory path = Trees.path(leaves, i);
        for (uint256 claimed = 0; claimed < size; ++claimed) {
          // By one index only does the path lead to the root.
          yes(
            libraries.includes(leaves[i], uint64(claimed), uint64(size), path, root) == (claimed == i), "its own place"
          );
        }
      }
    }
  }

  function testFuzz_aProofThatIsChangedFails(uint256 size, uint256 index, uint256 seed, uint256 place, uint8 bit)
    public
    view
  {
    size = within(size, 2, 64);
    index = within(index, 0, size - 1);
    bytes32[] memory leaves = leavesOf(size, seed);
    bytes32 root = Trees.root(leaves);
    bytes32[] memory path = Trees.path(leaves, index);
    yes(libraries.includes(leaves[index], uint64(index), uint64(size), path, root), "included");
    place = within(place, 0, path.length - 1);
    path[place] ^= bytes32(uint256(1) << bit);
    yes(!libraries.includes(leaves[index], uint64(index), uint64(size), path, root), "not with another path");
  }

  /// An inner node is no leaf, whatever size and index it is said to have, as long as the size is the signed one.
  function test_attack_anInnerNodeAsALeaf() public view {
    bytes32[] memory leaves = leavesOf(8, 1);
    bytes32 root = Trees.root(leaves);
    bytes32 inner = sha256(abi.encodePacked(bytes1(0x01), leaves[0], leaves[1]));
    bytes32[] memory path = Trees.path(leaves, 0);
    bytes32[] memory shorter = new bytes32[](2);
    (shorter[0], shorter[1]) = (path[1], path[2]);
    for (uint64 i = 0; i < 8; ++i) {
      yes(!libraries.includes(inner, i, 8, shorter, root), "not in a tree of 8");
    }
  }

  function test_pathsOfWrongLength() public view {
    bytes32[] memory leaves = leavesOf(5, 1);
    bytes32 root = Trees.root(leaves);
    bytes32[] memory none = new bytes32[](0);
    yes(!libraries.includes(root, 0, 5, none, root), "too short");
    yes(!libraries.includes(leaves[0], 0, 0, none, root), "an empty tree has no leaves");
    yes(!libraries.includes(leaves[0], 5, 5, none, root), "beyond the end");
    bytes32[] memory path = Trees.path(leaves, 4);
    bytes32[] memory longer = new bytes32[](path.length + 1);
    for (uint256 i = 0; i < path.length; ++i) {
      longer[i] = path[i];
    }
    yes(!libraries.includes(leaves[4], 4, 5, longer, root), "too long");
    bytes32[] memory one = leavesOf(1, 1);
    yes(libraries.includes(one[0], 0, 1, none, one[0]), "a tree of one");
    uint64 most = type(uint64).max;
    yes(!libraries.includes(one[0], most - 1, most, none, one[0]), "the largest tree");
  }

  function test_digestsAreThoseOfJava() public view {
    (Model memory m,, bytes32 digest) = vectors.model();
    same(libraries.model(m), digest, "Model");
    (ModelOffer memory o, bytes32 offerDigest) = vectors.offer();
    same(libraries.offer(o), offerDigest, "ModelOffer");
    (address pool, bytes32 root, uint64 size, uint64 timeUs,, bytes32 headDigest) = vectors.head();
    same(TypedData.treeHead(pool, root, size, timeUs), headDigest, "TreeHead");
  }

  function test_entriesAreThoseOfJava() public view {
    (bytes memory entry, bytes32 leaf) = vectors.entry(0);
    same(RecordTree.leafHash(entry), leaf, "leaf");
    Bill memory b = libraries.bill(entry);
    (ModelOffer memory o, bytes32 digest) = vectors.offer();
    same(b.provider, o.provider, "provider");
    same(b.offer, digest, "offer");
    yes(b.attested, "attested");
    same(b.outcome, 0, "outcome");
    same(b.charge, 425, "charge");
    same(b.promptTokens, 1000, "prompt");
    same(b.cachedTokens, 200, "cached");
    same(b.completionTokens, 500, "completion");
    same(b.rows, 0, "rows");
    same(b.toAuthor, 21, "author's");
    same(b.toPool, 12, "pool's");
  }

  function testFuzz_anEntryThatIsCutIsRefused(uint256 length) public {
    (bytes memory entry,) = vectors.entry(0);
    length = within(length, 0, entry.length - 1);
    bytes memory cut = new bytes(length);
    for (uint256 i = 0; i < length; ++i) {
      cut[i] = entry[i];
    }
    vm.expectPartialRevert(EntryReader.NotAnEntry.selector);
    libraries.bill(cut);
  }

  function test_anEntryWithSomethingBehindItIsRefused() public {
    (bytes memory entry,) = vectors.entry(0);
    vm.expectRevert(abi.encodeWithSelector(EntryReader.NotAnEntry.selector, entry.length));
    libraries.bill(bytes.concat(entry, hex"00"));
    entry[0] = 0x01;
    vm.expectRevert(abi.encodeWithSelector(EntryReader.NotAnEntry.selector, 0));
    libraries.bill(entry);
  }

  /// Numbers that are longer than needed, or than 64 bits, and lengths beyond the end.
  function test_attack_numbersThatAreNone() public {
    bytes[4] memory bad = [
      bytes(hex"028000"),
      hex"0280808080808080808002",
      hex"02ffffffffffffffffffffff",
      bytes.concat(hex"0200", new bytes(37), hex"ffffffffffffffffff01")
    ];
    for (uint256 i = 0; i < bad.length; ++i) {
      vm.expectPartialRevert(EntryReader.NotAnEntry.selector);
      libraries.bill(bad[i]);
    }
  }
}
