package dev.perseid.inference;

/// What the backends for servers next door and for ONNX models take at most.
final class BackendLimits {
  /// The depth of a JSON document.
  static final int JSON_DEPTH = 256;

  /// Bytes of one string in a JSON document: a picture in a chat message is one.
  static final int JSON_STRING = 128 << 20;

  /// Bytes of one event of a stream.
  static final int EVENT_BYTES = 4 << 20;

  /// Choices, or vectors, of one answer.
  static final int CHOICES = 2_048;

  /// Bytes that are read of an answer that says what is wrong.
  static final int FAULT_BYTES = 64 << 10;

  /// Characters of another server's message that are told to a consumer.
  static final int FAULT_TEXT = 500;

  /// Bytes of the head of an answer.
  static final int HEAD_BYTES = 32 << 10;

  /// The longest wait that a server may ask for.
  static final long RETRY_AFTER_MS = 3_600_000;

  /// How often timeouts are looked at.
  static final long TICK_MS = 20;

  /// How long an unused connection is kept: shorter than servers do it, so that a request seldom
  /// meets a connection that is just being closed (uvicorn, under vLLM, closes after 5 s).
  static final long KEEP_MS = 4_000;

  /// Unused connections kept on each event loop.
  static final int KEEP_CONNECTIONS = 1_024;

  /// How long a stream whose choices have all finished may still bring its usage and its end.
  static final long AFTER_FINISH_MS = 500;

  /// How long, and for how many bytes, the end of an answer that is complete is waited for, so that
  /// its connection can be used again.
  static final long DRAIN_MS = 1_000;

  static final int DRAIN_BYTES = 64 << 10;

  /// How long a probe of a server's health may take.
  static final long PROBE_MS = 3_000;

  /// Pause between probes while a server is well, and while it is not.
  static final long PROBE_EVERY_MS = 3_000;

  static final long PROBE_AGAIN_MS = 500;

  /// Bytes of a server's metrics.
  static final int METRICS_BYTES = 8 << 20;

  /// A server whose key-value cache is fuller than this, in thousandths, takes no more requests.
  static final int CACHE_FULL_PERMILLE = 950;

  /// Dimensions of a tensor in an ONNX file, and bytes of a name there.
  static final int ONNX_RANK = 16;

  static final int ONNX_NAME_BYTES = 64 << 10;

  /// Stack of the thread that starts ONNX Runtime: address space, of which only what is used
  /// becomes memory.
  static final long ENVIRONMENT_STACK_BYTES = 512L << 20;

  private BackendLimits() {}
}
