// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC4626} from "@openzeppelin/contracts/interfaces/IERC4626.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Registry} from "./Registry.sol";

/// @notice Says until when an identity's collateral must stay because a case against it is not decided.
interface IHolds {
  function heldUntil(address identity) external view returns (uint256);
}

/// @title What pools and providers stand to lose.
/// @notice A bond is money of an identity under an arbiter that the identity chose by bonding there. Only that arbiter can
/// slash it, also while it is leaving. The {Court} is the arbiter of pools: it slashes by proof alone. A provider may bond
/// under whomever it trusts to judge its work, say a pool. Such an arbiter gains nothing by slashing: what it takes goes
/// to the sink, which is fixed for ever, and only the Court's reporters get a part.
///
/// All values are in one unit, so no price is ever asked for: an asset is the unit itself or an ERC-4626 vault of it (a
/// liquid staking or restaking token in that form), with a haircut and a cap. For another unit, deploy another one.
/// There is no owner; the assets are those of the constructor.
contract Collateral is ReentrancyGuardTransient {
  using SafeERC20 for IERC20;
  using SafeCast for uint256;

  /// @notice From asking for a bond back until it can go; it can be slashed all the while.
  uint256 public constant UNBOND_DELAY = 14 days;

  /// @notice The Court may hold a bond that is leaving so much longer, while a case is open.
  uint256 public constant MAX_HOLD = 14 days;

  /// @notice What who reports a fraud to the Court gets of what is slashed. Small, so that it does not pay to report
  /// oneself.
  uint256 public constant REPORTER_PERMILLE = 100;

  uint256 public constant MAX_ASSETS = 8;

  struct Asset {
    IERC20 token;
    /// An ERC-4626 vault of the unit, not the unit itself.
    bool vault;
    /// What of its value does not count.
    uint16 haircutPermille;
    /// The most of it that may be bonded here, by all together, in the asset's own units.
    uint128 cap;
    /// What is bonded here now.
    uint128 bonded;
  }

  struct Bond {
    uint128 active;
    uint128 leaving;
    uint64 freeAt;
  }

  IERC20 public immutable unit;
  Registry public immutable registry;
  address public immutable court;
  /// @notice Where slashed money goes: nobody's address, or a fund that makes good what was lost.
  address public immutable sink;

  Asset[] private _assets;
  mapping(address identity => mapping(address arbiter => mapping(uint256 asset => Bond))) private _bonds;
  mapping(uint256 asset => mapping(address account => uint256)) private _owed;
  mapping(bytes32 verdict => bool) private _slashed;

  event Bonded(address indexed identity, address indexed arbiter, uint256 indexed asset, uint256 amount);
  event Leaving(
    address indexed identity, address indexed arbiter, uint256 indexed asset, uint256 amount, uint64 freeAt
  );
  event Stayed(address indexed identity, address indexed arbiter, uint256 indexed asset, uint256 amount);
  event Withdrawn(address indexed identity, address indexed arbiter, uint256 indexed asset, address to, uint256 amount);
  event Slashed(
    address indexed identity, address indexed arbiter, bytes32 indexed evidence, uint256 asset, uint256 amount
  );
  event Collected(address indexed account, uint256 indexed asset, uint256 amount);

  error BadAsset(uint256 asset);
  error IdentityUnknown(address identity);
  error Forbidden(address only);
  error AboveCap(uint256 room);
  error NothingReceived();
  error NotBonded(uint256 amount);
  error TooEarly(uint256 freeAt);
  error BadPermille(uint256 permille);
  error AlreadySlashed(bytes32 evidence);
  error NothingOwed();
  error BadReceiver(address to);

  /// @param assets `bonded` must be zero. The tokens are trusted to be what they say; choose them well.
  constructor(IERC20 unit_, Registry registry_, address court_, address sink_, Asset[] memory assets) {
    if (assets.length == 0 || assets.length > MAX_ASSETS) revert BadAsset(assets.length);
    if (sink_ == address(0)) revert BadReceiver(sink_);
    unit = unit_;
    registry = registry_;
    court = court_;
    sink = sink_;
    for (uint256 i = 0; i < assets.length; ++i) {
      Asset memory a = assets[i];
      address counted = a.vault ? IERC4626(address(a.token)).asset() : address(a.token);
      if (counted != address(unit_) || a.haircutPermille > 1000 || a.bonded != 0) revert BadAsset(i);
      // One asset twice would be two bonds over one balance.
      for (uint256 k = 0; k < i; ++k) {
        if (address(assets[k].token) == address(a.token)) revert BadAsset(i);
      }
      _assets.push(a);
    }
  }

  // ---- bonding --------------------------------------------------------------------------------------------------

  /// @notice Bonds the caller's money for an identity, which alone can take it back. Counts what arrives.
  function bond(address identity, address arbiter, uint256 asset, uint256 amount) external nonReentrant {
    Asset storage a = _asset(asset);
    if (registry.controllerOf(identity) == address(0)) revert IdentityUnknown(identity);
    uint256 before = a.token.balanceOf(address(this));
    a.token.safeTransferFrom(msg.sender, address(this), amount);
    uint256 held = a.token.balanceOf(address(this));
    if (held <= before) revert NothingReceived();
    uint256 received = held - before;
    uint256 room = a.cap > a.bonded ? a.cap - a.bonded : 0;
    if (received > room) revert AboveCap(room);
    a.bonded += received.toUint128();
    _bonds[identity][arbiter][asset].active += received.toUint128();
    emit Bonded(identity, arbiter, asset, received);
  }

  /// @notice Asks for a part of a bond back. The clock starts again for all of it that is leaving.
  function unbond(address identity, address arbiter, uint256 asset, uint128 amount) external nonReentrant {
    Bond storage b = _controlled(identity, arbiter, asset);
    if (amount == 0 || amount > b.active) revert NotBonded(b.active);
    b.active -= amount;
    b.leaving += amount;
    b.freeAt = uint64(block.timestamp + UNBOND_DELAY);
    emit Leaving(identity, arbiter, asset, amount, b.freeAt);
  }

  /// @notice Bonds again what is leaving.
  function stay(address identity, address arbiter, uint256 asset) external nonReentrant {
    Bond storage b = _controlled(identity, arbiter, asset);
    uint128 amount = b.leaving;
    if (amount == 0) revert NotBonded(0);
    b.leaving = 0;
    b.freeAt = 0;
    b.active += amount;
    emit Stayed(identity, arbiter, asset, amount);
  }

  /// @notice Takes what has left, to any address.
  function withdraw(address identity, address arbiter, uint256 asset, address to) external nonReentrant {
    Bond storage b = _controlled(identity, arbiter, asset);
    if (to == address(0) || to == address(this)) revert BadReceiver(to);
    uint128 amount = b.leaving;
    if (amount == 0) revert NotBonded(0);
    uint256 free = b.freeAt;
    if (arbiter == court && court.code.length != 0) {
      free = Math.max(free, Math.min(IHolds(court).heldUntil(identity), free + MAX_HOLD));
    }
    if (block.timestamp < free) revert TooEarly(free);
    b.leaving = 0;
    b.freeAt = 0;
    _assets[asset].bonded -= amount;
    emit Withdrawn(identity, arbiter, asset, to, amount);
    _assets[asset].token.safeTransfer(to, amount);
  }

  // ---- slashing -------------------------------------------------------------------------------------------------

  /// @notice Takes a part of all that an identity has bonded under the caller, also of what is leaving. Each piece of
  /// evidence counts once. Sends nothing, so no token can stop it: see {collect}.
  /// @param evidence hash of what shows the guilt. Whoever asks should get to see it.
  /// @param reporter gets {REPORTER_PERMILLE} if the caller is the Court.
  function slash(address identity, uint256 permille, bytes32 evidence, address reporter) external nonReentrant {
    address arbiter = msg.sender;
    if (permille == 0 || permille > 1000) revert BadPermille(permille);
    bytes32 verdict = keccak256(abi.encode(identity, arbiter, evidence));
    if (_slashed[verdict]) revert AlreadySlashed(evidence);
    _slashed[verdict] = true;
    for (uint256 i = 0; i < _assets.length; ++i) {
      Bond storage b = _bonds[identity][arbiter][i];
      uint256 taken = Math.mulDiv(uint256(b.active) + b.leaving, permille, 1000, Math.Rounding.Ceil);
      if (taken == 0) continue;
      uint128 fromActive = Math.min(taken, b.active).toUint128();
      b.active -= fromActive;
      b.leaving -= (taken - fromActive).toUint128();
      _assets[i].bonded -= taken.toUint128();
      uint256 reward = arbiter == court ? taken * REPORTER_PERMILLE / 1000 : 0;
      _owed[i][reporter] += reward;
      _owed[i][sink] += taken - reward;
      emit Slashed(identity, arbiter, evidence, i, taken);
    }
  }

  /// @notice Sends an account what slashing brought it. Anybody may send it.
  function collect(uint256 asset, address account) external nonReentrant {
    Asset storage a = _asset(asset);
    uint256 amount = _owed[asset][account];
    if (amount == 0) revert NothingOwed();
    _owed[asset][account] = 0;
    emit Collected(account, asset, amount);
    a.token.safeTransfer(account, amount);
  }

  // ---- to read --------------------------------------------------------------------------------------------------

  function assetCount() external view returns (uint256) {
    return _assets.length;
  }

  function assetAt(uint256 asset) external view returns (Asset memory) {
    return _asset(asset);
  }

  function bondOf(address identity, address arbiter, uint256 asset) external view returns (Bond memory) {
    return _bonds[identity][arbiter][asset];
  }

  function owedTo(uint256 asset, address account) external view returns (uint256) {
    return _owed[asset][account];
  }

  /// @notice What an identity has at stake under an arbiter, in the unit, after haircuts; without what is leaving. A vault
  /// that cannot say what it is worth counts nothing.
  function valueOf(address identity, address arbiter) external view returns (uint256 value) {
    for (uint256 i = 0; i < _assets.length; ++i) {
      Asset storage a = _assets[i];
      uint256 amount = _bonds[identity][arbiter][i].active;
      if (amount != 0 && a.vault) {
        try IERC4626(address(a.token)).convertToAssets(amount) returns (uint256 assets) {
          amount = assets;
        } catch {
          amount = 0;
        }
      }
      value += Math.mulDiv(amount, 1000 - a.haircutPermille, 1000);
    }
  }

  // ---- inside ---------------------------------------------------------------------------------------------------

  function _asset(uint256 asset) private view returns (Asset storage) {
    if (asset >= _assets.length) revert BadAsset(asset);
    return _assets[asset];
  }

  function _controlled(address identity, address arbiter, uint256 asset) private view returns (Bond storage) {
    _asset(asset);
    address controller = registry.controllerOf(identity);
    if (msg.sender != controller) revert Forbidden(controller);
    return _bonds[identity][arbiter][asset];
  }
}
