package dev.perseid.node;

import dev.perseid.core.Limits;

/// Every limit of how a provider serves models, in one place.
public final class ServingLimits {
  /// Models of one provider.
  public static final int MODELS = Limits.MODEL_OFFERS_OF_ONE;

  /// Requests to one model that may wait while as many as its backend answers at once are under
  /// way: as many again, but at least the first and at most the second.
  public static final int WAITING_LEAST = 4;

  /// See [#WAITING_LEAST].
  public static final int WAITING_MOST = 256;

  /// When a provider that has too much to do suggests to come again.
  public static final long BUSY_RETRY_MS = 1_000;

  /// Bytes of one part of an answer; what is larger does not fit into a message.
  public static final int PART_BYTES = 15 << 20;

  /// Bytes of one order's answer that wait for the pool to take them; more end the order.
  public static final long ORDER_WAITING_BYTES = 4L << 20;

  /// The same of all orders together.
  public static final long WAITING_BYTES = 64L << 20;

  /// Parts that go in one message,
  public static final int MESSAGE_PARTS = 512;

  /// Parts of answers that come within this time go to the pool together.
  public static final long TOGETHER_NS = 1_000_000;

  /// and their bytes, beyond the first.
  public static final int MESSAGE_BYTES = 256 << 10;

  /// Messages of the pool that are on their way and not yet handled.
  public static final int INCOMING_MESSAGES = 256;

  /// How often health is looked at for changes.
  public static final long TICK_MS = 250;

  /// How often health is told without a change.
  public static final long HEALTH_MS = 2_000;

  /// How long a backend may take to end an order that was cancelled; then it is ended here, and
  /// what the backend still says of it is passed over.
  public static final long CANCEL_MS = 4_000;

  /// First and longest pause before the stream is opened again; each doubles the one before it,
  /// with a random part.
  public static final long REOPEN_MS = 100;

  /// See [#REOPEN_MS].
  public static final long REOPEN_MAX_MS = 15_000;

  /// Wait for the pool's catalog and for its welcome.
  public static final long ANSWER_MS = 10_000;

  /// First and longest pause before a model that could not be prepared is tried again.
  public static final long PREPARE_MS = 2_000;

  /// See [#PREPARE_MS].
  public static final long PREPARE_MAX_MS = 300_000;

  /// Orders that are remembered until they are billed, and after it in case that they are billed
  /// again; the oldest go first.
  public static final int REMEMBERED_ORDERS = 65_536;

  /// Own offers that are remembered, outdated ones included.
  public static final int REMEMBERED_OFFERS = 4_096;

  /// Bills that wait to be checked.
  public static final int WAITING_BILLS = 64;

  /// Records of one bill.
  public static final int BILL_RECORDS = Limits.BATCH_REPORTS;

  /// Tokens that may be missing in a bill, in thousandths of what is claimed,
  public static final int MISSING_PERMILLE = 20;

  /// and so many besides: pool and provider may count the end of a turn in another way.
  public static final long MISSING_TOKENS = 8;

  /// Tokens of a cancelled answer that may be missing besides: they were under way when the
  /// consumer hung up.
  public static final long UNDERWAY_TOKENS = 512;

  /// How long a provider that leaves waits for the bills of what it served.
  public static final long LAST_BILLS_MS = 3_000;

  /// Bytes of a model's manifest.
  public static final int MANIFEST_BYTES = 1 << 20;

  /// Times that a model's file which does not match its hash is fetched again.
  public static final int CORRUPT_FETCHES = 1;

  /// Bytes of a file with the key of a server next door.
  public static final int KEY_FILE_BYTES = 64 << 10;

  /// Threads for the connections to servers next door.
  public static final int HTTP_THREADS = 4;

  /// Answers of a language model that are written at once here, unless somebody says otherwise,
  public static final int GGUF_PARALLEL = 16;

  /// and at most.
  public static final int GGUF_PARALLEL_MOST = 64;

  /// Memory of a language model for what it has read: a quarter of what is lent, at least this,
  public static final long GGUF_MEMORY_BYTES = 64L << 20;

  /// and at most this.
  public static final long GGUF_MEMORY_MOST_BYTES = 16L << 30;

  /// Rows of one request to a portable model,
  public static final int WASM_ROWS = 1 << 20;

  /// and bytes of its numbers.
  public static final int WASM_INPUT_BYTES = 64 << 20;

  /// Bytes of the answer of a portable model.
  public static final int WASM_OUTPUT_BYTES = 64 << 20;

  /// Gas that one request to a portable model may burn: some ten seconds of a slow machine.
  public static final long WASM_GAS = 20_000_000_000L;

  /// Memory of a portable model.
  public static final long WASM_MEMORY_BYTES = 256L << 20;

  /// Time of one request to a portable model.
  public static final long WASM_WALL_MS = 60_000;

  /// Characters of a notice's quotation of somebody else's words.
  static final int QUOTED_CHARS = 300;

  /// How long a server next door may take to say what it is, before it is offered without.
  static final long FIRST_LOOK_MS = 5_000;

  private ServingLimits() {}

  /// How many requests to a model may wait.
  static int waiting(int parallel) {
    return Math.clamp(parallel, WAITING_LEAST, WAITING_MOST);
  }
}
