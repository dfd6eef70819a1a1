// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Collateral, IHolds} from "./Collateral.sol";
import {Bill, EntryReader} from "./EntryReader.sol";
import {Escrow} from "./Escrow.sol";
import {RecordTree} from "./RecordTree.sol";
import {Registry} from "./Registry.sol";
import {ModelOffer, TypedData} from "./TypedData.sol";

/// @title Decides by proof alone whether a pool cheated, and has its bond slashed.
/// @notice It knows four frauds, each shown by what the pool itself signed or committed:
/// - equivocation: two roots for one size of its log;
/// - a fork: two different entries at one index of its log;
/// - omission: an entry that it countersigned is in no root that it commits, although it was asked;
/// - a wrong bill: an entry of a request that charges or divides otherwise than the signed offer says.
/// Nobody judges: what no proof can show (a wrong answer, say) is no matter for it. It has no owner.
contract Court is IHolds, ReentrancyGuardTransient {
  /// @notice How long a pool has to show that an entry is in a committed root: an epoch, an outage, and a day.
  uint256 public constant ANSWER_TIME = 4 days;

  /// @notice After an answer and so much time the same entry can be asked for again: the root that had it is forgotten then.
  uint256 public constant ASK_AGAIN_AFTER = 8 days;

  /// @notice How long a verdict can be enforced. Meanwhile the bond stays.
  uint256 public constant ENFORCE_TIME = 7 days;

  /// @notice What is slashed.
  uint256 public constant EQUIVOCATION_PERMILLE = 1000;
  uint256 public constant OMISSION_PERMILLE = 500;
  uint256 public constant BILL_PERMILLE = 500;

  uint8 private constant DONE = 0;
  uint8 private constant CANCELLED = 4;

  /// @notice Something that a pool said of its log: a tree head that the log's key signed, or, if `signature` is empty, what
  /// the pool committed in one of its last epochs.
  struct Statement {
    /// The key that signs the log's tree heads: the `pool` of `TreeHead`.
    address log;
    uint64 size;
    bytes32 root;
    /// Of a tree head.
    uint64 timeUs;
    bytes signature;
    /// Of a commitment.
    address pool;
    uint64 epoch;
    bytes32 payoutRoot;
  }

  /// @notice That a leaf stands at an index of a tree.
  struct Inclusion {
    uint64 index;
    bytes32 leaf;
    bytes32[] path;
  }

  struct Verdict {
    address identity;
    uint16 permille;
    uint64 enforceUntil;
    address reporter;
  }

  enum Stage {
    NONE,
    OPEN,
    ANSWERED,
    LOST
  }

  struct Challenge {
    address identity;
    uint64 deadline;
    Stage stage;
    address challenger;
  }

  Registry public immutable registry;
  Escrow public immutable escrow;

  /// @notice Wei that go with a challenge, and to who answers it. It should pay for the gas of an answer.
  uint256 public immutable challengeDeposit;

  mapping(bytes32 evidence => Verdict) private _verdicts;
  mapping(bytes32 evidence => Challenge) private _challenges;
  mapping(address identity => uint256) private _heldUntil;
  mapping(address account => uint256) private _balances;

  event Convicted(address indexed identity, bytes32 indexed evidence, uint256 permille, address reporter);
  event Challenged(
    address indexed identity, bytes32 indexed evidence, address log, uint64 index, bytes32 leaf, uint64 deadline
  );
  event Answered(address indexed identity, bytes32 indexed evidence, address by);

  /// @notice Nobody answers for this key, or not any more.
  error NobodyAnswers(address log);
  error BadSignature(address log);
  error NotCommitted(uint64 epoch);
  error NotIncluded(uint64 index);
  /// @notice These two statements do not contradict each other.
  error NoContradiction();
  error BillIsRight();
  error WrongOffer(bytes32 recorded);
  error WrongDeposit(uint256 wanted);
  error ChallengeNotOpen(bytes32 evidence);
  error AlreadyChallenged(bytes32 evidence);
  error AlreadyConvicted(bytes32 evidence);
  error TooEarly(uint64 deadline);
  error TooLate(uint64 deadline);
  error NotConvicted(bytes32 evidence);
  error NothingOwed();
  error TransferFailed();

  constructor(Registry registry_, Escrow escrow_, uint256 challengeDeposit_) {
    registry = registry_;
    escrow = escrow_;
    challengeDeposit = challengeDeposit_;
  }

  // ---- frauds that are plain ------------------------------------------------------------------------------------

  /// @notice Two roots for one size of one log.
  /// @return evidence the verdict's name, for {enforce}.
  function equivocation(Statement calldata a, Statement calldata b) external nonReentrant returns (bytes32 evidence) {
    address identity = _spoken(a);
    _spoken(b);
    if (a.log != b.log || a.size != b.size || a.size == 0 || a.root == b.root) revert NoContradiction();
    (bytes32 low, bytes32 high) = a.root < b.root ? (a.root, b.root) : (b.root, a.root);
    evidence = keccak256(abi.encode("equivocation", a.log, a.size, low, high));
    _convict(identity, EQUIVOCATION_PERMILLE, evidence, msg.sender);
  }

  /// @notice Two different leaves at one index of one log, in trees of any sizes.
  function fork(Statement calldata a, Inclusion calldata inA, Statement calldata b, Inclusion calldata inB)
    external
    nonReentrant
    returns (bytes32 evidence)
  {
    address identity = _spoken(a);
    _spoken(b);
    _included(a, inA);
    _included(b, inB);
    if (a.log != b.log || inA.index != inB.index || inA.leaf == inB.leaf) revert NoContradiction();
    (bytes32 low, bytes32 high) = inA.leaf < inB.leaf ? (inA.leaf, inB.leaf) : (inB.leaf, inA.leaf);
    evidence = keccak256(abi.encode("fork", a.log, inA.index, low, high));
    _convict(identity, EQUIVOCATION_PERMILLE, evidence, msg.sender);
  }

  /// @notice An entry of a request to a model whose bill is not what the offer in it says (docs/receipts.md, "To check the
  /// charge"): it costs more than the price, or something although it must cost nothing, or is divided otherwise.
  /// @param entry the canonical bytes of the leaf; `where.leaf` must be their hash.
  /// @param offer the offer whose digest stands in the entry.
  function wrongBill(Statement calldata head, Inclusion calldata where, bytes calldata entry, ModelOffer calldata offer)
    external
    nonReentrant
    returns (bytes32 evidence)
  {
    address identity = _spoken(head);
    if (RecordTree.leafHash(entry) != where.leaf) revert NotIncluded(where.index);
    _included(head, where);
    Bill memory bill = EntryReader.bill(entry);
    if (TypedData.modelOffer(offer) != bill.offer) revert WrongOffer(bill.offer);
    if (_right(bill, offer)) revert BillIsRight();
    evidence = keccak256(abi.encode("bill", head.log, where.index, where.leaf));
    _convict(identity, BILL_PERMILLE, evidence, msg.sender);
  }

  // ---- omission -------------------------------------------------------------------------------------------------

  /// @notice Asks a pool to show that an entry which it countersigned is in a root that it commits.
  /// @param receipt the statement in a receipt, and where the entry stands in its tree.
  function challenge(Statement calldata receipt, Inclusion calldata where)
    external
    payable
    nonReentrant
    returns (bytes32 evidence)
  {
    if (msg.value != challengeDeposit) revert WrongDeposit(challengeDeposit);
    address identity = _spoken(receipt);
    _included(receipt, where);
    evidence = omissionOf(receipt.log, where.index, where.leaf);
    Challenge storage c = _challenges[evidence];
    bool again = c.stage == Stage.ANSWERED && block.timestamp > c.deadline + ASK_AGAIN_AFTER;
    if (c.stage != Stage.NONE && !again) revert AlreadyChallenged(evidence);
    uint64 deadline = uint64(block.timestamp + ANSWER_TIME);
    _challenges[evidence] = Challenge(identity, deadline, Stage.OPEN, msg.sender);
    _hold(identity, deadline + ENFORCE_TIME);
    emit Challenged(identity, evidence, receipt.log, where.index, where.leaf, deadline);
  }

  /// @notice Shows the entry in a committed root. Anybody may, and gets the deposit.
  function answer(Statement calldata commitment, Inclusion calldata where) external nonReentrant {
    bytes32 evidence = omissionOf(commitment.log, where.index, where.leaf);
    Challenge storage c = _challenges[evidence];
    if (c.stage != Stage.OPEN) revert ChallengeNotOpen(evidence);
    if (block.timestamp > c.deadline) revert TooLate(c.deadline);
    if (commitment.pool != c.identity) revert NotCommitted(commitment.epoch);
    _committed(commitment);
    _included(commitment, where);
    c.stage = Stage.ANSWERED;
    _balances[msg.sender] += challengeDeposit;
    emit Answered(c.identity, evidence, msg.sender);
  }

  /// @notice Nobody answered in time. The challenger gets the deposit back, and the reporter's part.
  function omission(bytes32 evidence) external nonReentrant {
    Challenge storage c = _challenges[evidence];
    if (c.stage != Stage.OPEN) revert ChallengeNotOpen(evidence);
    if (block.timestamp <= c.deadline) revert TooEarly(c.deadline);
    c.stage = Stage.LOST;
    _balances[c.challenger] += challengeDeposit;
    _convict(c.identity, OMISSION_PERMILLE, evidence, c.challenger);
  }

  // ---- consequences ---------------------------------------------------------------------------------------------

  /// @notice Has a bond slashed by a verdict. Anybody may, for each {Collateral} whose arbiter this is, once each.
  function enforce(bytes32 evidence, Collateral collateral) external nonReentrant {
    Verdict memory v = _verdicts[evidence];
    if (v.identity == address(0)) revert NotConvicted(evidence);
    if (block.timestamp > v.enforceUntil) revert TooLate(v.enforceUntil);
    collateral.slash(v.identity, v.permille, evidence, v.reporter);
  }

  /// @notice Sends an account the deposits that are its own.
  function collect(address payable account) external nonReentrant {
    uint256 amount = _balances[account];
    if (amount == 0) revert NothingOwed();
    _balances[account] = 0;
    (bool sent,) = account.call{value: amount}("");
    if (!sent) revert TransferFailed();
  }

  // ---- to read --------------------------------------------------------------------------------------------------

  /// @inheritdoc IHolds
  function heldUntil(address identity) external view returns (uint256) {
    return _heldUntil[identity];
  }

  function verdictOf(bytes32 evidence) external view returns (Verdict memory) {
    return _verdicts[evidence];
  }

  function challengeOf(bytes32 evidence) external view returns (Challenge memory) {
    return _challenges[evidence];
  }

  function owedTo(address account) external view returns (uint256) {
    return _balances[account];
  }

  /// @notice The name of the case that this leaf is missing.
  function omissionOf(address log, uint64 index, bytes32 leaf) public pure returns (bytes32) {
    return keccak256(abi.encode("omission", log, index, leaf));
  }

  /// @notice Whether a receipt proves what it says: the log's key signed the head (or its pool committed it), and the leaf
  /// is in it. Free to call; reverts with what is wrong. For a key that was retired long ago use {included}.
  function verify(Statement calldata head, Inclusion calldata where) external view returns (address identity) {
    identity = _spoken(head);
    _included(head, where);
  }

  /// @notice Whether a leaf stands in a tree: RFC 6962.
  function included(uint64 size, bytes32 root, Inclusion calldata where) external view returns (bool) {
    return RecordTree.includes(where.leaf, where.index, size, where.path, root);
  }

  // ---- inside ---------------------------------------------------------------------------------------------------

  /// @dev That it was said, by whom.
  function _spoken(Statement calldata s) private view returns (address identity) {
    identity = registry.answersFor(s.log);
    if (identity == address(0)) revert NobodyAnswers(s.log);
    if (s.signature.length == 0) {
      // A pool speaks for its own logs only.
      if (s.pool != identity) revert NobodyAnswers(s.log);
      _committed(s);
    } else {
      bytes32 digest = TypedData.treeHead(s.log, s.root, s.size, s.timeUs);
      (address signer, ECDSA.RecoverError fault,) = ECDSA.tryRecoverCalldata(digest, s.signature);
      if (fault != ECDSA.RecoverError.NoError || signer != s.log) revert BadSignature(s.log);
    }
  }

  function _committed(Statement calldata s) private view {
    bytes32 hash = escrow.hashOf(Escrow.Commitment(s.payoutRoot, s.log, s.size, s.root));
    if (escrow.commitmentAt(s.pool, s.epoch) != hash) revert NotCommitted(s.epoch);
  }

  function _included(Statement calldata s, Inclusion calldata i) private view {
    if (!RecordTree.includes(i.leaf, i.index, s.size, i.path, s.root)) revert NotIncluded(i.index);
  }

  function _convict(address identity, uint256 permille, bytes32 evidence, address reporter) private {
    if (_verdicts[evidence].identity != address(0)) revert AlreadyConvicted(evidence);
    uint64 until = uint64(block.timestamp + ENFORCE_TIME);
    _verdicts[evidence] = Verdict(identity, uint16(permille), until, reporter);
    _hold(identity, until);
    emit Convicted(identity, evidence, permille, reporter);
  }

  function _hold(address identity, uint256 until) private {
    if (until > _heldUntil[identity]) _heldUntil[identity] = until;
  }

  function _right(Bill memory b, ModelOffer calldata o) private pure returns (bool) {
    if (b.cachedTokens > b.promptTokens) return false;
    bool costs = b.attested && (b.outcome == DONE || (b.outcome == CANCELLED && b.completionTokens > 0));
    uint256 most = costs ? _price(b, o) : 0;
    return b.provider == o.provider && b.charge <= most && b.toAuthor == uint256(b.charge) * o.royaltyPermille / 1000
      && b.toPool == uint256(b.charge) * o.poolPermille / 1000;
  }

  /// @dev Five terms, each rounded up, at most 2^63 - 1.
  function _price(Bill memory b, ModelOffer calldata o) private pure returns (uint256 sum) {
    sum = _perMillion(o.perMillionPrompt, b.promptTokens - b.cachedTokens)
      + _perMillion(o.perMillionCached, b.cachedTokens) + _perMillion(o.perMillionCompletion, b.completionTokens)
      + _perMillion(o.perMillionRows, b.rows) + _perMillion(o.perMillionRequests, 1);
    if (sum > uint64(type(int64).max)) sum = uint64(type(int64).max);
  }

  function _perMillion(uint64 price, uint64 count) private pure returns (uint256) {
    return (uint256(price) * count + 999_999) / 1_000_000;
  }
}
