// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Model, TypedData} from "./TypedData.sol";

/// @title Who is who: pools, providers and authors with their keys and endpoints, and the models of authors.
/// @notice An identity is the address that registered it, for ever; it outlives its keys. Three powers belong to it:
/// - keys act for it: they settle, and they sign receipts. A key belongs to one identity for ever, even when retired.
/// - the controller adds and retires keys, sets the endpoint and moves the identity's collateral.
/// - the recovery address outranks both: it retires all keys and names another controller, at once. Nobody else can
///   change it once it is set. It belongs in a safe.
/// There is no owner and no other way in.
contract Registry is EIP712 {
  /// @notice Bits of `roles`.
  uint8 public constant POOL = 1;
  uint8 public constant PROVIDER = 2;
  uint8 public constant AUTHOR = 4;

  /// @notice How long a retired key's signatures can still be held against its identity. Then a thief who has an old
  /// key cannot harm it any more.
  uint256 public constant EVIDENCE_WINDOW = 14 days;

  uint256 public constant MAX_KEYS = 8;
  uint256 public constant MAX_ENDPOINT_BYTES = 256;

  /// @notice The most of a charge that an author may ask, as in every offer.
  uint256 public constant MAX_ROYALTY_PERMILLE = 500;

  bytes32 public constant KEY_CONSENT = keccak256("KeyConsent(address identity,address key,uint64 deadline)");

  struct Identity {
    address controller;
    uint8 roles;
    uint64 since;
    address recovery;
    /// Was offered the control and has not taken it yet.
    address heir;
    /// SHA-256 of whatever the identity wants to stand by: a pool's terms, a page about a provider.
    bytes32 terms;
    string endpoint;
    /// Those in force.
    address[] keys;
    /// An ERC-721 of ERC-8004's identity registry that says it is the same party; zero if none.
    address agentRegistry;
    uint256 agentId;
  }

  struct Key {
    address identity;
    uint48 since;
    /// Zero while it is in force.
    uint48 retired;
  }

  struct Listing {
    bytes32 digest;
    uint64 madeUs;
    uint64 listed;
    uint32 royaltyPermille;
    bool withdrawn;
  }

  mapping(address identity => Identity) private _identities;
  mapping(address key => Key) private _keys;
  mapping(bytes32 manifest => mapping(address author => Listing)) private _listings;

  event Registered(address indexed identity, uint8 roles);
  event ProfileChanged(address indexed identity, uint8 roles, string endpoint, bytes32 terms);
  event KeyAdded(address indexed identity, address indexed key);
  event KeyRetired(address indexed identity, address indexed key);
  event ControllerChanged(address indexed identity, address controller);
  event RecoveryChanged(address indexed identity, address recovery);
  event AgentLinked(address indexed identity, address agentRegistry, uint256 agentId);
  event ModelListed(bytes32 indexed manifest, address indexed author, uint32 royaltyPermille, bytes32 digest);
  event ModelWithdrawn(bytes32 indexed manifest, address indexed author);

  /// @notice This address is a key already, of this identity or another, perhaps a retired one.
  error KeyTaken(address key);
  error KeyUnknown(address key);
  error TooManyKeys();
  error IdentityUnknown(address identity);
  /// @notice Only this address may do that.
  error Forbidden(address only);
  error BadRoles(uint8 roles);
  error EndpointTooLong(uint256 bytesGiven);
  error ConsentExpired(uint64 deadline);
  /// @notice The signature is not this address's.
  error BadSignature(address signer);
  error RoyaltyTooHigh(uint32 royaltyPermille);
  /// @notice What is listed, or was withdrawn, was made then or later.
  error ModelOutdated(uint64 madeUs);
  error ModelUnknown(bytes32 manifest, address author);

  constructor() EIP712("Perseid Registry", "1") {}

  // ---- identities -----------------------------------------------------------------------------------------------

  /// @notice Makes the caller an identity, whose first key and controller it is.
  /// @param recovery outranks all; zero to set it later.
  function register(uint8 roles, address recovery, string calldata endpoint, bytes32 terms) external {
    address identity = msg.sender;
    if (_keys[identity].identity != address(0)) revert KeyTaken(identity);
    _checkProfile(roles, endpoint);
    Identity storage i = _identities[identity];
    i.controller = identity;
    i.roles = roles;
    i.since = uint64(block.timestamp);
    i.recovery = recovery;
    i.terms = terms;
    i.endpoint = endpoint;
    emit Registered(identity, roles);
    emit ProfileChanged(identity, roles, endpoint, terms);
    emit RecoveryChanged(identity, recovery);
    _addKey(i, identity, identity);
  }

  /// @notice Changes what an identity does and where it is found.
  function setProfile(address identity, uint8 roles, string calldata endpoint, bytes32 terms) external {
    Identity storage i = _controlled(identity);
    _checkProfile(roles, endpoint);
    i.roles = roles;
    i.endpoint = endpoint;
    i.terms = terms;
    emit ProfileChanged(identity, roles, endpoint, terms);
  }

  /// @notice Adds a key that agrees to it.
  /// @param consent the key's signature of `KeyConsent`: without it anybody could take another's key for their own.
  function addKey(address identity, address key, uint64 deadline, bytes calldata consent) external {
    Identity storage i = _controlled(identity);
    if (_keys[key].identity != address(0)) revert KeyTaken(key);
    if (block.timestamp > deadline) revert ConsentExpired(deadline);
    bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(KEY_CONSENT, identity, key, deadline)));
    if (!_signed(key, digest, consent)) revert BadSignature(key);
    _addKey(i, identity, key);
  }

  /// @notice Retires a key: from now on it can do nothing for the identity. It never comes back.
  function retireKey(address identity, address key) external {
    Identity storage i = _controlled(identity);
    for (uint256 k = 0; k < i.keys.length; ++k) {
      if (i.keys[k] == key) {
        i.keys[k] = i.keys[i.keys.length - 1];
        i.keys.pop();
        _retire(identity, key);
        return;
      }
    }
    revert KeyUnknown(key);
  }

  /// @notice Offers the control to another address, which takes it by {acceptControl}.
  function offerControl(address identity, address heir) external {
    _controlled(identity).heir = heir;
  }

  /// @notice Takes the control that was offered.
  function acceptControl(address identity) external {
    Identity storage i = _identities[identity];
    if (i.heir == address(0) || msg.sender != i.heir) revert Forbidden(i.heir);
    i.controller = msg.sender;
    i.heir = address(0);
    emit ControllerChanged(identity, msg.sender);
  }

  /// @notice Names the recovery address: the controller the first time, afterwards only that address itself.
  function setRecovery(address identity, address recovery) external {
    Identity storage i = _identities[identity];
    if (i.controller == address(0)) revert IdentityUnknown(identity);
    address only = i.recovery == address(0) ? i.controller : i.recovery;
    if (msg.sender != only) revert Forbidden(only);
    i.recovery = recovery;
    emit RecoveryChanged(identity, recovery);
  }

  /// @notice After a theft or a loss: retires all keys and hands the control to another address, at once.
  function recover(address identity, address controller) external {
    Identity storage i = _identities[identity];
    if (i.recovery == address(0) || msg.sender != i.recovery) revert Forbidden(i.recovery);
    if (controller == address(0)) revert IdentityUnknown(controller);
    for (uint256 k = i.keys.length; k > 0; --k) {
      _retire(identity, i.keys[k - 1]);
      i.keys.pop();
    }
    i.controller = controller;
    i.heir = address(0);
    emit ControllerChanged(identity, controller);
  }

  /// @notice Says which agent of an ERC-8004 identity registry (an ERC-721) this identity is. Its controller must own it.
  function linkAgent(address identity, address agentRegistry, uint256 agentId) external {
    Identity storage i = _controlled(identity);
    if (agentRegistry != address(0)) {
      address owner = IERC721(agentRegistry).ownerOf(agentId);
      if (owner != msg.sender) revert Forbidden(owner);
    }
    i.agentRegistry = agentRegistry;
    i.agentId = agentId;
    emit AgentLinked(identity, agentRegistry, agentId);
  }

  // ---- models ---------------------------------------------------------------------------------------------------

  /// @notice Lists a version of a model. Anybody may bring it; what counts is the author's signature, the same that
  /// the author gave to pools. It stands under manifest and author, so nobody can take the place of another's model.
  function listModel(Model calldata m, bytes calldata signature) external {
    if (m.royaltyPermille > MAX_ROYALTY_PERMILLE) revert RoyaltyTooHigh(m.royaltyPermille);
    bytes32 digest = TypedData.model(m);
    if (m.author == address(0) || ECDSA.recoverCalldata(digest, signature) != m.author) revert BadSignature(m.author);
    Listing storage l = _listings[m.manifest][m.author];
    // Also after a withdrawal: the old signature does not bring the model back.
    if (m.madeUs <= l.madeUs) revert ModelOutdated(l.madeUs);
    l.digest = digest;
    l.madeUs = m.madeUs;
    l.listed = uint64(block.timestamp);
    l.royaltyPermille = m.royaltyPermille;
    l.withdrawn = false;
    emit ModelListed(m.manifest, m.author, m.royaltyPermille, digest);
  }

  /// @notice Takes a model off the list: its author, or who controls the identity whose key the author is.
  function withdrawModel(bytes32 manifest, address author) external {
    Listing storage l = _listings[manifest][author];
    if (l.digest == 0) revert ModelUnknown(manifest, author);
    if (msg.sender != author && msg.sender != controllerOfKey(author)) revert Forbidden(author);
    l.withdrawn = true;
    emit ModelWithdrawn(manifest, author);
  }

  // ---- to read --------------------------------------------------------------------------------------------------

  /// @notice All of an identity; its controller is zero if there is none.
  function identityOf(address identity) external view returns (Identity memory) {
    return _identities[identity];
  }

  /// @notice A key: whose it is, since when, and when it was retired (zero: it is in force).
  function keyOf(address key) external view returns (Key memory) {
    return _keys[key];
  }

  /// @notice Whether this key may act for this identity now.
  function actsFor(address key, address identity) external view returns (bool) {
    Key storage k = _keys[key];
    return k.identity == identity && k.retired == 0 && identity != address(0);
  }

  /// @notice Whether this is an identity that calls itself a pool.
  function isPool(address identity) external view returns (bool) {
    return _identities[identity].roles & POOL != 0;
  }

  /// @notice The controller of an identity; zero if there is none.
  function controllerOf(address identity) external view returns (address) {
    return _identities[identity].controller;
  }

  /// @notice The controller of the identity to which this key belongs or belonged; zero if none.
  function controllerOfKey(address key) public view returns (address) {
    return _identities[_keys[key].identity].controller;
  }

  /// @notice The identity that answers for what this key signed; zero if none does, or not any more.
  function answersFor(address key) external view returns (address) {
    Key storage k = _keys[key];
    if (k.retired != 0 && block.timestamp > k.retired + EVIDENCE_WINDOW) return address(0);
    return k.identity;
  }

  /// @notice A model as it is listed; `digest` is zero if it never was.
  function modelOf(bytes32 manifest, address author) external view returns (Listing memory) {
    return _listings[manifest][author];
  }

  function domainSeparator() external view returns (bytes32) {
    return _domainSeparatorV4();
  }

  // ---- inside ---------------------------------------------------------------------------------------------------

  function _controlled(address identity) private view returns (Identity storage i) {
    i = _identities[identity];
    if (i.controller == address(0)) revert IdentityUnknown(identity);
    if (msg.sender != i.controller) revert Forbidden(i.controller);
  }

  function _checkProfile(uint8 roles, string calldata endpoint) private pure {
    if (roles == 0 || roles > (POOL | PROVIDER | AUTHOR)) revert BadRoles(roles);
    if (bytes(endpoint).length > MAX_ENDPOINT_BYTES) revert EndpointTooLong(bytes(endpoint).length);
  }

  function _addKey(Identity storage i, address identity, address key) private {
    if (i.keys.length == MAX_KEYS) revert TooManyKeys();
    i.keys.push(key);
    _keys[key] = Key(identity, uint48(block.timestamp), 0);
    emit KeyAdded(identity, key);
  }

  function _retire(address identity, address key) private {
    _keys[key].retired = uint48(block.timestamp);
    emit KeyRetired(identity, key);
  }

  /// @dev By the key itself, or by the contract that it is. An account with code of EIP-7702 is both: its key suffices.
  function _signed(address signer, bytes32 digest, bytes calldata signature) private view returns (bool) {
    (address recovered, ECDSA.RecoverError fault,) = ECDSA.tryRecoverCalldata(digest, signature);
    if (fault == ECDSA.RecoverError.NoError && recovered == signer) return true;
    return signer.code.length != 0 && SignatureChecker.isValidERC1271SignatureNowCalldata(signer, digest, signature);
  }
}
