package dev.perseid.settle;

/// A request that only the provider can read, and what opens the answer to it.
public final class SealedRequest {
  private final byte[] bytes;
  private final AnswerOpener answer;

  SealedRequest(byte[] bytes, AnswerOpener answer) {
    this.bytes = bytes;
    this.answer = answer;
  }

  /// What the pool passes on; not to be changed.
  public byte[] bytes() {
    return bytes;
  }

  /// Opens the one answer to it. Ask a second provider with a request that is sealed anew.
  public AnswerOpener answer() {
    return answer;
  }
}
