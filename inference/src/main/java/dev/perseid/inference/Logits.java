package dev.perseid.inference;

/// A model that is held to be the true one, read token by token: what an auditor compares an answer
/// with. Safe for any thread.
public interface Logits {
  /// Takes one row after another.
  interface Row {
    /// @param index which token of the continuation is chosen from this row, from 0
    /// @param logits one for each token of the vocabulary, before temperature; the reader may
    ///   change the array and may not keep it
    void at(int index, float[] logits);
  }

  /// Tokens that there are: their numbers are below it.
  int vocabulary();

  /// Reads the prompt and the given continuation (teacher forcing) and tells, for each token of the
  /// continuation, the logits from which it was chosen. One pass over all tokens: cheap beside
  /// generating them.
  void read(int[] prompt, int[] continuation, Row row);
}
