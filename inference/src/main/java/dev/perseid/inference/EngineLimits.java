package dev.perseid.inference;

/// Every limit of the language model engine.
final class EngineLimits {
  /// Metadata entries, and tensors, of one model file.
  static final int MOST_ENTRIES = 65_536;

  static final int MOST_KEY_BYTES = 65_535;
  static final int MOST_STRING_BYTES = 16 << 20;
  static final int MOST_ARRAY_ENTRIES = 4 << 20;
  static final int MOST_VOCABULARY = 1 << 20;
  static final int MOST_LAYERS = 1024;
  static final int MOST_WIDTH = 1 << 17;
  static final int MOST_HEADS = 4096;
  static final int MOST_CONTEXT = 1 << 22;

  /// Models with at most this many weights are kept as floats: that is faster while they fit into
  /// the caches; larger ones stay at one byte a weight.
  static final long MOST_FLOAT_WEIGHTS = 32L << 20;

  /// Rows (tokens of any sequences) in one step of the engine: a long prompt is read in pieces of
  /// this size, so that others get their next token between them.
  static final int MOST_ROWS_A_STEP = 64;

  /// Rows of one sequence's prompt in a step while others are writing.
  static final int MOST_PROMPT_ROWS_A_STEP = 32;

  /// Finished sequences whose keys and values are kept for prompts with the same beginning.
  static final int MOST_REMEMBERED = 64;

  static final int MOST_CHOICES = 16;
  static final int MOST_TOP_LOGPROBS = 20;
  static final int MOST_STOPS = 16;
  static final int MOST_STOP_CHARS = 1024;
  static final int MOST_BIASES = 1024;
  static final int MOST_TOOLS = 128;
  static final int MOST_PROMPTS = 64;
  static final int MOST_BODY_BYTES = 16 << 20;

  /// What a template may write, and how many steps it may take.
  static final int MOST_TEMPLATE_CHARS = 16 << 20;

  static final int MOST_TEMPLATE_STEPS = 4_000_000;
  static final int MOST_TEMPLATE_DEPTH = 200;

  /// Rules of a grammar made from a JSON schema, and its ways to read one text at the same time.
  static final int MOST_GRAMMAR_RULES = 20_000;

  static final int MOST_GRAMMAR_STACKS = 512;
  static final int MOST_SCHEMA_DEPTH = 64;

  /// Blanks after a line's end that a grammar lets a model write between two signs of JSON.
  static final int MOST_JSON_BLANKS = 16;

  static final int MOST_COUNTED = 512;

  /// Polls of an idle worker before it sleeps.
  static final int SPINS = 2_000;

  /// How long the asking thread sleeps between looks at workers that are still busy.
  static final long NAP_NS = 20_000;

  /// What is told to somebody who is refused because too many wait.
  static final long RETRY_AFTER_MS = 1_000;

  /// How long closing waits for the engine's thread.
  static final long CLOSE_WAIT_MS = 10_000;

  private EngineLimits() {}
}
