package dev.perseid.core;

import java.util.List;

/// What a pool says to a provider on its stream, in core's words.
public sealed interface ToProvider {
  /// You are in.
  ///
  /// @param session number of this connection
  /// @param heartbeatMs say something at least this often
  /// @param silenceMs after this much silence you count as lost
  record Welcome(long session, long heartbeatMs, long silenceMs) implements ToProvider {}

  /// Run these.
  record Leases(List<Lease> leases) implements ToProvider {}

  /// Stop these: report them as CANCELLED if they had begun, else give them back, also those whose
  /// lease comes only after this.
  record Stop(List<Long> leases) implements ToProvider {}

  /// The reports of these leases are durable, or will never be wanted: forget them.
  record Durable(List<Long> leases) implements ToProvider {}

  /// Show what you can do: you have no lease, and get none before you have answered.
  record Show(Probe probe) implements ToProvider {}

  /// The last message: the stream ends after it.
  record Refusal(Rejection rejection) implements ToProvider {}
}
