// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// What the tests use of forge's cheat codes.
interface Vm {
  function addr(uint256 key) external pure returns (address);
  function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
  function prank(address sender) external;
  function startPrank(address sender) external;
  function stopPrank() external;
  function warp(uint256 timestamp) external;
  function roll(uint256 block_) external;
  function snapshotState() external returns (uint256 id);
  function revertToState(uint256 id) external returns (bool);
  function chainId(uint256 id) external;
  function deal(address account, uint256 wei_) external;
  function etch(address account, bytes calldata code) external;
  function store(address account, bytes32 slot, bytes32 value) external;
  function expectRevert(bytes calldata data) external;
  function expectRevert(bytes4 selector) external;
  function expectPartialRevert(bytes4 selector) external;
  function assume(bool condition) external pure;
  function readFile(string calldata path) external view returns (string memory);
  function parseBytes(string calldata text) external pure returns (bytes memory);
  function parseJsonBytes32(string calldata json, string calldata key) external pure returns (bytes32);
  function parseJsonBytes(string calldata json, string calldata key) external pure returns (bytes memory);
  function parseJsonAddress(string calldata json, string calldata key) external pure returns (address);
  function parseJsonUint(string calldata json, string calldata key) external pure returns (uint256);
  function parseJsonString(string calldata json, string calldata key) external pure returns (string memory);
  function snapshotGasLastCall(string calldata group, string calldata name) external returns (uint256);
  function snapshotValue(string calldata group, string calldata name, uint256 value) external;
}

/// A test without a library: a few assertions that say what was wrong.
abstract contract Forge {
  Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
  bool public constant IS_TEST = true;

  error NotEqual(string what, uint256 got, uint256 want);
  error NotTrue(string what);

  function same(uint256 got, uint256 want, string memory what) internal pure {
    if (got != want) revert NotEqual(what, got, want);
  }

  function same(bytes32 got, bytes32 want, string memory what) internal pure {
    if (got != want) revert NotEqual(what, uint256(got), uint256(want));
  }

  function same(address got, address want, string memory what) internal pure {
    if (got != want) revert NotEqual(what, uint160(got), uint160(want));
  }

  function yes(bool condition, string memory what) internal pure {
    if (!condition) revert NotTrue(what);
  }

  /// A number from `from` to `to`, both included.
  function within(uint256 value, uint256 from, uint256 to) internal pure returns (uint256) {
    return from + value % (to - from + 1);
  }
}
