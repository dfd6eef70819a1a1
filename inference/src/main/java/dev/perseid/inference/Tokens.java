package dev.perseid.inference;

/// Counts tokens the way one model does: the check of what a provider claims. Safe for any thread.
public interface Tokens {
  /// Tokens of a text that stands alone, special tokens not recognised in it.
  int count(String text);

  /// Tokens of a whole chat request's prompt, with the model's template around the messages.
  ///
  /// @param body the request's JSON object, UTF-8
  int promptTokens(Api api, byte[] body);
}
