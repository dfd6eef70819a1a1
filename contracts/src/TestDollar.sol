// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";

/// @title Play money for local chains and tests, with what a real dollar has: six decimals, EIP-2612 and EIP-3009.
/// @notice Anybody may make as much of it as they like. It is worth nothing, anywhere.
contract TestDollar is ERC20Permit, ERC3009 {
  constructor() ERC20("Test Dollar", "TUSD") ERC20Permit("Test Dollar") {}

  /// @notice Makes money. One unit is a microcredit.
  function mint(address to, uint256 amount) external {
    _mint(to, amount);
  }

  /// @inheritdoc ERC20
  function decimals() public pure override returns (uint8) {
    return 6;
  }
}
