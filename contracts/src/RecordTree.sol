// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The tree of RFC 6962 over SHA-256, in which a pool keeps its records.
/// @notice A leaf is SHA-256(0x00, data), a node SHA-256(0x01, left, right), a tree of n > 1 leaves is split at the
/// largest power of two below n. docs/receipts.md, "The two trees".
library RecordTree {
  /// @notice The hash of a leaf whose data are `entry`.
  function leafHash(bytes memory entry) internal pure returns (bytes32) {
    return sha256(abi.encodePacked(bytes1(0x00), entry));
  }

  /// @notice Whether the leaf stands at `index` in the tree of `size` leaves with this root.
  /// @dev How many hashes the path has, and on which side each stands, follows from index and size alone. So what is
  /// taken for a leaf stands at the very bottom of the tree: no inner node passes for one.
  /// @param path RFC 6962, section 2.1.1: from the leaf's neighbour to the child of the root.
  function includes(bytes32 leaf, uint64 index, uint64 size, bytes32[] calldata path, bytes32 root)
    internal
    view
    returns (bool)
  {
    if (index >= size) return false;
    bytes32 node = leaf;
    uint256 used = 0;
    uint256 place = index;
    // On each floor: our node's place, and that of the last one. A node without a neighbour goes up as it is.
    for (uint256 last = uint256(size) - 1; last != 0; last >>= 1) {
      if (place & 1 == 1) {
        if (used == path.length) return false;
        node = _node(path[used++], node);
      } else if (place != last) {
        if (used == path.length) return false;
        node = _node(node, path[used++]);
      }
      place >>= 1;
    }
    return used == path.length && node == root;
  }

  /// @dev SHA-256(0x01, left, right) by the precompile at address 2.
  function _node(bytes32 left, bytes32 right) private view returns (bytes32 node) {
    assembly ("memory-safe") {
      let free := mload(0x40)
      mstore8(free, 1)
      mstore(add(free, 1), left)
      mstore(add(free, 33), right)
      if iszero(staticcall(gas(), 2, free, 65, 0, 32)) { revert(0, 0) }
      node := mload(0)
    }
  }
}
