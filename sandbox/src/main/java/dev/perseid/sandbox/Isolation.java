package dev.perseid.sandbox;

/// What stands between a task and this machine, as tested when the sandbox was opened.
///
/// @param kind what is in force
/// @param reason one line for people: what was tested, or why there is none and what to do about it
public record Isolation(Kind kind, String reason) {
  /// How tasks are kept apart from the machine (beyond WebAssembly itself, which is always there).
  public enum Kind {
    /// Own user, process, network, IPC and host name spaces; no files but the JDK, system libraries
    /// and its own folder; of the kernel's calls those of a list.
    BUBBLEWRAP,
    /// A plain child process with the rights of this user.
    NONE
  }
}
