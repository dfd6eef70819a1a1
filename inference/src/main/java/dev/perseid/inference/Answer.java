package dev.perseid.inference;

/// Who listens to the answer of one request. A backend calls, one after another and from any
/// thread, [#part] any number of times and then exactly one of [#done] and [#failed]. None of them
/// blocks.
public interface Answer {
  /// A part of the answer: for a stream one complete chunk object of the call in JSON
  /// (`chat.completion.chunk`, `text_completion`) without any framing, else the whole answer's
  /// object, once. The array is the listener's.
  void part(byte[] json);

  /// The answer is complete: it had an end of its own (a `finish_reason` for every choice of a
  /// language model), nothing is missing.
  void done(Claim claim);

  /// The answer will not be completed. What came before counts as delivered.
  ///
  /// @param claim what was used up to here
  void failed(Failure failure, Claim claim);
}
