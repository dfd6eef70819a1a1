package dev.perseid.inference;

/// How an ONNX model is run.
///
/// @param name the model's name in its answers
/// @param version its version in its answers
/// @param threads requests that are answered at once
/// @param queue requests that may wait; what comes beyond is `BUSY`
/// @param threadsEach threads that one request uses inside of the runtime
/// @param cuda whether a GPU shall be used, if the runtime that is loaded can
/// @param textTokens tokens of one text, at most
public record OnnxSettings(
    String name,
    String version,
    int threads,
    int queue,
    int threadsEach,
    boolean cuda,
    int textTokens) {
  /// @throws IllegalArgumentException if a number makes no sense
  public OnnxSettings {
    if (threads < 1 || threads > 1_024 || threadsEach < 1 || threadsEach > 1_024) {
      throw new IllegalArgumentException("threads and threadsEach must be 1 to 1024");
    }
    if (queue < 1 || queue > 65_536 || textTokens < 1) {
      throw new IllegalArgumentException("queue must be 1 to 65536 and textTokens at least 1");
    }
  }

  /// On the CPU, as many requests at once as there are processors, 256 waiting, 512 tokens a text.
  public static OnnxSettings of(String name, String version) {
    return new OnnxSettings(
        name, version, Runtime.getRuntime().availableProcessors(), 256, 1, false, 512);
  }

  /// The same with another number of tokens of a text.
  public OnnxSettings withTextTokens(int newTextTokens) {
    return new OnnxSettings(name, version, threads, queue, threadsEach, cuda, newTextTokens);
  }

  /// The same with other threads and another queue.
  public OnnxSettings withThreads(int newThreads, int newQueue) {
    return new OnnxSettings(name, version, newThreads, newQueue, threadsEach, cuda, textTokens);
  }

  /// The same, on a GPU or not.
  public OnnxSettings withCuda(boolean newCuda) {
    return new OnnxSettings(name, version, threads, queue, threadsEach, newCuda, textTokens);
  }
}
