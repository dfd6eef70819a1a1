package dev.perseid.node;

/// Every limit of how a pool places, meters and bills requests to models, in one place.
public final class MarketLimits {
  /// Bytes of one request's body.
  public static final int REQUEST_BYTES = 12 << 20;

  /// Longest body whose tokens are counted where the request came in; longer ones wait for a thread
  /// that only counts.
  public static final int COUNTED_AT_ONCE_BYTES = 16 << 10;

  /// Long bodies that wait to be counted.
  public static final int COUNTING = 32;

  /// Bytes of one answer, all parts together.
  public static final long ANSWER_BYTES = 64L << 20;

  /// Requests under way at once, over all providers.
  public static final int ORDERS = 100_000;

  /// Messages and bytes that wait to be sent to one serving provider.
  public static final int STREAM_MESSAGES = 8_192;

  /// See [#STREAM_MESSAGES].
  public static final long STREAM_BYTES = 64L << 20;

  /// Parts of an answer that wait to be sent to one consumer's gateway.
  public static final int ASK_MESSAGES = 16_384;

  /// Bytes of them.
  public static final long ASK_BYTES = 16L << 20;

  /// Requests under way of one consumer over gRPC.
  public static final int ASKS_OF_ONE = 1_024;

  /// How often the catalog is looked at.
  public static final long CATALOG_MS = 250;

  /// Between two catalogs that one follower is told.
  public static final long FOLLOW_MS = 1_000;

  /// Who follows the catalog at once.
  public static final int FOLLOWERS = 10_000;

  /// How long ended requests are collected before their provider signs for them.
  public static final long BILL_MS = 50;

  /// Records of one bill.
  public static final int BILL_RECORDS = 1_024;

  /// Bytes of the records of one bill.
  public static final long BILL_BYTES = 4L << 20;

  /// How long a provider may take to sign a bill. Then it is recorded without it, and not paid.
  public static final long SIGN_MS = 10_000;

  /// Ended requests that wait to be recorded; beyond it no new ones are taken.
  public static final int UNRECORDED = 200_000;

  /// A tab gets this many times what the request at hand may cost, so that not each one needs a
  /// movement of its own;
  public static final int TAB_REQUESTS = 64;

  /// but at least this much, microcredits, where the account has it;
  public static final long TAB_LEAST = 100_000;

  /// and twice what it got the last time if that was half used up within this time,
  public static final long TAB_FILL_MS = 2_000;

  /// but at most so many times what the request at hand may cost.
  public static final int TAB_REQUESTS_MOST = 16_384;

  /// Requests of one consumer that wait for its tab to be filled.
  public static final int TAB_WAITING = 4_096;

  /// After this time without a request a tab is emptied.
  public static final long TAB_IDLE_MS = 60_000;

  /// Ended requests of one offer from which its figures are made.
  public static final int STATS_REQUESTS = 64;

  /// Models whose tokenizers are kept loaded.
  public static final int TOKENIZERS = 256;

  /// Tokens that a provider may bill for each choice beyond what its text has: the end of the turn.
  public static final int EXTRA_TOKENS_A_CHOICE = 1;

  /// Tokens that it may bill for each tool call beyond name and arguments: what stands around them.
  public static final int EXTRA_TOKENS_A_CALL = 24;

  /// How long a provider may take to confirm that it stopped.
  public static final long CANCEL_NS = 5_000_000_000L;

  /// Bytes of a model's manifest.
  public static final int MANIFEST_BYTES = 1 << 20;

  /// Files of a model.
  public static final int MODEL_FILES = 1_024;

  /// Answers that wait to be audited; questions of the pool's own that wait, and that are under
  /// way.
  public static final int WAITING_AUDITS = 64;

  /// How long the audits' thread waits for something to do.
  public static final long AUDIT_TICK_MS = 250;

  /// A question of the pool's own comes at most this long after the request that it follows.
  public static final long AUDIT_DELAY_MS = 30_000;

  /// How long a provider may take to answer such a question.
  public static final long AUDIT_ANSWER_NS = 300_000_000_000L;

