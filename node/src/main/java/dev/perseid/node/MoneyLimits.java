package dev.perseid.node;

/// Every limit of how a pool settles and shows its money, in one place.
public final class MoneyLimits {
  /// Between two settlements unless somebody says otherwise: a day, for which the escrow's exits
  /// are made.
  public static final long EPOCH_MS = 24L * 3_600_000;

  /// The shortest.
  public static final long LEAST_EPOCH_MS = 100;

  /// How often the chain is looked at.
  static final long LOOK_MS = 1_000;

  /// The longest pause after a look that failed.
  static final long LONGEST_PAUSE_MS = 60_000;

  /// How often one closing is sent, if it fails in a block and nobody can say why, before the epoch
  /// is opened again.
  static final int SETTLE_TRIES = 3;

  /// The pause after an epoch was opened again, doubled each time it happens in a row, up to the
  /// longest: what made it impossible may be a dozen blocks away from counting.
  static final long REOPENED_MS = 4_000;

  static final long LONGEST_REOPENED_MS = 900_000;

  /// Refuted results for which bonds are being slashed at one time: what else is sent has room too.
  static final int PENALTIES = 16;

  /// A look at bonds begins nothing more after this time: settlements wait for it.
  static final long BOND_LOOK_MS = 3_000;

  /// What is bonded is told anew if it changed by more than this part of it.
  static final long BOND_SHARE = 100;

  /// Providers whose bonds are read in one look, and blocks after which one is read again though
  /// nothing is known to have happened to it.
  static final int STAKES = 200;

  static final long STAKE_BLOCKS = 50;

  /// How often one slashing is sent if it fails, and gas beyond what it seems to need: the
  /// collateral's accounts may have become empty meanwhile.
  static final int SLASH_TRIES = 100;

  static final long SLASH_ROOM_GAS = 200_000;

  /// Looks that fail one after another before who waits for a settlement is told.
  static final int FAILURES_TOLD = 3;

  /// How long the operator's own settlement is waited for.
  static final long SETTLE_MS = 240_000;

  /// Commands of one look.
  static final int NEWS = 10_000;

  /// Movements in one part of a statement.
  static final int STATEMENT_PART = 4_096;

  /// Statements that are being made at once.
  static final int STATEMENTS = 64;

  /// A watched purse is looked at again after a pause, when it changed or this time has passed:
  /// what waits for a voucher may change without it.
  static final long PURSE_PAUSE_MS = 10;

  /// See [#PURSE_PAUSE_MS].
  static final long PURSE_LOOK_MS = 150;

  /// How often a wallet looks for the last receipts when work is over, with which pause, and how
  /// many looks one after another may find none.
  static final long LAST_LOOK_MS = 100;

  static final int LAST_LOOKS = 1_200;

  static final int QUIET_LOOKS = 150;

  /// How long a transaction waits before it is sent again with a higher fee.
  static final long PATIENCE_MS = 60_000;

  /// How deep a block must be to count, unless somebody says otherwise.
  public static final int CONFIRMATIONS = 12;

  /// What a unit of gas may cost at most unless somebody says otherwise, in gwei.
  public static final long MOST_GWEI = 50;

  /// Rounds in which a pool that moves tops purses up before it gives up.
  static final int MOVE_ROUNDS = 8;

  /// Gas of a first deposit into a purse, and of the approval before it.
  static final long DEPOSIT_GAS = 115_000;

  /// How long one transaction of a move may take.
  static final long MOVE_MS = 600_000;

  private MoneyLimits() {}
}
