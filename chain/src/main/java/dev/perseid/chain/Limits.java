package dev.perseid.chain;

/// Every limit of this module, in one place. Public where others plan with it.
public final class Limits {
  /// Vouchers in one settlement: with [#PAYOUTS] payouts it stays below EIP-7825's limit of gas.
  public static final int VOUCHERS = 1_200;

  /// Payouts pushed by one settlement.
  public static final int PAYOUTS = 200;

  /// Gas of one transaction (EIP-7825).
  public static final long TRANSACTION_GAS = 1L << 24;

  /// Leaves of a tree of payouts.
  public static final int DUES = 1_000_000;

  /// Gas that a contract may burn to check its own signature; the contracts allow as much.
  static final long ERC1271_GAS = 200_000;

  /// Bytes of an answer by JSON-RPC.
  static final int ANSWER_BYTES = 32 * 1024 * 1024;

  /// Bytes of an error's text that are shown.
  static final int SHOWN_CHARS = 300;

  /// Calls in one JSON-RPC batch.
  static final int BATCH = 100;

  /// Blocks of which logs are asked at once.
  static final long LOG_BLOCKS = 2_000;

  /// Answers in a row after which logs of twice as many blocks are asked for again, where fewer had
  /// to be asked for.
  static final int LOGS_WELL = 8;

  /// How often logs are asked in one look at bonds, and of how many blocks who paid.
  static final int BOND_PARTS = 20;

  static final int BOND_BLOCKS = 64;

  /// Gas that a vault may burn to say what its shares are worth.
  static final long WORTH_GAS = 2_000_000;

  /// Identities with a bond that are followed, and accounts that are remembered to have paid for
  /// one of them.
  static final int BONDED = 100_000;

  static final int PAYERS = 64;

  /// Logs that one answer may have.
  static final int LOGS = 100_000;

  /// Milliseconds until a connection stands, and until an answer is whole.
  static final long CONNECT_MS = 5_000;

  static final long ANSWER_MS = 20_000;

  /// How often a question is asked before its node counts as unreachable, and the pause before the
  /// second time, doubled each time.
  static final int TRIES = 3;

  static final long PAUSE_MS = 200;

  /// RPC addresses that must agree.
  static final int RPCS = 7;

  /// Bits of the numbers that a chain may give for heights and times: beyond that something is
  /// wrong.
  static final int HEIGHT_BITS = 62;

  /// How often one transaction is signed again with a higher fee.
  static final int BUMPS = 12;

  /// Percent by which each replacement pays more; nodes ask for 10.
  static final int BUMP_PERCENT = 13;

  /// Milliseconds after which a transaction whose nonce is taken, nobody knows by what, is sent
  /// again with another if that does no harm.
  static final long LOST_MS = 600_000;

  /// Percent of gas beyond an estimate.
  static final int GAS_MARGIN_PERCENT = 20;

  /// What one push, one voucher of a key and one of a contract can cost more in a block than in an
  /// estimate: a payee that empties its balance of the token in between makes its slot cost 17,100
  /// more (EIP-2929, EIP-3529), a purse that is filled 2,900, and a contract may answer later.
  static final long PUSH_ROOM_GAS = 20_000;

  static final long VOUCHER_ROOM_GAS = 3_000;
  static final long CONTRACT_ROOM_GAS = ERC1271_GAS + 20_000;

  /// Transactions of one outbox that are not final.
  static final int OPEN_INTENTS = 64;

  /// Bytes of a transaction's input.
  static final int INPUT_BYTES = 256 * 1024;

  /// Bytes of an outbox's journal before the finished part is dropped at the next opening.
  static final long JOURNAL_BYTES = 64L * 1024 * 1024;

  /// Bytes of a line of an outbox's journal.
  static final int JOURNAL_LINE_BYTES = 4 * INPUT_BYTES + 65_536;

  /// Bytes of a deployment's file.
  static final int DEPLOYMENT_BYTES = 64 * 1024;

  /// Bytes of a settlement's file.
  public static final int SETTLEMENT_BYTES = 256 * 1024 * 1024;

  /// Seconds that npm has to fetch, and a local chain to listen.
  static final long FETCH_S = 180;

  static final long START_S = 30;

  private Limits() {}
}