  /// The most tokens that such a question asks for.
  public static final int AUDIT_ANSWER_TOKENS = 256;

  /// Requests after which another account asks, at most.
  public static final int AUDIT_ACCOUNT_REQUESTS = 16;

  /// Bytes of another provider's reading of an answer.
  public static final long AUDIT_READING_BYTES = 16L << 20;

  /// Models with rates of audits of their own.
  public static final int AUDITED_MODELS = 10_000;

  /// Tokens of a canary's known continuation.
  public static final int CANARY_TOKENS = 32;

  /// Canaries that are kept for one model.
  public static final int CANARIES = 64;

  /// Models for which canaries are kept.
  public static final int CANARY_MODELS = 64;

  /// Models that are kept loaded to audit with.
  public static final int AUDIT_MODELS = 2;

  /// Ways of reading transcripts that are kept for one model.
  public static final int AUDIT_READERS = 8;

  /// The largest file of weights that the pool loads to audit with.
  public static final long AUDIT_MODEL_BYTES = 2L << 30;

  /// How long a provider may take to answer a request of the Open Inference Protocol over gRPC.
  public static final long INFER_MS = 120_000;

  /// Characters of somebody's word that a message of the pool repeats.
  public static final int SHOWN_CHARS = 200;

  /// Bytes of what a model takes and gives, as the catalog repeats it.
  static final int LISTED_SIGNATURE_BYTES = 1_024;

  /// Parameters of requests that one offer is said to honour, and what a name looks like.
  static final int PARAMETERS = 64;

  static final String PARAMETER = "[A-Za-z0-9_]{1,64}";

  /// How long an authorization should be good, as payers are told, and must be at least, seconds:
  /// it must not run out before its block comes, or its gas is spent for nothing. And at most: it
  /// is looked for until then if the pool's own transaction failed.
  static final int PAYMENT_S = 120;

  static final int PAYMENT_LEAST_S = 30;

  static final int PAYMENT_MOST_S = 600;

  /// Payments of one payer that wait for their block at once, and payments of all whose blocks are
  /// not final: less than the outbox takes, so that there is room for settlements.
  static final int PAYER_SETTLING = 8;

  static final int UNSURE = 48;

  /// How long a payer waits whose payment failed on the chain and cost the pool its gas; doubled
  /// with each that fails before one is there for good, up to the longest. How many such payers are
  /// remembered, until the pool is started again.
  static final long PAYER_PAUSE_MS = 60_000;

  static final long LONGEST_PAYER_PAUSE_MS = 86_400_000;

  static final int PAYERS = 65_536;

  /// How often payments for which nobody waits are looked at, until they are final.
  static final long SURE_LOOK_MS = 2_000;

  /// How often what was paid ahead is put into the pool's own purse, how long such a deposit may
  /// take, seconds, and how often one that failed is tried again under the same name.
  static final long BANK_MS = 10_000;

  static final long BANK_S = 86_400;
  static final int BANK_ATTEMPTS = 1_000;

  /// The longest pause before the chain is asked again whether payments can be taken on it.
  static final long DESK_PAUSE_MS = 30_000;

  /// How long after its end an authorization is still looked for, since a chain has its own clock,
  /// seconds.
  static final int PAYMENT_GRACE_S = 120;

  /// Vouchers that are looked at at once.
  static final int VOUCHERS_AT_ONCE = 1_024;

  /// Payments that are settled on the chain at once.
  static final int SETTLING_AT_ONCE = 32;

  /// How long a request waits for its payment to be in a block.
  static final long SETTLE_MS = 60_000;

  /// How often payments that are under way are looked at, and whether there are any.
  static final long SETTLE_LOOK_MS = 200;

  static final long SETTLE_IDLE_MS = 1_000;

  /// Blocks that are searched at once for a payment that another hand brought.
  static final long LOOKED_BLOCKS = 1_000;

  /// How long a voucher may come after a higher one, and how many of one consumer may.
  static final long OVERTAKING_MS = 10_000;

  static final int OVERTAKING = 1_024;

  /// Consumers whose last vouchers are remembered.
  static final int SIGNERS = 65_536;

  private MarketLimits() {}
}
