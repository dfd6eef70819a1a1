package dev.perseid.settle;

/// What was in a sealed request, and what seals the answer to it.
public final class OpenedRequest {
  private final byte[] body;
  private final AnswerSealer answer;

  OpenedRequest(byte[] body, AnswerSealer answer) {
    this.body = body;
    this.answer = answer;
  }

  /// The body, as the consumer's gateway sealed it. The array is the caller's.
  public byte[] body() {
    return body;
  }

  /// Seals the one answer to it.
  public AnswerSealer answer() {
    return answer;
  }
}
