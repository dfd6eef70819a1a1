package dev.perseid.node;

/// A blob could not be moved between pool and provider. The message says which, why, and after how
/// long it was given up.
public final class TransferFailed extends Exception {
  private final String problem;

  /// What is wrong.
  public TransferFailed(String problem) {
    super(problem, null, false, false);
    this.problem = problem;
  }

  @Override
  public String getMessage() {
    return problem;
  }
}
