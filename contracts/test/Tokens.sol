// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// Tokens that take a fee, black-list, call back, lie.
contract CoinToken is ERC20("Coin", "COIN") {
  function mint(address to, uint256 amount) external {
    _mint(to, amount);
  }
}

/// Keeps one part in a hundred of every transfer.
contract FeeToken is ERC20("Fee", "FEE") {
  function mint(address to, uint256 amount) external {
    _mint(to, amount);
  }

  function _update(address from, address to, uint256 amount) internal override {
    if (from == address(0) || to == address(0)) {
      super._update(from, to, amount);
    } else {
      super._update(from, address(0), amount / 100);
      super._update(from, to, amount - amount / 100);
    }
  }
}

/// Refuses to send to whom it does not like: by reverting, or by saying false.
contract BlackListToken is ERC20("List", "LIST") {
  mapping(address => bool) public listed;
  bool public quiet;

  function mint(address to, uint256 amount) external {
    _mint(to, amount);
  }

  function list(address who, bool on, bool quiet_) external {
    listed[who] = on;
    quiet = quiet_;
  }

  function transfer(address to, uint256 amount) public override returns (bool) {
    if (listed[to]) {
      require(quiet, "listed");
      return false;
    }
    return super.transfer(to, amount);
  }
}

/// Says nothing about success, as some old tokens.
contract MuteToken is CoinToken {
  function transfer(address to, uint256 amount) public override returns (bool) {
    _transfer(msg.sender, to, amount);
    assembly ("memory-safe") {
      return(0, 0)
    }
  }
}

/// Calls somebody in the middle of every transfer, as tokens with hooks do.
contract HookToken is ERC20("Hook", "HOOK") {
  address public called;
  bytes public call_;
  bool public entered;
  bytes4 public refusal;

  function mint(address to, uint256 amount) external {
    _mint(to, amount);
  }

  function hook(address target, bytes calldata data) external {
    called = target;
    call_ = data;
    entered = false;
    refusal = 0;
  }

  function _update(address from, address to, uint256 amount) internal override {
    super._update(from, to, amount);
    if (called != address(0) && from != address(0)) {
      (bool ok, bytes memory answer) = called.call(call_);
      entered = entered || ok;
      refusal = answer.length >= 4 ? bytes4(answer) : bytes4(0);
    }
  }
}

/// Claims that transfers happened which did not.
contract LyingToken is ERC20("Lie", "LIE") {
  function mint(address to, uint256 amount) external {
    _mint(to, amount);
  }

  function transferFrom(address, address, uint256) public pure override returns (bool) {
    return true;
  }
}

/// Takes the signatures of EIP-3009 as bytes, from accounts that are contracts.
contract BytesToken is CoinToken {
  function receiveWithAuthorization(
    address from,
    address to,
    uint256 value,
    uint256,
    uint256,
    bytes32 nonce,
    bytes calldata signature
  ) external {
    require(to == msg.sender, "not the payee");
    require(Wallet(from).isValidSignature(nonce, signature) == Wallet.isValidSignature.selector, "signature");
    _transfer(from, to, value);
  }
}

contract Vault is ERC4626 {
  bool public broken;

  constructor(IERC20 unit) ERC20("Vault", "V") ERC4626(unit) {}

  /// The vault loses money, as a slashed staker does.
  function lose(uint256 amount) external {
    require(IERC20(asset()).transfer(address(0xdead), amount), "transfer");
  }

  function break_() external {
    broken = true;
  }

  function convertToAssets(uint256 shares) public view override returns (uint256) {
    require(!broken, "broken");
    return super.convertToAssets(shares);
  }
}

contract Agents is ERC721("Agents", "AG") {
  function mint(address to, uint256 id) external {
    _mint(to, id);
  }
}

/// An account that is a contract. It believes its owner's key, or misbehaves.
contract Wallet {
  enum Mood {
    HONEST,
    DENY,
    BURN_GAS,
    LONG_ANSWER,
    SHORT_ANSWER
  }

  address public immutable owner;
  Mood public mood;

  constructor(address owner_) {
    owner = owner_;
  }

  function turn(Mood mood_) external {
    mood = mood_;
  }

  function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
    if (mood == Mood.DENY) return 0xffffffff;
    if (mood == Mood.BURN_GAS) {
      while (true) {}
    }
    if (mood == Mood.LONG_ANSWER) {
      assembly ("memory-safe") {
        return(0, 100000)
      }
    }
    if (mood == Mood.SHORT_ANSWER) {
      assembly ("memory-safe") {
        mstore(0, shl(224, 0x1626ba7e))
        return(0, 4)
      }
    }
    (address signer,,) = ECDSA.tryRecover(digest, signature);
    return signer == owner ? this.isValidSignature.selector : bytes4(0xffffffff);
  }

  function act(address target, bytes calldata data) external returns (bytes memory) {
    (bool ok, bytes memory answer) = target.call(data);
    require(ok, "failed");
    return answer;
  }
}
