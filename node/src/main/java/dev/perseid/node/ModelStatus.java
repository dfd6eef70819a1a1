package dev.perseid.node;

/// How a model is doing that a provider serves.
///
/// @param name as it was asked for, or name and version once they are known
/// @param stage how far it is
/// @param running requests that are being answered
/// @param waiting requests that wait
/// @param ended requests that have ended since the start
/// @param problem one sentence if something is wrong, else empty
public record ModelStatus(
    String name, Stage stage, int running, int waiting, long ended, String problem) {
  /// How far a model is.
  public enum Stage {
    /// It is being fetched, verified and loaded, or waits to be.
    PREPARED,
    /// Requests are answered.
    SERVED,
    /// It is loaded, and its backend does not answer.
    BROKEN,
    /// It could not be had; it is tried again later.
    FAILED
  }
}
