package dev.perseid.inference;

/// The calls that a model may answer. Whatever protocol a client speaks, a gateway turns its
/// request into one of these, with a body in JSON.
public enum Api {
  /// OpenAI's `chat/completions`.
  CHAT("chat"),
  /// OpenAI's `completions`.
  COMPLETION("completion"),
  /// OpenAI's `embeddings`; `input` is always a list, `encoding_format` always `float`.
  EMBEDDING("embedding"),
  /// The Open Inference Protocol's `infer`, version 2, without binary tensors.
  INFER("infer");

  private final String word;

  Api(String word) {
    this.word = word;
  }

  /// Its name in records and on the wire.
  public String word() {
    return word;
  }

  /// The call with this name.
  ///
  /// @throws IllegalArgumentException if there is none
  public static Api of(String word) {
    for (Api api : values()) {
      if (api.word.equals(word)) {
        return api;
      }
    }
    throw new IllegalArgumentException("'" + word + "' is no call of a model");
  }
}
