// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {IERC3009} from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Registry} from "./Registry.sol";

/// @notice Some tokens take EIP-3009's signature as bytes too, so that accounts that are contracts can give one.
interface IERC3009Bytes {
  function receiveWithAuthorization(
    address from,
    address to,
    uint256 value,
    uint256 validAfter,
    uint256 validBefore,
    bytes32 nonce,
    bytes calldata signature
  ) external;
}

/// @title Holds what consumers put in, and pays it out for what they signed.
/// @notice A consumer funds a purse for one pool. It signs vouchers: "all that I owe this pool so far". A pool redeems the
/// latest of each consumer, many at once, which moves money from purses to its till, and in the same transaction pays
/// from the till: pushed to some payees, claimed with a Merkle proof by the others. One counter for each pool and payee
/// says what it got in all, so that nothing is paid twice whatever way it comes.
///
/// There is no owner, nothing can be upgraded or paused, and all delays are constants. Only a consumer's signature takes
/// money from a purse, up to the amount that it names; only the pool's keys decide who gets what is in its till.
contract Escrow is EIP712, ReentrancyGuardTransient {
  using SafeERC20 for IERC20;
  using SafeCast for uint256;

  /// @notice How often a pool should settle, and how long it may be down without losing what consumers owe it.
  uint256 public constant EPOCH = 1 days;
  uint256 public constant OUTAGE = 2 days;

  /// @notice From asking to leave until the money can go: longer than an epoch and an outage together.
  uint256 public constant EXIT_DELAY = 4 days;

  /// @notice A claim may name any of the last so many epochs: a new one does not spoil the proofs at hand.
  uint256 public constant EPOCHS_KEPT = 8;

  /// @notice The most gas that a contract may burn to check its own signature.
  uint256 public constant ERC1271_GAS = 200_000;

  bytes32 public constant VOUCHER = keccak256("Voucher(address consumer,address pool,uint96 cumulative)");

  uint256 private constant VOUCHER_BYTES = 96;
  uint256 private constant PAYOUT_BYTES = 32;

  /// What a consumer put in for a pool, less what it took out again; what of that the pool has redeemed; when the rest
  /// may leave (zero: nobody asked). One slot. `spent` is never more than `funded`.
  struct Purse {
    uint96 funded;
    uint96 spent;
    uint64 exitAt;
  }

  /// All that a pool ever redeemed, all of that it ever paid out, and how often it settled. One slot.
  struct Till {
    uint96 earned;
    uint96 paid;
    uint64 epoch;
  }

  /// @notice A voucher that a contract signed (ERC-1271).
  struct ContractVoucher {
    address consumer;
    uint96 cumulative;
    bytes signature;
  }

  /// @notice What a pool commits itself to with each settlement. Only the hash is stored.
  struct Commitment {
    /// Root of the tree of (payee, all that it is due from the start).
    bytes32 payoutRoot;
    /// The key that signs the log's tree heads.
    address log;
    /// The log's tree head: root and size.
    uint64 recordsSize;
    bytes32 recordsRoot;
  }

  IERC20 public immutable token;
  Registry public immutable registry;

  mapping(address pool => mapping(address consumer => Purse)) private _purses;
  mapping(address pool => Till) private _tills;
  mapping(address pool => mapping(address payee => uint256)) private _paid;
  mapping(address pool => bytes32[EPOCHS_KEPT]) private _commitments;

  event Deposited(address indexed pool, address indexed consumer, address indexed payer, uint256 amount);
  event ExitAsked(address indexed pool, address indexed consumer, uint64 exitAt);
  event ExitCancelled(address indexed pool, address indexed consumer);
  event Exited(address indexed pool, address indexed consumer, address to, uint256 amount);
  event Redeemed(address indexed pool, uint256 amount);
  event VoucherSkipped(address indexed pool, address indexed consumer, uint96 cumulative);
  event Settled(
    address indexed pool,
    uint64 indexed epoch,
    uint256 redeemed,
    bytes32 payoutRoot,
    address log,
    uint64 recordsSize,
    bytes32 recordsRoot
  );
  event PayoutFailed(address indexed pool, address indexed payee, uint256 amount);
  event Claimed(address indexed pool, address indexed payee, address to, uint256 amount);

  error PoolUnknown(address pool);
  error NothingReceived();
  /// @notice This key does not act for this pool.
  error NotThePool(address key);
  error WrongEpoch(uint64 expected);
  error BadLength(uint256 bytesGiven);
  /// @notice The voucher at this place is not signed by its consumer.
  error BadVoucher(uint256 place);
  /// @notice The pool has earned less in all than the caller counted on.
  error EarnedLess(uint256 earned);
  /// @notice The till has less than was to be paid.
  error TillTooSmall(uint256 inTill, uint256 toPay);
  error NotCommitted(uint64 epoch);
  error NothingDue();
  error NotThePayee(address payee);
  error BadReceiver(address to);
  error NotLeaving();
  error AlreadyLeaving(uint64 exitAt);
  error TooEarly(uint64 exitAt);

  constructor(IERC20 token_, Registry registry_) EIP712("Perseid", "1") {
    token = token_;
    registry = registry_;
  }

  // ---- consumers ------------------------------------------------------------------------------------------------

  /// @notice Puts the caller's money into a consumer's purse for a pool. Counts what arrives, whatever the token keeps.
  function deposit(address pool, address consumer, uint256 amount) external nonReentrant {
    _checkPool(pool);
    uint256 before = token.balanceOf(address(this));
    token.safeTransferFrom(msg.sender, address(this), amount);
    _fund(pool, consumer, msg.sender, before);
  }

  /// @notice Puts a consumer's money into its purse by its signature (EIP-3009): whoever sends this pays the gas.
  /// @param salt the authorization's nonce is keccak256(abi.encode(pool, salt)), so no other pool can take the deposit.
  /// @param signature 65 bytes r, s, v of `ReceiveWithAuthorization` to this contract; or whatever a contract signs with,
  /// if the token takes that. `TransferWithAuthorization` is no way to pay in: it would leave the money in no purse.
  function depositWithAuthorization(
    address pool,
    address consumer,
    uint256 amount,
    uint256 validAfter,
    uint256 validBefore,
    bytes32 salt,
    bytes calldata signature
  ) external nonReentrant {
    _checkPool(pool);
    bytes32 nonce = keccak256(abi.encode(pool, salt));
    uint256 before = token.balanceOf(address(this));
    _receive(consumer, amount, validAfter, validBefore, nonce, signature);
    _fund(pool, consumer, consumer, before);
  }

  /// @notice Says that the caller will leave a pool. From now on a pool serves it no more.
  function askExit(address pool) external nonReentrant {
    Purse storage p = _purses[pool][msg.sender];
    if (p.exitAt != 0) revert AlreadyLeaving(p.exitAt);
    p.exitAt = uint64(block.timestamp + EXIT_DELAY);
    emit ExitAsked(pool, msg.sender, p.exitAt);
  }

  /// @notice Stays after all.
  function cancelExit(address pool) external nonReentrant {
    Purse storage p = _purses[pool][msg.sender];
    if (p.exitAt == 0) revert NotLeaving();
    p.exitAt = 0;
    emit ExitCancelled(pool, msg.sender);
  }

  /// @notice Takes what is left of the caller's purse, once the delay is over, to any address.
  function exit(address pool, address to) external nonReentrant {
    Purse storage p = _purses[pool][msg.sender];
    if (p.exitAt == 0) revert NotLeaving();
    if (block.timestamp < p.exitAt) revert TooEarly(p.exitAt);
    _checkReceiver(to);
    uint96 left = p.funded - p.spent;
    // What was promised and not redeemed stays promised: `spent` does not go back.
    p.funded = p.spent;
    p.exitAt = 0;
    emit Exited(pool, msg.sender, to, left);
    token.safeTransfer(to, left);
  }

  // ---- pools ----------------------------------------------------------------------------------------------------

  /// @notice Redeems vouchers, commits the pool to its payouts and its log, and pays.
  /// @param epoch one more than the last: sending the same settlement twice does nothing twice.
  /// @param vouchers one after the other: consumer (20 bytes), cumulative (12), r (32), vs (32; EIP-2098).
  /// @param contractVouchers of consumers that are contracts. One that the contract denies is left out.
  /// @param leastEarned reverts if the pool has then earned less in all: some purse was emptied in between, or a contract
  /// denied. Counted from the start, so that somebody who redeems the same vouchers just before does not stop this.
  /// @param payouts one after the other: payee (20 bytes), all that it is due from the start (12). What the token
  /// refuses to send stays in the till, to be claimed.
  /// @return redeemed what came into the till.
  function settle(
    address pool,
    uint64 epoch,
    bytes calldata vouchers,
    ContractVoucher[] calldata contractVouchers,
    uint256 leastEarned,
    bytes calldata payouts,
    Commitment calldata commitment
  ) external nonReentrant returns (uint256 redeemed) {
    if (!registry.actsFor(msg.sender, pool)) revert NotThePool(msg.sender);
    Till memory till = _tills[pool];
    if (epoch != till.epoch + 1) revert WrongEpoch(till.epoch + 1);
    redeemed = _redeem(pool, vouchers, contractVouchers);
    till.earned = (till.earned + redeemed).toUint96();
    if (till.earned < leastEarned) revert EarnedLess(till.earned);
    till.epoch = epoch;
    _commitments[pool][epoch % EPOCHS_KEPT] = hashOf(commitment);
    emit Settled(
      pool, epoch, redeemed, commitment.payoutRoot, commitment.log, commitment.recordsSize, commitment.recordsRoot
    );
    _pay(pool, till, payouts);
  }

  /// @notice Redeems vouchers for a pool that cannot do so itself just now. Anybody may: a provider, before a consumer's
  /// exit takes what it was promised. The money goes to the pool's till.
  function redeem(address pool, bytes calldata vouchers, ContractVoucher[] calldata contractVouchers)
    external
    nonReentrant
    returns (uint256 redeemed)
  {
    redeemed = _redeem(pool, vouchers, contractVouchers);
    _tills[pool].earned = (_tills[pool].earned + redeemed).toUint96();
    emit Redeemed(pool, redeemed);
  }

  // ---- payees ---------------------------------------------------------------------------------------------------

  /// @notice Pays a payee what it is due by one of the last epochs, less what it got. Anybody may send it.
  /// @param cumulative all that it is due from the start, as in the tree.
  /// @param proof from the leaf keccak256(keccak256(abi.encode(payee, cumulative))) up; pairs are sorted.
  /// @param commitment that of the epoch; its `payoutRoot` follows from the proof and is not read.
  function claim(
    address pool,
    uint64 epoch,
    address payee,
    uint96 cumulative,
    bytes32[] calldata proof,
    Commitment calldata commitment
  ) external nonReentrant {
    _claim(pool, epoch, payee, cumulative, proof, commitment, payee);
  }

  /// @notice As {claim}, to another address: for a payee that the token does not serve, or whose key is lost. Only the
  /// payee may, or who controls the identity whose key it is.
  function claimTo(
    address pool,
    uint64 epoch,
    address payee,
    uint96 cumulative,
    bytes32[] calldata proof,
    Commitment calldata commitment,
    address to
  ) external nonReentrant {
    if (msg.sender != payee && msg.sender != registry.controllerOfKey(payee)) {
      revert NotThePayee(payee);
    }
    _claim(pool, epoch, payee, cumulative, proof, commitment, to);
  }

  // ---- to read --------------------------------------------------------------------------------------------------

  function purseOf(address pool, address consumer) external view returns (Purse memory) {
    return _purses[pool][consumer];
  }

  /// @notice What a pool may count on: nothing of a consumer that is leaving.
  function spendable(address pool, address consumer) external view returns (uint256) {
    Purse storage p = _purses[pool][consumer];
    return p.exitAt == 0 ? p.funded - p.spent : 0;
  }

  function tillOf(address pool) external view returns (Till memory) {
    return _tills[pool];
  }

  /// @notice All that a payee ever got from a pool.
  function paidTo(address pool, address payee) external view returns (uint256) {
    return _paid[pool][payee];
  }

  /// @notice The hash of what a pool committed itself to in an epoch; zero if it is too old or to come.
  function commitmentAt(address pool, uint64 epoch) public view returns (bytes32) {
    uint64 last = _tills[pool].epoch;
    if (epoch == 0 || epoch > last || last - epoch >= EPOCHS_KEPT) return 0;
    return _commitments[pool][epoch % EPOCHS_KEPT];
  }

  function hashOf(Commitment memory c) public pure returns (bytes32) {
    return keccak256(abi.encode(c.payoutRoot, c.log, c.recordsSize, c.recordsRoot));
  }

  function domainSeparator() external view returns (bytes32) {
    return _domainSeparatorV4();
  }

  // ---- inside ---------------------------------------------------------------------------------------------------

  function _checkPool(address pool) private view {
    if (!registry.isPool(pool)) revert PoolUnknown(pool);
  }

  /// @dev Has the token send the money. An account with code may have a key as well (EIP-7702), or sign with 65 bytes that
  /// only its code understands: if the token does not take them for a key's, the code is asked.
  function _receive(
    address from,
    uint256 amount,
    uint256 validAfter,
    uint256 validBefore,
    bytes32 nonce,
    bytes calldata signature
  ) private {
    if (signature.length == 65) {
      (uint8 v, bytes32 r, bytes32 s) = ECDSA.parseCalldata(signature);
      try IERC3009(address(token))
        .receiveWithAuthorization(from, address(this), amount, validAfter, validBefore, nonce, v, r, s) {
        return;
      } catch (bytes memory why) {
        if (from.code.length == 0) {
          assembly ("memory-safe") {
            revert(add(why, 32), mload(why))
          }
        }
      }
    }
    IERC3009Bytes(address(token))
      .receiveWithAuthorization(from, address(this), amount, validAfter, validBefore, nonce, signature);
  }

  /// @dev Money that the contract sends to itself would be in nobody's purse.
  function _checkReceiver(address to) private view {
    if (to == address(0) || to == address(this)) revert BadReceiver(to);
  }

  function _fund(address pool, address consumer, address payer, uint256 before) private {
    uint256 held = token.balanceOf(address(this));
    if (held <= before || consumer == address(0)) revert NothingReceived();
    uint256 amount = held - before;
    Purse storage p = _purses[pool][consumer];
    // A deposit does not call off an exit: else anybody could hold a consumer with a microcredit.
    p.funded = (p.funded + amount).toUint96();
    emit Deposited(pool, consumer, payer, amount);
  }

  /// @dev Moves from purses what their vouchers say. A voucher for more than its purse holds takes all there is, and the
  /// rest when the purse is filled again; one that was redeemed before takes nothing.
  function _redeem(address pool, bytes calldata vouchers, ContractVoucher[] calldata contractVouchers)
    private
    returns (uint256 redeemed)
  {
    if (vouchers.length % VOUCHER_BYTES != 0) revert BadLength(vouchers.length);
    mapping(address => Purse) storage purses = _purses[pool];
    bytes32 separator = _domainSeparatorV4();
    redeemed = _redeemSigned(purses, pool, vouchers, separator);
    for (uint256 i = 0; i < contractVouchers.length; ++i) {
      ContractVoucher calldata v = contractVouchers[i];
      bytes32 structHash = keccak256(abi.encode(VOUCHER, v.consumer, pool, v.cumulative));
      bytes32 digest = keccak256(abi.encodePacked("\x19\x01", separator, structHash));
      if (_contractSigned(v.consumer, digest, v.signature)) {
        Purse storage p = purses[v.consumer];
        uint96 total = v.cumulative < p.funded ? v.cumulative : p.funded;
        if (total > p.spent) {
          redeemed += total - p.spent;
          p.spent = total;
        }
      } else {
        emit VoucherSkipped(pool, v.consumer, v.cumulative);
      }
    }
  }

  /// @dev The loop that costs: in assembly because all its memory is laid out once, and each purse is read and written
  /// once. ecrecover decides whatever code an account has (EIP-7702). A signature with its s mirrored (EIP-2) would
  /// pass where it fits into 255 bits, and redeem the same amount again, which is nothing.
  function _redeemSigned(
    mapping(address => Purse) storage purses,
    address pool,
    bytes calldata vouchers,
    bytes32 separator
  ) private returns (uint256 redeemed) {
    bytes32 voucherType = VOUCHER;
    uint256 bad = type(uint256).max;
    assembly ("memory-safe") {
      // [0, 128) the struct: type, consumer, pool, cumulative
      // [128, 194) 0x1901, domain, hash of the struct
      // [224, 352) input of ecrecover: digest, v, r, s
      let struct := mload(0x40)
      let message := add(struct, 128)
      let input := add(struct, 224)
      mstore(struct, voucherType)
      mstore(add(struct, 64), pool)
      mstore(message, shl(240, 0x1901))
      mstore(add(message, 2), separator)
      mstore(0x20, purses.slot)
      let amounts := 0xffffffffffffffffffffffff
      let from := vouchers.offset
      for { let end := add(from, vouchers.length) } lt(from, end) { from := add(from, 96) } {
        let word := calldataload(from)
        let consumer := shr(96, word)
        let vs := calldataload(add(from, 64))
        mstore(add(struct, 32), consumer)
        mstore(add(struct, 96), and(word, amounts))
        mstore(add(message, 34), keccak256(struct, 128))
        mstore(input, keccak256(message, 66))
        mstore(add(input, 32), add(27, shr(255, vs)))
        mstore(add(input, 64), calldataload(add(from, 32)))
        mstore(add(input, 96), shr(1, shl(1, vs)))
        mstore(0, 0)
        pop(staticcall(gas(), 1, input, 128, 0, 32))
        // Also refuses the consumer zero, which is what ecrecover leaves for a signature that is none.
        if or(iszero(consumer), xor(mload(0), consumer)) {
          bad := div(sub(from, vouchers.offset), 96)
          break
        }
        // The purse is at keccak256(consumer, slot of the pool's purses).
        mstore(0, consumer)
        let slot_ := keccak256(0, 64)
        let purse := sload(slot_)
        let total := and(word, amounts)
        let funded := and(purse, amounts)
        if gt(total, funded) { total := funded }
        let spent := and(shr(96, purse), amounts)
        if gt(total, spent) {
          sstore(slot_, or(and(purse, not(shl(96, amounts))), shl(96, total)))
          redeemed := add(redeemed, sub(total, spent))
        }
      }
    }
    if (bad != type(uint256).max) revert BadVoucher(bad);
  }

  /// @dev Asks a contract with a limit on gas and on what it may answer, so that none can hold up the others.
  function _contractSigned(address signer, bytes32 digest, bytes calldata signature) private view returns (bool yes) {
    bytes memory question = abi.encodeCall(IERC1271.isValidSignature, (digest, signature));
    bytes32 wanted = bytes32(IERC1271.isValidSignature.selector);
    uint256 most = ERC1271_GAS;
    assembly ("memory-safe") {
      mstore(0, 0)
      let ok := staticcall(most, signer, add(question, 32), mload(question), 0, 32)
      yes := and(and(ok, gt(returndatasize(), 31)), eq(mload(0), wanted))
    }
  }

  /// @dev Writes down everything before the first transfer, and takes back what the token then refuses to send.
  function _pay(address pool, Till memory till, bytes calldata payouts) private {
    if (payouts.length % PAYOUT_BYTES != 0) revert BadLength(payouts.length);
    uint256 count = payouts.length / PAYOUT_BYTES;
    mapping(address => uint256) storage paid = _paid[pool];
    uint256[] memory amounts = new uint256[](count);
    uint256 sum = 0;
    for (uint256 i = 0; i < count; ++i) {
      (address payee, uint256 cumulative) = _payout(payouts, i);
      uint256 before = paid[payee];
      if (cumulative > before && payee != address(this)) {
        paid[payee] = cumulative;
        amounts[i] = cumulative - before;
        sum += cumulative - before;
      }
    }
    uint256 inTill = till.earned - till.paid;
    if (sum > inTill) revert TillTooSmall(inTill, sum);
    till.paid = (till.paid + sum).toUint96();
    _tills[pool] = till;

    uint256 failed = 0;
    for (uint256 i = 0; i < count; ++i) {
      if (amounts[i] == 0) continue;
      (address payee,) = _payout(payouts, i);
      if (!token.trySafeTransfer(payee, amounts[i])) {
        paid[payee] -= amounts[i];
        failed += amounts[i];
        emit PayoutFailed(pool, payee, amounts[i]);
      }
    }
    if (failed != 0) _tills[pool].paid = (till.paid - failed).toUint96();
  }

  function _payout(bytes calldata payouts, uint256 i) private pure returns (address payee, uint256 cumulative) {
    bytes32 word;
    assembly ("memory-safe") {
      word := calldataload(add(payouts.offset, mul(i, 32)))
    }
    payee = address(bytes20(word));
    cumulative = uint96(uint256(word));
  }

  function _claim(
    address pool,
    uint64 epoch,
    address payee,
    uint96 cumulative,
    bytes32[] calldata proof,
    Commitment calldata commitment,
    address to
  ) private {
    _checkReceiver(to);
    bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(payee, cumulative))));
    Commitment memory named = commitment;
    named.payoutRoot = MerkleProof.processProofCalldata(proof, leaf);
    if (hashOf(named) != commitmentAt(pool, epoch)) revert NotCommitted(epoch);

    Till storage till = _tills[pool];
    uint256 before = _paid[pool][payee];
    if (cumulative <= before) revert NothingDue();
    uint256 amount = cumulative - before;
    uint256 inTill = till.earned - till.paid;
    // A pool that promised more than it has: what there is, and the rest when it has earned it.
    if (amount > inTill) amount = inTill;
    if (amount == 0) revert NothingDue();
    _paid[pool][payee] = before + amount;
    till.paid = (till.paid + amount).toUint96();
    emit Claimed(pool, payee, to, amount);
    token.safeTransfer(to, amount);
  }
}
