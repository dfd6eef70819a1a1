package dev.perseid.sandbox;

/// How a run ended.
public sealed interface Verdict {
  /// The task said that it is done.
  record Done() implements Verdict {}

  /// The task did not finish.
  ///
  /// @param kind why
  /// @param message one sentence for people; from the task's own module in part, so do not trust
  ///   its words
  record Failed(Kind kind, String message) implements Verdict {}

  /// Whose doing a failure is: a task's failure would come again elsewhere and is paid for; a
  /// provider's is not paid and worth another try.
  enum Fault {
    TASK,
    PROVIDER,
    /// Somebody asked for it.
    NOBODY
  }

  /// Why a run failed.
  enum Kind {
    OUT_OF_GAS(Fault.TASK),
    /// The module needs more memory than the limit, or failed after the limit refused it more.
    MEMORY_LIMIT(Fault.TASK),
    RECURSION_LIMIT(Fault.TASK),
    /// A WebAssembly trap, or a host function called with arguments that it forbids.
    TRAP(Fault.TASK),
    OUTPUT_LIMIT(Fault.TASK),
    /// `step` returned something else than 0 or 1.
    EXIT_CODE(Fault.TASK),
    /// The module is outside of profile 1.
    MODULE_REFUSED(Fault.TASK),
    /// This machine needed longer than the wall limit. The gas limit is the one that is the same
    /// everywhere, so a faster machine may succeed.
    TIME_LIMIT(Fault.PROVIDER),
    CANCELLED(Fault.NOBODY),
    /// The child process died or answered nonsense while it ran the task.
    ENGINE_DIED(Fault.PROVIDER),
    /// The task never ran: a file is not what the caller said, a limit is above this sandbox's, the
    /// queue is full, or the sandbox cannot start a child or is closed.
    NOT_STARTED(Fault.PROVIDER),
    /// A native program needed longer than its wall limit. Unlike a module it pays for nothing but
    /// time, so it must not be free to use it up.
    OUT_OF_TIME(Fault.TASK);

    private final Fault fault;

    Kind(Fault fault) {
      this.fault = fault;
    }

    /// Whose doing it is.
    public Fault fault() {
      return fault;
    }
  }
}
