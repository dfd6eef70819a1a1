// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Collateral} from "./Collateral.sol";
import {RecordTree} from "./RecordTree.sol";
import {Registry} from "./Registry.sol";
import {TypedData} from "./TypedData.sol";

/// @dev The first words of what {Registry.identityOf} returns; the rest, which is long, is not decoded.
interface RegistryRoles {
  function identityOf(address identity) external view returns (uint256 offset, address controller, uint256 roles);
}

/// @title Decides whether a provider computed a portable task right, by one step of it.
/// @notice A challenger brings a record that the provider signed. The two bisect over checkpoints (docs/disputes.md) until
/// they agree before one step and differ after it. Three arbiters, drawn from bonded providers, run that step and vote.
/// Who stays silent loses; the loser pays the winner and the arbiters. No pool has a part in it, and nobody owns it.
///
/// Positions: at 0 stands the task itself as the record names it, at 1 the machine before its first step, at p the machine
/// after p - 1 steps, and from where it ended on its end. The provider says where that is; what the end is, the record says.
/// The guard stands where money moves and where others are called; nobody but the registry is called anywhere else.
contract Dispute is ReentrancyGuardTransient {
  /// @notice Into how many parts a move divides what is in dispute.
  uint256 private constant WAYS = 16;

  /// @notice How long a party has for a move. After it, its silence loses.
  uint256 private constant MOVE_TIME = 1 days;

  /// @notice How long arbiters have to commit to a vote, and then to reveal it.
  uint256 private constant VOTE_TIME = 1 days;

  /// @notice From when the lease was given, by the record, how long a dispute can be opened.
  uint256 private constant OPEN_TIME = 14 days;

  /// @notice From asking for a stake back until it can go: longer than {OPEN_TIME}, so that it answers for all work
  /// that was begun before.
  uint256 private constant LEAVE_DELAY = 21 days;

  /// @notice How old a seat must be, and how long one that was lost cannot be taken again: a seat counts for a draw that
  /// became due up to {MOVE_TIME} after it was left, and a draw waits {MOVE_TIME} at most.
  uint256 private constant SEAT_DELAY = 2 days;

  uint256 private constant PANEL = 3;

  /// @notice How often a panel without a majority is replaced. Then nobody wins.
  uint256 private constant MAX_DRAWS = 3;

  /// @notice How many seats a draw looks at.
  uint256 private constant MAX_TRIES = 256;

  /// @notice What of a loser's bond nobody gets, so that it does not pay to lose to oneself.
  uint256 private constant SINK_PERMILLE = 250;

  /// @notice What an arbiter loses who stays silent or differs from the majority, of a bond. Less than two who agree to lose
  /// to each other lose to nobody, so that they cannot fine arbiters for less than it costs them.
  uint256 private constant PENALTY_PERMILLE = 200;

  /// @notice What {enforce} takes of a convicted provider's collateral.
  uint256 private constant COLLATERAL_PERMILLE = 100;

  bytes32 private constant ORDER_TAG = keccak256("perseid order 1");
  bytes32 private constant END_TAG = keccak256("perseid end 1");

  uint8 private constant PROVIDER = 2;
  uint256 private constant RECORD_WORDS = 42;
  uint256 private constant GAS_BIT = 1 << 2;
  uint256 private constant STEP_GAS = 100;
  /// One less than the greatest position: no run of so many steps comes to an end.
  uint256 private constant MOST_STEPS = type(uint48).max - 1;
  /// Of an end: the task said that it was done.
  uint256 private constant DONE = 1;

  enum Stage {
    NONE,
    /// The provider is to say how many steps there were, and to divide.
    CLAIM,
    /// The challenger is to choose a part.
    CHOOSE,
    /// The provider is to divide it.
    DIVIDE,
    /// One step is left; the provider is to show its number, which draws a panel.
    DRAW,
    /// Arbiters commit to votes. After the deadline they reveal.
    COMMIT,
    /// All have committed.
    REVEAL,
    PROVIDER_WON,
    CHALLENGER_WON,
    /// No panel found a majority, or there was none.
    UNDECIDED
  }

  struct Case {
    address challenger;
    uint64 deadline;
    Stage stage;
    uint8 draws;
    address identity;
    /// Where both agree; where they differ.
    uint48 low;
    uint48 high;
    /// In {Stage.CLAIM}: the task's hash, and that of what the record says came out.
    bytes32 lowHash;
    bytes32 highHash;
    /// Hash of the checkpoints that the provider gave last; once a panel is due, the challenger's number.
    bytes32 row;
    bytes32 record;
    /// Who controlled the provider's identity when the dispute was opened.
    address defendant;
    /// Since when the panel is due, and how many seats there were.
    uint64 dueAt;
    uint32 seats;
    /// What hides the provider's number; later, the number from which panels are drawn.
    bytes32 seed;
  }

  struct Stake {
    uint128 amount;
    uint64 leavingAt;
    /// Disputes and panels that hold it.
    uint32 held;
    /// Its seat's number plus 1; 0 if it never had one.
    uint32 seat;
  }

  struct Seat {
    address identity;
    uint40 since;
    /// Zero while it is taken.
    uint40 left;
    /// Who controlled it when it was taken.
    address controller;
  }

  struct Ballot {
    address identity;
    bool committed;
    bool revealed;
    /// The commitment; once revealed, the vote.
    bytes32 vote;
  }

  /// @notice That a record's digest stands in a batch that its provider signed.
  struct Batch {
    bytes32 root;
    uint64 count;
    uint64 position;
    bytes32[] path;
    bytes signature;
  }

  Registry public immutable registry;
  /// @notice Wei that a challenger brings, and that a provider loses.
  uint256 public immutable bond;
  /// @notice Wei that a provider must have staked to be an arbiter.
  uint256 public immutable seatStake;
  /// @notice Wei that each arbiter of the majority gets.
  uint256 public immutable fee;
  address public immutable sink;

  Seat[] private _seats;
  uint32[] private _freeSeats;
  mapping(address identity => Stake) private _stakes;
  mapping(bytes32 id => Case) private _cases;
  mapping(bytes32 id => Ballot[PANEL]) private _ballots;
  mapping(bytes32 record => bool) private _convicted;
  /// Which dispute about a record was opened first, of those that are not decided.
  mapping(bytes32 record => bytes32 id) private _first;
  mapping(address account => uint256) private _balances;

  event Staked(address indexed identity, uint256 amount);
  event SeatTaken(address indexed identity, uint256 seat);
  event SeatLeft(address indexed identity, uint256 seat);
  event Opened(bytes32 indexed id, address indexed identity, address indexed challenger, bytes32 record, bytes32 order);
  event Claimed(bytes32 indexed id, uint48 steps);
  event Divided(bytes32 indexed id, uint48 low, uint48 high, bytes32[] checkpoints);
  event Chosen(bytes32 indexed id, uint48 low, uint48 high, bytes32 lowHash, bytes32 highHash);
  event DrawDue(bytes32 indexed id, bytes32 number);
  event Drawn(bytes32 indexed id, address[3] panel);
  event Committed(bytes32 indexed id, address indexed arbiter);
  event Revealed(bytes32 indexed id, address indexed arbiter, bytes32 vote);
  event Penalised(bytes32 indexed id, address indexed arbiter, uint256 amount);
  event Decided(bytes32 indexed id, address indexed identity, Stage outcome, uint256 paidByLoser);

  error BadTerms();
  error IdentityUnknown(address identity);
  /// @notice Only this address, or a key of this identity, may do that.
  error Forbidden(address only);
  error NotAProvider(address identity);
  error StakeTooSmall(uint256 wanted);
  error StakeHeld(uint32 held);
  error StakeLeaving(uint64 since);
  error AlreadySeated(uint256 seat);
  error NothingStaked();
  error TooEarly(uint256 from);
  error TooLate(uint256 until);
  error WrongBond(uint256 wanted);
  error BadRecord();
  /// @notice Only a task that ended as done, with its gas, can be disputed.
  error NotDisputable();
  error NobodyAnswers(address key);
  error BadSignature(address key);
  error NotInBatch();
  error OwnRecord(address identity);
  error AlreadyOpened(bytes32 id);
  error AlreadyConvicted(bytes32 record);
  error WrongStage(Stage stage);
  error BadSteps(uint256 most);
  error BadDivision(uint256 wanted);
  error NotTheRow();
  error BadWay(uint256 ways);
  error NotTheArbiter(address only);
  error AlreadyVoted();
  error NotTheCommitment();
  error NothingOwed();
  error TransferFailed();

  constructor(Registry registry_, uint256 bond_, uint256 seatStake_, uint256 fee_, address sink_) {
    // What arbiters get must come out of a bond, and a seat must be worth more than what can be earned by lying on it.
    if (bond_ == 0 || fee_ == 0 || bond_ < 4 * PANEL * fee_ || seatStake_ < bond_ || sink_ == address(0)) {
      revert BadTerms();
    }
    if (bond_ > type(uint96).max || seatStake_ > type(uint96).max) revert BadTerms();
    registry = registry_;
    bond = bond_;
    seatStake = seatStake_;
    fee = fee_;
    sink = sink_;
  }

  // ---- stakes and seats -----------------------------------------------------------------------------------------

  /// @notice Stakes wei for a provider, which answers with them for every record that its keys sign.
  function stake(address identity) external payable nonReentrant {
    if (_controllerOf(identity) == address(0)) revert IdentityUnknown(identity);
    if (msg.value == 0 || msg.value > type(uint96).max) revert NothingStaked();
    _stakes[identity].amount += uint128(msg.value);
    emit Staked(identity, msg.value);
  }

  /// @notice Makes a provider with enough stake one of those from whom arbiters are drawn.
  function takeSeat(address identity) external {
    _actsFor(identity);
    (,, uint256 roles) = RegistryRoles(address(registry)).identityOf(identity);
    if (roles & PROVIDER == 0) revert NotAProvider(identity);
    Stake storage s = _stakes[identity];
    if (s.leavingAt != 0) revert StakeLeaving(s.leavingAt);
    if (s.amount < seatStake) revert StakeTooSmall(seatStake);
    uint40 since = uint40(block.timestamp);
    address controller = _controllerOf(identity);
    if (s.seat != 0) {
      Seat storage old = _seats[s.seat - 1];
      if (old.left == 0) revert AlreadySeated(s.seat - 1);
      // Not before every draw that may still find the old one is over.
      if (block.timestamp <= old.left + SEAT_DELAY) revert TooEarly(old.left + SEAT_DELAY);
      old.since = since;
      old.left = 0;
      old.controller = controller;
    } else if (_freeSeats.length != 0) {
      uint32 free = _freeSeats[_freeSeats.length - 1];
      _freeSeats.pop();
      _seats[free] = Seat(identity, since, 0, controller);
      s.seat = free + 1;
    } else {
      _seats.push(Seat(identity, since, 0, controller));
      s.seat = uint32(_seats.length);
    }
    emit SeatTaken(identity, s.seat - 1);
  }

  /// @notice Asks for a stake back, and leaves the seat.
  function askBack(address identity) external {
    Stake storage s = _controlled(identity);
    if (s.amount == 0) revert NothingStaked();
    if (s.leavingAt != 0) revert StakeLeaving(s.leavingAt);
    s.leavingAt = uint64(block.timestamp);
    _vacate(identity, s);
  }

  /// @notice Takes all that is staked, when it was asked for long enough ago and nothing holds it.
  function withdraw(address identity, address to) external nonReentrant {
    Stake storage s = _controlled(identity);
    if (s.leavingAt == 0 || s.amount == 0) revert NothingStaked();
    if (block.timestamp < s.leavingAt + LEAVE_DELAY) revert TooEarly(s.leavingAt + LEAVE_DELAY);
    if (s.held != 0) revert StakeHeld(s.held);
    if (s.seat != 0) {
      _freeSeats.push(s.seat - 1);
      _seats[s.seat - 1].identity = address(0);
    }
    uint256 amount = s.amount;
    delete _stakes[identity];
    _balances[to] += amount;
  }

  /// @notice Calls a withdrawal off. The seat must be taken anew.
  function stay(address identity) external {
    Stake storage s = _controlled(identity);
    if (s.leavingAt == 0) revert NothingStaked();
    s.leavingAt = 0;
  }

  // ---- the parties' moves ---------------------------------------------------------------------------------------

  /// @notice Disputes the result in a record.
  /// @param words the record's `encodeData` of EIP-712 (docs/receipts.md): the type's hash and 41 words.
  /// @param outputs the hashes of its outputs.
  /// @param batch the provider's signature.
  function open(bytes calldata words, bytes32[] calldata outputs, Batch calldata batch)
    external
    payable
    nonReentrant
    returns (bytes32 id)
  {
    if (msg.value != bond) revert WrongBond(bond);
    if (words.length != RECORD_WORDS * 32 || _word(words, 0) != TypedData.RECORD) revert BadRecord();
    if (keccak256(abi.encodePacked(outputs)) != _word(words, 36)) revert BadRecord();
    if (_number(words, 24) != 0 || _number(words, 41) & GAS_BIT == 0) revert NotDisputable();
    uint256 until = _number(words, 21) / 1_000_000 + OPEN_TIME;
    if (block.timestamp > until) revert TooLate(until);
    bytes32 record = TypedData.record(words);
    address identity = _signed(words, record, batch);
    id = idOf(record, msg.sender);
    Case storage c = _cases[id];
    if (c.stage != Stage.NONE) revert AlreadyOpened(id);
    if (_convicted[record]) revert AlreadyConvicted(record);
    if (registry.keyOf(msg.sender).identity == identity || _controllerOf(identity) == msg.sender) {
      revert OwnRecord(identity);
    }
    Stake storage s = _stakes[identity];
    if (s.amount < bond) revert StakeTooSmall(bond);
    ++s.held;
    if (!_live(_cases[_first[record]].stage)) _first[record] = id;
    c.defendant = _controllerOf(identity);
    c.challenger = msg.sender;
    c.deadline = uint64(block.timestamp + MOVE_TIME);
    c.stage = Stage.CLAIM;
    c.identity = identity;
    uint256 steps = _number(words, 26) / STEP_GAS;
    c.high = uint48(steps > MOST_STEPS ? MOST_STEPS : steps);
    // The task: module, arguments, inputs, their sizes, gas limit, memory, and how many outputs it may write.
    c.lowHash = keccak256(abi.encodePacked(ORDER_TAG, words[352:480], words[512:576], outputs.length));
    c.highHash = keccak256(abi.encodePacked(_word(words, 26), _word(words, 36), _word(words, 37)));
    c.record = record;
    emit Opened(id, identity, msg.sender, record, c.lowHash);
  }

  /// @notice The provider says how many steps the task took, and gives the checkpoints between.
  /// @param checkpoints those of the inner bounds of all parts: see {boundOf}.
  /// @param seal keccak256(abi.encode(id, number)) of a number that nobody can guess, for {draw}.
  function claim(bytes32 id, uint48 steps, bytes32[] calldata checkpoints, bytes32 seal) external {
    Case storage c = _turn(id, Stage.CLAIM);
    _actsFor(c.identity);
    if (steps == 0 || steps > c.high) revert BadSteps(c.high);
    c.high = steps + 1;
    c.highHash = keccak256(abi.encode(END_TAG, DONE, uint256(steps), c.highHash));
    c.seed = seal;
    emit Claimed(id, steps);
    _divide(id, c, checkpoints);
  }

  /// @notice The provider gives the checkpoints within the part that is in dispute.
  function divide(bytes32 id, bytes32[] calldata checkpoints) external {
    Case storage c = _turn(id, Stage.DIVIDE);
    _actsFor(c.identity);
    _divide(id, c, checkpoints);
  }

  /// @notice The challenger agrees with the lower bound of a part and not with the upper one.
  /// @param way the part's number, from 0.
  /// @param checkpoints what the provider gave last.
  /// @param number one that nobody can guess. The last choice's is a half of what draws the panel.
  function choose(bytes32 id, uint256 way, bytes32[] calldata checkpoints, bytes32 number) external {
    Case storage c = _turn(id, Stage.CHOOSE);
    if (msg.sender != c.challenger) revert Forbidden(c.challenger);
    if (keccak256(abi.encodePacked(checkpoints)) != c.row) revert NotTheRow();
    uint256 ways = checkpoints.length + 1;
    if (way >= ways) revert BadWay(ways);
    (uint48 low, uint48 high) = (c.low, c.high);
    c.low = boundOf(low, high, ways, way);
    c.high = boundOf(low, high, ways, way + 1);
    if (way != 0) c.lowHash = checkpoints[way - 1];
    if (way != ways - 1) c.highHash = checkpoints[way];
    emit Chosen(id, c.low, c.high, c.lowHash, c.highHash);
    if (c.high - c.low == 1) {
      // Fixes, before anybody can know the panel, which seats it is drawn from.
      c.stage = Stage.DRAW;
      c.deadline = uint64(block.timestamp + MOVE_TIME);
      c.row = number;
      c.dueAt = uint64(block.timestamp);
      c.seats = uint32(_seats.length);
      emit DrawDue(id, number);
    } else {
      c.stage = Stage.DIVIDE;
      c.deadline = uint64(block.timestamp + MOVE_TIME);
    }
  }

  /// @notice Ends a dispute whose next party stayed silent.
  function timeout(bytes32 id) external nonReentrant {
    Case storage c = _cases[id];
    Stage stage = c.stage;
    if (stage == Stage.NONE || stage >= Stage.COMMIT) revert WrongStage(stage);
    if (block.timestamp <= c.deadline) revert TooEarly(c.deadline);
    // Who stops because the provider was convicted meanwhile was not wrong.
    if (_convicted[c.record]) _decide(id, c, Stage.UNDECIDED, 0);
    else if (stage == Stage.CHOOSE) _decide(id, c, Stage.PROVIDER_WON, 0);
    else _decide(id, c, Stage.CHALLENGER_WON, 0);
  }

  /// @notice Ends a dispute about a record whose provider was convicted in another one: the challenger was not wrong. And the
  /// challenger may end one against a provider that has no bond left to lose.
  function drop(bytes32 id) external nonReentrant {
    Case storage c = _cases[id];
    Stage stage = c.stage;
    if (stage == Stage.NONE || stage >= Stage.COMMIT) revert WrongStage(stage);
    if (!_convicted[c.record] && (msg.sender != c.challenger || _stakes[c.identity].amount >= bond)) {
      revert WrongStage(stage);
    }
    _decide(id, c, Stage.UNDECIDED, 0);
  }

  // ---- the panel ------------------------------------------------------------------------------------------------

  /// @notice Draws the panel. The provider had sealed its number before it could know the challenger's, and the challenger
  /// gave its own without knowing the provider's: so neither chooses, nor does who makes blocks. Who knows the number may call.
  /// @param number what the provider sealed in its claim.
  function draw(bytes32 id, bytes32 number) external nonReentrant {
    Case storage c = _turn(id, Stage.DRAW);
    if (_convicted[c.record]) {
      _decide(id, c, Stage.UNDECIDED, 0);
      return;
    }
    if (keccak256(abi.encode(id, number)) != c.seed) revert NotTheCommitment();
    c.seed = keccak256(abi.encode(id, number, c.row));
    _draw(id, c);
  }

  /// @notice An arbiter commits to the checkpoint that follows the one on which the parties agree.
  /// @param commitment see {commitmentOf}: nobody can copy another's.
  function commit(bytes32 id, uint256 place, bytes32 commitment) external {
    Case storage c = _turn(id, Stage.COMMIT);
    Ballot storage b = _ballots[id][place];
    if (!registry.actsFor(msg.sender, b.identity)) revert NotTheArbiter(b.identity);
    if (b.committed) revert AlreadyVoted();
    b.committed = true;
    b.vote = commitment;
    emit Committed(id, b.identity);
    for (uint256 i = 0; i < PANEL; ++i) {
      if (!_ballots[id][i].committed) return;
    }
    c.stage = Stage.REVEAL;
    c.deadline = uint64(block.timestamp + VOTE_TIME);
  }

  /// @notice An arbiter shows its vote. The last one decides the dispute.
  function reveal(bytes32 id, uint256 place, bytes32 vote, bytes32 salt) external nonReentrant {
    Case storage c = _cases[id];
    uint256 until = _revealUntil(c);
    if (block.timestamp > until) revert TooLate(until);
    Ballot storage b = _ballots[id][place];
    if (!registry.actsFor(msg.sender, b.identity)) revert NotTheArbiter(b.identity);
    if (!b.committed || b.revealed) revert AlreadyVoted();
    if (b.vote != commitmentOf(id, b.identity, vote, salt)) revert NotTheCommitment();
    b.revealed = true;
    b.vote = vote;
    emit Revealed(id, b.identity, vote);
    for (uint256 i = 0; i < PANEL; ++i) {
      if (!_ballots[id][i].revealed) return;
    }
    _count(id, c);
  }

  /// @notice Counts the votes when the time is over. Anybody may.
  function count(bytes32 id) external nonReentrant {
    Case storage c = _cases[id];
    uint256 until = _revealUntil(c);
    if (block.timestamp <= until) revert TooEarly(until);
    _count(id, c);
  }

  // ---- money ----------------------------------------------------------------------------------------------------

  /// @notice Sends an account what is its own.
  function collect(address payable account) external nonReentrant {
    uint256 amount = _balances[account];
    if (amount == 0) revert NothingOwed();
    _balances[account] = 0;
    (bool sent,) = account.call{value: amount}("");
    if (!sent) revert TransferFailed();
  }

  /// @notice Has a convicted provider's collateral under this contract slashed, once for each {Collateral}. Anybody may.
  function enforce(bytes32 id, Collateral collateral) external nonReentrant {
    Case storage c = _cases[id];
    if (c.stage != Stage.CHALLENGER_WON) revert WrongStage(c.stage);
    collateral.slash(c.identity, COLLATERAL_PERMILLE, c.record, c.challenger);
  }

  // ---- to read --------------------------------------------------------------------------------------------------

  /// @notice The name of a dispute: each challenger has one for each record.
  function idOf(bytes32 record, address challenger) public pure returns (bytes32) {
    return keccak256(abi.encode(record, challenger));
  }

  /// @notice The bound number `i` of so many parts: 0 is `low`, `ways` is `high`.
  function boundOf(uint48 low, uint48 high, uint256 ways, uint256 i) public pure returns (uint48) {
    return low + uint48(uint256(high - low) * i / ways);
  }

  /// @notice What an arbiter commits to.
  function commitmentOf(bytes32 id, address identity, bytes32 vote, bytes32 salt) public pure returns (bytes32) {
    return keccak256(abi.encode(id, identity, vote, salt));
  }

  function caseOf(bytes32 id) external view returns (Case memory) {
    return _cases[id];
  }

  function panelOf(bytes32 id) external view returns (Ballot[PANEL] memory) {
    return _ballots[id];
  }

  function stakeOf(address identity) external view returns (Stake memory) {
    return _stakes[identity];
  }

  function seatCount() external view returns (uint256) {
    return _seats.length;
  }

  function seatAt(uint256 seat) external view returns (Seat memory) {
    return _seats[seat];
  }

  /// @notice Whether the provider of this record was convicted for it.
  function convicted(bytes32 record) external view returns (bool) {
    return _convicted[record];
  }

  function owedTo(address account) external view returns (uint256) {
    return _balances[account];
  }

  // ---- inside ---------------------------------------------------------------------------------------------------

  function _word(bytes calldata words, uint256 place) private pure returns (bytes32) {
    return bytes32(words[place * 32:place * 32 + 32]);
  }

  function _number(bytes calldata words, uint256 place) private pure returns (uint256) {
    return uint256(_word(words, place));
  }

  /// @dev The identity whose key signed the record.
  function _signed(bytes calldata words, bytes32 record, Batch calldata batch) private view returns (address identity) {
    address provider = address(uint160(_number(words, 9)));
    bytes32 leaf = RecordTree.leafHash(abi.encodePacked(record));
    if (!RecordTree.includes(leaf, batch.position, batch.count, batch.path, batch.root)) revert NotInBatch();
    bytes32 digest = TypedData.recordBatch(address(uint160(_number(words, 1))), batch.root, batch.count);
    (address signer, ECDSA.RecoverError fault,) = ECDSA.tryRecoverCalldata(digest, batch.signature);
    if (fault != ECDSA.RecoverError.NoError || signer != provider) revert BadSignature(provider);
    identity = registry.answersFor(provider);
    if (identity == address(0)) revert NobodyAnswers(provider);
  }

  function _turn(bytes32 id, Stage stage) private view returns (Case storage c) {
    c = _cases[id];
    if (c.stage != stage) revert WrongStage(c.stage);
    if (block.timestamp > c.deadline) revert TooLate(c.deadline);
  }

  function _controllerOf(address identity) private view returns (address) {
    return registry.controllerOf(identity);
  }

  function _actsFor(address identity) private view {
    if (!registry.actsFor(msg.sender, identity) && _controllerOf(identity) != msg.sender) {
      revert Forbidden(identity);
    }
  }

  function _controlled(address identity) private view returns (Stake storage) {
    address controller = _controllerOf(identity);
    if (controller == address(0)) revert IdentityUnknown(identity);
    if (msg.sender != controller) revert Forbidden(controller);
    return _stakes[identity];
  }

  function _divide(bytes32 id, Case storage c, bytes32[] calldata checkpoints) private {
    uint256 ways = c.high - c.low;
    if (ways > WAYS) ways = WAYS;
    if (checkpoints.length != ways - 1) revert BadDivision(ways - 1);
    c.row = keccak256(abi.encodePacked(checkpoints));
    c.stage = Stage.CHOOSE;
    c.deadline = uint64(block.timestamp + MOVE_TIME);
    emit Divided(id, c.low, c.high, checkpoints);
  }

  /// @dev Whether a dispute goes on.
  function _live(Stage stage) private pure returns (bool) {
    return stage != Stage.NONE && stage < Stage.PROVIDER_WON;
  }

  function _draw(bytes32 id, Case storage c) private {
    (address[3] memory panel, uint256 found) = _panel(c);
    if (found < PANEL) {
      _decide(id, c, Stage.UNDECIDED, 0);
      return;
    }
    ++c.draws;
    c.stage = Stage.COMMIT;
    c.deadline = uint64(block.timestamp + VOTE_TIME);
    for (uint256 i = 0; i < PANEL; ++i) {
      _ballots[id][i] = Ballot(panel[i], false, false, 0);
      ++_stakes[panel[i]].held;
    }
    emit Drawn(id, panel);
  }

  /// @dev All that it looks at stood fast before either number was known: also who controls whom.
  function _panel(Case storage c) private view returns (address[3] memory panel, uint256 found) {
    address[3] memory controllers;
    uint256 seats = c.seats;
    for (uint256 i = 0; i < MAX_TRIES && found < PANEL && seats != 0; ++i) {
      Seat storage s = _seats[uint256(keccak256(abi.encode(c.seed, c.draws, i))) % seats];
      address identity = s.identity;
      // Who leaves when the challenger's number is on its way is drawn all the same.
      if (identity == address(0) || s.since + SEAT_DELAY > c.dueAt) continue;
      if (s.left != 0 && s.left + MOVE_TIME < c.dueAt) continue;
      address controller = s.controller;
      if (identity == c.identity || controller == c.defendant) continue;
      if (identity == c.challenger || controller == c.challenger) continue;
      bool twice = false;
      for (uint256 k = 0; k < found; ++k) {
        twice = twice || panel[k] == identity || controllers[k] == controller;
      }
      if (twice) continue;
      controllers[found] = controller;
      panel[found++] = identity;
    }
  }

  function _revealUntil(Case storage c) private view returns (uint256) {
    if (c.stage == Stage.REVEAL) return c.deadline;
    if (c.stage != Stage.COMMIT) revert WrongStage(c.stage);
    if (block.timestamp <= c.deadline) revert TooEarly(c.deadline);
    return c.deadline + VOTE_TIME;
  }

  function _count(bytes32 id, Case storage c) private {
    Ballot[PANEL] storage all = _ballots[id];
    bytes32 majority;
    uint256 votes;
    for (uint256 i = 0; i < PANEL; ++i) {
      uint256 same = 0;
      for (uint256 k = 0; k < PANEL; ++k) {
        if (all[i].revealed && all[k].revealed && all[k].vote == all[i].vote) ++same;
      }
      if (same > votes) (votes, majority) = (same, all[i].vote);
    }
    bool decided = 2 * votes > PANEL;
    for (uint256 i = 0; i < PANEL; ++i) {
      address arbiter = all[i].identity;
      --_stakes[arbiter].held;
      // Without a majority only silence is known to be wrong.
      if (!all[i].revealed || (decided && all[i].vote != majority)) {
        uint256 taken = _take(arbiter, bond * PENALTY_PERMILLE / 1000);
        _balances[sink] += taken;
        emit Penalised(id, arbiter, taken);
      }
    }
    if (!decided) {
      if (c.draws < MAX_DRAWS) _draw(id, c);
      else _decide(id, c, Stage.UNDECIDED, 0);
      return;
    }
    uint256 each = _decide(id, c, majority == c.highHash ? Stage.PROVIDER_WON : Stage.CHALLENGER_WON, votes);
    for (uint256 i = 0; i < PANEL; ++i) {
      if (all[i].revealed && all[i].vote == majority) _balances[_controllerOf(all[i].identity)] += each;
    }
  }

  /// @dev Moves the money. What an arbiter gets is returned, and is already taken off.
  function _decide(bytes32 id, Case storage c, Stage outcome, uint256 arbiters) private returns (uint256 each) {
    c.stage = outcome;
    Stake storage s = _stakes[c.identity];
    --s.held;
    uint256 lost = 0;
    if (outcome == Stage.UNDECIDED) {
      _balances[c.challenger] += bond;
    } else {
      bool guilty = outcome == Stage.CHALLENGER_WON;
      // Its bond for this record the provider may have paid in another dispute: then nobody's part and the arbiters only.
      bool again = _convicted[c.record];
      lost = bond;
      if (guilty) lost = _take(c.identity, again ? fee * arbiters + bond * SINK_PERMILLE / 1000 : bond);
      uint256 paid = lost;
      // Arbiters are paid also where the provider has nothing left: then by who called them.
      if (guilty && lost < fee * arbiters) paid = fee * arbiters;
      if (arbiters != 0) each = fee;
      uint256 rest = paid - each * arbiters;
      uint256 gone = guilty && again ? rest : rest * SINK_PERMILLE / 1000;
      _balances[sink] += gone;
      if (guilty) {
        _balances[c.challenger] += bond - (paid - lost);
        // Who accused first has the prize, so that neither a friend of the provider's nor a copyist can be quicker.
        Case storage first = _cases[_first[c.record]];
        _balances[!again && _live(first.stage) ? first.challenger : c.challenger] += rest - gone;
        _convicted[c.record] = true;
      } else {
        s.amount += uint128(rest - gone);
      }
    }
    emit Decided(id, c.identity, outcome, lost);
  }

  /// @dev Takes so much of a stake, or what there is. A seat that is not covered any more is lost.
  function _take(address identity, uint256 wanted) private returns (uint256 taken) {
    Stake storage s = _stakes[identity];
    taken = wanted > s.amount ? s.amount : wanted;
    s.amount -= uint128(taken);
    if (s.amount < seatStake) _vacate(identity, s);
  }

  function _vacate(address identity, Stake storage s) private {
    if (s.seat == 0) return;
    Seat storage seat = _seats[s.seat - 1];
    if (seat.left != 0) return;
    seat.left = uint40(block.timestamp);
    emit SeatLeft(identity, s.seat - 1);
  }
}
